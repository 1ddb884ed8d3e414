package org.tinysam2

import java.io.File
import java.nio.file.Files

/** A bundle whose image is 4x2 and whose masks are 2x2, in a new folder. Each bank counts its object's frames. */
internal class SmallBundle {
    val folder: File = Files.createTempDirectory("bundle").toFile()
    val artifact = File(folder, "small.bin").also { it.writeText("weights") }

    init {
        write(MANIFEST)
    }

    /** Another manifest, in which each `from` is its `to`. */
    fun change(vararg changes: Pair<String, String>) =
        write(
            changes.fold(MANIFEST) { text, (from, to) ->
                check(from in text) { "the manifest has no $from" }
                text.replace(from, to)
            },
        )

    private fun write(template: String) {
        val text = template.replace("DIGEST", sha256(artifact)).replace("'", "\"")
        val manifest = File(folder, "manifest.json").also { it.writeText(text) }
        File(folder, "manifest.sha256").writeText("${sha256(manifest)}  manifest.json\n")
    }

    fun contract() = Bundle(folder).manifest.frame

    private companion object {
        fun tensor(
            name: String,
            shape: String,
        ) =
            "{'name': '$name', 'shape': $shape, 'dtype': 'float32', 'layout': 'contiguous', 'quantization': null, 'meaning': ''}"

        val IMAGE = tensor("image", "[1, 3, 2, 4]")
        val FEATURES = tensor("features", "[1, 2]")
        val PROMPT =
            listOf(
                tensor("point_coords", "[1, 4, 2]"),
                tensor("point_labels", "[1, 4]"),
                tensor("mask_prompt", "[1, 1, 2, 2]"),
                tensor("has_mask", "[1, 1]"),
            ).joinToString()
        val ANSWER =
            listOf(
                tensor("mask_logits", "[1, 1, 2, 2]"),
                tensor("iou", "[1, 1]"),
                tensor("object_score", "[1, 1]"),
            ).joinToString()

        val MANIFEST =
            """
            {'manifest_version': 2, 'golden': null,
             'targets': {'small': {'io_dtype': 'float32', 'inputs_by': 'name', 'outputs_by': 'output_index', 'files':
               {'image_encoder': 'small.bin', 'mask_decoder': 'small.bin', 'memory_encoder': 'small.bin'}}},
             'programs': [
               {'name': 'image_encoder', 'inputs': [$IMAGE], 'outputs': [$FEATURES]},
               {'name': 'mask_decoder', 'inputs': [$FEATURES, $PROMPT, ${tensor(
                "count",
                "[1]",
            )}], 'outputs': [$ANSWER]},
               {'name': 'memory_encoder', 'inputs': [${tensor("mask_logits", "[1, 1, 2, 2]")},
                 ${tensor(
                "is_prompted",
                "[1, 1]",
            )}, ${tensor("count", "[1]")}], 'outputs': [${tensor("next_count", "[1]")}]}],
             'bank': {'per': 'object', 'tensors': [{'name': 'count', 'shape': [1], 'initial': -1.0, 'fed_back_from': 'next_count'}]},
             'frame': {
               'image': {'width': 4, 'height': 2, 'channels': ['red', 'green', 'blue'], 'range': [0, 255], 'layout': 'NCHW',
                 'resize': {'filter': 'triangle', 'antialias': true, 'passes': ['horizontal', 'vertical'],
                            'coefficient_bits': 22, 'between_passes': 'uint8'}},
               'video': {'coefficient_bits': 16, 'chroma': 'nearest', 'default': 'bt601-full', 'conversions': {
                 'bt601-full': {'luma_offset': 0, 'chroma_offset': 128, 'luma': 65536, 'red_v': 91881, 'green_u': -22553,
                                'green_v': -46802, 'blue_u': 116130}}},
               'points': {'most': 4, 'padding_label': -1, 'negative_label': 0, 'positive_label': 1, 'box_labels': [2, 3],
                          'scale': 'x * width / frame_width'},
               'mask_prompt': {'width': 2, 'height': 2, 'resize': {'filter': 'box', 'antialias': true}},
               'mask': {'width': 2, 'height': 2, 'resize': {'filter': 'triangle', 'antialias': true}, 'threshold': 0.0,
                        'inside': 'above'},
               'ids': {'least': 1, 'most': 255, 'overlap': ''}},
             'files': {'small.bin': {'bytes': 7, 'sha256': 'DIGEST'}}}
            """.trimIndent()
    }
}

/** Answers calls without a model and keeps what they were given. Its mask is positive in the right half. */
internal class RecordedRuntime : Runtime {
    val calls = ArrayList<Pair<String, Map<String, FloatArray>>>()
    var failing: String? = null
    var closed = 0

    override fun run(
        program: ProgramSpec,
        inputs: List<FloatArray>,
    ): List<FloatArray> {
        if (program.name == failing) throw RuntimeFailure("no memory")
        val named =
            program.inputs
                .map { it.name }
                .zip(inputs)
                .toMap()
        calls.add(program.name to named)
        return when (program.name) {
            "image_encoder" -> {
                listOf(floatArrayOf(1f, 2f))
            }

            "mask_decoder" -> {
                val strength = 2 + named.getValue("count")[0]
                listOf(floatArrayOf(-1f, strength, -1f, strength), floatArrayOf(0.5f), floatArrayOf(3f))
            }

            else -> {
                listOf(floatArrayOf(named.getValue("count")[0] + 1))
            }
        }
    }

    fun inputs(program: String) = calls.filter { it.first == program }.map { it.second }

    override fun close() {
        closed++
    }
}

internal class RecordedLoader(
    val runtime: RecordedRuntime = RecordedRuntime(),
) : RuntimeLoader {
    override val target = "small"
    var loaded = false

    override fun load(artifacts: Artifacts): Runtime {
        loaded = true
        return runtime
    }
}
