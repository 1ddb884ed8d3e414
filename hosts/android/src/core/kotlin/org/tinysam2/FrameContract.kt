package org.tinysam2

/** The manifest's `frame`: how frames, points and masks become tensors, and logits become masks.
 *
 * A filter, an order or a rounding that this library does not know is refused, rather than replaced by one that it does.
 */
internal class FrameContract(
    frame: JsonValue,
) {
    private val image = frame["image"]
    val imageWidth = image["width"].count()
    val imageHeight = image["height"].count()
    val imageFilter = filter(image["resize"])
    val coefficientBits = image["resize"]["coefficient_bits"].count()

    private val prompt = frame["mask_prompt"]
    val promptWidth = prompt["width"].count()
    val promptHeight = prompt["height"].count()
    val promptFilter = filter(prompt["resize"])

    private val mask = frame["mask"]
    val maskWidth = mask["width"].count()
    val maskHeight = mask["height"].count()
    val maskFilter = filter(mask["resize"])
    val maskThreshold = mask["threshold"].double().toFloat()

    private val points = frame["points"]
    val mostPoints = points["most"].count()
    val paddingLabel = points["padding_label"].double().toFloat()
    val negativeLabel = points["negative_label"].double().toFloat()
    val positiveLabel = points["positive_label"].double().toFloat()
    val boxLabels = points["box_labels"].list().map { it.double().toFloat() }

    val ids = frame["ids"]["least"].int()..frame["ids"]["most"].int()

    private val video = frame["video"]
    private val conversions =
        video["conversions"].entries().mapValues { (_, conversion) ->
            YuvConversion(video["coefficient_bits"].count(), conversion)
        }
    private val defaultConversion = video["default"].text()

    init {
        image["layout"].oneOf("NCHW")
        if (image["channels"].list().map { it.text() } != CHANNELS) image["channels"].refuse("is not $CHANNELS")
        if (image["range"].list().map { it.int() } != RANGE) image["range"].refuse("is not $RANGE")
        image["resize"]["between_passes"].oneOf("uint8")
        if (coefficientBits > MOST_BITS) image["resize"]["coefficient_bits"].refuse("is more than $MOST_BITS")
        mask["inside"].oneOf("above")
        points["scale"].oneOf("x * width / frame_width")
        if (boxLabels.size != 2) points["box_labels"].refuse("has not two labels")
        video["chroma"].oneOf("nearest")
        if (ids.first < 1 || ids.last > MOST_IN_A_BYTE) frame["ids"].refuse("does not fit a byte")
    }

    /** The conversion of that name; null: the one for camera images. */
    fun conversion(name: String?): YuvConversion =
        conversions[name ?: defaultConversion]
            ?: throw PromptException("there is no YUV conversion '$name'; there are ${conversions.keys.joinToString()}")

    private fun filter(resize: JsonValue): Filter {
        if (!resize["antialias"].boolean()) {
            resize["antialias"].refuse(
                "is false; this library shrinks with antialias only",
            )
        }
        if (resize
                .find("passes")
                ?.list()
                ?.map { it.text() }
                .let { it != null && it != PASSES }
        ) {
            resize["passes"].refuse("is not $PASSES")
        }
        val known = Filter.values().map { it.key }
        val key = resize["filter"].oneOf(*known.toTypedArray())
        return Filter.values().first { it.key == key }
    }

    private companion object {
        val CHANNELS = listOf("red", "green", "blue")
        val RANGE = listOf(0, 255)
        val PASSES = listOf("horizontal", "vertical")

        // Sums of bytes times coefficients that add up to 1 stay within an Int.
        const val MOST_BITS = 22
        const val MOST_IN_A_BYTE = 255
    }
}

/** One way from YUV to RGB, in integers of so many fractional bits. */
internal class YuvConversion(
    private val bits: Int,
    coefficients: JsonValue,
) {
    val lumaOffset = coefficients["luma_offset"].int()
    val chromaOffset = coefficients["chroma_offset"].int()
    val luma = coefficients["luma"].int()
    val redV = coefficients["red_v"].int()
    val greenU = coefficients["green_u"].int()
    val greenV = coefficients["green_v"].int()
    val blueU = coefficients["blue_u"].int()

    /** A sum of products as a byte's value: rounded half up, then kept within 0..255. */
    fun rounded(sum: Int): Byte = ((sum + (1 shl (bits - 1))) shr bits).coerceIn(0, 255).toByte()
}
