/// What a replay of the golden vectors gave on a device; read by `tinysam2 verify BUNDLE --results FILE`.
public struct ReplayResults: Codable, Sendable {
    public let version: Int
    public let manifestSHA256: String
    public let target: String
    public let device: Device
    public let programs: [ProgramResult]
    public let preprocessing: [PreprocessingResult]
    public let trace: [FrameResult]
    public let latency: [String: Latency]
    /// nil where the system does not tell it; written as null.
    public let peakMemoryBytes: Int?

    enum CodingKeys: String, CodingKey {
        case version = "results_version"
        case manifestSHA256 = "manifest_sha256"
        case target = "target"
        case device = "device"
        case programs = "programs"
        case preprocessing = "preprocessing"
        case trace = "trace"
        case latency = "latency_ms"
        case peakMemoryBytes = "peak_memory_bytes"
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(version, forKey: .version)
        try container.encode(manifestSHA256, forKey: .manifestSHA256)
        try container.encode(target, forKey: .target)
        try container.encode(device, forKey: .device)
        try container.encode(programs, forKey: .programs)
        try container.encode(preprocessing, forKey: .preprocessing)
        try container.encode(trace, forKey: .trace)
        try container.encode(latency, forKey: .latency)
        // Not left out where it is nil, as the generated code would.
        try container.encode(peakMemoryBytes, forKey: .peakMemoryBytes)
    }

    /// Where the replay ran.
    public struct Device: Codable, Sendable {
        public let model: String
        public let os: String
        public let runtimeVersion: String

        enum CodingKeys: String, CodingKey {
            case model = "model"
            case os = "os"
            case runtimeVersion = "runtime_version"
        }
    }

    /// One program call; by output the SQNR against the golden values (nil: equal in every value), and its digest.
    public struct ProgramResult: Codable, Sendable {
        public let program: String
        public let sqnrDb: [String: Double?]
        public let sha256: [String: String]

        enum CodingKeys: String, CodingKey {
            case program = "program"
            case sqnrDb = "sqnr_db"
            case sha256 = "sha256"
        }
    }

    /// Whether one step of preprocessing was equal to the bit.
    public struct PreprocessingResult: Codable, Sendable {
        public let index: Int
        public let equal: Bool

        enum CodingKeys: String, CodingKey {
            case index = "index"
            case equal = "equal"
        }
    }

    /// One frame of the trace: the ids' digest, and by object the mask IoU with the golden ids.
    public struct FrameResult: Codable, Sendable {
        public let frame: Int
        public let idsSHA256: String
        public let iou: [String: Double]

        enum CodingKeys: String, CodingKey {
            case frame = "frame"
            case idsSHA256 = "ids_sha256"
            case iou = "iou"
        }
    }

    /// Milliseconds.
    public struct Latency: Codable, Sendable {
        public let median: Double
        public let p90: Double

        enum CodingKeys: String, CodingKey {
            case median = "median"
            case p90 = "p90"
        }
    }
}
