@file:Suppress("ktlint:standard:filename")

package android.media

import android.graphics.Rect
import java.nio.ByteBuffer

class Image(
    val format: Int,
    val planes: Array<Plane>,
    var cropRect: Rect,
) {
    class Plane(
        val buffer: ByteBuffer,
        val rowStride: Int,
        val pixelStride: Int,
    )
}
