package org.tinysam2

/** Reads JSON (RFC 8259) into maps, lists, strings, doubles, booleans and null; refuses duplicate keys. */
internal class JsonReader private constructor(
    private val text: String,
) {
    private var at = 0

    private fun document(): Any? {
        val value = value(0)
        blanks()
        if (at < text.length) refuse("text after the end")
        return value
    }

    private fun value(depth: Int): Any? {
        if (depth > MOST_NESTED) refuse("more than $MOST_NESTED levels")
        blanks()
        return when (peek()) {
            '{' -> members(depth)
            '[' -> elements(depth)
            '"' -> string()
            't' -> word("true", true)
            'f' -> word("false", false)
            'n' -> word("null", null)
            else -> number()
        }
    }

    private fun members(depth: Int): Map<String, Any?> {
        val members = LinkedHashMap<String, Any?>()
        separated('{', '}') {
            blanks()
            val key = string()
            blanks()
            expect(':')
            if (key in members) refuse("the key '$key' twice")
            members[key] = value(depth + 1)
        }
        return members
    }

    private fun elements(depth: Int): List<Any?> {
        val elements = ArrayList<Any?>()
        separated('[', ']') { elements.add(value(depth + 1)) }
        return elements
    }

    private fun separated(
        open: Char,
        close: Char,
        item: () -> Unit,
    ) {
        expect(open)
        blanks()
        if (peek() == close) {
            at++
            return
        }
        while (true) {
            item()
            blanks()
            if (peek() == close) break
            expect(',')
        }
        at++
    }

    private fun string(): String {
        expect('"')
        val built = StringBuilder()
        while (true) {
            val char = next()
            when {
                char == '"' -> return built.toString()
                char == '\\' -> built.append(escaped())
                char < ' ' -> refuse("a control character in a string")
                else -> built.append(char)
            }
        }
    }

    private fun escaped(): Char =
        when (val char = next()) {
            '"', '\\', '/' -> {
                char
            }

            'b' -> {
                '\b'
            }

            'f' -> {
                '\u000c'
            }

            'n' -> {
                '\n'
            }

            'r' -> {
                '\r'
            }

            't' -> {
                '\t'
            }

            'u' -> {
                val digits = text.substring(at, minOf(at + 4, text.length))
                if (!digits.matches(UNICODE)) refuse("\\u without four digits")
                at += 4
                digits.toInt(16).toChar()
            }

            else -> {
                refuse("an unknown escape \\$char")
            }
        }

    private fun number(): Double {
        val number = NUMBER.find(text, at)?.takeIf { it.range.first == at } ?: refuse("no value")
        at = number.range.last + 1
        return number.value.toDouble()
    }

    private fun <T> word(
        word: String,
        value: T,
    ): T {
        if (!text.startsWith(word, at)) refuse("no value")
        at += word.length
        return value
    }

    private fun blanks() {
        while (at < text.length && text[at] in " \t\r\n") at++
    }

    private fun peek(): Char = if (at < text.length) text[at] else refuse("the end too early")

    private fun next(): Char = peek().also { at++ }

    private fun expect(char: Char) {
        if (next() != char) refuse("no '$char'", at - 1)
    }

    private fun refuse(
        what: String,
        where: Int = at,
    ): Nothing = throw IllegalArgumentException("$what at character $where")

    companion object {
        private const val MOST_NESTED = 64
        private val NUMBER = Regex("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][-+]?[0-9]+)?")
        private val UNICODE = Regex("[0-9a-fA-F]{4}")

        /** Throws IllegalArgumentException where the text is not one JSON value. */
        fun read(text: String): Any? = JsonReader(text).document()
    }
}
