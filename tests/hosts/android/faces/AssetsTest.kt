package org.tinysam2.android

import android.content.res.AssetManager
import org.junit.Test
import java.io.File
import java.nio.file.Files
import kotlin.test.assertEquals
import kotlin.test.assertFalse

class AssetsTest {
    private val assets: File = Files.createTempDirectory("assets").toFile()
    private val files: File = Files.createTempDirectory("files").toFile()
    private val manager = AssetManager(assets)

    init {
        for ((name, text) in listOf(
            "manifest.json" to "{}",
            "model.tflite" to "weights",
            "golden/index.json" to "[]",
        )) {
            File(assets, "android/$name").also { it.parentFile.mkdirs() }.writeText(text)
        }
    }

    @Test
    fun `a bundle's files are copied with their folders`() {
        val folder = manager.installBundle("android", files)
        assertEquals(File(files, "android"), folder)
        assertEquals(
            listOf("{}", "weights", "[]"),
            listOf("manifest.json", "model.tflite", "golden/index.json").map {
                File(folder, it).readText()
            },
        )
    }

    @Test
    fun `a bundle that is there is not copied again`() {
        manager.installBundle("android", files)
        val opened = manager.opened
        manager.installBundle("android", files)
        assertEquals(opened + 1, manager.opened, "the manifest alone is read")
    }

    @Test
    fun `another bundle replaces it whole`() {
        val folder = manager.installBundle("android", files)
        File(folder, "old.tflite").writeText("old")
        File(assets, "android/manifest.json").writeText("{\"new\": 1}")
        manager.installBundle("android", files)
        assertFalse(File(folder, "old.tflite").exists())
    }
}
