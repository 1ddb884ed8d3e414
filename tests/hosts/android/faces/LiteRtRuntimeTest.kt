package org.tinysam2.android

import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.JniHandle
import org.junit.Before
import org.junit.Test
import org.tinysam2.Addressing
import org.tinysam2.Artifacts
import org.tinysam2.ProgramSpec
import org.tinysam2.RuntimeFailure
import org.tinysam2.TensorSpec
import java.io.File
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith

class LiteRtRuntimeTest {
    private fun tensors(vararg names: String) = names.map { TensorSpec(it, listOf(1)) }

    private fun artifacts(outputsBy: Addressing): Artifacts {
        val outputs = tensors("c", CompiledModel.MISSING)
        val programs = listOf("first", "second").map { ProgramSpec(it, tensors("a", "b"), outputs) }
        return Artifacts(programs, Addressing.NAME, outputsBy, programs.associate { it.name to File("one.tflite") })
    }

    @Before
    fun nothingIsOpen() {
        JniHandle.open = 0
    }

    @Test
    fun `inputs go by name and outputs by their index, and both programs share the file's model`() {
        val artifacts = artifacts(Addressing.OUTPUT_INDEX)
        LiteRt().load(artifacts).use { runtime ->
            assertEquals(1 + 2 * 4, JniHandle.open, "one model and each program's buffers")
            val outputs = runtime.run(artifacts.programs[1], listOf(floatArrayOf(1f), floatArrayOf(2f)))
            assertEquals("second [a, b] [output_0, output_1]", CompiledModel.lastRun)
            assertContentEquals(floatArrayOf(3f, 3f), outputs[0] + outputs[1])
        }
    }

    @Test
    fun `closing closes all that was opened`() {
        LiteRt().load(artifacts(Addressing.OUTPUT_INDEX)).close()
        assertEquals(0, JniHandle.open)
    }

    @Test
    fun `a model that does not fit is closed again`() {
        assertFailsWith<RuntimeFailure> { LiteRt().load(artifacts(Addressing.NAME)) }
        assertEquals(0, JniHandle.open)
    }
}
