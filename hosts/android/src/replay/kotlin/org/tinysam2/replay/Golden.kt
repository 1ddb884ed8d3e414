package org.tinysam2.replay

import org.tinysam2.Box
import org.tinysam2.BundleException
import org.tinysam2.Frame
import org.tinysam2.JsonValue
import org.tinysam2.Point
import org.tinysam2.Prompt
import org.tinysam2.Size
import org.tinysam2.YuvFrame
import org.tinysam2.YuvPlane
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** Golden vectors: an index and the file of all tensors. open: a file of the bundle, by its path there. */
internal class Golden(
    index: String,
    private val open: (String) -> File,
) {
    private class Entry(
        val offset: Int,
        val dtype: String,
        val shape: List<Int>,
    )

    private val root = JsonValue.read(open(index))
    private val tensors =
        root["tensors"].entries().mapValues { (_, tensor) ->
            Entry(tensor["offset"].int(), tensor["dtype"].text(), tensor["shape"].list().map { it.int() })
        }
    private val bytes: ByteBuffer

    init {
        root["golden_version"].oneOf(1.0)
        bytes = ByteBuffer.wrap(open(root["tensors_file"].text()).readBytes()).order(ByteOrder.LITTLE_ENDIAN)
    }

    val preprocessing: List<JsonValue> get() = root["preprocessing"].list()

    /** The recorded calls of a target's programs. */
    fun programs(target: String): List<JsonValue> = root["programs"].list().filter { it["target"].text() == target }

    val frames: List<JsonValue> get() = root["trace"]["frames"].list()

    /** A target's recorded answers, a frame each. */
    fun results(target: String): List<JsonValue> = root["trace"]["results"][target].list()

    /** A tensor's values; whole numbers of a byte may be stored as bytes. */
    fun floats(name: JsonValue): FloatArray {
        val entry = entry(name, "float32", "uint8")
        val values = FloatArray(elements(entry))
        if (entry.dtype == "uint8") {
            bytes(name).forEachIndexed { i, value -> values[i] = (value.toInt() and 255).toFloat() }
        } else {
            at(name, entry, Float.SIZE_BYTES * values.size).asFloatBuffer().get(values)
        }
        return values
    }

    fun bytes(name: JsonValue): ByteArray {
        val entry = entry(name, "uint8")
        val values = ByteArray(elements(entry))
        at(name, entry, values.size).get(values)
        return values
    }

    /** Width and height of a tensor [h, w] or [h, w, 3]. */
    fun size(name: JsonValue): Size = tensors.getValue(name.text()).shape.let { Size(it[1], it[0]) }

    fun frame(name: JsonValue) = Frame(bytes(name), size(name))

    /** A picture whose planes lie without gaps. */
    fun yuv(entry: JsonValue): YuvFrame {
        val (y, u, v) =
            listOf("y", "u", "v").map { YuvPlane(ByteBuffer.wrap(bytes(entry[it])), size(entry[it]).width, 1) }
        return YuvFrame(y, u, v, size(entry["y"]))
    }

    fun prompt(entry: JsonValue): Prompt {
        entry.find("mask")?.let { return Prompt.Mask(bytes(it)) }
        val points =
            entry.find("points")?.list().orEmpty().map { point ->
                val (x, y, positive) = point.list().map { it.double() }
                Point(x, y, positive > 0)
            }
        val corners = entry.find("box")?.list()?.map { it.double() }
        return Prompt.Points(points, corners?.let { Box(it[0], it[1], it[2], it[3]) })
    }

    private fun entry(
        name: JsonValue,
        vararg dtypes: String,
    ): Entry {
        val entry = tensors[name.text()] ?: name.refuse("names no tensor of the index")
        if (entry.dtype !in dtypes) name.refuse("is ${entry.dtype}; it must be ${dtypes.joinToString()}")
        return entry
    }

    private fun elements(entry: Entry) = entry.shape.fold(1, Math::multiplyExact)

    private fun at(
        name: JsonValue,
        entry: Entry,
        size: Int,
    ): ByteBuffer {
        if (entry.offset < 0 || entry.offset > bytes.limit() - size) {
            throw BundleException("the golden tensor ${name.text()} reaches beyond the end of its file")
        }
        val part = bytes.duplicate().order(ByteOrder.LITTLE_ENDIAN)
        part.position(entry.offset)
        return part
    }
}
