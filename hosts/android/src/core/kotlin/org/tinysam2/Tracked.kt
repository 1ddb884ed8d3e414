package org.tinysam2

/** A byte a pixel, row after row: the id of the object that the pixel belongs to; 0: of none. */
class Mask(
    val ids: ByteArray,
    val size: Size,
)

/** One object on one frame. iou: the predicted IoU of its mask, 0..1. objectScore: logit of it being in the frame. */
class TrackedObject internal constructor(
    val id: Int,
    val iou: Float,
    val objectScore: Float,
    private val smallLogits: FloatArray,
    private val frame: Enlargement,
) {
    /** The logits at the frame's size, row after row: object above the threshold, 0. Computed at each call. */
    fun logits(): FloatArray = frame.resampler.plane(smallLogits)

    /** The object's own mask, which may overlap others': its id inside. Computed at each call. */
    fun mask(): Mask {
        val logits = logits()
        return Mask(ByteArray(logits.size) { if (logits[it] > frame.threshold) id.toByte() else 0 }, frame.size)
    }
}

/** How masks become the size of their frame; one for all objects of a frame. */
internal class Enlargement(
    contract: FrameContract,
    val size: Size,
) {
    val threshold = contract.maskThreshold
    val resampler by lazy { FloatResampler(contract.maskFilter, Size(contract.maskWidth, contract.maskHeight), size) }
}

/** All objects on one frame, by their ids. */
class TrackedFrame internal constructor(
    val objects: Map<Int, TrackedObject>,
    val size: Size,
    private val threshold: Float,
) {
    /** Whose each pixel is: that of the object with the greatest logit; at a tie the least id. Computed at each call. */
    fun mask(): Mask {
        val ids = ByteArray(size.width * size.height)
        val best = FloatArray(ids.size) { threshold }
        for ((id, tracked) in objects.toSortedMap()) {
            val logits = tracked.logits()
            for (i in ids.indices) {
                if (logits[i] > best[i]) {
                    ids[i] = id.toByte()
                    best[i] = logits[i]
                }
            }
        }
        return Mask(ids, size)
    }
}
