import Foundation
import XCTest

@testable import TinySAM2

final class TrackerTests: XCTestCase {
    private let click = Prompt.point(x: 1, y: 1)
    private var bundle: TestBundle?

    private func frame() throws -> Frame {
        try Frame(rgb: [UInt8](repeating: 9, count: 3 * 6 * 5), width: 6, height: 5)
    }

    private func opened() async throws -> (Tracker, ScriptedRuntime) {
        let bundle = try TestBundle()
        self.bundle = bundle
        let runtime = ScriptedRuntime()
        return (try await Tracker.open(bundle: bundle.folder, runtime: runtime), runtime)
    }

    private func message(_ work: () async throws -> Void) async -> String {
        do {
            try await work()
            return "nothing was thrown"
        } catch {
            return "\(error)"
        }
    }

    func testTheBankIsFedBackAndTheImageIsEncodedOnceAFrame() async throws {
        let (tracker, runtime) = try await opened()
        let first = try await tracker.track(frame(), prompts: [1: click, 7: click])
        let second = try await tracker.track(frame())
        XCTAssertEqual(first.objects.map(\.id), [1, 7])
        XCTAssertEqual(first.objects.map(\.objectScore), [-1, -1])
        XCTAssertEqual(second.objects.map(\.objectScore), [0, 0])
        let calls = await runtime.calls
        XCTAssertEqual(calls.filter { $0 == "image_encoder" }.count, 2)
        XCTAssertEqual(calls.filter { $0 == "mask_decoder" }.count, 4)
    }

    func testMasksHaveTheFramesSizeAndTheLeastIdWinsATie() async throws {
        let (tracker, _) = try await opened()
        let tracked = try await tracker.track(frame(), prompts: [3: click, 2: click])
        XCTAssertEqual(tracked.ids().count, 30)
        XCTAssertEqual(Array(tracked.ids()[0..<6]), [2, 2, 2, 0, 0, 0])
        XCTAssertEqual(tracked[3]?.mask().reduce(0) { $0 + Int($1) }, 15)
    }

    func testARemovedObjectIsNotTrackedAnyMore() async throws {
        let (tracker, _) = try await opened()
        _ = try await tracker.track(frame(), prompts: [1: click, 2: click])
        try await tracker.remove(1)
        let tracked = try await tracker.track(frame())
        XCTAssertEqual(tracked.objects.map(\.id), [2])
        let said = await message { try await tracker.remove(1) }
        XCTAssertEqual(said, "there is no object 1; there are [2]")
    }

    func testAFailedCallLeavesEveryObjectWhereItWas() async throws {
        let (tracker, runtime) = try await opened()
        _ = try await tracker.track(frame(), prompts: [1: click])
        await runtime.fail(at: "memory_encoder")
        let said = await message { _ = try await tracker.track(self.frame(), prompts: [2: self.click]) }
        XCTAssertEqual(said, "scripted")
        await runtime.fail(at: nil)
        let tracked = try await tracker.track(frame())
        XCTAssertEqual(tracked.objects.map(\.id), [1])
        XCTAssertEqual(tracked[1]?.objectScore, 0)
    }

    func testACorrectionGoesToTheObjectThatIsThere() async throws {
        let (tracker, runtime) = try await opened()
        _ = try await tracker.track(frame(), prompts: [1: click])
        let correction = Prompt.points([Point(x: 3, y: 2.5), Point(x: 0, y: 0, positive: false)])
        let tracked = try await tracker.track(frame(), prompts: [1: correction])
        XCTAssertEqual(tracked[1]?.objectScore, 0)
        let inputs = await runtime.inputs["mask_decoder"]
        XCTAssertEqual(inputs?[1], [2, 2, 0, 0, 0, 0, 0, 0])
        XCTAssertEqual(inputs?[2], [1, 0, -1, -1])
    }

    func testCallsFromManyTasksRunOneAfterTheOther() async throws {
        let (tracker, runtime) = try await opened()
        let frame = try frame()
        let click = self.click
        try await withThrowingTaskGroup(of: Void.self) { group in
            for id in 1...5 {
                group.addTask { _ = try await tracker.track(frame, prompts: [id: click]) }
            }
            try await group.waitForAll()
        }
        let mostAtOnce = await runtime.mostAtOnce
        XCTAssertEqual(mostAtOnce, 1)
        let ids = await tracker.objectIds
        XCTAssertEqual(ids, [1, 2, 3, 4, 5])
    }

    func testNothingToTrackIsRefusedBeforeAnythingRuns() async throws {
        let (tracker, runtime) = try await opened()
        let said = await message { _ = try await tracker.track(self.frame()) }
        XCTAssertEqual(said, "there is nothing to track; prompt an object on this frame or an earlier one")
        let calls = await runtime.calls
        XCTAssertEqual(calls, [])
    }

    func testSegmentingAPictureRemembersNothing() async throws {
        let (tracker, runtime) = try await opened()
        let segmented = try await tracker.segment(frame(), prompts: [4: click])
        XCTAssertEqual(segmented.objects.map(\.id), [4])
        let ids = await tracker.objectIds
        XCTAssertEqual(ids, [])
        let calls = await runtime.calls
        XCTAssertEqual(calls, ["image_encoder", "memory_attention", "mask_decoder"])
    }

    func testClosingFreesTheRuntimeAndLaterCallsAreRefused() async throws {
        let (tracker, runtime) = try await opened()
        await tracker.close()
        let isClosed = await runtime.isClosed
        XCTAssertTrue(isClosed)
        let said = await message { try await tracker.warmUp() }
        XCTAssertEqual(said, "the tracker is closed; open another one")
    }

    func testLoadingHappensOnce() async throws {
        let (tracker, runtime) = try await opened()
        try await tracker.load()
        try await tracker.warmUp()
        _ = try await tracker.track(frame(), prompts: [1: click])
        let loads = await runtime.loads
        XCTAssertEqual(loads, 1)
    }

    func testAStreamThatWaitsTracksEveryFrame() async throws {
        let (tracker, _) = try await opened()
        let first = TrackingRequest(frame: try frame(), prompts: [1: click])
        let other = TrackingRequest(frame: try frame())
        let source = AsyncStream<TrackingRequest> { continuation in
            for request in [first, other, other] {
                continuation.yield(request)
            }
            continuation.finish()
        }
        var scores: [Float?] = []
        for try await tracked in tracker.track(source, whileBusy: .wait) {
            scores.append(tracked[1]?.objectScore)
        }
        XCTAssertEqual(scores, [-1, 0, 1])
    }

    func testABusyCameraKeepsTheNewestFrameAndEveryPrompt() async throws {
        let mailbox = Mailbox(.keepNewest)
        let click = self.click
        for value in 1...3 {
            let picture = try Frame(rgb: [UInt8(value), 0, 0], width: 1, height: 1)
            try await mailbox.put(TrackingRequest(frame: picture, prompts: value == 1 ? [1: click] : [:]))
        }
        await mailbox.finish(throwing: nil)
        var taken: [[UInt8]] = []
        while let request = try await mailbox.next() {
            if case .rgb(let rgb) = request.frame.pixels {
                taken.append(rgb)
            }
        }
        XCTAssertEqual(taken, [[1, 0, 0], [3, 0, 0]])
    }
}
