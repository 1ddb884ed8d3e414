package org.tinysam2

import org.junit.Test
import java.nio.ByteBuffer
import kotlin.test.assertContains
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith

class PreprocessorTest {
    private val preprocessor = Preprocessor(SmallBundle().contract())

    private fun bytes(vararg values: Int) = ByteArray(values.size) { values[it].toByte() }

    /** A frame of greys. */
    private fun grey(
        width: Int,
        height: Int,
        vararg values: Int,
    ) = Frame(ByteArray(3 * values.size) { values[it / 3].toByte() }, Size(width, height))

    @Test
    fun `a frame of the model's size is taken as it is, by channels`() {
        val rgb = ByteArray(24) { (200 + it).toByte() }
        val planes = preprocessor.image(Frame(rgb, Size(4, 2)))
        assertContentEquals(FloatArray(24) { 200f + 3 * (it % 8) + it / 8 }, planes)
    }

    @Test
    fun `shrinking weighs every pixel by a triangle as wide as the scale`() {
        // 8 -> 4 across: weights 1, 3, 3, 1 of 8, cut off at the borders (7ths); 128 after the middle.
        val frame = grey(8, 2, 0, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0, 255, 255, 255, 255)
        val row = floatArrayOf(0f, 32f, 223f, 255f)
        assertContentEquals(row + row, preprocessor.image(frame).copyOf(8))
    }

    @Test
    fun `a mask prompt is each cell's share that the object covers`() {
        assertContentEquals(
            floatArrayOf(1f, 0.5f, 0f, 0.25f),
            preprocessor.maskPrompt(bytes(1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 0, 9, 0, 0, 0, 0), Size(4, 4)),
        )
    }

    @Test
    fun `points come first, then the box's corners, scaled to the image`() {
        val prompt = Prompt.Points(listOf(Point(10f, 5f), Point(5f, 0f, positive = false)), Box(0.0, 5.0, 20.0, 10.0))
        val tensors = preprocessor.promptTensors(prompt, Size(20, 10))
        assertContentEquals(floatArrayOf(2f, 1f, 1f, 0f, 0f, 1f, 4f, 2f), tensors["point_coords"])
        assertContentEquals(floatArrayOf(1f, 0f, 2f, 3f), tensors["point_labels"])
        assertContentEquals(floatArrayOf(1f, 0f), tensors.getValue("is_prompted") + tensors.getValue("has_mask"))
    }

    @Test
    fun `without a prompt labels are padding`() {
        val tensors = preprocessor.promptTensors(null, Size(20, 10))
        assertContentEquals(FloatArray(4) { -1f }, tensors["point_labels"])
        assertContentEquals(floatArrayOf(0f, 0f), tensors.getValue("is_prompted") + tensors.getValue("has_mask"))
    }

    @Test
    fun `frames turn clockwise`() {
        val frame = grey(3, 2, 1, 2, 3, 4, 5, 6)
        assertContentEquals(grey(2, 3, 4, 1, 5, 2, 6, 3).rgb, frame.rotated(90).rgb)
        assertContentEquals(grey(3, 2, 6, 5, 4, 3, 2, 1).rgb, frame.rotated(180).rgb)
        assertContentEquals(grey(2, 3, 3, 6, 2, 5, 1, 4).rgb, frame.rotated(270).rgb)
        assertContains(assertFailsWith<PromptException> { frame.rotated(45) }.message!!, "45")
    }

    @Test
    fun `a frame whose bytes do not fit its size is refused`() {
        assertFailsWith<PromptException> { Frame(ByteArray(5), Size(2, 1)) }
    }

    /** A plane of 3x3, of which the picture is the lower right 2x2; rows of 8 bytes, pixels every second byte. */
    private val strided =
        ByteBuffer
            .allocate(
                24,
            ).also { for (i in 0 until 9) it.put(8 * (i / 3) + 2 * (i % 3), (20 * i).toByte()) }

    /** Chroma of two by two, its planes in one another, as cameras give it. */
    private val interleaved = ByteBuffer.wrap(bytes(128, 128, 228, 128, 128, 28, 128, 128))

    private fun chroma(from: Int): YuvPlane {
        interleaved.position(from)
        return YuvPlane(interleaved.slice(), 4, 2)
    }

    @Test
    fun `YUV is read by rows, strides and crop, and converted in integers`() {
        val yuv = YuvFrame(YuvPlane(strided, 8, 2), chroma(0), chroma(1), Size(2, 2), left = 1, top = 1)
        val frame = yuv.toFrame(SmallBundle().contract().conversion(null))
        // Y 80, 100 / 140, 160; U 128, 228 / 128, 128; V 128, 128 / 28, 128, each taken at half the position.
        val expected = bytes(80, 80, 80, 100, 66, 255, 0, 211, 140, 160, 160, 160)
        assertContentEquals(expected, frame.rgb)
    }

    @Test
    fun `a plane that ends before the picture does is refused`() {
        val yuv = YuvFrame(YuvPlane(strided, 8, 2), chroma(0), chroma(1), Size(2, 3), left = 1, top = 1)
        val error = assertFailsWith<PromptException> { yuv.toFrame(SmallBundle().contract().conversion(null)) }
        assertContains(error.message!!, "24 bytes")
    }

    @Test
    fun `an unknown conversion is refused`() {
        val error = assertFailsWith<PromptException> { SmallBundle().contract().conversion("bt2020-full") }
        assertEquals("there is no YUV conversion 'bt2020-full'; there are bt601-full", error.message)
    }
}
