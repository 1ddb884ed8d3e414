import Foundation

/// The index of a bundle's golden vectors.
struct GoldenIndex: Codable, Sendable {
    let version: Int
    let tensorsFile: String
    let tensors: [String: TensorEntry]
    let preprocessing: [PreprocessingEntry]
    let programs: [ProgramEntry]
    let trace: Trace

    static let supportedVersion = 1

    enum CodingKeys: String, CodingKey {
        case version = "golden_version"
        case tensorsFile = "tensors_file"
        case tensors = "tensors"
        case preprocessing = "preprocessing"
        case programs = "programs"
        case trace = "trace"
    }

    /// Where a tensor lies in the tensors' file: little-endian, row-major.
    struct TensorEntry: Codable, Sendable {
        let offset: Int
        let dtype: String
        let shape: [Int]

        enum CodingKeys: String, CodingKey {
            case offset = "offset"
            case dtype = "dtype"
            case shape = "shape"
        }
    }

    /// One step of preprocessing: names of tensors by kind.
    struct PreprocessingEntry: Codable, Sendable {
        let kind: String
        let input: String?
        let output: String
        let conversion: String?
        let y: String?
        let u: String?
        let v: String?

        enum CodingKeys: String, CodingKey {
            case kind = "kind"
            case input = "input"
            case output = "output"
            case conversion = "conversion"
            case y = "y"
            case u = "u"
            case v = "v"
        }
    }

    /// One call of a program: names of tensors.
    struct ProgramEntry: Codable, Sendable {
        let target: String
        let program: String
        let inputs: [String: String]
        let outputs: [String: String]
        let leastSqnrDb: Double

        enum CodingKeys: String, CodingKey {
            case target = "target"
            case program = "program"
            case inputs = "inputs"
            case outputs = "outputs"
            case leastSqnrDb = "least_sqnr_db"
        }
    }

    /// The loop over a few frames, and what each target's runtime gave.
    struct Trace: Codable, Sendable {
        let width: Int
        let height: Int
        let frames: [TraceFrame]
        let results: [String: [TraceResult]]
        let tolerance: [String: Tolerance]

        enum CodingKeys: String, CodingKey {
            case width = "width"
            case height = "height"
            case frames = "frames"
            case results = "results"
            case tolerance = "tolerance"
        }
    }

    /// One frame: ids to remove before it, and prompts by id.
    struct TraceFrame: Codable, Sendable {
        let frame: String
        let remove: [Int]
        let prompts: [String: TracePrompt]

        enum CodingKeys: String, CodingKey {
            case frame = "frame"
            case remove = "remove"
            case prompts = "prompts"
        }
    }

    /// Points as x, y, 1 or 0; a box as left, top, right, bottom; a mask as a tensor's name.
    struct TracePrompt: Codable, Sendable {
        let points: [[Double]]
        let box: [Double]?
        let mask: String?

        enum CodingKeys: String, CodingKey {
            case points = "points"
            case box = "box"
            case mask = "mask"
        }
    }

    /// What a runtime gave for one frame.
    struct TraceResult: Codable, Sendable {
        let ids: String
        let objects: [String: ObjectResult]

        enum CodingKeys: String, CodingKey {
            case ids = "ids"
            case objects = "objects"
        }
    }

    /// What a runtime gave for one object.
    struct ObjectResult: Codable, Sendable {
        let iou: Double
        let objectScore: Double

        enum CodingKeys: String, CodingKey {
            case iou = "iou"
            case objectScore = "object_score"
        }
    }

    /// The least mask IoU with the golden ids.
    struct Tolerance: Codable, Sendable {
        let leastMeanIou: Double
        let leastIou: Double

        enum CodingKeys: String, CodingKey {
            case leastMeanIou = "least_mean_iou"
            case leastIou = "least_iou"
        }
    }
}

/// A bundle's golden vectors: the index and the tensors that it names.
struct GoldenVectors: Sendable {
    let index: GoldenIndex
    private let content: Data

    /// Throws `TinySAM2Error.bundle` where the bundle has none, or they are damaged.
    init(_ bundle: ModelBundle) throws {
        guard let path = bundle.manifest.golden else {
            throw TinySAM2Error.bundle("the bundle has no golden vectors; ship it again")
        }
        let index: GoldenIndex
        do {
            index = try JSONDecoder().decode(GoldenIndex.self, from: bundle.content(of: path))
        } catch let error as DecodingError {
            throw TinySAM2Error.bundle("\(path) cannot be read: \(error); ship the bundle again")
        }
        guard index.version == GoldenIndex.supportedVersion else {
            throw TinySAM2Error.bundle(
                "the golden vectors have version \(index.version); "
                    + "this package reads version \(GoldenIndex.supportedVersion)")
        }
        self.index = index
        content = try bundle.content(of: index.tensorsFile)
    }

    func shape(_ name: String) throws -> [Int] {
        try described(name).shape
    }

    func bytes(_ name: String) throws -> [UInt8] {
        let entry = try described(name)
        guard entry.dtype == "uint8" else {
            throw TinySAM2Error.bundle("the golden tensor \(name) is \(entry.dtype); uint8 is needed")
        }
        return try raw(entry, name, width: 1)
    }

    /// A tensor's values as floats, whatever its type.
    func floats(_ name: String) throws -> [Float] {
        let entry = try described(name)
        switch entry.dtype {
        case "uint8":
            return try raw(entry, name, width: 1).map { Float($0) }
        case "float32":
            return try words(entry, name).map { Float(bitPattern: $0) }
        case "int32":
            return try words(entry, name).map { Float(Int32(bitPattern: $0)) }
        default:
            throw TinySAM2Error.bundle(
                "the golden tensor \(name) is \(entry.dtype); it must be uint8, int32 or float32")
        }
    }

    /// An RGB picture.
    func frame(_ name: String) throws -> Frame {
        let sides = try shape(name)
        guard sides.count == 3 else {
            throw TinySAM2Error.bundle("the golden frame \(name) has the shape \(sides); it must be height, width, 3")
        }
        return try Frame(rgb: bytes(name), width: sides[1], height: sides[0])
    }

    /// The program calls of one target, in the index's order.
    func programs(of target: String) -> [GoldenIndex.ProgramEntry] {
        index.programs.filter { $0.target == target }
    }

    /// A frame of the trace with its prompts and removals.
    func request(_ entry: GoldenIndex.TraceFrame) throws -> TrackingRequest {
        var prompts: [Int: Prompt] = [:]
        for (key, prompt) in entry.prompts {
            guard let id = Int(key) else {
                throw TinySAM2Error.bundle("the golden trace has the object id \(key); it must be a number")
            }
            prompts[id] = try self.prompt(prompt)
        }
        return TrackingRequest(frame: try frame(entry.frame), prompts: prompts, remove: entry.remove)
    }

    private func prompt(_ prompt: GoldenIndex.TracePrompt) throws -> Prompt {
        if let mask = prompt.mask {
            return .mask(try bytes(mask))
        }
        guard prompt.points.allSatisfy({ $0.count == 3 }), prompt.box == nil || prompt.box?.count == 4 else {
            throw TinySAM2Error.bundle("the golden trace has a prompt of the wrong form; ship the bundle again")
        }
        let points = prompt.points.map { Point(x: $0[0], y: $0[1], positive: $0[2] == 1) }
        let box = prompt.box.map { Box(x0: $0[0], y0: $0[1], x1: $0[2], y1: $0[3]) }
        return .points(points, box: box)
    }

    private func described(_ name: String) throws -> GoldenIndex.TensorEntry {
        guard let entry = index.tensors[name] else {
            throw TinySAM2Error.bundle("the golden index names the tensor \(name), which it does not have")
        }
        return entry
    }

    private func raw(_ entry: GoldenIndex.TensorEntry, _ name: String, width: Int) throws -> [UInt8] {
        let count = entry.shape.reduce(width, *)
        guard entry.offset >= 0, count >= 0, entry.offset <= content.count - count else {
            throw TinySAM2Error.bundle("the golden tensor \(name) reaches beyond its file; ship the bundle again")
        }
        let start = content.startIndex + entry.offset
        return [UInt8](content[start..<(start + count)])
    }

    private func words(_ entry: GoldenIndex.TensorEntry, _ name: String) throws -> [UInt32] {
        let bytes = try raw(entry, name, width: 4)
        return stride(from: 0, to: bytes.count, by: 4).map { at in
            let low = UInt32(bytes[at]) | UInt32(bytes[at + 1]) << 8
            return low | UInt32(bytes[at + 2]) << 16 | UInt32(bytes[at + 3]) << 24
        }
    }
}
