package org.tinysam2

/** A tensor at a program's border: float32, row-major. */
class TensorSpec(
    val name: String,
    val shape: List<Int>,
) {
    val elements: Int = shape.fold(1, Math::multiplyExact)

    override fun toString(): String = "$name $shape"
}

/** One exported program: its inputs and outputs in the order that programs called by position take. */
class ProgramSpec(
    val name: String,
    val inputs: List<TensorSpec>,
    val outputs: List<TensorSpec>,
)

/** How an artifact's tensors are addressed. */
enum class Addressing(
    internal val key: String,
) {
    NAME("name"),
    POSITION("position"),

    /** `output_0`, `output_1`, ... in the program's order. */
    OUTPUT_INDEX("output_index"),
    ;

    /** What the artifact calls each of these tensors. */
    fun names(tensors: List<TensorSpec>): List<String> =
        tensors.mapIndexed { i, tensor -> if (this == OUTPUT_INDEX) "output_$i" else tensor.name }
}

/** A tensor of an object's memory bank, which the app feeds back from frame to frame. */
internal class BankTensor(
    val spec: TensorSpec,
    val initial: Float,
    val fedBackFrom: String,
)

/** The artifacts of one runtime. files: by program, relative to the bundle. */
internal class Target(
    val files: Map<String, String>,
    val inputsBy: Addressing,
    val outputsBy: Addressing,
)

/** A file's size and digest. */
internal class FileEntry(
    val bytes: Long,
    val sha256: String,
)

/** What `manifest.json` says, checked: everything that fixes a shape or a number in this library comes from here. */
internal class Manifest(
    root: JsonValue,
) {
    init {
        val version = root["manifest_version"].int()
        if (version != VERSION) {
            throw BundleException(
                "the bundle has manifest version $version; this library reads version $VERSION: " +
                    "use the host code that lies in the bundle",
            )
        }
    }

    /** The programs in the order in which a frame calls them. */
    val programs: List<ProgramSpec> =
        root["programs"].list().map { program ->
            ProgramSpec(program["name"].text(), tensors(program["inputs"]), tensors(program["outputs"]))
        }

    val bank: List<BankTensor> =
        root["bank"]["tensors"].list().map { tensor ->
            BankTensor(
                TensorSpec(tensor["name"].text(), shape(tensor["shape"])),
                tensor["initial"].double().toFloat(),
                tensor["fed_back_from"].text(),
            )
        }

    val frame = FrameContract(root["frame"])

    val files: Map<String, FileEntry> =
        root["files"].entries().mapValues { (_, file) -> FileEntry(file["bytes"].long(), file["sha256"].text()) }

    /** The golden vectors' index; null where the bundle has none. */
    val golden: String? = root.find("golden")?.text()

    private val targets = root["targets"].entries()

    fun target(name: String): Target {
        val entry =
            targets[name]
                ?: throw BundleException("the bundle has no artifacts for $name; it has ${targets.keys.joinToString()}")
        entry["io_dtype"].oneOf("float32")
        val files = entry["files"].entries().mapValues { (_, file) -> file.text() }
        for (program in programs) {
            if (program.name !in
                files
            ) {
                throw BundleException("target $name of the bundle has no file for ${program.name}")
            }
        }
        return Target(files, addressing(entry["inputs_by"]), addressing(entry["outputs_by"]))
    }

    private fun tensors(list: JsonValue): List<TensorSpec> =
        list.list().map { tensor ->
            tensor["dtype"].oneOf("float32")
            tensor["layout"].oneOf("contiguous")
            if (tensor.find("quantization") !=
                null
            ) {
                tensor["quantization"].refuse("is given; this library passes floats")
            }
            TensorSpec(tensor["name"].text(), shape(tensor["shape"]))
        }

    private fun shape(value: JsonValue) = value.list().map(JsonValue::count)

    private fun addressing(value: JsonValue): Addressing {
        val known = Addressing.values().map { it.key }
        val key = value.oneOf(*known.toTypedArray())
        return Addressing.values().first { it.key == key }
    }

    private companion object {
        const val VERSION = 2
    }
}
