package org.tinysam2.jvm

import org.tinysam2.RuntimeFailure
import java.io.File
import java.lang.foreign.Arena
import java.lang.foreign.FunctionDescriptor
import java.lang.foreign.Linker
import java.lang.foreign.MemoryLayout
import java.lang.foreign.MemorySegment
import java.lang.foreign.SymbolLookup
import java.lang.foreign.ValueLayout.ADDRESS
import java.lang.foreign.ValueLayout.JAVA_INT
import java.lang.foreign.ValueLayout.JAVA_LONG
import java.lang.invoke.MethodHandle

/** A shared library's C functions, called with Int, Long and MemorySegment, by the types of their arguments. */
internal class NativeLibrary(
    private val file: File,
) : AutoCloseable {
    val arena: Arena = Arena.ofShared()
    private val symbols: SymbolLookup
    private val functions = HashMap<String, MethodHandle>()

    init {
        try {
            symbols = SymbolLookup.libraryLookup(file.toPath(), arena)
        } catch (error: IllegalArgumentException) {
            arena.close()
            throw RuntimeFailure("$file is not a shared library that can be loaded", error)
        }
    }

    fun int(
        name: String,
        vararg arguments: Any,
    ): Int = function(name, JAVA_INT, arguments).invokeWithArguments(arguments.asList()) as Int

    fun pointer(
        name: String,
        vararg arguments: Any,
    ): MemorySegment = function(name, ADDRESS, arguments).invokeWithArguments(arguments.asList()) as MemorySegment

    fun nothing(
        name: String,
        vararg arguments: Any,
    ) {
        function(name, null, arguments).invokeWithArguments(arguments.asList())
    }

    private fun function(
        name: String,
        result: MemoryLayout?,
        arguments: Array<out Any>,
    ): MethodHandle =
        functions.getOrPut(name) {
            val address = symbols.find(name).orElseThrow { RuntimeFailure("$file has no function $name") }
            val layouts =
                arguments
                    .map {
                        when (it) {
                            is Int -> JAVA_INT
                            is Long -> JAVA_LONG
                            else -> ADDRESS
                        }
                    }.toTypedArray()
            val descriptor =
                if (result == null) FunctionDescriptor.ofVoid(*layouts) else FunctionDescriptor.of(result, *layouts)
            Linker.nativeLinker().downcallHandle(address, descriptor)
        }

    override fun close() = arena.close()
}

/** An array of pointers, for the length of a call. */
internal fun Arena.pointers(segments: List<MemorySegment>): MemorySegment {
    val array = allocate(ADDRESS, segments.size.toLong())
    segments.forEachIndexed { i, segment -> array.setAtIndex(ADDRESS, i.toLong(), segment) }
    return array
}

/** The text that a C function has pointed to. */
internal fun MemorySegment.text(): String = reinterpret(Long.MAX_VALUE).getString(0)
