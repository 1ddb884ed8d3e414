package org.tinysam2

import kotlin.math.abs
import kotlin.math.max
import kotlin.math.min

/** A filter's weight at a distance, in pixels of the smaller picture; 0 beyond its reach. */
internal enum class Filter(
    val key: String,
    val reach: Double,
    val weight: (Double) -> Double,
) {
    TRIANGLE("triangle", 1.0, { max(0.0, 1.0 - abs(it)) }),
    BOX("box", 0.5, { if (it > -0.5 && it <= 0.5) 1.0 else 0.0 }),
}

/** The weights that take one axis from one size to another: the filter widens where the axis shrinks.
 *
 * All in float64 and in this order of operations, so that every language gets the same weights to the bit.
 */
internal class Axis(
    filter: Filter,
    from: Int,
    to: Int,
) {
    /** The first input of each output. */
    val first = IntArray(to)

    /** The weight of each input, from the first on, of each output. */
    val weights: Array<DoubleArray>

    init {
        val scale = from.toDouble() / to
        val stretch = max(scale, 1.0)
        val support = filter.reach * stretch
        weights =
            Array(to) { output ->
                val center = (output + 0.5) * scale
                first[output] = max(0, (center - support + 0.5).toInt())
                val last = min(from, (center + support + 0.5).toInt())
                val taps =
                    DoubleArray(last - first[output]) {
                        filter.weight((it + first[output] - center + 0.5) * (1.0 / stretch))
                    }
                var sum = 0.0
                for (tap in taps) sum += tap
                for (i in taps.indices) taps[i] /= sum
                taps
            }
    }

    /** The weights as integers of so many fractional bits. */
    fun fixed(bits: Int): Array<IntArray> =
        Array(weights.size) { output ->
            IntArray(weights[output].size) { (weights[output][it] * (1 shl bits) + 0.5).toInt() }
        }
}

/** Resizes RGB bytes: across, rounded to bytes, then down; integers only. */
internal class ByteResampler(
    filter: Filter,
    private val bits: Int,
    private val from: Size,
    private val to: Size,
) {
    private val across = Axis(filter, from.width, to.width)
    private val down = Axis(filter, from.height, to.height)
    private val acrossFixed = across.fixed(bits)
    private val downFixed = down.fixed(bits)

    /** Bytes [from.height, from.width, 3] -> floats [3, to.height, to.width] of whole numbers 0..255. */
    fun planes(rgb: ByteArray): FloatArray {
        val middle = horizontally(rgb)
        val row = CHANNELS * to.width
        val planes = FloatArray(CHANNELS * to.height * to.width)
        val sums = IntArray(row)
        for (y in 0 until to.height) {
            sums.fill(1 shl (bits - 1))
            val taps = downFixed[y]
            for (tap in taps.indices) {
                val start = (down.first[y] + tap) * row
                val weight = taps[tap]
                for (i in 0 until row) sums[i] += (middle[start + i].toInt() and 255) * weight
            }
            for (x in 0 until to.width) {
                for (channel in 0 until CHANNELS) {
                    planes[(channel * to.height + y) * to.width + x] = clamped(sums[CHANNELS * x + channel]).toFloat()
                }
            }
        }
        return planes
    }

    private fun horizontally(rgb: ByteArray): ByteArray {
        val middle = ByteArray(from.height * to.width * CHANNELS)
        var out = 0
        for (y in 0 until from.height) {
            for (x in 0 until to.width) {
                var red = 1 shl (bits - 1)
                var green = red
                var blue = red
                var at = (y * from.width + across.first[x]) * CHANNELS
                for (weight in acrossFixed[x]) {
                    red += (rgb[at].toInt() and 255) * weight
                    green += (rgb[at + 1].toInt() and 255) * weight
                    blue += (rgb[at + 2].toInt() and 255) * weight
                    at += CHANNELS
                }
                middle[out++] = clamped(red).toByte()
                middle[out++] = clamped(green).toByte()
                middle[out++] = clamped(blue).toByte()
            }
        }
        return middle
    }

    private fun clamped(sum: Int) = (sum shr bits).coerceIn(0, 255)

    private companion object {
        const val CHANNELS = 3
    }
}

/** Resizes one plane of floats: across, then down; sums in float64, stored as float32 after each pass. */
internal class FloatResampler(
    filter: Filter,
    private val from: Size,
    private val to: Size,
) {
    private val across = Axis(filter, from.width, to.width)
    private val down = Axis(filter, from.height, to.height)

    /** Floats [from.height, from.width] -> [to.height, to.width]. */
    fun plane(values: FloatArray): FloatArray {
        val middle = FloatArray(from.height * to.width)
        for (y in 0 until from.height) {
            for (x in 0 until to.width) {
                val start = y * from.width + across.first[x]
                val taps = across.weights[x]
                var sum = 0.0
                for (tap in taps.indices) sum += values[start + tap] * taps[tap]
                middle[y * to.width + x] = sum.toFloat()
            }
        }
        val plane = FloatArray(to.height * to.width)
        val sums = DoubleArray(to.width)
        for (y in 0 until to.height) {
            sums.fill(0.0)
            val taps = down.weights[y]
            for (tap in taps.indices) {
                val start = (down.first[y] + tap) * to.width
                for (x in 0 until to.width) sums[x] += middle[start + x] * taps[tap]
            }
            for (x in 0 until to.width) plane[y * to.width + x] = sums[x].toFloat()
        }
        return plane
    }
}

/** Width and height in pixels. */
data class Size(
    val width: Int,
    val height: Int,
) {
    override fun toString(): String = "${width}x$height"
}
