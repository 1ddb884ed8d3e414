#if canImport(CoreML)
import CoreML
import Dispatch
import Foundation

/// Runs a bundle's `.mlpackage`s by Core ML, on a queue of its own, so that a prediction blocks no task of the app.
public actor CoreMLRuntime: Runtime {
    public nonisolated let target = "coreml"
    public nonisolated let version: String
    private let computeUnits: MLComputeUnits
    private let cache: URL
    private let queue = DispatchSerialQueue(label: "tinysam2.coreml")
    private var models: [String: MLModel] = [:]
    private var identity: String?
    private var halfPrecision = false

    public nonisolated var unownedExecutor: UnownedSerialExecutor {
        queue.asUnownedSerialExecutor()
    }

    /// computeUnits: where Core ML may run. cache: folder of compiled models; nil: within Application Support, which
    /// the system does not purge, and left out of backups.
    public init(computeUnits: MLComputeUnits = .all, cache: URL? = nil) throws {
        version = "Core ML of \(ProcessInfo.processInfo.operatingSystemVersionString)"
        self.computeUnits = computeUnits
        self.cache = try cache ?? CoreMLRuntime.defaultCache()
    }

    public func load(_ artifacts: Artifacts) async throws {
        if identity != artifacts.identity {
            models = [:]
            identity = artifacts.identity
            halfPrecision = artifacts.halfPrecision
        }
        let folder = cache.appendingPathComponent(artifacts.identity, isDirectory: true)
        for program in artifacts.programs where models[program.name] == nil {
            guard let package = artifacts.files[program.name] else {
                throw TinySAM2Error.bundle("the artifacts have no file for \(program.name)")
            }
            let destination = folder.appendingPathComponent("\(program.name).mlmodelc", isDirectory: true)
            do {
                try await load(package, as: program.name, compiledTo: destination)
            } catch {
                throw TinySAM2Error.runtime(
                    "Core ML cannot load \(package.lastPathComponent): \(error.localizedDescription)")
            }
        }
    }

    public func run(_ program: ProgramSpec, _ inputs: [[Float]]) async throws -> [[Float]] {
        try predict(program, inputs)
    }

    public func close() {
        models = [:]
        identity = nil
    }

    /// Deletes all compiled models of the default cache; the next load compiles again.
    public static func removeCompiledModels() throws {
        let folder = try defaultCache()
        if FileManager.default.fileExists(atPath: folder.path) {
            try FileManager.default.removeItem(at: folder)
        }
    }

    private func load(_ package: URL, as name: String, compiledTo destination: URL) async throws {
        let compiled = try await CompiledModels.shared.compiled(package, to: destination)
        do {
            models[name] = try open(compiled)
        } catch {
            try await CompiledModels.shared.discard(compiled)
            let again = try await CompiledModels.shared.compiled(package, to: destination)
            models[name] = try open(again)
        }
    }

    private func open(_ compiled: URL) throws -> MLModel {
        let configuration = MLModelConfiguration()
        configuration.computeUnits = computeUnits
        return try MLModel(contentsOf: compiled, configuration: configuration)
    }

    private func predict(_ program: ProgramSpec, _ inputs: [[Float]]) throws -> [[Float]] {
        guard let model = models[program.name] else {
            throw TinySAM2Error.runtime("\(program.name) is not loaded; call load() before run()")
        }
        return try autoreleasepool {
            var features: [String: Any] = [:]
            for (spec, values) in zip(program.inputs, inputs) {
                features[spec.name] = MLFeatureValue(multiArray: try multiArray(values, spec))
            }
            let answer: any MLFeatureProvider
            do {
                answer = try model.prediction(from: MLDictionaryFeatureProvider(dictionary: features))
            } catch {
                throw TinySAM2Error.runtime("Core ML cannot run \(program.name): \(error.localizedDescription)")
            }
            var outputs: [[Float]] = []
            for spec in program.outputs {
                guard let array = answer.featureValue(for: spec.name)?.multiArrayValue else {
                    throw TinySAM2Error.runtime("Core ML gave no \(spec.name) for \(program.name)")
                }
                // Follows the strides, which may leave gaps, and converts float16.
                outputs.append(MLShapedArray<Float>(converting: array).scalars)
            }
            return outputs
        }
    }

    private func multiArray(_ values: [Float], _ spec: TensorSpec) throws -> MLMultiArray {
        guard values.count == spec.count else {
            throw TinySAM2Error.runtime("\(spec.name) was given \(values.count) values; it takes \(spec.count)")
        }
        let shape = spec.shape.map { NSNumber(value: $0) }
        let array = try MLMultiArray(shape: shape, dataType: halfPrecision ? .float16 : .float32)
        let half = halfPrecision
        array.withUnsafeMutableBytes { bytes, strides in
            var offsets = StridedOffsets(shape: spec.shape, strides: strides)
            for value in values {
                let at = offsets.next()
                if half {
                    bytes.storeBytes(of: HalfPrecision.bits(value), toByteOffset: 2 * at, as: UInt16.self)
                } else {
                    bytes.storeBytes(of: value, toByteOffset: 4 * at, as: Float.self)
                }
            }
        }
        return array
    }

    private static func defaultCache() throws -> URL {
        let support = try FileManager.default.url(
            for: .applicationSupportDirectory, in: .userDomainMask, appropriateFor: nil, create: true)
        var folder = support.appendingPathComponent("TinySAM2", isDirectory: true)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        var values = URLResourceValues()
        values.isExcludedFromBackup = true
        try folder.setResourceValues(values)
        return folder
    }
}
#endif
