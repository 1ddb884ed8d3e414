package org.tinysam2.android

import android.graphics.Bitmap
import android.graphics.ImageFormat
import android.media.Image
import org.tinysam2.Frame
import org.tinysam2.Mask
import org.tinysam2.PromptException
import org.tinysam2.Size
import org.tinysam2.YuvFrame
import org.tinysam2.YuvPlane
import java.nio.ByteBuffer

/** A bitmap's pixels as a frame, at their own size: the tracker resizes. A transparent pixel keeps its colour. */
fun Bitmap.toFrame(): Frame {
    val colours = IntArray(width * height)
    getPixels(colours, 0, width, 0, 0, width, height)
    val rgb = ByteArray(3 * colours.size)
    var at = 0
    for (colour in colours) {
        rgb[at++] = (colour shr 16).toByte()
        rgb[at++] = (colour shr 8).toByte()
        rgb[at++] = colour.toByte()
    }
    return Frame(rgb, Size(width, height))
}

/** A camera's or a decoder's YUV_420_888 image, whose planes it reads in place: track it before it is closed.
 *
 * rotation: degrees clockwise until it stands upright (CameraX: `imageInfo.rotationDegrees`). conversion: a name in the
 * manifest's `frame.video.conversions`; null: what cameras give.
 */
fun Image.toYuvFrame(
    rotation: Int,
    conversion: String? = null,
): YuvFrame {
    if (format != ImageFormat.YUV_420_888) throw PromptException("the image has format $format; give YUV_420_888")
    val (y, u, v) = planes.map { YuvPlane(it.buffer, it.rowStride, it.pixelStride) }
    val crop = cropRect
    return YuvFrame(y, u, v, Size(crop.width(), crop.height()), crop.left, crop.top, rotation, conversion)
}

/** The mask as a picture of its frame's size: each object in its colour (ARGB), all else transparent. */
fun Mask.toBitmap(colour: (id: Int) -> Int): Bitmap {
    val colours = IntArray(MOST_IDS + 1) { if (it == 0) 0 else colour(it) }
    val pixels = IntArray(ids.size) { colours[ids[it].toInt() and MOST_IDS] }
    return Bitmap.createBitmap(pixels, size.width, size.height, Bitmap.Config.ARGB_8888)
}

/** The ids in direct memory, a byte a pixel, row after row without gaps, for OpenGL or native code. */
fun Mask.toByteBuffer(): ByteBuffer {
    val buffer = ByteBuffer.allocateDirect(ids.size)
    buffer.put(ids)
    buffer.rewind()
    return buffer
}

private const val MOST_IDS = 255
