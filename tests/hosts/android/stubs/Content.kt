@file:Suppress("ktlint:standard:filename")

package android.content

import android.content.res.AssetManager
import java.io.File

class Context(
    val assets: AssetManager,
    val filesDir: File,
) {
    @Suppress("UNUSED_PARAMETER")
    fun getExternalFilesDir(type: String?): File? = filesDir
}
