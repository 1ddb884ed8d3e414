package org.tinysam2.jvm

import kotlinx.coroutines.runBlocking
import org.tinysam2.RuntimeLoader
import org.tinysam2.TinySam2Exception
import org.tinysam2.replay.Device
import org.tinysam2.replay.Replay
import java.io.File
import kotlin.system.exitProcess

/** `BUNDLE TARGET LIBRARY VERSION OUTPUT`: replays a bundle's golden vectors and writes what came of it.
 *
 * LIBRARY: `libLiteRt.so`, or the shim for ExecuTorch. VERSION: the runtime's. Exit status 1: it could not be run.
 */
fun main(arguments: Array<String>) {
    val (bundle, target, library, version, output) = arguments
    try {
        val device = Device(System.getProperty("os.arch"), System.getProperty("os.name"), version)
        val results = runBlocking { Replay(File(bundle), loader(target, File(library)), device).run() }
        File(output).writeText(results)
    } catch (error: TinySam2Exception) {
        System.err.println("error: ${error.message}")
        exitProcess(1)
    }
}

private fun loader(
    target: String,
    library: File,
): RuntimeLoader =
    when (target) {
        "tflite" -> LiteRtC(library)
        "executorch" -> ExecuTorchC(library)
        else -> throw IllegalArgumentException("there is no runtime for $target here")
    }
