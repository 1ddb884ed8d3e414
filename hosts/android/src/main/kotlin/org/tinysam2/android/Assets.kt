package org.tinysam2.android

import android.content.res.AssetManager
import java.io.File

/** Copies a bundle from the app's assets into a folder of files, which runtimes can load; returns the bundle's folder.
 *
 * A bundle that is there already, by its manifest, is not copied again; a copy that was interrupted is. Opening the
 * tracker checks the digests. Call it off the main thread.
 */
fun AssetManager.installBundle(
    asset: String,
    into: File,
): File {
    val manifest = open("$asset/$MANIFEST").use { it.readBytes() }
    val folder = File(into, asset)
    val installed = File(folder, MANIFEST)
    if (installed.isFile && installed.readBytes().contentEquals(manifest)) return folder
    folder.deleteRecursively()
    copy(asset, folder, except = MANIFEST)
    // Last, so that it stands for the whole.
    installed.writeBytes(manifest)
    return folder
}

private fun AssetManager.copy(
    asset: String,
    to: File,
    except: String? = null,
) {
    val inside = list(asset).orEmpty()
    if (inside.isEmpty()) {
        open(asset).use { from -> to.outputStream().use { from.copyTo(it) } }
        return
    }
    to.mkdirs()
    for (name in inside) if (name != except) copy("$asset/$name", File(to, name))
}

private const val MANIFEST = "manifest.json"
