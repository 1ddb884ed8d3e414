// What LiteRt.kt calls of LiteRT 2.3 (com.google.ai.edge.litert:litert), by the signatures of its published
// sources, declared by hand since the library cannot be had here. In memory: every output repeats the sum of all inputs,
// and what is open is counted. Never shipped.
@file:Suppress("ktlint:standard:filename")

package com.google.ai.edge.litert

class LiteRtException(
    message: String,
) : Exception(message)

enum class Accelerator { CPU, GPU, NPU }

abstract class JniHandle : AutoCloseable {
    private var closed = false

    init {
        open++
    }

    protected fun assertOpen() {
        if (closed) throw LiteRtException("closed")
    }

    override fun close() {
        assertOpen()
        closed = true
        open--
    }

    companion object {
        var open = 0
    }
}

class Environment : JniHandle()

class TensorBuffer internal constructor() : JniHandle() {
    private var values = FloatArray(0)

    fun writeFloat(data: FloatArray) {
        assertOpen()
        values = data.copyOf()
    }

    fun readFloat(): FloatArray {
        assertOpen()
        return values
    }
}

@Suppress("UNUSED_PARAMETER")
class CompiledModel private constructor() : JniHandle() {
    class Options(
        vararg val accelerators: Accelerator,
    )

    fun createInputBuffer(
        inputName: String,
        signature: String? = null,
    ): TensorBuffer = TensorBuffer()

    fun createOutputBuffer(
        outputName: String,
        signature: String? = null,
    ): TensorBuffer {
        if (outputName == MISSING) throw LiteRtException("no output $outputName")
        return TensorBuffer()
    }

    fun run(
        inputs: Map<String, TensorBuffer>,
        outputs: Map<String, TensorBuffer>,
        signature: String? = null,
    ) {
        assertOpen()
        lastRun = "$signature ${inputs.keys} ${outputs.keys}"
        val sum = inputs.values.sumOf { it.readFloat().sum().toDouble() }
        for (output in outputs.values) output.writeFloat(floatArrayOf(sum.toFloat()))
    }

    companion object {
        const val MISSING = "missing"
        var lastRun = ""

        @JvmStatic
        @JvmOverloads
        fun create(
            filePath: String,
            options: Options = Options(Accelerator.CPU),
            optionalEnv: Environment? = null,
        ): CompiledModel = CompiledModel()
    }
}
