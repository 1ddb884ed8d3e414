package org.tinysam2

import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.sync.Mutex
import kotlinx.coroutines.sync.withLock
import kotlinx.coroutines.withContext
import java.io.File
import java.util.concurrent.locks.ReentrantLock
import kotlin.concurrent.withLock
import kotlin.coroutines.CoroutineContext
import kotlin.coroutines.coroutineContext

/** Follows objects through the frames of a video, one frame after the other, in constant memory.
 *
 * An object begins with its first prompt; a later prompt corrects it. Calls may come from any coroutine: they run one
 * after the other, in the order in which they came.
 */
class Tracker internal constructor(
    private val contract: FrameContract,
    private val programs: Programs,
    private val runtime: Runtime,
    private val dispatcher: CoroutineDispatcher,
) : AutoCloseable {
    private val preprocessor = Preprocessor(contract)
    private val turn = Mutex()

    // Held while the runtime works, so that closing waits for it.
    private val working = ReentrantLock()
    private var banks: Map<Int, Map<String, FloatArray>> = emptyMap()
    private var closed = false

    /** Bytes of all objects' memory banks. */
    val bankBytes: Long
        get() =
            working.withLock {
                banks.values.sumOf { bank ->
                    bank.values.sumOf { it.size * Float.SIZE_BYTES.toLong() }
                }
            }

    /** The ids of the objects that are tracked. */
    val objects: Set<Int> get() = working.withLock { banks.keys }

    /** The objects on the next frame; prompts by object id, for this frame.
     *
     * Throws [PromptException] where a prompt does not fit the frame or nothing was ever prompted. A call that fails,
     * or that is cancelled between two programs, leaves every object where it was.
     */
    suspend fun track(
        frame: Frame,
        prompts: Map<Int, Prompt> = emptyMap(),
    ): TrackedFrame =
        working { context ->
            check(frame, prompts)
            if (prompts.isEmpty() && banks.isEmpty()) {
                throw PromptException("there is nothing to track; prompt an object on this frame or an earlier one")
            }
            val call = FrameCall(frame, context)
            val following = LinkedHashMap<Int, Map<String, FloatArray>>()
            for (id in (banks.keys + prompts.keys).sorted()) {
                val tensors = call.answer(id, prompts[id], banks[id] ?: programs.emptyBank())
                for (program in programs.afterMask) tensors.putAll(call.run(program, tensors))
                following[id] = programs.fedBack(tensors)
            }
            banks = following
            call.tracked()
        }

    /** The objects on the next frame, of a camera or a video decoder. */
    suspend fun track(
        frame: YuvFrame,
        prompts: Map<Int, Prompt> = emptyMap(),
    ): TrackedFrame = track(withContext(dispatcher) { rgb(frame) }, prompts)

    /** The prompted objects on one picture alone: nothing is recalled or remembered. */
    suspend fun segment(
        frame: Frame,
        prompts: Map<Int, Prompt>,
    ): TrackedFrame =
        working { context ->
            check(frame, prompts)
            if (prompts.isEmpty()) throw PromptException("there is nothing to segment; prompt an object on the picture")
            val call = FrameCall(frame, context)
            for ((id, prompt) in prompts.toSortedMap()) call.answer(id, prompt, programs.emptyBank())
            call.tracked()
        }

    /** Forgets an object and frees its bank. Throws [PromptException] where there is none of that id. */
    suspend fun remove(id: Int) =
        working {
            if (id !in banks) throw PromptException("there is no object $id; there are ${banks.keys.joinToString()}")
            banks = banks - id
        }

    /** Forgets all objects, so that another video can begin. */
    suspend fun reset() = working { banks = emptyMap() }

    /** Runs every program once on an empty picture, so that the first frame is as fast as the others. */
    suspend fun warmUp() {
        val empty = Frame(ByteArray(3), Size(1, 1))
        working { context ->
            val call = FrameCall(empty, context)
            val tensors = call.answer(contract.ids.first, null, programs.emptyBank())
            for (program in programs.afterMask) tensors.putAll(call.run(program, tensors))
        }
    }

    /** A camera's picture as the frame that the tracker sees: RGB and upright. */
    fun rgb(frame: YuvFrame): Frame = frame.toFrame(contract.conversion(frame.conversion))

    /** Frees the runtime after the frame in progress, if any; later calls throw IllegalStateException. */
    override fun close() {
        working.withLock {
            if (closed) return
            closed = true
            banks = emptyMap()
            runtime.close()
        }
    }

    private fun check(
        frame: Frame,
        prompts: Map<Int, Prompt>,
    ) {
        for ((id, prompt) in prompts) {
            if (id !in contract.ids) {
                throw PromptException(
                    "object id $id cannot be kept in a mask; ids are ${contract.ids.first} to ${contract.ids.last}",
                )
            }
            prompt.check(frame.size, contract.mostPoints)
        }
    }

    private suspend fun <T> working(work: (CoroutineContext) -> T): T =
        turn.withLock {
            withContext(dispatcher) {
                val context = coroutineContext
                working.withLock {
                    check(!closed) { "the tracker is closed; open another one" }
                    work(context)
                }
            }
        }

    /** One frame's calls: the encoded image, which all objects share, and the answers so far. */
    private inner class FrameCall(
        private val frame: Frame,
        private val context: CoroutineContext,
    ) {
        private val enlargement = Enlargement(contract, frame.size)
        private val encoded = run(programs.encoder, mapOf(Preprocessor.IMAGE to preprocessor.image(frame)))
        private val answers = LinkedHashMap<Int, TrackedObject>()

        /** All tensors of one object up to its mask. */
        fun answer(
            id: Int,
            prompt: Prompt?,
            bank: Map<String, FloatArray>,
        ): HashMap<String, FloatArray> {
            val tensors = HashMap(encoded + bank + preprocessor.promptTensors(prompt, frame.size))
            for (program in programs.untilMask) tensors.putAll(run(program, tensors))
            answers[id] =
                TrackedObject(
                    id,
                    tensors.getValue(Programs.IOU)[0],
                    tensors.getValue(Programs.OBJECT_SCORE)[0],
                    tensors.getValue(Programs.MASK_LOGITS),
                    enlargement,
                )
            return tensors
        }

        fun run(
            program: ProgramSpec,
            tensors: Map<String, FloatArray>,
        ): Map<String, FloatArray> {
            context.ensureActive()
            val outputs = runtime.run(program, program.inputs.map { tensors.getValue(it.name) })
            program.outputs.zip(outputs).forEach { (spec, values) ->
                if (values.size != spec.elements) {
                    throw RuntimeFailure(
                        "${program.name} gave ${values.size} values as ${spec.name}; the manifest says ${spec.elements}",
                    )
                }
            }
            return program.outputs
                .map { it.name }
                .zip(outputs)
                .toMap()
        }

        fun tracked() = TrackedFrame(answers, frame.size, contract.maskThreshold)
    }

    companion object {
        /** Opens a bundle's folder, checks the artifacts' digests and loads them.
         *
         * Throws [BundleException] where the bundle is damaged or of a kind that this library does not know,
         * [RuntimeFailure] where the runtime refuses an artifact. What was opened by then is closed.
         */
        suspend fun open(
            bundle: File,
            runtime: RuntimeLoader,
            dispatcher: CoroutineDispatcher = Dispatchers.Default,
        ): Tracker =
            withContext(dispatcher) {
                val opened = Bundle(bundle)
                val programs = Programs(opened.manifest)
                Tracker(opened.manifest.frame, programs, runtime.load(opened.artifacts(runtime.target)), dispatcher)
            }
    }
}
