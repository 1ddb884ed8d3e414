package org.tinysam2.jvm

import org.tinysam2.Artifacts
import org.tinysam2.ProgramSpec
import org.tinysam2.Runtime
import org.tinysam2.RuntimeFailure
import org.tinysam2.RuntimeLoader
import java.io.File
import java.lang.foreign.Arena
import java.lang.foreign.MemorySegment
import java.lang.foreign.ValueLayout.JAVA_FLOAT
import java.lang.foreign.ValueLayout.JAVA_LONG

/** ExecuTorch's C++ library by the shim `executorch_shim.h`: it stands in for the phone's runtime. */
class ExecuTorchC(
    private val library: File,
) : RuntimeLoader {
    override val target = "executorch"

    override fun load(artifacts: Artifacts): Runtime = ExecuTorchCRuntime(NativeLibrary(library), artifacts)
}

private class ExecuTorchCRuntime(
    private val library: NativeLibrary,
    private val artifacts: Artifacts,
) : Runtime {
    private val modules = HashMap<File, MemorySegment>()

    init {
        try {
            for (program in artifacts.programs) {
                modules.getOrPut(
                    artifacts.file(program),
                ) { open(artifacts.file(program)) }
            }
        } catch (error: RuntimeFailure) {
            close()
            throw error
        }
    }

    private fun open(file: File): MemorySegment {
        val module = library.pointer("et_open", library.arena.allocateFrom(file.path))
        if (module.address() == 0L) throw failure()
        return module
    }

    override fun run(
        program: ProgramSpec,
        inputs: List<FloatArray>,
    ): List<FloatArray> =
        Arena.ofConfined().use { call ->
            val given = inputs.map { call.allocateFrom(JAVA_FLOAT, *it) }
            val outputs = program.outputs.map { call.allocate(JAVA_FLOAT, it.elements.toLong()) }
            val status =
                library.int(
                    "et_run",
                    modules.getValue(artifacts.file(program)),
                    call.allocateFrom(program.name),
                    given.size.toLong(),
                    call.pointers(given),
                    call.allocateFrom(JAVA_LONG, *LongArray(given.size) { inputs[it].size.toLong() }),
                    outputs.size.toLong(),
                    call.pointers(outputs),
                    call.allocateFrom(JAVA_LONG, *LongArray(outputs.size) { program.outputs[it].elements.toLong() }),
                )
            if (status != 0) throw failure()
            outputs.map { it.toArray(JAVA_FLOAT) }
        }

    private fun failure() = RuntimeFailure(library.pointer("et_error").text())

    override fun close() {
        for (module in modules.values) library.nothing("et_close", module)
        library.close()
    }
}
