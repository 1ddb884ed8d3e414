package org.tinysam2

/** Frames and prompts to the programs' tensors, as the manifest's frame section says, to the bit. */
internal class Preprocessor(
    private val contract: FrameContract,
) {
    private val imageSize = Size(contract.imageWidth, contract.imageHeight)
    private val promptSize = Size(contract.promptWidth, contract.promptHeight)
    private var lastFrames: Pair<Size, ByteResampler>? = null

    /** A frame of any size as the image encoder's input, stretched to its size. */
    fun image(frame: Frame): FloatArray {
        // A video's frames are of one size, so that the weights are worked out once.
        val known = lastFrames?.takeIf { it.first == frame.size }
        val resampler =
            known?.second ?: ByteResampler(contract.imageFilter, contract.coefficientBits, frame.size, imageSize)
        lastFrames = frame.size to resampler
        return resampler.planes(frame.rgb)
    }

    /** A mask of the frame's size as shares of cells, 0..1. */
    fun maskPrompt(
        inside: ByteArray,
        size: Size,
    ): FloatArray {
        val shares = FloatArray(inside.size) { if (inside[it] != 0.toByte()) 1f else 0f }
        return FloatResampler(contract.promptFilter, size, promptSize).plane(shares)
    }

    /** The tensors that a prompt fills; null: the frame has none. */
    fun promptTensors(
        prompt: Prompt?,
        size: Size,
    ): Map<String, FloatArray> {
        val coords = FloatArray(2 * contract.mostPoints)
        val labels = FloatArray(contract.mostPoints) { contract.paddingLabel }
        if (prompt is Prompt.Points) {
            labelled(prompt).forEachIndexed { i, (x, y, label) ->
                coords[2 * i] = (x * contract.imageWidth / size.width).toFloat()
                coords[2 * i + 1] = (y * contract.imageHeight / size.height).toFloat()
                labels[i] = label
            }
        }
        val mask =
            if (prompt is Prompt.Mask) {
                maskPrompt(prompt.inside, size)
            } else {
                FloatArray(promptSize.width * promptSize.height)
            }
        return mapOf(
            POINT_COORDS to coords,
            POINT_LABELS to labels,
            MASK_PROMPT to mask,
            HAS_MASK to flag(prompt is Prompt.Mask),
            IS_PROMPTED to flag(prompt != null),
        )
    }

    private fun labelled(prompt: Prompt.Points): List<Triple<Double, Double, Float>> {
        val points =
            prompt.points.map {
                Triple(it.x, it.y, if (it.positive) contract.positiveLabel else contract.negativeLabel)
            }
        val box = prompt.box ?: return points
        val (topLeft, bottomRight) = contract.boxLabels
        return points + listOf(Triple(box.left, box.top, topLeft), Triple(box.right, box.bottom, bottomRight))
    }

    private fun flag(on: Boolean) = floatArrayOf(if (on) 1f else 0f)

    companion object {
        const val IMAGE = "image"
        const val POINT_COORDS = "point_coords"
        const val POINT_LABELS = "point_labels"
        const val MASK_PROMPT = "mask_prompt"
        const val HAS_MASK = "has_mask"
        const val IS_PROMPTED = "is_prompted"

        /** What the app gives on a frame, beside the image. */
        val PROMPT_TENSORS = setOf(POINT_COORDS, POINT_LABELS, MASK_PROMPT, HAS_MASK, IS_PROMPTED)
    }
}
