@file:Suppress("ktlint:standard:filename")

package android.content.res

import java.io.File
import java.io.InputStream

class AssetManager(
    private val root: File,
) {
    var opened = 0

    fun open(name: String): InputStream {
        opened++
        return File(root, name).inputStream()
    }

    fun list(name: String): Array<String>? = File(root, name).list() ?: emptyArray()
}
