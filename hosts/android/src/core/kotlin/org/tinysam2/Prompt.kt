package org.tinysam2

/** A click in pixels of the frame; positive: on the object, else on what it is not. */
data class Point(
    val x: Double,
    val y: Double,
    val positive: Boolean = true,
) {
    constructor(x: Float, y: Float, positive: Boolean = true) : this(x.toDouble(), y.toDouble(), positive)
}

/** Left, top, right and bottom of the object in pixels of the frame. */
data class Box(
    val left: Double,
    val top: Double,
    val right: Double,
    val bottom: Double,
)

/** What is said of one object on one frame. */
sealed interface Prompt {
    /** Clicks and at most one box; a box counts as two points. */
    class Points(
        val points: List<Point>,
        val box: Box? = null,
    ) : Prompt {
        constructor(vararg points: Point) : this(points.toList())
        constructor(box: Box) : this(emptyList(), box)
    }

    /** The object's mask, a byte a pixel of the frame, not 0 inside; it is taken as the answer. */
    class Mask(
        val inside: ByteArray,
    ) : Prompt
}

/** Throws [PromptException] where a prompt cannot be said of a frame of that size. */
internal fun Prompt.check(
    size: Size,
    most: Int,
) = when (this) {
    is Prompt.Points -> check(size, most)
    is Prompt.Mask -> check(size)
}

private fun Prompt.Points.check(
    size: Size,
    most: Int,
) {
    val count = points.size + if (box != null) 2 else 0
    if (count == 0) throw PromptException("the prompt says nothing; give a point, a box or a mask")
    if (count > most) {
        throw PromptException("the prompt has $count points; a frame takes at most $most, of which a box counts as two")
    }
    for (point in points) {
        if (!(point.x >= 0 && point.x < size.width && point.y >= 0 && point.y < size.height)) {
            throw PromptException("point ${point.x},${point.y} lies outside the frame, which is $size")
        }
    }
    if (box == null) return
    if (!(box.left >= 0 && box.top >= 0 && box.right <= size.width && box.bottom <= size.height)) {
        throw PromptException("$box reaches outside the frame, which is $size")
    }
    if (!(box.left < box.right && box.top < box.bottom)) {
        throw PromptException("$box is empty; give left < right and top < bottom")
    }
}

private fun Prompt.Mask.check(size: Size) {
    if (inside.size != size.width * size.height) {
        throw PromptException("the mask has ${inside.size} pixels; it must be of the frame's size, $size")
    }
    if (inside.all { it == 0.toByte() }) throw PromptException("the mask is empty; it must mark at least one pixel")
}
