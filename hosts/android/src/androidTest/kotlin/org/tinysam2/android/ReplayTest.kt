package org.tinysam2.android

import android.os.Build
import androidx.test.platform.app.InstrumentationRegistry
import kotlinx.coroutines.runBlocking
import org.junit.Test
import org.tinysam2.RuntimeLoader
import org.tinysam2.replay.Device
import org.tinysam2.replay.Replay
import java.io.File

/** Replays the golden vectors on a phone. The files that it writes are read by `tinysam2 verify BUNDLE --results FILE`. */
class ReplayTest {
    @Test
    fun liteRt() = replay(LiteRt())

    @Test
    fun execuTorch() = replay(ExecuTorch())

    private fun replay(loader: RuntimeLoader) {
        val context = InstrumentationRegistry.getInstrumentation().targetContext
        val assets = InstrumentationRegistry.getInstrumentation().context.assets
        val bundle = assets.installBundle("android", context.filesDir)
        val device = Device("${Build.MANUFACTURER} ${Build.MODEL}", "Android ${Build.VERSION.RELEASE}", "unknown")
        val results = runBlocking { Replay(bundle, loader, device).run() }
        File(context.getExternalFilesDir(null), "results-${loader.target}.json").writeText(results)
    }
}
