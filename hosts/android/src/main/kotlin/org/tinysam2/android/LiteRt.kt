package org.tinysam2.android

import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.LiteRtException
import com.google.ai.edge.litert.TensorBuffer
import org.tinysam2.Artifacts
import org.tinysam2.ProgramSpec
import org.tinysam2.Runtime
import org.tinysam2.RuntimeFailure
import org.tinysam2.RuntimeLoader
import java.io.File

/** LiteRT's compiled models, from a bundle's `tflite` artifacts.
 *
 * accelerators: int8 artifacts are checked on the CPU, which is the default; others give other numbers.
 */
class LiteRt(
    private vararg val accelerators: Accelerator = arrayOf(Accelerator.CPU),
) : RuntimeLoader {
    override val target = "tflite"

    override fun load(artifacts: Artifacts): Runtime = LiteRtRuntime(artifacts, CompiledModel.Options(*accelerators))
}

private class LiteRtRuntime(
    private val artifacts: Artifacts,
    private val options: CompiledModel.Options,
) : Runtime {
    private class Buffers(
        val model: CompiledModel,
        val inputs: Map<String, TensorBuffer>,
        val outputs: Map<String, TensorBuffer>,
    )

    private val opened = ArrayDeque<AutoCloseable>()
    private val models = HashMap<File, CompiledModel>()
    private val programs = HashMap<String, Buffers>()

    init {
        try {
            for (program in artifacts.programs) programs[program.name] = load(program)
        } catch (error: LiteRtException) {
            close()
            throw RuntimeFailure("LiteRT cannot load the bundle's artifacts: ${error.message}", error)
        }
    }

    private fun load(program: ProgramSpec): Buffers {
        val file = artifacts.file(program)
        val model = models.getOrPut(file) { CompiledModel.create(file.path, options).also(opened::addFirst) }
        val inputs = artifacts.inputsBy.names(program.inputs)
        val outputs = artifacts.outputsBy.names(program.outputs)
        return Buffers(
            model,
            inputs.associateWith { model.createInputBuffer(it, program.name).also(opened::addFirst) },
            outputs.associateWith { model.createOutputBuffer(it, program.name).also(opened::addFirst) },
        )
    }

    override fun run(
        program: ProgramSpec,
        inputs: List<FloatArray>,
    ): List<FloatArray> {
        val buffers = programs.getValue(program.name)
        try {
            buffers.inputs.values
                .zip(inputs)
                .forEach { (buffer, values) -> buffer.writeFloat(values) }
            buffers.model.run(buffers.inputs, buffers.outputs, program.name)
            return buffers.outputs.values.map { it.readFloat() }
        } catch (error: LiteRtException) {
            throw RuntimeFailure("LiteRT failed in ${program.name}: ${error.message}", error)
        }
    }

    /** Buffers before the models that made them. */
    override fun close() {
        opened.forEach { it.close() }
        opened.clear()
    }
}
