package org.tinysam2.jvm

import org.tinysam2.Artifacts
import org.tinysam2.ProgramSpec
import org.tinysam2.Runtime
import org.tinysam2.RuntimeFailure
import org.tinysam2.RuntimeLoader
import java.io.File
import java.lang.foreign.Arena
import java.lang.foreign.MemorySegment
import java.lang.foreign.ValueLayout.ADDRESS
import java.lang.foreign.ValueLayout.JAVA_FLOAT
import java.lang.foreign.ValueLayout.JAVA_INT
import java.lang.foreign.ValueLayout.JAVA_LONG

/** LiteRT's C library, `libLiteRt.so` of the ai-edge-litert wheel: it stands in for the phone's runtime. */
class LiteRtC(
    private val library: File,
) : RuntimeLoader {
    override val target = "tflite"

    override fun load(artifacts: Artifacts): Runtime = LiteRtCRuntime(NativeLibrary(library), artifacts)
}

private class LiteRtCRuntime(
    private val library: NativeLibrary,
    private val artifacts: Artifacts,
) : Runtime {
    /** A tensor's buffer in LiteRT's memory. */
    private class Buffer(
        val handle: MemorySegment,
        val elements: Int,
    )

    /** A compiled file and its signatures' indices. */
    private class Model(
        val handle: MemorySegment,
        val compiled: MemorySegment,
        val signatures: Map<String, Long>,
    )

    /** A signature's buffers by name, in the order in which LiteRT takes them. */
    private class Program(
        val model: Model,
        val signature: Long,
        val inputs: Map<String, Buffer>,
        val outputs: Map<String, Buffer>,
    )

    // What closes each thing that was made, the last made first.
    private val destroyers = ArrayDeque<Pair<String, MemorySegment>>()
    private val environment: MemorySegment
    private val programs: Map<String, Program>

    init {
        try {
            environment =
                made("LiteRtDestroyEnvironment") { call("LiteRtCreateEnvironment", 0, MemorySegment.NULL, it) }
            val models =
                artifacts.programs
                    .map(artifacts::file)
                    .distinct()
                    .associateWith(::model)
            programs = artifacts.programs.associate { it.name to program(it.name, models.getValue(artifacts.file(it))) }
        } catch (error: RuntimeFailure) {
            close()
            throw error
        }
    }

    private fun model(file: File): Model {
        val path = library.arena.allocateFrom(file.path)
        val model = made("LiteRtDestroyModel") { call("LiteRtCreateModelFromFile", environment, path, it) }
        val options = made("LiteRtDestroyOptions") { call("LiteRtCreateOptions", it) }
        call("LiteRtSetOptionsHardwareAccelerators", options, CPU)
        val compiled =
            made("LiteRtDestroyCompiledModel") { call("LiteRtCreateCompiledModel", environment, model, options, it) }
        val signatures =
            (0 until long { call("LiteRtGetNumModelSignatures", model, it) }).associateBy { index ->
                pointer { call("LiteRtGetSignatureKey", signature(model, index), it) }.text()
            }
        return Model(model, compiled, signatures)
    }

    private fun program(
        name: String,
        model: Model,
    ): Program {
        val index = model.signatures[name] ?: throw RuntimeFailure("the .tflite has no signature $name; convert again")
        val signature = signature(model.handle, index)
        return Program(model, index, buffers("Input", signature), buffers("Output", signature))
    }

    private fun signature(
        model: MemorySegment,
        index: Long,
    ) = pointer { call("LiteRtGetModelSignature", model, index, it) }

    private fun buffers(
        side: String,
        signature: MemorySegment,
    ): Map<String, Buffer> =
        (0 until long { call("LiteRtGetNumSignature${side}s", signature, it) }).associate { index ->
            val name = pointer { call("LiteRtGetSignature${side}Name", signature, index, it) }.text()
            name to buffer(name, pointer { call("LiteRtGetSignature${side}TensorByIndex", signature, index, it) })
        }

    private fun buffer(
        name: String,
        tensor: MemorySegment,
    ): Buffer {
        val type = library.arena.allocate(TENSOR_TYPE_BYTES, JAVA_INT.byteAlignment())
        call("LiteRtGetRankedTensorType", tensor, type)
        if (type.getAtIndex(JAVA_INT, 0) != FLOAT32) throw RuntimeFailure("$name is not float32; convert again")
        val rank = type.getAtIndex(JAVA_INT, 1) and RANK_BITS
        val elements = (0 until rank).fold(1) { product, d -> product * type.getAtIndex(JAVA_INT, 2L + d) }
        val bytes = Float.SIZE_BYTES * elements.toLong()
        val handle =
            made("LiteRtDestroyTensorBuffer") {
                call("LiteRtCreateManagedTensorBuffer", environment, HOST_MEMORY, type, bytes, it)
            }
        return Buffer(handle, elements)
    }

    override fun run(
        program: ProgramSpec,
        inputs: List<FloatArray>,
    ): List<FloatArray> {
        val loaded = programs.getValue(program.name)
        artifacts.inputsBy.names(program.inputs).zip(inputs).forEach { (name, values) ->
            val buffer = named(program, name, loaded.inputs)
            if (values.size != buffer.elements) {
                throw RuntimeFailure("${program.name}'s $name takes ${buffer.elements} values, not ${values.size}")
            }
            locked(buffer, WRITE) { MemorySegment.copy(values, 0, it, JAVA_FLOAT, 0, values.size) }
        }
        Arena.ofConfined().use { frame ->
            call(
                "LiteRtRunCompiledModel",
                loaded.model.compiled,
                loaded.signature,
                loaded.inputs.size.toLong(),
                frame.pointers(loaded.inputs.values.map { it.handle }),
                loaded.outputs.size.toLong(),
                frame.pointers(loaded.outputs.values.map { it.handle }),
            )
        }
        return artifacts.outputsBy.names(program.outputs).map { name ->
            locked(named(program, name, loaded.outputs), READ) { it.toArray(JAVA_FLOAT) }
        }
    }

    private fun named(
        program: ProgramSpec,
        name: String,
        buffers: Map<String, Buffer>,
    ) = buffers[name]
        ?: throw RuntimeFailure("${program.name} has no tensor $name; it has ${buffers.keys.joinToString()}")

    private fun <T> locked(
        buffer: Buffer,
        mode: Int,
        use: (MemorySegment) -> T,
    ): T {
        val memory = pointer { call("LiteRtLockTensorBuffer", buffer.handle, it, mode) }
        try {
            return use(memory.reinterpret(Float.SIZE_BYTES * buffer.elements.toLong()))
        } finally {
            call("LiteRtUnlockTensorBuffer", buffer.handle)
        }
    }

    private fun call(
        name: String,
        vararg arguments: Any,
    ) {
        val status = library.int(name, *arguments)
        if (status != 0) throw RuntimeFailure("$name failed with status $status")
    }

    private fun made(
        destroyer: String,
        make: (MemorySegment) -> Unit,
    ): MemorySegment = pointer(make).also { destroyers.addFirst(destroyer to it) }

    private fun pointer(fill: (MemorySegment) -> Unit): MemorySegment =
        Arena.ofConfined().use { it.allocate(ADDRESS).also(fill).get(ADDRESS, 0) }

    private fun long(fill: (MemorySegment) -> Unit): Long =
        Arena.ofConfined().use { it.allocate(JAVA_LONG).also(fill).get(JAVA_LONG, 0) }

    override fun close() {
        for ((destroyer, handle) in destroyers) library.nothing(destroyer, handle)
        library.close()
    }

    // Of LiteRT's C interface: litert_common.h, litert_model_types.h, litert_layout.h, litert_tensor_buffer_types.h.
    private companion object {
        const val CPU = 1
        const val HOST_MEMORY = 1
        const val READ = 0
        const val WRITE = 1
        const val FLOAT32 = 1

        // Element type, rank and flags, eight dimensions, eight strides: four bytes each.
        const val TENSOR_TYPE_BYTES = 72L
        const val RANK_BITS = 127
    }
}
