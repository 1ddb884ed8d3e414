import Dispatch
import Foundation

/// Replays a bundle's golden vectors on the device that it runs on.
public enum Replay {
    /// Runs every golden call, every step of preprocessing and the trace; loads the runtime and leaves it open.
    ///
    /// Throws where the bundle is damaged or the runtime refuses it; a result that differs is told, not thrown.
    public static func run(bundle folder: URL, runtime: any Runtime) async throws -> ReplayResults {
        let tracker = try await Tracker.open(bundle: folder, runtime: runtime)
        let golden = try GoldenVectors(tracker.bundle)
        guard golden.index.trace.results[runtime.target]?.count == golden.index.trace.frames.count else {
            throw TinySAM2Error.bundle("the golden trace has no results for \(runtime.target); ship the bundle again")
        }
        try await tracker.load()
        try await tracker.warmUp()
        var timings = Timings()
        let programs = try await replayPrograms(golden, tracker.bundle.manifest, runtime, &timings)
        let preprocessor = try Preprocessor(tracker.bundle.manifest.frame)
        let preprocessing = try golden.index.preprocessing.enumerated().map { index, entry in
            ReplayResults.PreprocessingResult(index: index, equal: try isEqual(entry, golden, preprocessor))
        }
        let trace = try await replayTrace(golden, tracker, runtime.target, &timings)
        return ReplayResults(
            version: 1, manifestSHA256: tracker.bundle.manifestSHA256, target: runtime.target,
            device: ReplayResults.Device(
                model: Device.model(), os: Device.system(), runtimeVersion: runtime.version),
            programs: programs, preprocessing: preprocessing, trace: trace, latency: timings.summary(),
            peakMemoryBytes: Device.peakMemoryBytes())
    }

    /// The same, written as JSON, whole or not at all.
    @discardableResult
    public static func run(
        bundle folder: URL, runtime: any Runtime, writingTo file: URL
    ) async throws -> ReplayResults {
        let results = try await run(bundle: folder, runtime: runtime)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try encoder.encode(results).write(to: file, options: .atomic)
        return results
    }

    private static func replayPrograms(
        _ golden: GoldenVectors, _ manifest: Manifest, _ runtime: any Runtime, _ timings: inout Timings
    ) async throws -> [ReplayResults.ProgramResult] {
        var results: [ReplayResults.ProgramResult] = []
        for entry in golden.programs(of: runtime.target) {
            guard let spec = manifest.programs.first(where: { $0.name == entry.program }) else {
                throw TinySAM2Error.bundle(
                    "the golden vectors name the program \(entry.program), which the manifest has not")
            }
            var inputs: [[Float]] = []
            for input in spec.inputs {
                inputs.append(try golden.floats(try name(of: input.name, in: entry.inputs)))
            }
            let started = DispatchTime.now()
            let outputs = try await runtime.run(spec, inputs)
            timings.add(entry.program, since: started)
            var sqnr: [String: Double?] = [:]
            var digests: [String: String] = [:]
            for (output, values) in zip(spec.outputs, outputs) {
                let expected = try golden.floats(try name(of: output.name, in: entry.outputs))
                guard values.count == expected.count else {
                    throw TinySAM2Error.runtime(
                        "\(spec.name) gave \(values.count) values as \(output.name); "
                            + "the golden vector has \(expected.count)")
                }
                sqnr.updateValue(Measures.sqnr(values, expected), forKey: output.name)
                digests[output.name] = Checksum.hexadecimal(of: Measures.littleEndian(values))
            }
            results.append(ReplayResults.ProgramResult(program: entry.program, sqnrDb: sqnr, sha256: digests))
        }
        return results
    }

    private static func replayTrace(
        _ golden: GoldenVectors, _ tracker: Tracker, _ target: String, _ timings: inout Timings
    ) async throws -> [ReplayResults.FrameResult] {
        var results: [ReplayResults.FrameResult] = []
        let expected = golden.index.trace.results[target] ?? []
        for (index, pair) in zip(golden.index.trace.frames, expected).enumerated() {
            let request = try golden.request(pair.0)
            let started = DispatchTime.now()
            let tracked = try await tracker.track(request)
            timings.add("frame", since: started)
            let ids = tracked.ids()
            let goldenIds = try golden.bytes(pair.1.ids)
            guard ids.count == goldenIds.count else {
                throw TinySAM2Error.bundle(
                    "the golden ids of frame \(index) are not of the frame's size; ship the bundle again")
            }
            var iou: [String: Double] = [:]
            for key in pair.1.objects.keys {
                guard let id = UInt8(key) else {
                    throw TinySAM2Error.bundle("the golden trace has the object id \(key); it must be a number")
                }
                iou[key] = Measures.iou(ids, goldenIds, of: id)
            }
            let digest = Checksum.hexadecimal(of: Data(ids))
            results.append(ReplayResults.FrameResult(frame: index, idsSHA256: digest, iou: iou))
        }
        return results
    }

    /// Whether a step of preprocessing gives the golden output in every bit.
    static func isEqual(
        _ entry: GoldenIndex.PreprocessingEntry, _ golden: GoldenVectors, _ preprocessor: Preprocessor
    ) throws -> Bool {
        switch entry.kind {
        case "image":
            let frame = try golden.frame(try given(entry.input, entry))
            return try preprocessor.imageBytes(frame) == golden.bytes(entry.output)
        case "mask_prompt":
            let name = try given(entry.input, entry)
            let prompt = preprocessor.maskPrompt(try golden.bytes(name), of: try size(golden.shape(name)))
            return try prompt.map(\.bitPattern) == golden.floats(entry.output).map(\.bitPattern)
        case "mask":
            let logits = try golden.floats(try given(entry.input, entry))
            let enlargement = preprocessor.enlargement(to: try size(golden.shape(entry.output)))
            let threshold = preprocessor.contract.mask.threshold
            let mask = enlargement.plane(logits).map { $0 > threshold ? UInt8(1) : UInt8(0) }
            return try mask == golden.bytes(entry.output)
        case "yuv420":
            let y = try given(entry.y, entry)
            let planes = YUVPlanes(
                y: try golden.bytes(y), u: try golden.bytes(try given(entry.u, entry)),
                v: try golden.bytes(try given(entry.v, entry)), size: try size(golden.shape(y)),
                conversion: entry.conversion)
            return try planes.rgb(preprocessor.contract.video) == golden.bytes(entry.output)
        default:
            throw TinySAM2Error.bundle(
                "the golden vectors have the kind \(entry.kind), which this package does not know")
        }
    }

    private static func given(_ name: String?, _ entry: GoldenIndex.PreprocessingEntry) throws -> String {
        guard let name else {
            throw TinySAM2Error.bundle(
                "a golden vector of the kind \(entry.kind) lacks an input; ship the bundle again")
        }
        return name
    }

    private static func name(of tensor: String, in names: [String: String]) throws -> String {
        guard let name = names[tensor] else {
            throw TinySAM2Error.bundle("the golden vectors lack the tensor \(tensor); ship the bundle again")
        }
        return name
    }

    private static func size(_ shape: [Int]) throws -> Size {
        guard shape.count == 2 else {
            throw TinySAM2Error.bundle("a golden plane has the shape \(shape); it must be height, width")
        }
        return Size(width: shape[1], height: shape[0])
    }
}

/// Milliseconds by what was timed.
struct Timings {
    private var taken: [String: [Double]] = [:]

    mutating func add(_ name: String, since start: DispatchTime) {
        let nanoseconds = DispatchTime.now().uptimeNanoseconds - start.uptimeNanoseconds
        taken[name, default: []].append(Double(nanoseconds) / 1e6)
    }

    func summary() -> [String: ReplayResults.Latency] {
        taken.mapValues { values in
            let sorted = values.sorted()
            return ReplayResults.Latency(median: Timings.percentile(sorted, 0.5), p90: Timings.percentile(sorted, 0.9))
        }
    }

    /// Between neighbours in proportion; values sorted and at least one.
    static func percentile(_ sorted: [Double], _ share: Double) -> Double {
        let place = share * Double(sorted.count - 1)
        let below = Int(place)
        let above = min(below + 1, sorted.count - 1)
        return sorted[below] + (sorted[above] - sorted[below]) * (place - Double(below))
    }
}

/// How far results are from the golden ones.
enum Measures {
    /// 10 log10 of signal over error, in dB; nil: equal in every value. -200 to 200 where it would be infinite.
    static func sqnr(_ values: [Float], _ expected: [Float]) -> Double? {
        var signal = 0.0
        var noise = 0.0
        for (value, wanted) in zip(values, expected) {
            let difference = Double(value) - Double(wanted)
            signal += Double(wanted) * Double(wanted)
            noise += difference * difference
        }
        if noise == 0 {
            return nil
        }
        guard noise.isFinite else { return -200 }
        return min(max(10 * log10(signal / noise), -200), 200)
    }

    /// Intersection over union of one id's pixels; 1 where neither has any.
    static func iou(_ ids: [UInt8], _ expected: [UInt8], of id: UInt8) -> Double {
        var intersection = 0
        var union = 0
        for (mine, theirs) in zip(ids, expected) where mine == id || theirs == id {
            union += 1
            intersection += mine == theirs ? 1 : 0
        }
        return union == 0 ? 1 : Double(intersection) / Double(union)
    }

    static func littleEndian(_ values: [Float]) -> Data {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(4 * values.count)
        for value in values {
            let bits = value.bitPattern
            for shift in stride(from: 0, to: 32, by: 8) {
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(shift)))
            }
        }
        return Data(bytes)
    }
}
