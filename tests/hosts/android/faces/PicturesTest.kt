package org.tinysam2.android

import android.graphics.Bitmap
import android.graphics.ImageFormat
import android.graphics.Rect
import android.media.Image
import org.junit.Test
import org.tinysam2.Mask
import org.tinysam2.PromptException
import org.tinysam2.Size
import java.nio.ByteBuffer
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith

class PicturesTest {
    @Test
    fun `a bitmap's colours become red, green and blue`() {
        val bitmap = Bitmap.createBitmap(intArrayOf(0xff102030.toInt(), 0x00ff8000), 2, 1, Bitmap.Config.ARGB_8888)
        val expected = byteArrayOf(0x10, 0x20, 0x30, 0xff.toByte(), 0x80.toByte(), 0)
        assertContentEquals(expected, bitmap.toFrame().rgb)
        assertEquals(Size(2, 1), bitmap.toFrame().size)
    }

    private fun plane(
        size: Int,
        rowStride: Int,
        pixelStride: Int,
    ) = Image.Plane(ByteBuffer.allocateDirect(size), rowStride, pixelStride)

    private fun image(format: Int) =
        Image(format, arrayOf(plane(64, 16, 1), plane(31, 16, 2), plane(31, 16, 2)), Rect(2, 1, 10, 4))

    @Test
    fun `an image keeps its planes' strides, its crop and its rotation`() {
        val frame = image(ImageFormat.YUV_420_888).toYuvFrame(rotation = 90)
        assertEquals(
            listOf(16, 1, 16, 2),
            listOf(frame.y.rowStride, frame.y.pixelStride, frame.u.rowStride, frame.v.pixelStride),
        )
        assertEquals(listOf(2, 1, 90), listOf(frame.left, frame.top, frame.rotation))
        assertEquals(Size(8, 3), frame.size)
    }

    @Test
    fun `an image of another format is refused`() {
        assertFailsWith<PromptException> { image(256).toYuvFrame(rotation = 0) }
    }

    private val mask = Mask(byteArrayOf(0, 1, 255.toByte(), 0), Size(2, 2))

    @Test
    fun `a mask's bitmap has each object's colour and is transparent elsewhere`() {
        val pixels = IntArray(4)
        val bitmap = mask.toBitmap { id -> id * 1000 }
        bitmap.getPixels(pixels, 0, 2, 0, 0, 2, 2)
        assertContentEquals(intArrayOf(0, 1000, 255_000, 0), pixels)
    }

    @Test
    fun `a mask's buffer is direct and stands at its start`() {
        val buffer = mask.toByteBuffer()
        assertEquals(listOf(true, 0, 4), listOf(buffer.isDirect, buffer.position(), buffer.remaining()))
        assertEquals(1, buffer[1])
    }
}
