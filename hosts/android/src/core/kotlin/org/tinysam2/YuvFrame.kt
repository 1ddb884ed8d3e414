package org.tinysam2

import java.nio.ByteBuffer

/** One plane of a YUV picture: bytes, of which rows and neighbours lie so many bytes apart. */
class YuvPlane(
    val bytes: ByteBuffer,
    val rowStride: Int,
    val pixelStride: Int,
)

/** A picture in YUV 4:2:0, as cameras and video decoders give it: chroma has half the width and height, rounded up.
 *
 * left, top: of the part of the planes that is the picture, in pixels. rotation: degrees clockwise until the picture
 * stands upright. conversion: a name in the manifest's `frame.video.conversions`; null: what cameras give.
 */
class YuvFrame(
    val y: YuvPlane,
    val u: YuvPlane,
    val v: YuvPlane,
    val size: Size,
    val left: Int = 0,
    val top: Int = 0,
    val rotation: Int = 0,
    val conversion: String? = null,
) {
    /** The picture in RGB, upright. */
    internal fun toFrame(conversion: YuvConversion): Frame {
        check(y, left + size.width, top + size.height)
        for (chroma in listOf(u, v)) check(chroma, (left + size.width + 1) / 2, (top + size.height + 1) / 2)
        val rgb = ByteArray(3 * size.width * size.height)
        var out = 0
        for (row in top until top + size.height) {
            for (column in left until left + size.width) {
                val luma = conversion.luma * (y.at(column, row) - conversion.lumaOffset)
                val blueness = u.at(column shr 1, row shr 1) - conversion.chromaOffset
                val redness = v.at(column shr 1, row shr 1) - conversion.chromaOffset
                rgb[out++] = conversion.rounded(luma + conversion.redV * redness)
                rgb[out++] = conversion.rounded(luma + conversion.greenU * blueness + conversion.greenV * redness)
                rgb[out++] = conversion.rounded(luma + conversion.blueU * blueness)
            }
        }
        return Frame(rgb, size).rotated(rotation)
    }

    private fun YuvPlane.at(
        x: Int,
        y: Int,
    ) = bytes.get(y * rowStride + x * pixelStride).toInt() and 255

    private fun check(
        plane: YuvPlane,
        width: Int,
        height: Int,
    ) {
        val last = (height - 1L) * plane.rowStride + (width - 1L) * plane.pixelStride
        if (size.width < 1 || size.height < 1 || left < 0 || top < 0 || last >= plane.bytes.limit()) {
            throw PromptException(
                "a plane has ${plane.bytes.limit()} bytes; a picture of $size at $left,$top needs ${last + 1}",
            )
        }
    }
}
