/// The names by which the programs take and give what the app handles itself.
enum TensorName {
    static let image = "image"
    static let pointCoords = "point_coords"
    static let pointLabels = "point_labels"
    static let maskPrompt = "mask_prompt"
    static let hasMask = "has_mask"
    static let isPrompted = "is_prompted"
    static let maskLogits = "mask_logits"
    static let iou = "iou"
    static let objectScore = "object_score"
}

/// Frames and prompts as tensors, and logits as masks, as the manifest's `frame` says: equal to the bit everywhere.
struct Preprocessor: Sendable {
    let contract: FrameContract
    private let imageFilter: Filter
    private let promptFilter: Filter
    private let maskFilter: Filter

    init(_ contract: FrameContract) throws {
        self.contract = contract
        imageFilter = try Preprocessor.filter(contract.image.resize.filter)
        promptFilter = try Preprocessor.filter(contract.maskPrompt.resize.filter)
        maskFilter = try Preprocessor.filter(contract.mask.resize.filter)
    }

    var maskSize: Size { Size(width: contract.mask.width, height: contract.mask.height) }
    var promptSize: Size { Size(width: contract.maskPrompt.width, height: contract.maskPrompt.height) }
    var imageSize: Size { Size(width: contract.image.width, height: contract.image.height) }

    /// The frame stretched to the image tensor's size: bytes [3, height, width].
    func imageBytes(_ frame: Frame) throws -> [UInt8] {
        let bits = contract.image.resize.coefficientBits
        let resampler = ByteResampler(filter: imageFilter, bits: bits, from: frame.size, to: imageSize)
        return resampler.planes(try frame.rgb(contract.video))
    }

    /// The share of each cell that a mask of the frame's size covers.
    func maskPrompt(_ mask: [UInt8], of size: Size) -> [Float] {
        let inside = mask.map { $0 != 0 ? Float(1) : Float(0) }
        return PlaneResampler(filter: promptFilter, from: size, to: promptSize).plane(inside)
    }

    /// What enlarges mask logits to a frame's size.
    func enlargement(to size: Size) -> PlaneResampler {
        PlaneResampler(filter: maskFilter, from: maskSize, to: size)
    }

    /// The inputs that a prompt fills; nil: the object has no prompt on this frame.
    func promptTensors(_ prompt: Prompt?, of size: Size) -> [String: [Float]] {
        var coords = [Float](repeating: 0, count: 2 * contract.points.most)
        var labels = [Float](repeating: contract.points.paddingLabel, count: contract.points.most)
        var mask = [Float](repeating: 0, count: promptSize.count)
        var hasMask: Float = 0
        switch prompt {
        case .none:
            break
        case .some(.mask(let bytes)):
            mask = maskPrompt(bytes, of: size)
            hasMask = 1
        case .some(.points(let points, let box)):
            for (index, entry) in labelled(points, box).enumerated() {
                coords[2 * index] = Float(entry.x * Double(contract.image.width) / Double(size.width))
                coords[2 * index + 1] = Float(entry.y * Double(contract.image.height) / Double(size.height))
                labels[index] = entry.label
            }
        }
        return [
            TensorName.pointCoords: coords,
            TensorName.pointLabels: labels,
            TensorName.maskPrompt: mask,
            TensorName.hasMask: [hasMask],
            TensorName.isPrompted: [prompt == nil ? 0 : 1],
        ]
    }

    /// Each point with its label, a box's corners last.
    private func labelled(_ points: [Point], _ box: Box?) -> [(x: Double, y: Double, label: Float)] {
        let numbers = contract.points
        var entries: [(x: Double, y: Double, label: Float)] = points.map { point in
            (x: point.x, y: point.y, label: point.positive ? numbers.positiveLabel : numbers.negativeLabel)
        }
        if let box {
            entries.append((x: box.x0, y: box.y0, label: numbers.boxLabels[0]))
            entries.append((x: box.x1, y: box.y1, label: numbers.boxLabels[1]))
        }
        return entries
    }

    private static func filter(_ name: String) throws -> Filter {
        guard let filter = Filter(rawValue: name) else {
            throw TinySAM2Error.bundle(
                "the manifest's frame has the filter \(name); this package supports triangle and box")
        }
        return filter
    }
}
