package org.tinysam2.android

import org.pytorch.executorch.EValue
import org.pytorch.executorch.Module
import org.pytorch.executorch.Tensor
import org.tinysam2.Addressing
import org.tinysam2.Artifacts
import org.tinysam2.ProgramSpec
import org.tinysam2.Runtime
import org.tinysam2.RuntimeFailure
import org.tinysam2.RuntimeLoader
import java.io.File
import java.nio.FloatBuffer

/** ExecuTorch's modules, from a bundle's `executorch` artifacts. threads: of XNNPACK's pool; 0: ExecuTorch's own choice. */
class ExecuTorch(
    private val threads: Int = 0,
) : RuntimeLoader {
    override val target = "executorch"

    override fun load(artifacts: Artifacts): Runtime {
        if (artifacts.inputsBy != Addressing.POSITION || artifacts.outputsBy != Addressing.POSITION) {
            throw RuntimeFailure("ExecuTorch takes tensors by position; the bundle's manifest says otherwise")
        }
        return ExecuTorchRuntime(artifacts, threads)
    }
}

private class ExecuTorchRuntime(
    private val artifacts: Artifacts,
    private val threads: Int,
) : Runtime {
    private val modules = HashMap<File, Module>()

    // Direct memory of the inputs, which the module reads in place; one for each input, used again at each call.
    private val inputs = HashMap<String, List<Pair<FloatBuffer, EValue>>>()

    init {
        try {
            for (program in artifacts.programs) load(program)
        } catch (error: RuntimeException) {
            close()
            throw RuntimeFailure("ExecuTorch cannot load the bundle's artifacts: ${error.message}", error)
        }
    }

    private fun load(program: ProgramSpec) {
        val file = artifacts.file(program)
        val module = modules.getOrPut(file) { Module.load(file.path, Module.LOAD_MODE_MMAP, threads) }
        module.loadMethod(program.name)
        inputs[program.name] =
            program.inputs.map { input ->
                val buffer = Tensor.allocateFloatBuffer(input.elements)
                val shape = LongArray(input.shape.size) { input.shape[it].toLong() }
                buffer to EValue.from(Tensor.fromBlob(buffer, shape))
            }
    }

    override fun run(
        program: ProgramSpec,
        inputs: List<FloatArray>,
    ): List<FloatArray> {
        val given = this.inputs.getValue(program.name)
        given.zip(inputs).forEach { (input, values) ->
            input.first.rewind()
            input.first.put(values)
        }
        try {
            val module = modules.getValue(artifacts.file(program))
            val outputs = module.execute(program.name, *given.map { it.second }.toTypedArray())
            return outputs.map { it.toTensor().dataAsFloatArray }
        } catch (error: RuntimeException) {
            throw RuntimeFailure("ExecuTorch failed in ${program.name}: ${error.message}", error)
        }
    }

    override fun close() {
        modules.values.forEach { it.destroy() }
        modules.clear()
    }
}
