package org.tinysam2.replay

import kotlinx.coroutines.Dispatchers
import org.tinysam2.Bundle
import org.tinysam2.BundleException
import org.tinysam2.Enlargement
import org.tinysam2.JsonValue
import org.tinysam2.Preprocessor
import org.tinysam2.ProgramSpec
import org.tinysam2.Programs
import org.tinysam2.Runtime
import org.tinysam2.RuntimeLoader
import org.tinysam2.Size
import org.tinysam2.Tracker
import org.tinysam2.sha256
import java.io.File

/** Where the replay ran. */
class Device(
    val model: String,
    val os: String,
    val runtimeVersion: String,
)

/** Runs a bundle's golden vectors through this library and a runtime, and writes what came of it.
 *
 * What the results must be is not judged here: `tinysam2 verify BUNDLE --results FILE` does.
 */
class Replay(
    folder: File,
    private val loader: RuntimeLoader,
    private val device: Device,
) {
    private val bundle = Bundle(folder)
    private val contract = bundle.manifest.frame
    private val golden =
        Golden(bundle.manifest.golden ?: throw BundleException("the bundle has no golden vectors"), bundle::checked)

    /** The results as JSON text. */
    suspend fun run(): String {
        val results = linkedMapOf<String, Any?>("results_version" to 1, "manifest_sha256" to bundle.manifestSha256)
        results["target"] = loader.target
        results["device"] =
            mapOf("model" to device.model, "os" to device.os, "runtime_version" to device.runtimeVersion)
        results["preprocessing"] =
            golden.preprocessing.mapIndexed { i, entry -> mapOf("index" to i, "equal" to equal(entry)) }
        val runtime = TimedRuntime(loader.load(bundle.artifacts(loader.target)))
        Tracker(contract, Programs(bundle.manifest), runtime, Dispatchers.Default).use { tracker ->
            results["programs"] = golden.programs(loader.target).map { programResults(it, runtime) }
            tracker.warmUp()
            runtime.forget()
            val frames = ArrayList<Double>()
            results["trace"] = trace(tracker, frames)
            results["latency_ms"] =
                (runtime.milliseconds + ("frame" to frames)).mapValues { (_, times) -> latency(times) }
        }
        results["peak_memory_bytes"] = peakMemoryBytes()
        return jsonText(results) + "\n"
    }

    /** Whether this library's preprocessing gives the recorded bytes. */
    private fun equal(entry: JsonValue): Boolean =
        when (entry["kind"].oneOf("image", "mask_prompt", "mask", "yuv420")) {
            "image" -> {
                bytes(
                    Preprocessor(contract).image(golden.frame(entry["input"])),
                ).contentEquals(golden.bytes(entry["output"]))
            }

            "mask_prompt" -> {
                Preprocessor(contract)
                    .maskPrompt(golden.bytes(entry["input"]), golden.size(entry["input"]))
                    .contentEquals(golden.floats(entry["output"]))
            }

            "mask" -> {
                enlarged(
                    golden.floats(entry["input"]),
                    golden.size(entry["output"]),
                ).contentEquals(golden.bytes(entry["output"]))
            }

            else -> {
                golden
                    .yuv(
                        entry,
                    ).toFrame(contract.conversion(entry["conversion"].text()))
                    .rgb
                    .contentEquals(golden.bytes(entry["output"]))
            }
        }

    private fun enlarged(
        logits: FloatArray,
        size: Size,
    ): ByteArray {
        val large = Enlargement(contract, size)
        val values = large.resampler.plane(logits)
        return ByteArray(values.size) { if (values[it] > large.threshold) 1 else 0 }
    }

    private fun bytes(planes: FloatArray) = ByteArray(planes.size) { planes[it].toInt().toByte() }

    private fun programResults(
        entry: JsonValue,
        runtime: Runtime,
    ): Map<String, Any?> {
        val name = entry["program"].text()
        val program =
            bundle.manifest.programs.firstOrNull { it.name == name } ?: entry["program"].refuse("is no program")
        val outputs = runtime.run(program, program.inputs.map { golden.floats(entry["inputs"][it.name]) })
        val named = program.outputs.map { it.name }.zip(outputs)
        return mapOf(
            "program" to name,
            "sqnr_db" to
                named.associate { (output, values) ->
                    output to sqnrDb(golden.floats(entry["outputs"][output]), values)
                },
            "sha256" to named.associate { (output, values) -> output to sha256(littleEndian(values)) },
        )
    }

    private suspend fun trace(
        tracker: Tracker,
        milliseconds: MutableList<Double>,
    ): List<Map<String, Any?>> {
        val expected = golden.results(loader.target)
        return golden.frames.mapIndexed { index, entry ->
            entry
                .find("remove")
                ?.list()
                .orEmpty()
                .forEach { tracker.remove(it.int()) }
            val prompts =
                entry
                    .find("prompts")
                    ?.entries()
                    .orEmpty()
                    .map { (id, prompt) -> id.toInt() to golden.prompt(prompt) }
            val frame = golden.frame(entry["frame"])
            val began = System.nanoTime()
            val tracked = tracker.track(frame, prompts.toMap())
            val ids = tracked.mask().ids
            milliseconds.add((System.nanoTime() - began) / NANOSECONDS)
            val reference = golden.bytes(expected[index]["ids"])
            mapOf(
                "frame" to index,
                "ids_sha256" to sha256(ids),
                "iou" to
                    expected[index]["objects"].entries().keys.associateWith {
                        maskIou(
                            reference,
                            ids,
                            it.toInt(),
                        )
                    },
            )
        }
    }

    private fun latency(times: List<Double>) = mapOf("median" to quantile(times, MEDIAN), "p90" to quantile(times, P90))

    private companion object {
        const val MEDIAN = 0.5
        const val P90 = 0.9
    }
}

/** A runtime that keeps how long each program's calls took, in milliseconds. */
private class TimedRuntime(
    private val runtime: Runtime,
) : Runtime by runtime {
    val milliseconds = LinkedHashMap<String, MutableList<Double>>()

    override fun run(
        program: ProgramSpec,
        inputs: List<FloatArray>,
    ): List<FloatArray> {
        val began = System.nanoTime()
        val outputs = runtime.run(program, inputs)
        milliseconds.getOrPut(program.name, ::ArrayList).add((System.nanoTime() - began) / NANOSECONDS)
        return outputs
    }

    fun forget() = milliseconds.clear()
}

private const val NANOSECONDS = 1e6
