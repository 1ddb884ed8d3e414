package org.tinysam2

/** The calls of a frame, checked to fit together before anything is loaded. */
internal class Programs(
    manifest: Manifest,
) {
    /** Runs once a frame, whatever the number of objects. */
    val encoder: ProgramSpec

    /** Run for each object, in this order, up to its mask. */
    val untilMask: List<ProgramSpec>

    /** Run for each object after its mask is known: what it remembers. */
    val afterMask: List<ProgramSpec>

    private val bank = manifest.bank

    init {
        val programs = manifest.programs
        val decoder =
            programs.indexOfFirst { program ->
                ANSWER.all { name -> program.outputs.any { it.name == name } }
            }
        if (decoder < 1) throw BundleException("no program of the manifest gives ${ANSWER.joinToString()}")
        encoder = programs[0]
        untilMask = programs.subList(1, decoder + 1)
        afterMask = programs.subList(decoder + 1, programs.size)
        check(manifest)
    }

    fun emptyBank(): Map<String, FloatArray> =
        bank.associate { tensor -> tensor.spec.name to FloatArray(tensor.spec.elements) { tensor.initial } }

    /** The next frame's bank, from all tensors of this frame. */
    fun fedBack(tensors: Map<String, FloatArray>): Map<String, FloatArray> =
        bank.associate { tensor -> tensor.spec.name to tensors.getValue(tensor.fedBackFrom) }

    /** Every input comes from the frame, the bank or an earlier program, with the shape that it has there. */
    private fun check(manifest: Manifest) {
        val frame = manifest.frame
        val known = HashMap<String, Int>()
        known[Preprocessor.IMAGE] = 3 * frame.imageWidth * frame.imageHeight
        takes(encoder, known)
        known[Preprocessor.POINT_COORDS] = 2 * frame.mostPoints
        known[Preprocessor.POINT_LABELS] = frame.mostPoints
        known[Preprocessor.MASK_PROMPT] = frame.promptWidth * frame.promptHeight
        known[Preprocessor.HAS_MASK] = 1
        known[Preprocessor.IS_PROMPTED] = 1
        for (tensor in bank) known[tensor.spec.name] = tensor.spec.elements
        for (program in untilMask + afterMask) takes(program, known)
        for (tensor in bank) same("the bank's ${tensor.fedBackFrom}", tensor.spec.elements, known[tensor.fedBackFrom])
        same(MASK_LOGITS, frame.maskWidth * frame.maskHeight, known[MASK_LOGITS])
        for (number in listOf(IOU, OBJECT_SCORE)) same(number, 1, known[number])
    }

    private fun takes(
        program: ProgramSpec,
        known: HashMap<String, Int>,
    ) {
        for (input in program.inputs) same("${program.name}'s ${input.name}", input.elements, known[input.name])
        for (output in program.outputs) known[output.name] = output.elements
    }

    private fun same(
        what: String,
        elements: Int,
        given: Int?,
    ) {
        if (given == null) throw BundleException("the manifest asks for $what, which no program, bank or frame gives")
        if (given != elements) throw BundleException("the manifest has $what with $elements values; it is given $given")
    }

    companion object {
        const val MASK_LOGITS = "mask_logits"
        const val IOU = "iou"
        const val OBJECT_SCORE = "object_score"
        private val ANSWER = listOf(MASK_LOGITS, IOU, OBJECT_SCORE)
    }
}
