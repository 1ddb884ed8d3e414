package org.tinysam2

/** Anything that this library refuses or fails at; the message names the thing, what is wrong and what would be right. */
sealed class TinySam2Exception(
    message: String,
    cause: Throwable? = null,
) : Exception(message, cause)

/** The bundle is damaged, incomplete, or of a kind that this library does not know. */
class BundleException(
    message: String,
    cause: Throwable? = null,
) : TinySam2Exception(message, cause)

/** The frame or a prompt cannot be tracked. */
class PromptException(
    message: String,
) : TinySam2Exception(message)

/** The runtime could not load an artifact or run a program. */
class RuntimeFailure(
    message: String,
    cause: Throwable? = null,
) : TinySam2Exception(message, cause)
