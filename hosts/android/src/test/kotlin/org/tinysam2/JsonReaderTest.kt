package org.tinysam2

import org.junit.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith

class JsonReaderTest {
    @Test
    fun `values of every kind are read`() {
        val read =
            JsonReader.read(
                """ {"a": [1, -2.5e1, true, false, null], "b": {"c": "x\n\"\u00e9"}, "d": [], "e": {}} """,
            )
        val expected =
            mapOf(
                "a" to listOf(1.0, -25.0, true, false, null),
                "b" to mapOf("c" to "x\n\"é"),
                "d" to emptyList<Any>(),
                "e" to emptyMap<String, Any>(),
            )
        assertEquals<Any?>(expected, read)
    }

    @Test
    fun `what is not JSON is refused`() {
        val wrong =
            listOf(
                "",
                "{",
                "[1,]",
                "{\"a\" 1}",
                "01",
                "nul",
                "\"a",
                "[1] 2",
                "\"\\x\"",
                "\"\\u12g4\"",
                "'a'",
                "{\"a\": 1, \"a\": 2}",
                "NaN",
            )
        for (text in wrong) assertFailsWith<IllegalArgumentException>(text) { JsonReader.read(text) }
    }

    @Test
    fun `nesting without end is refused`() {
        assertFailsWith<IllegalArgumentException> { JsonReader.read("[".repeat(100_000)) }
    }
}
