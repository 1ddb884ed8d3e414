package org.tinysam2

import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.runBlocking
import org.junit.Test
import kotlin.test.assertContains
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith

class TrackerTest {
    private val loader = RecordedLoader()
    private val runtime = loader.runtime
    private val tracker = runBlocking { Tracker.open(SmallBundle().folder, loader) }
    private val frame = Frame(ByteArray(3 * 8 * 4), Size(8, 4))
    private val click = Prompt.Points(Point(6f, 1f))

    private fun counts() = runtime.inputs("mask_decoder").map { it.getValue("count")[0] }

    @Test
    fun `a bank starts with its initial value and is fed back`() =
        runBlocking {
            tracker.track(frame, mapOf(1 to click))
            tracker.track(frame)
            tracker.track(frame)
            assertEquals(listOf(-1f, 0f, 1f), counts())
        }

    @Test
    fun `objects share the encoded image and keep their own banks`() =
        runBlocking {
            tracker.track(frame, mapOf(7 to click))
            val tracked = tracker.track(frame, mapOf(3 to Prompt.Mask(ByteArray(32) { 1 })))
            assertEquals(listOf(3, 7), tracked.objects.keys.toList())
            assertEquals(2, runtime.inputs("image_encoder").size)
            assertEquals(listOf(-1f, -1f, 0f), counts())
            assertEquals(setOf(3, 7), tracker.objects)
            assertEquals(8, tracker.bankBytes)
        }

    @Test
    fun `a later prompt corrects an object and keeps its bank`() =
        runBlocking {
            tracker.track(frame, mapOf(1 to click))
            tracker.track(frame, mapOf(1 to Prompt.Points(Point(1f, 1f, positive = false))))
            assertEquals(listOf(-1f, 0f), counts())
            assertEquals(0f, runtime.inputs("mask_decoder")[1].getValue("point_labels")[0])
            assertEquals(listOf(1f, 1f), runtime.inputs("memory_encoder").map { it.getValue("is_prompted")[0] })
        }

    @Test
    fun `a removed object is forgotten`() =
        runBlocking {
            tracker.track(frame, mapOf(1 to click, 2 to click))
            tracker.remove(1)
            assertEquals(setOf(2), tracker.track(frame).objects.keys)
            assertContains(assertFailsWith<PromptException> { tracker.remove(1) }.message!!, "no object 1; there are 2")
            tracker.reset()
            assertContains(assertFailsWith<PromptException> { tracker.track(frame) }.message!!, "nothing to track")
        }

    @Test
    fun `a picture alone is segmented without memory`() =
        runBlocking {
            tracker.segment(frame, mapOf(1 to click))
            assertEquals(emptySet(), tracker.objects)
            assertEquals(0, runtime.inputs("memory_encoder").size)
        }

    @Test
    fun `a mask is of the frame's size, an id inside`() =
        runBlocking {
            val tracked = tracker.track(frame, mapOf(9 to click)).objects.getValue(9)
            assertEquals(Size(8, 4), tracked.mask().size)
            val row = byteArrayOf(0, 0, 0, 0, 9, 9, 9, 9)
            assertContentEquals(row + row + row + row, tracked.mask().ids)
            assertEquals(listOf(0.5f, 3f), listOf(tracked.iou, tracked.objectScore))
        }

    @Test
    fun `where masks overlap the greatest logit counts, and the least id at a tie`() =
        runBlocking {
            tracker.track(frame, mapOf(5 to click))
            val overlapping = tracker.track(frame, mapOf(4 to click))
            assertEquals(setOf<Byte>(0, 5), overlapping.mask().ids.toSet())
            tracker.reset()
            val alike = tracker.track(frame, mapOf(5 to click, 4 to click))
            assertEquals(setOf<Byte>(0, 4), alike.mask().ids.toSet())
        }

    @Test
    fun `a program that fails leaves every object where it was`() =
        runBlocking {
            tracker.track(frame, mapOf(1 to click))
            runtime.failing = "memory_encoder"
            assertFailsWith<RuntimeFailure> { tracker.track(frame, mapOf(2 to click)) }
            runtime.failing = null
            assertEquals(setOf(1), tracker.track(frame).objects.keys)
            assertEquals(0f, counts().last())
        }

    @Test
    fun `frames from several coroutines are tracked one after the other`() =
        runBlocking {
            tracker.track(frame, mapOf(1 to click))
            List(50) { async { tracker.track(frame) } }.awaitAll()
            assertEquals(List(51) { it - 1f }, counts())
        }

    @Test
    fun `prompts that do not fit are refused before a program runs`() {
        val refused =
            listOf(
                0 to click to "object id 0 cannot be kept",
                256 to click to "object id 256 cannot be kept",
                1 to Prompt.Points() to "says nothing",
                1 to Prompt.Points(Point(8f, 0f)) to "outside the frame, which is 8x4",
                1 to Prompt.Points(Point(Float.NaN, 0f)) to "outside the frame",
                1 to Prompt.Points(Box(0.0, 0.0, 9.0, 4.0)) to "reaches outside",
                1 to Prompt.Points(Box(3.0, 0.0, 3.0, 4.0)) to "is empty",
                1 to Prompt.Points(List(3) { Point(1f, 1f) }, Box(0.0, 0.0, 1.0, 1.0)) to
                    "has 5 points; a frame takes at most 4",
                1 to Prompt.Mask(ByteArray(31)) to "has 31 pixels",
                1 to Prompt.Mask(ByteArray(32)) to "the mask is empty",
            )
        for ((prompt, message) in refused) {
            val error = assertFailsWith<PromptException> { runBlocking { tracker.track(frame, mapOf(prompt)) } }
            assertContains(error.message!!, message)
        }
        assertEquals(0, runtime.calls.size)
    }

    @Test
    fun `warming up runs every program and begins no object`() =
        runBlocking {
            tracker.warmUp()
            assertEquals(listOf("image_encoder", "mask_decoder", "memory_encoder"), runtime.calls.map { it.first })
            assertEquals(emptySet(), tracker.objects)
        }

    @Test
    fun `closing frees the runtime once and ends tracking`() {
        tracker.close()
        tracker.close()
        assertEquals(1, runtime.closed)
        assertFailsWith<IllegalStateException> { runBlocking { tracker.track(frame, mapOf(1 to click)) } }
    }
}
