package org.tinysam2.replay

import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.math.ceil
import kotlin.math.log10

/** Signal to quantization-noise ratio in dB, from -200 to 200; null where the two are equal. */
internal fun sqnrDb(
    reference: FloatArray,
    actual: FloatArray,
): Double? {
    var signal = 0.0
    var noise = 0.0
    for (i in reference.indices) {
        signal += reference[i].toDouble() * reference[i]
        noise += (reference[i].toDouble() - actual[i]).let { it * it }
    }
    return when {
        noise == 0.0 -> null
        signal == 0.0 || noise.isNaN() || noise.isInfinite() -> -MAX_SQNR_DB
        else -> (10 * log10(signal / noise)).coerceIn(-MAX_SQNR_DB, MAX_SQNR_DB)
    }
}

/** Intersection over union of an object's pixels in two index masks; two empty masks agree. */
internal fun maskIou(
    reference: ByteArray,
    actual: ByteArray,
    id: Int,
): Double {
    var both = 0
    var either = 0
    for (i in reference.indices) {
        val inReference = reference[i] == id.toByte()
        val inActual = actual[i] == id.toByte()
        if (inReference && inActual) both++
        if (inReference || inActual) either++
    }
    return if (either == 0) 1.0 else both.toDouble() / either
}

/** The value below or at which that share of the values lies. */
internal fun quantile(
    values: List<Double>,
    share: Double,
): Double = values.sorted()[(ceil(share * values.size).toInt() - 1).coerceIn(values.indices)]

/** Floats as they lie in the golden file. */
internal fun littleEndian(values: FloatArray): ByteArray {
    val buffer = ByteBuffer.allocate(4 * values.size).order(ByteOrder.LITTLE_ENDIAN)
    buffer.asFloatBuffer().put(values)
    return buffer.array()
}

/** The most memory that the process has held at once, in bytes; null where the system does not tell. */
internal fun peakMemoryBytes(): Long? {
    val status = File("/proc/self/status")
    if (!status.canRead()) return null
    val line = status.readLines().firstOrNull { it.startsWith("VmHWM:") } ?: return null
    return 1024 * line.filter(Char::isDigit).toLong()
}

private const val MAX_SQNR_DB = 200.0
