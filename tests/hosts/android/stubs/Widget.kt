@file:Suppress("ktlint:standard:filename")

package android.widget

import android.graphics.Bitmap

class ImageView {
    fun setImageBitmap(bitmap: Bitmap?) = check(bitmap != null)
}
