import Foundation

/// What `manifest.json` says. Everything that fixes a shape or a number in this package comes from here.
public struct Manifest: Codable, Sendable {
    public let version: Int
    public let platform: String
    public let preset: String
    public let tinysam2Version: String
    public let deployment: Deployment
    public let weights: Weights
    public let parity: Parity
    public let budget: Budget
    public let targets: [String: Target]
    /// In the order in which a frame calls them.
    public let programs: [ProgramSpec]
    public let bank: Bank
    public let frame: FrameContract
    /// The golden vectors' index within the bundle; nil where it has none.
    public let golden: String?
    /// Every file of the bundle but the manifest and its digest.
    public let files: [String: FileEntry]

    /// The manifest version that this package reads.
    public static let supportedVersion = 2

    enum CodingKeys: String, CodingKey {
        case version = "manifest_version"
        case platform = "platform"
        case preset = "preset"
        case tinysam2Version = "tinysam2_version"
        case deployment = "deployment"
        case weights = "weights"
        case parity = "parity"
        case budget = "budget"
        case targets = "targets"
        case programs = "programs"
        case bank = "bank"
        case frame = "frame"
        case golden = "golden"
        case files = "files"
    }

    /// The oldest systems that the bundle's host code is written for.
    public struct Deployment: Codable, Sendable {
        public let ios: String?
        public let macos: String?

        enum CodingKeys: String, CodingKey {
            case ios = "ios"
            case macos = "macos"
        }
    }

    /// Where the weights come from and what they may be used for.
    public struct Weights: Codable, Sendable {
        public let source: String
        public let sha256: String
        public let trained: Bool
        public let licence: String
        public let trainedOn: [String]

        enum CodingKeys: String, CodingKey {
            case source = "source"
            case sha256 = "sha256"
            case trained = "trained"
            case licence = "licence"
            case trainedOn = "trained_on"
        }
    }

    /// Whether the artifacts passed validation.
    public struct Parity: Codable, Sendable {
        public let passed: Bool
        public let targets: [String: Bool]
        public let report: String

        enum CodingKeys: String, CodingKey {
            case passed = "passed"
            case targets = "targets"
            case report = "report"
        }
    }

    /// Bytes of one object's memory bank, and what it may take.
    public struct Budget: Codable, Sendable {
        public let bankBytesPerObject: Int
        public let limitBytesPerObject: Int
        public let passed: Bool

        enum CodingKeys: String, CodingKey {
            case bankBytesPerObject = "bank_bytes_per_object"
            case limitBytesPerObject = "limit_bytes_per_object"
            case passed = "passed"
        }
    }

    /// The artifacts of one runtime.
    public struct Target: Codable, Sendable {
        public let precision: String
        public let ioDtype: String
        /// Program to file or package, within the bundle; programs may share one.
        public let files: [String: String]
        public let runtime: RuntimePackage
        public let inputsBy: String
        public let outputsBy: String
        public let versions: [String: String]

        enum CodingKeys: String, CodingKey {
            case precision = "precision"
            case ioDtype = "io_dtype"
            case files = "files"
            case runtime = "runtime"
            case inputsBy = "inputs_by"
            case outputsBy = "outputs_by"
            case versions = "versions"
        }
    }

    /// The runtime that an app adds.
    public struct RuntimePackage: Codable, Sendable {
        public let name: String
        public let package: String
        public let minimumVersion: String

        enum CodingKeys: String, CodingKey {
            case name = "name"
            case package = "package"
            case minimumVersion = "minimum_version"
        }
    }

    /// The memory bank: tensors that the app feeds back from frame to frame, one set an object.
    public struct Bank: Codable, Sendable {
        public let tensors: [BankTensor]
        public let per: String

        enum CodingKeys: String, CodingKey {
            case tensors = "tensors"
            case per = "per"
        }
    }

    /// One tensor of the bank.
    public struct BankTensor: Codable, Sendable {
        public let name: String
        public let shape: [Int]
        /// Fills the tensor before the object's first frame.
        public let initial: Float
        /// The output that is the next frame's input.
        public let fedBackFrom: String

        enum CodingKeys: String, CodingKey {
            case name = "name"
            case shape = "shape"
            case initial = "initial"
            case fedBackFrom = "fed_back_from"
        }
    }

    /// A file's size and digest.
    public struct FileEntry: Codable, Sendable {
        public let bytes: Int
        public let sha256: String

        enum CodingKeys: String, CodingKey {
            case bytes = "bytes"
            case sha256 = "sha256"
        }
    }
}

/// One exported program: its inputs and outputs, in the order that programs called by position take.
public struct ProgramSpec: Codable, Sendable {
    public let name: String
    public let inputs: [TensorSpec]
    public let outputs: [TensorSpec]

    enum CodingKeys: String, CodingKey {
        case name = "name"
        case inputs = "inputs"
        case outputs = "outputs"
    }
}

/// A tensor at a program's border.
public struct TensorSpec: Codable, Sendable {
    public let name: String
    public let shape: [Int]
    public let dtype: String
    public let layout: String
    public let quantization: Quantization?
    public let meaning: String

    public var count: Int { shape.reduce(1, *) }

    enum CodingKeys: String, CodingKey {
        case name = "name"
        case shape = "shape"
        case dtype = "dtype"
        case layout = "layout"
        case quantization = "quantization"
        case meaning = "meaning"
    }

    /// Scale and zero point of a tensor of integers.
    public struct Quantization: Codable, Sendable {
        public let scale: Double
        public let zeroPoint: Int

        enum CodingKeys: String, CodingKey {
            case scale = "scale"
            case zeroPoint = "zero_point"
        }
    }
}

extension Manifest {
    /// The manifest in a file's content. Throws `TinySAM2Error.bundle` where it cannot be read or is not supported.
    static func read(_ content: Data) throws -> Manifest {
        struct Version: Decodable {
            let number: Int

            enum CodingKeys: String, CodingKey {
                case number = "manifest_version"
            }
        }
        let decoder = JSONDecoder()
        do {
            let version = try decoder.decode(Version.self, from: content).number
            guard version == supportedVersion else {
                throw TinySAM2Error.bundle(
                    "the bundle has manifest version \(version); this package reads version \(supportedVersion), "
                        + "so use the host code that lies in the bundle")
            }
            let manifest = try decoder.decode(Manifest.self, from: content)
            try manifest.check()
            return manifest
        } catch let error as DecodingError {
            throw TinySAM2Error.bundle("manifest.json cannot be read: \(error); ship the bundle again")
        }
    }

    private func check() throws {
        for program in programs {
            for tensor in program.inputs + program.outputs {
                guard tensor.dtype == "float32", tensor.layout == "contiguous", tensor.quantization == nil else {
                    throw TinySAM2Error.bundle(
                        "\(program.name)'s \(tensor.name) is not contiguous float32; this package passes nothing else")
                }
            }
        }
        for shape in programs.flatMap({ $0.inputs + $0.outputs }).map(\.shape) + bank.tensors.map(\.shape) {
            guard !shape.isEmpty, shape.allSatisfy({ $0 > 0 }) else {
                throw TinySAM2Error.bundle("the manifest has the shape \(shape); every side must be at least 1")
            }
        }
        guard bank.per == "object" else {
            throw TinySAM2Error.bundle("the memory bank is per \(bank.per); this package keeps one per object")
        }
        try frame.check()
    }
}
