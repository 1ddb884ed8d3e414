package org.tinysam2

import java.io.File

/** What runs a bundle's programs. It may assume one call at a time; the tracker sees to it. */
interface Runtime : AutoCloseable {
    /** Runs a program on its inputs, in the order of its specification, and returns its outputs likewise.
     *
     * Arrays are row-major and belong to the caller. Throws [RuntimeFailure].
     */
    fun run(
        program: ProgramSpec,
        inputs: List<FloatArray>,
    ): List<FloatArray>
}

/** The artifacts of one target, whose digests were checked. file: by program. */
class Artifacts internal constructor(
    val programs: List<ProgramSpec>,
    val inputsBy: Addressing,
    val outputsBy: Addressing,
    private val files: Map<String, File>,
) {
    fun file(program: ProgramSpec): File = files.getValue(program.name)
}

/** Loads artifacts of one target, such as `tflite` or `executorch`. */
interface RuntimeLoader {
    /** The target's name in the manifest. */
    val target: String

    /** Throws [RuntimeFailure] where an artifact cannot be loaded, having closed what it had opened. */
    fun load(artifacts: Artifacts): Runtime
}
