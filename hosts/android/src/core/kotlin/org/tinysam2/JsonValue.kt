package org.tinysam2

import java.io.File
import java.io.IOException

/** A value of a JSON file and where it stands there; throws [BundleException] where it is not what is asked for. */
internal class JsonValue private constructor(
    private val value: Any?,
    private val where: String,
) {
    operator fun get(key: String): JsonValue = find(key) ?: refuse("lacks '$key'")

    /** The member of that name; null where it is absent or null. */
    fun find(key: String): JsonValue? = members()[key]?.let { JsonValue(it, "$where: $key") }

    /** The members in the file's order. */
    fun entries(): Map<String, JsonValue> =
        members().entries.associate { (key, member) -> "$key" to JsonValue(member, "$where: $key") }

    fun list(): List<JsonValue> =
        (value as? List<*>)?.mapIndexed { i, item -> JsonValue(item, "$where [$i]") } ?: refuse("is not a list")

    fun text(): String = value as? String ?: refuse("is not a string")

    fun boolean(): Boolean = value as? Boolean ?: refuse("is not true or false")

    fun double(): Double = value as? Double ?: refuse("is not a number")

    fun long(): Long {
        val number = double()
        if (number % 1.0 != 0.0 || number < -MOST_EXACT || number > MOST_EXACT) refuse("is $number, not a whole number")
        return number.toLong()
    }

    fun int(): Int {
        val number = long()
        if (number < Int.MIN_VALUE || number > Int.MAX_VALUE) refuse("is $number, which is too large")
        return number.toInt()
    }

    /** A number of things of which there is at least one. */
    fun count(): Int = int().also { if (it < 1) refuse("is $it; it must be at least 1") }

    /** A choice, of which this library knows some. */
    fun oneOf(vararg known: Any): Any {
        if (value !in known) refuse("is '$value'; this library knows ${known.joinToString()}")
        return value!!
    }

    fun refuse(what: String): Nothing = throw BundleException("$where $what")

    private fun members(): Map<*, *> = value as? Map<*, *> ?: refuse("is not an object")

    companion object {
        private const val MOST_EXACT = 9007199254740992.0

        /** The value of a JSON file. */
        fun read(file: File): JsonValue =
            try {
                JsonValue(JsonReader.read(file.readText()), file.name)
            } catch (error: IOException) {
                throw BundleException("$file cannot be read; a bundle has this file", error)
            } catch (error: IllegalArgumentException) {
                throw BundleException("$file is not JSON: ${error.message}", error)
            }
    }
}
