// What the Android faces call of Android, declared by hand since its classes cannot be had without an SDK. In memory,
// so that the faces' tests run on the JVM. Never shipped.
@file:Suppress("ktlint:standard:filename")

package android.graphics

class Bitmap(
    private val colours: IntArray,
    val width: Int,
    val height: Int,
    val config: Config,
) {
    enum class Config { ARGB_8888 }

    fun getPixels(
        pixels: IntArray,
        offset: Int,
        stride: Int,
        x: Int,
        y: Int,
        width: Int,
        height: Int,
    ) {
        for (row in 0 until height) {
            colours.copyInto(
                pixels,
                offset + row * stride,
                (y + row) * this.width + x,
                (y + row) * this.width + x + width,
            )
        }
    }

    companion object {
        @JvmStatic
        fun createBitmap(
            colours: IntArray,
            width: Int,
            height: Int,
            config: Config,
        ) = Bitmap(colours, width, height, config)
    }
}

class Rect(
    @JvmField val left: Int,
    @JvmField val top: Int,
    @JvmField val right: Int,
    @JvmField val bottom: Int,
) {
    fun width() = right - left

    fun height() = bottom - top
}

object ImageFormat {
    const val YUV_420_888 = 35
}
