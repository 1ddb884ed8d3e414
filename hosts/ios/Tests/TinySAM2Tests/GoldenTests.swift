import Foundation
import XCTest

@testable import TinySAM2

/// Answers from a bundle's golden vectors: the outputs that were recorded for a call's inputs, or for the nearest ones.
actor RecordedRuntime: Runtime {
    nonisolated let target: String
    nonisolated let version = "recorded"
    private let calls: [RecordedCall]
    private(set) var counts: [String: Int] = [:]

    struct RecordedCall: Sendable {
        let program: String
        let inputs: [[Float]]
        let outputs: [[Float]]
    }

    init(_ golden: GoldenVectors, _ manifest: Manifest, target: String) throws {
        self.target = target
        var calls: [RecordedCall] = []
        for entry in golden.programs(of: target) {
            guard let spec = manifest.programs.first(where: { $0.name == entry.program }) else { continue }
            let inputs = try spec.inputs.map { try golden.floats(entry.inputs[$0.name] ?? "") }
            let outputs = try spec.outputs.map { try golden.floats(entry.outputs[$0.name] ?? "") }
            calls.append(RecordedCall(program: entry.program, inputs: inputs, outputs: outputs))
        }
        self.calls = calls
    }

    func load(_ artifacts: Artifacts) async throws {}

    func run(_ program: ProgramSpec, _ inputs: [[Float]]) async throws -> [[Float]] {
        counts[program.name, default: 0] += 1
        let candidates = calls.filter { $0.program == program.name }
        let nearest = candidates.min { left, right in
            RecordedRuntime.distance(left.inputs, inputs) < RecordedRuntime.distance(right.inputs, inputs)
        }
        guard let answer = nearest else {
            throw TinySAM2Error.runtime("no call of \(program.name) was recorded")
        }
        return answer.outputs
    }

    func close() {}

    private static func distance(_ mine: [[Float]], _ theirs: [[Float]]) -> Double {
        var sum = 0.0
        for (left, right) in zip(mine, theirs) {
            for (a, b) in zip(left, right) {
                sum += Double(a - b) * Double(a - b)
            }
        }
        return sum
    }
}

/// Replays the bundle that this package lies in, as `host/`, or that `TINYSAM2_BUNDLE` names.
final class GoldenTests: XCTestCase {
    private func bundleFolder() throws -> URL {
        if let path = ProcessInfo.processInfo.environment["TINYSAM2_BUNDLE"] {
            return URL(fileURLWithPath: path, isDirectory: true)
        }
        var folder = URL(fileURLWithPath: #filePath)
        for _ in 0..<4 {
            folder.deleteLastPathComponent()
        }
        let bundle = folder.deletingLastPathComponent()
        let manifest = bundle.appendingPathComponent("manifest.json").path
        try XCTSkipUnless(
            FileManager.default.fileExists(atPath: manifest),
            "the package does not lie in a bundle; name one by TINYSAM2_BUNDLE")
        return bundle
    }

    private func recorded() throws -> (URL, GoldenVectors, RecordedRuntime) {
        let folder = try bundleFolder()
        let bundle = try ModelBundle(at: folder)
        let golden = try GoldenVectors(bundle)
        let target = try XCTUnwrap(golden.index.trace.results.keys.sorted().first)
        return (folder, golden, try RecordedRuntime(golden, bundle.manifest, target: target))
    }

    func testPreprocessingIsEqualToTheBit() throws {
        let bundle = try ModelBundle(at: bundleFolder())
        let golden = try GoldenVectors(bundle)
        let preprocessor = try Preprocessor(bundle.manifest.frame)
        for (index, entry) in golden.index.preprocessing.enumerated() {
            XCTAssertTrue(try Replay.isEqual(entry, golden, preprocessor), "step \(index), \(entry.kind)")
        }
    }

    func testAReplayOfRecordedAnswersIsExactInEveryProgram() async throws {
        let (folder, golden, runtime) = try recorded()
        let results = try await Replay.run(bundle: folder, runtime: runtime)
        XCTAssertEqual(results.programs.count, golden.programs(of: runtime.target).count)
        for program in results.programs {
            for (output, sqnr) in program.sqnrDb {
                XCTAssertNil(sqnr, "\(program.program) \(output)")
            }
        }
        XCTAssertEqual(results.trace.count, golden.index.trace.frames.count)
    }

    func testTheTraceHasTheGoldenObjectsInEveryFrame() async throws {
        let (folder, golden, runtime) = try recorded()
        let tracker = try await Tracker.open(bundle: folder, runtime: runtime)
        let expected = try XCTUnwrap(golden.index.trace.results[runtime.target])
        for (index, pair) in zip(golden.index.trace.frames, expected).enumerated() {
            let tracked = try await tracker.track(golden.request(pair.0))
            let ids = pair.1.objects.keys.compactMap { Int($0) }.sorted()
            XCTAssertEqual(tracked.objects.map(\.id), ids, "frame \(index)")
        }
        let encoder = tracker.bundle.manifest.programs[0].name
        let encoded = await runtime.counts[encoder]
        XCTAssertEqual(encoded, golden.index.trace.frames.count)
    }

    func testResultsAreWrittenWithTheKeysThatVerifyReads() async throws {
        let (folder, _, runtime) = try recorded()
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).json")
        defer { try? FileManager.default.removeItem(at: file) }
        try await Replay.run(bundle: folder, runtime: runtime, writingTo: file)
        let written = try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any]
        XCTAssertEqual(
            written?.keys.sorted(),
            [
                "device", "latency_ms", "manifest_sha256", "peak_memory_bytes", "preprocessing", "programs",
                "results_version", "target", "trace",
            ])
    }
}
