/// The manifest's `frame`: how frames, points and masks become tensors, and logits become masks.
public struct FrameContract: Codable, Sendable {
    public let image: Image
    public let video: Video
    public let points: Points
    public let maskPrompt: Plane
    public let mask: Mask
    public let ids: Ids

    enum CodingKeys: String, CodingKey {
        case image = "image"
        case video = "video"
        case points = "points"
        case maskPrompt = "mask_prompt"
        case mask = "mask"
        case ids = "ids"
    }

    /// The image tensor.
    public struct Image: Codable, Sendable {
        public let width: Int
        public let height: Int
        public let channels: [String]
        public let range: [Int]
        public let layout: String
        public let resize: ByteResize

        enum CodingKeys: String, CodingKey {
            case width = "width"
            case height = "height"
            case channels = "channels"
            case range = "range"
            case layout = "layout"
            case resize = "resize"
        }
    }

    /// Resizing of bytes, in fixed point.
    public struct ByteResize: Codable, Sendable {
        public let filter: String
        public let antialias: Bool
        public let passes: [String]
        public let coefficientBits: Int
        public let betweenPasses: String

        enum CodingKeys: String, CodingKey {
            case filter = "filter"
            case antialias = "antialias"
            case passes = "passes"
            case coefficientBits = "coefficient_bits"
            case betweenPasses = "between_passes"
        }
    }

    /// How YUV becomes RGB, in integers; conversions by matrix and range, such as `bt709-video`.
    public struct Video: Codable, Sendable {
        public let coefficientBits: Int
        public let chroma: String
        public let standard: String
        public let conversions: [String: Conversion]
        public let rotation: Rotation

        enum CodingKeys: String, CodingKey {
            case coefficientBits = "coefficient_bits"
            case chroma = "chroma"
            case standard = "default"
            case conversions = "conversions"
            case rotation = "rotation"
        }
    }

    /// How frames become upright.
    public struct Rotation: Codable, Sendable {
        public let degrees: [Int]
        public let direction: String
        public let when: String

        enum CodingKeys: String, CodingKey {
            case degrees = "degrees"
            case direction = "direction"
            case when = "when"
        }
    }

    /// One conversion's offsets and coefficients.
    public struct Conversion: Codable, Sendable {
        public let lumaOffset: Int
        public let chromaOffset: Int
        public let luma: Int
        public let redV: Int
        public let greenU: Int
        public let greenV: Int
        public let blueU: Int

        enum CodingKeys: String, CodingKey {
            case lumaOffset = "luma_offset"
            case chromaOffset = "chroma_offset"
            case luma = "luma"
            case redV = "red_v"
            case greenU = "green_u"
            case greenV = "green_v"
            case blueU = "blue_u"
        }
    }

    /// Points of a prompt.
    public struct Points: Codable, Sendable {
        public let most: Int
        public let paddingLabel: Float
        public let negativeLabel: Float
        public let positiveLabel: Float
        public let boxLabels: [Float]
        public let order: String
        public let scale: String

        enum CodingKeys: String, CodingKey {
            case most = "most"
            case paddingLabel = "padding_label"
            case negativeLabel = "negative_label"
            case positiveLabel = "positive_label"
            case boxLabels = "box_labels"
            case order = "order"
            case scale = "scale"
        }
    }

    /// A plane of floats that is resized from or to the frame's size.
    public struct Plane: Codable, Sendable {
        public let width: Int
        public let height: Int
        public let resize: PlaneResize

        enum CodingKeys: String, CodingKey {
            case width = "width"
            case height = "height"
            case resize = "resize"
        }
    }

    /// Resizing of floats: sums in float64, stored as float32 after each pass.
    public struct PlaneResize: Codable, Sendable {
        public let filter: String
        public let antialias: Bool
        public let passes: [String]
        public let arithmetic: String

        enum CodingKeys: String, CodingKey {
            case filter = "filter"
            case antialias = "antialias"
            case passes = "passes"
            case arithmetic = "arithmetic"
        }
    }

    /// Mask logits, and what is inside.
    public struct Mask: Codable, Sendable {
        public let width: Int
        public let height: Int
        public let resize: PlaneResize
        public let threshold: Float
        public let inside: String

        enum CodingKeys: String, CodingKey {
            case width = "width"
            case height = "height"
            case resize = "resize"
            case threshold = "threshold"
            case inside = "inside"
        }
    }

    /// The ids that objects may have.
    public struct Ids: Codable, Sendable {
        public let least: Int
        public let most: Int
        public let overlap: String

        enum CodingKeys: String, CodingKey {
            case least = "least"
            case most = "most"
            case overlap = "overlap"
        }
    }
}

extension FrameContract {
    /// Sums of bytes times coefficients that add up to 1 stay within 32 bits.
    private static let mostCoefficientBits = 22
    private static let planeArithmetic = "float64 sums in tap order, stored as float32 after each pass"
    private static let pointOrder = "points, then the box's top left and bottom right corner"

    /// Refuses a rule that this package does not implement, rather than replacing it by one that it does.
    func check() throws {
        try demand(image.layout == "NCHW", "image.layout is \(image.layout)", "NCHW")
        let channels = ["red", "green", "blue"]
        try demand(image.channels == channels, "image.channels is \(image.channels)", "\(channels)")
        try demand(image.range == [0, 255], "image.range is \(image.range)", "0 to 255")
        for passes in [image.resize.passes, maskPrompt.resize.passes, mask.resize.passes] {
            let supported = ["horizontal", "vertical"]
            try demand(passes == supported, "a resize has the passes \(passes)", "\(supported)")
        }
        let between = image.resize.betweenPasses
        try demand(between == "uint8", "image.resize.between_passes is \(between)", "uint8")
        for arithmetic in [maskPrompt.resize.arithmetic, mask.resize.arithmetic] {
            try demand(arithmetic == Self.planeArithmetic, "a resize has \(arithmetic)", Self.planeArithmetic)
        }
        try demand(
            (1...Self.mostCoefficientBits).contains(image.resize.coefficientBits),
            "image.resize.coefficient_bits is \(image.resize.coefficientBits)", "1 to \(Self.mostCoefficientBits)")
        let antialias = image.resize.antialias && maskPrompt.resize.antialias && mask.resize.antialias
        try demand(antialias, "a resize has antialias off", "antialias on")
        for filter in [image.resize.filter, maskPrompt.resize.filter, mask.resize.filter] {
            try demand(Filter(rawValue: filter) != nil, "a resize has the filter \(filter)", "triangle or box")
        }
        let rotation = video.rotation
        try demand(
            rotation.direction == "clockwise" && rotation.when == "before resizing",
            "video.rotation is \(rotation.direction), \(rotation.when)", "clockwise, before resizing")
        try demand(video.chroma == "nearest", "video.chroma is \(video.chroma)", "nearest")
        try demand(
            (1...Self.mostCoefficientBits).contains(video.coefficientBits),
            "video.coefficient_bits is \(video.coefficientBits)", "1 to \(Self.mostCoefficientBits)")
        try demand(
            video.conversions[video.standard] != nil, "video.default is \(video.standard)", "one of video.conversions")
        let scale = "x * width / frame_width"
        try demand(points.scale == scale, "points.scale is \(points.scale)", scale)
        try demand(points.order == Self.pointOrder, "points.order is \(points.order)", Self.pointOrder)
        try demand(points.boxLabels.count == 2, "points.box_labels has \(points.boxLabels.count) labels", "two")
        try demand(mask.inside == "above", "mask.inside is \(mask.inside)", "above")
        try demand(
            ids.least >= 1 && ids.least <= ids.most && ids.most <= Int(UInt8.max),
            "ids are \(ids.least) to \(ids.most)", "within 1 to \(UInt8.max)")
        let planes = [maskPrompt.width, maskPrompt.height, mask.width, mask.height]
        let sides = planes + [image.width, image.height, points.most]
        try demand(sides.allSatisfy { $0 > 0 }, "a size is below 1", "at least 1")
    }

    private func demand(_ holds: Bool, _ found: String, _ supported: String) throws {
        if !holds {
            throw TinySAM2Error.bundle("the manifest's frame: \(found); this package supports \(supported)")
        }
    }
}
