package org.tinysam2

import kotlinx.coroutines.runBlocking
import org.junit.Test
import java.io.File
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse

class BundleTest {
    private val bundle = SmallBundle()
    private val loader = RecordedLoader()

    private fun refusal(): String {
        val error = assertFailsWith<BundleException> { runBlocking { Tracker.open(bundle.folder, loader) } }
        assertFalse(loader.loaded, "nothing is loaded from a bundle that is refused")
        return error.message!!
    }

    @Test
    fun `an artifact with one changed byte is refused`() {
        bundle.artifact.writeText("Weights")
        assertContains(refusal(), "sha256 differs")
    }

    @Test
    fun `an artifact that is cut short is refused`() {
        bundle.artifact.writeText("weight")
        assertContains(refusal(), "has 6 bytes, and the manifest says 7")
    }

    @Test
    fun `an artifact that is missing is refused`() {
        bundle.artifact.delete()
        assertContains(refusal(), "is missing")
    }

    @Test
    fun `a manifest with one changed byte is refused`() {
        val manifest = File(bundle.folder, "manifest.json")
        manifest.writeText(manifest.readText().replace("-1.0", "-2.0"))
        assertContains(refusal(), "manifest.sha256 differs")
    }

    @Test
    fun `a folder without a manifest is refused`() {
        File(bundle.folder, "manifest.json").delete()
        assertContains(refusal(), "manifest.json cannot be read")
    }

    @Test
    fun `a manifest of another version is refused`() {
        bundle.change("'manifest_version': 2" to "'manifest_version': 3")
        assertContains(refusal(), "manifest version 3; this library reads version 2")
    }

    @Test
    fun `a filter that is not known is refused`() {
        bundle.change("'filter': 'box'" to "'filter': 'lanczos'")
        assertContains(refusal(), "filter is 'lanczos'; this library knows triangle, box")
    }

    @Test
    fun `shrinking without antialias is refused`() {
        bundle.change("'antialias': true, 'passes'" to "'antialias': false, 'passes'")
        assertContains(refusal(), "antialias is false")
    }

    @Test
    fun `another order of passes is refused`() {
        bundle.change("['horizontal', 'vertical']" to "['vertical', 'horizontal']")
        assertContains(refusal(), "passes is not [horizontal, vertical]")
    }

    @Test
    fun `artifacts that take float16 are refused`() {
        bundle.change("'io_dtype': 'float32'" to "'io_dtype': 'float16'")
        assertContains(refusal(), "io_dtype is 'float16'; this library knows float32")
    }

    @Test
    fun `a tensor that nothing gives is refused`() {
        bundle.change("'name': 'is_prompted'" to "'name': 'depth'")
        assertContains(refusal(), "memory_encoder's depth, which no program, bank or frame gives")
    }

    @Test
    fun `a tensor of another shape than where it comes from is refused`() {
        bundle.change("'count', 'shape': [1], 'initial'" to "'count', 'shape': [2], 'initial'")
        assertContains(refusal(), "mask_decoder's count with 1 values; it is given 2")
    }

    @Test
    fun `a bundle without artifacts for the runtime is refused`() {
        bundle.change("'small':" to "'large':")
        assertContains(refusal(), "no artifacts for small; it has large")
    }

    @Test
    fun `a file outside the bundle is refused`() {
        bundle.change("small.bin" to "../small.bin")
        assertContains(refusal(), "does not lie within the bundle")
    }

    @Test
    fun `a manifest that lacks a field is refused by its name`() {
        bundle.change("'initial': -1.0, " to "")
        assertContains(refusal(), "manifest.json: bank: tensors [0] lacks 'initial'")
    }

    @Test
    fun `the digest is that of the file's bytes`() {
        assertEquals("9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c", sha256(bundle.artifact))
    }
}
