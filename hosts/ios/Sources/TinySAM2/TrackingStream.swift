/// A frame of a stream: its prompts by object id, and objects to forget before it is tracked.
public struct TrackingRequest: Sendable {
    public let frame: Frame
    public let prompts: [Int: Prompt]
    public let remove: [Int]

    public init(frame: Frame, prompts: [Int: Prompt] = [:], remove: [Int] = []) {
        self.frame = frame
        self.prompts = prompts
        self.remove = remove
    }

    /// Whether nothing but a picture is lost with it.
    var mayBeDropped: Bool { prompts.isEmpty && remove.isEmpty }
}

/// What happens to frames that come while one is tracked.
public enum BusyPolicy: Sendable {
    /// For a camera: only the newest is kept. Frames with prompts or removals are never dropped.
    case keepNewest
    /// For a file: the source waits, and every frame is tracked.
    case wait
}

extension Tracker {
    /// The objects on the frames of a stream.
    ///
    /// A frame is tracked when the consumer asks for it, so a slow consumer slows tracking down instead of filling
    /// memory. The stream ends with the source, with the first error, or when the consumer's task is cancelled.
    public nonisolated func track<Requests: AsyncSequence & Sendable>(
        _ requests: Requests, whileBusy policy: BusyPolicy
    ) -> AsyncThrowingStream<TrackedFrame, any Error> where Requests.Element == TrackingRequest {
        let mailbox = Mailbox(policy)
        let reader: Task<Void, Never> = Task {
            do {
                for try await request in requests {
                    try await mailbox.put(request)
                }
                await mailbox.finish(throwing: nil)
            } catch {
                await mailbox.finish(throwing: error)
            }
        }
        let pump = Pump(tracker: self, mailbox: mailbox, reader: reader)
        return AsyncThrowingStream<TrackedFrame, any Error>(unfolding: { try await pump.next() })
    }
}

/// Takes frames from the mailbox and tracks them; stops reading the source when nobody holds it any more.
final class Pump: Sendable {
    private let tracker: Tracker
    private let mailbox: Mailbox
    private let reader: Task<Void, Never>

    init(tracker: Tracker, mailbox: Mailbox, reader: Task<Void, Never>) {
        self.tracker = tracker
        self.mailbox = mailbox
        self.reader = reader
    }

    deinit {
        reader.cancel()
        let mailbox = self.mailbox
        Task { await mailbox.close() }
    }

    func next() async throws -> TrackedFrame? {
        let mailbox = self.mailbox
        let reader = self.reader
        return try await withTaskCancellationHandler {
            guard let request = try await mailbox.next() else { return nil }
            return try await tracker.track(request)
        } onCancel: {
            reader.cancel()
            Task { await mailbox.close() }
        }
    }
}

/// Holds the frames between a source and the tracker: at most one that may be dropped.
actor Mailbox {
    private let policy: BusyPolicy
    private var pending: [TrackingRequest] = []
    private var isEnded = false
    private var failure: (any Error)?
    private var taker: CheckedContinuation<Void, Never>?
    private var giver: CheckedContinuation<Void, Never>?

    init(_ policy: BusyPolicy) {
        self.policy = policy
    }

    /// Stores a frame as the policy says. Throws `CancellationError` where nobody will take it.
    func put(_ request: TrackingRequest) async throws {
        switch policy {
        case .keepNewest:
            pending.removeAll { $0.mayBeDropped }
        case .wait:
            while !pending.isEmpty && !isEnded {
                await withCheckedContinuation { continuation in
                    giver = continuation
                }
            }
        }
        guard !isEnded else { throw CancellationError() }
        pending.append(request)
        wakeTaker()
    }

    /// The next frame; nil at the source's end.
    func next() async throws -> TrackingRequest? {
        while pending.isEmpty && !isEnded {
            await withCheckedContinuation { continuation in
                taker = continuation
            }
        }
        if !pending.isEmpty {
            let request = pending.removeFirst()
            wakeGiver()
            return request
        }
        if let failure {
            throw failure
        }
        return nil
    }

    /// The source has ended; what is pending can still be taken.
    func finish(throwing error: (any Error)?) {
        if !isEnded {
            isEnded = true
            failure = error
        }
        wakeTaker()
    }

    /// Nobody takes frames any more.
    func close() {
        isEnded = true
        pending = []
        wakeTaker()
        wakeGiver()
    }

    private func wakeTaker() {
        taker?.resume()
        taker = nil
    }

    private func wakeGiver() {
        giver?.resume()
        giver = nil
    }
}
