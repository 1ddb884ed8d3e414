package org.tinysam2

import java.io.File
import java.io.IOException
import java.security.MessageDigest

/** A bundle's folder as `tinysam2 ship` writes it. Every file is compared with the manifest before it is given out. */
internal class Bundle(
    private val folder: File,
) {
    private val manifestFile = File(folder, MANIFEST)

    val manifestSha256 = sha256(manifestFile)
    val manifest: Manifest

    init {
        val line =
            try {
                File(folder, DIGEST).readText()
            } catch (error: IOException) {
                throw BundleException("${File(folder, DIGEST)} cannot be read; copy the whole bundle", error)
            }
        if (line.substringBefore(' ') != manifestSha256) {
            throw BundleException(
                "$manifestFile is not the file that was shipped: $DIGEST differs; copy the bundle again",
            )
        }
        manifest = Manifest(JsonValue.read(manifestFile))
    }

    /** A target's artifacts. Throws [BundleException] where a file is missing or not the one that was shipped. */
    fun artifacts(targetName: String): Artifacts {
        val target = manifest.target(targetName)
        val checked =
            target.files.values
                .distinct()
                .associateWith(::checked)
        val files = target.files.mapValues { (_, path) -> checked.getValue(path) }
        return Artifacts(manifest.programs, target.inputsBy, target.outputsBy, files)
    }

    /** A file of the bundle, its size and digest checked. */
    fun checked(path: String): File {
        val entry =
            manifest.files[path] ?: throw BundleException("$MANIFEST does not list the file $path, which it names")
        if (path.split('/').any { it.isEmpty() || it == "." || it == ".." } || '\\' in path) {
            throw BundleException("$MANIFEST names the file $path, which does not lie within the bundle")
        }
        val file = File(folder, path)
        if (!file.isFile) throw BundleException("$file is missing; copy the whole bundle")
        if (file.length() != entry.bytes) {
            throw BundleException(
                "$file has ${file.length()} bytes, and the manifest says ${entry.bytes}; copy the bundle again",
            )
        }
        if (sha256(file) != entry.sha256) {
            throw BundleException("$file is not the file that was shipped: its sha256 differs; copy the bundle again")
        }
        return file
    }

    private companion object {
        const val MANIFEST = "manifest.json"

        // One line, as sha256sum writes it.
        const val DIGEST = "manifest.sha256"
    }
}

/** The digest of a file's content in lower-case hexadecimal. */
internal fun sha256(file: File): String {
    val digest = MessageDigest.getInstance("SHA-256")
    try {
        file.inputStream().use { stream ->
            val block = ByteArray(1 shl 16)
            while (true) {
                val count = stream.read(block)
                if (count < 0) break
                digest.update(block, 0, count)
            }
        }
    } catch (error: IOException) {
        throw BundleException("$file cannot be read", error)
    }
    return hexadecimal(digest.digest())
}

/** The digest of bytes in lower-case hexadecimal. */
internal fun sha256(bytes: ByteArray): String = hexadecimal(MessageDigest.getInstance("SHA-256").digest(bytes))

private fun hexadecimal(bytes: ByteArray) = bytes.joinToString("") { "%02x".format(it) }
