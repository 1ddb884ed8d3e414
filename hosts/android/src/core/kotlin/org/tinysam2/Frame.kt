package org.tinysam2

/** An RGB picture: three bytes a pixel (red, green, blue), row after row, without gaps. */
class Frame(
    val rgb: ByteArray,
    val size: Size,
) {
    init {
        val bytes = CHANNELS * size.width.toLong() * size.height
        if (size.width < 1 || size.height < 1 || rgb.size.toLong() != bytes) {
            throw PromptException("the frame has ${rgb.size} bytes; a frame of $size has 3 bytes a pixel, $bytes")
        }
    }

    /** The frame turned clockwise, so that it stands upright; degrees: 0, 90, 180 or 270. */
    fun rotated(degrees: Int): Frame {
        val (width, height) = size
        return when (degrees) {
            0 -> this
            90 -> moved(Size(height, width)) { x, y -> (height - 1 - x) * width + y }
            180 -> moved(size) { x, y -> (height - 1 - y) * width + (width - 1 - x) }
            270 -> moved(Size(height, width)) { x, y -> x * width + (width - 1 - y) }
            else -> throw PromptException("a frame cannot be rotated by $degrees degrees; give 0, 90, 180 or 270")
        }
    }

    private inline fun moved(
        to: Size,
        source: (Int, Int) -> Int,
    ): Frame {
        val moved = ByteArray(rgb.size)
        var out = 0
        for (y in 0 until to.height) {
            for (x in 0 until to.width) {
                val at = CHANNELS * source(x, y)
                for (channel in 0 until CHANNELS) moved[out++] = rgb[at + channel]
            }
        }
        return Frame(moved, to)
    }

    private companion object {
        const val CHANNELS = 3
    }
}
