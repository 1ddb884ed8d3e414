package org.tinysam2.example

import android.content.Context
import android.graphics.Bitmap
import android.widget.ImageView
import org.tinysam2.Point
import org.tinysam2.Prompt
import org.tinysam2.Tracker
import org.tinysam2.android.LiteRt
import org.tinysam2.android.installBundle
import org.tinysam2.android.toBitmap
import org.tinysam2.android.toFrame

private const val RED = 0x80ff0000.toInt()

/** Shows the mask of the object at a touched point of a video's first frame, then follows it. */
suspend fun showMask(
    context: Context,
    frames: List<Bitmap>,
    touch: Point,
    view: ImageView,
) {
    val bundle = context.assets.installBundle("android", context.filesDir)
    Tracker.open(bundle, LiteRt()).use { tracker ->
        frames.forEachIndexed { i, frame ->
            val prompts = if (i == 0) mapOf(1 to Prompt.Points(touch)) else emptyMap()
            val tracked = tracker.track(frame.toFrame(), prompts)
            view.setImageBitmap(tracked.mask().toBitmap { RED })
        }
    }
}
