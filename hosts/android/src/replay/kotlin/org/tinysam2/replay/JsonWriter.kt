package org.tinysam2.replay

/** JSON text of maps, lists, strings, numbers, booleans and null; not finite numbers are refused. */
internal fun jsonText(value: Any?): String =
    when (value) {
        null -> "null"
        is Boolean -> "$value"
        is Double -> if (value.isNaN() || value.isInfinite()) throw IllegalArgumentException("$value") else "$value"
        is Number -> "$value"
        is Map<*, *> -> value.entries.joinToString(", ", "{", "}") { "${jsonText("${it.key}")}: ${jsonText(it.value)}" }
        is List<*> -> value.joinToString(", ", "[", "]", transform = ::jsonText)
        else -> "$value".map(::escaped).joinToString("", "\"", "\"")
    }

private fun escaped(char: Char): String =
    when {
        char == '"' || char == '\\' -> "\\$char"
        char < ' ' -> "\\u%04x".format(char.code)
        else -> "$char"
    }
