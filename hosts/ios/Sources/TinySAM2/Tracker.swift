import Foundation

/// Follows objects through the frames of a video, one frame after the other, in constant memory.
///
/// An object begins with its first prompt; a later prompt corrects it. Calls may come from any task: they run one after
/// the other, in the order in which they came.
public actor Tracker {
    public nonisolated let bundle: ModelBundle
    private let runtime: any Runtime
    private let plan: CallPlan
    private let preprocessor: Preprocessor
    private var banks: [Int: [String: [Float]]] = [:]
    private var isLoaded = false
    private var isClosed = false
    private var isBusy = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    private init(bundle: ModelBundle, runtime: any Runtime) throws {
        self.bundle = bundle
        self.runtime = runtime
        plan = try CallPlan(bundle.manifest)
        preprocessor = try Preprocessor(bundle.manifest.frame)
    }

    /// Opens a bundle's folder: reads and checks its manifest. Nothing is loaded yet; see `load`.
    public static func open(bundle folder: URL, runtime: any Runtime) async throws -> Tracker {
        try Tracker(bundle: ModelBundle(at: folder), runtime: runtime)
    }

    /// Checks the artifacts' digests and loads them. The first load on a device compiles them, which can take minutes
    /// for a large model; it belongs behind a progress view. `track` loads where this was not called.
    public func load() async throws {
        try await inTurn { tracker in
            try await tracker.loadNow()
        }
    }

    /// Runs every program once on an empty picture, so that the first frame is as fast as the others.
    public func warmUp() async throws {
        let empty = try Frame(rgb: [0, 0, 0], width: 1, height: 1)
        try await inTurn { tracker in
            try await tracker.loadNow()
            let encoded = try await tracker.encode(empty)
            let tensors = try await tracker.decode(empty, nil, encoded, tracker.plan.emptyBank())
            _ = try await tracker.remember(tensors)
        }
    }

    /// The objects on the next frame; prompts by object id, for this frame.
    ///
    /// Throws `TinySAM2Error.prompt` where a prompt does not fit the frame or nothing was ever prompted. A call that
    /// fails, or whose task is cancelled between two programs, leaves every object where it was.
    public func track(_ frame: Frame, prompts: [Int: Prompt] = [:]) async throws -> TrackedFrame {
        try await track(TrackingRequest(frame: frame, prompts: prompts))
    }

    /// The same, with objects that are forgotten before the frame is tracked.
    public func track(_ request: TrackingRequest) async throws -> TrackedFrame {
        try await inTurn { tracker in
            try await tracker.trackNow(request)
        }
    }

    /// The prompted objects on one picture alone: nothing is recalled or remembered.
    public func segment(_ frame: Frame, prompts: [Int: Prompt]) async throws -> TrackedFrame {
        try await inTurn { tracker in
            try await tracker.segmentNow(frame, prompts)
        }
    }

    /// Forgets an object and frees its bank. Throws `TinySAM2Error.prompt` where there is none of that id.
    public func remove(_ id: Int) async throws {
        try await inTurn { tracker in
            try tracker.demandObject(id)
            tracker.forget(id)
        }
    }

    /// Forgets all objects, so that another video can begin.
    public func reset() async throws {
        try await inTurn { tracker in
            tracker.forgetAll()
        }
    }

    /// Frees the runtime after the frame in progress; later calls throw `TinySAM2Error.closed`.
    public func close() async {
        await takeTurn()
        if !isClosed {
            isClosed = true
            banks = [:]
            await runtime.close()
        }
        passTurn()
    }

    /// The ids of the objects that are tracked.
    public var objectIds: [Int] { banks.keys.sorted() }

    /// Bytes of all objects' memory banks.
    public var bankBytes: Int {
        banks.values.flatMap(\.values).reduce(0) { $0 + $1.count * MemoryLayout<Float>.size }
    }

    private func loadNow() async throws {
        if !isLoaded {
            try await runtime.load(bundle.artifacts(for: runtime.target))
            isLoaded = true
        }
    }

    private func trackNow(_ request: TrackingRequest) async throws -> TrackedFrame {
        try check(request)
        let kept = banks.filter { !request.remove.contains($0.key) }
        guard !kept.isEmpty || !request.prompts.isEmpty else {
            throw TinySAM2Error.prompt("there is nothing to track; prompt an object on this frame or an earlier one")
        }
        try await loadNow()
        let frame = request.frame
        let encoded = try await encode(frame)
        var objects: [Int: [String: [Float]]] = [:]
        var following: [Int: [String: [Float]]] = [:]
        for id in Set(kept.keys).union(request.prompts.keys).sorted() {
            let tensors = try await decode(frame, request.prompts[id], encoded, kept[id] ?? plan.emptyBank())
            objects[id] = tensors
            following[id] = try await remember(tensors)
        }
        let answer = try tracked(objects, frame.size)
        // All at once, so that a program that fails leaves every object where it was.
        banks = following
        return answer
    }

    private func segmentNow(_ frame: Frame, _ prompts: [Int: Prompt]) async throws -> TrackedFrame {
        try check(TrackingRequest(frame: frame, prompts: prompts))
        guard !prompts.isEmpty else {
            throw TinySAM2Error.prompt("there is nothing to segment; prompt an object on the picture")
        }
        try await loadNow()
        let encoded = try await encode(frame)
        var objects: [Int: [String: [Float]]] = [:]
        for (id, prompt) in prompts.sorted(by: { $0.key < $1.key }) {
            objects[id] = try await decode(frame, prompt, encoded, plan.emptyBank())
        }
        return try tracked(objects, frame.size)
    }

    /// The answers of all objects, from each one's tensors.
    private func tracked(_ tensors: [Int: [String: [Float]]], _ size: Size) throws -> TrackedFrame {
        let enlargement = preprocessor.enlargement(to: size)
        let threshold = preprocessor.contract.mask.threshold
        var objects: [TrackedObject] = []
        for (id, values) in tensors.sorted(by: { $0.key < $1.key }) {
            let object = TrackedObject(
                id: id, iou: try Tracker.value(TensorName.iou, values)[0],
                objectScore: try Tracker.value(TensorName.objectScore, values)[0],
                smallLogits: try Tracker.value(TensorName.maskLogits, values), enlargement: enlargement,
                threshold: threshold)
            objects.append(object)
        }
        return TrackedFrame(size: size, objects: objects, threshold: threshold)
    }

    private func check(_ request: TrackingRequest) throws {
        let ids = preprocessor.contract.ids
        for id in request.remove {
            try demandObject(id)
        }
        for (id, prompt) in request.prompts {
            guard id >= ids.least, id <= ids.most else {
                throw TinySAM2Error.prompt(
                    "object id \(id) cannot be kept in a mask; ids are \(ids.least) to \(ids.most)")
            }
            try prompt.check(request.frame.size, mostPoints: preprocessor.contract.points.most)
        }
    }

    private func demandObject(_ id: Int) throws {
        guard banks[id] != nil else {
            throw TinySAM2Error.prompt("there is no object \(id); there are \(banks.keys.sorted())")
        }
    }

    private func forget(_ id: Int) {
        banks[id] = nil
    }

    private func forgetAll() {
        banks = [:]
    }

    /// The image's features, which all objects share.
    private func encode(_ frame: Frame) async throws -> [String: [Float]] {
        let image = try preprocessor.imageBytes(frame).map { Float($0) }
        return try await call(plan.encoder, [TensorName.image: image])
    }

    /// All tensors of one object's frame up to its mask.
    private func decode(
        _ frame: Frame, _ prompt: Prompt?, _ encoded: [String: [Float]], _ bank: [String: [Float]]
    ) async throws -> [String: [Float]] {
        var tensors = encoded
        tensors.merge(bank) { _, new in new }
        tensors.merge(preprocessor.promptTensors(prompt, of: frame.size)) { _, new in new }
        for program in plan.untilMask {
            let outputs = try await call(program, tensors)
            tensors.merge(outputs) { _, new in new }
        }
        return tensors
    }

    /// The next frame's bank, from the tensors of this frame.
    private func remember(_ decoded: [String: [Float]]) async throws -> [String: [Float]] {
        var tensors = decoded
        for program in plan.afterMask {
            let outputs = try await call(program, tensors)
            tensors.merge(outputs) { _, new in new }
        }
        return try plan.fedBack(tensors)
    }

    private func call(_ program: ProgramSpec, _ tensors: [String: [Float]]) async throws -> [String: [Float]] {
        try Task.checkCancellation()
        var inputs: [[Float]] = []
        for input in program.inputs {
            inputs.append(try Tracker.value(input.name, tensors))
        }
        let outputs = try await runtime.run(program, inputs)
        guard outputs.count == program.outputs.count else {
            throw TinySAM2Error.runtime(
                "\(program.name) gave \(outputs.count) outputs; it has \(program.outputs.count)")
        }
        var named: [String: [Float]] = [:]
        for (spec, values) in zip(program.outputs, outputs) {
            guard values.count == spec.count else {
                throw TinySAM2Error.runtime(
                    "\(program.name) gave \(values.count) values as \(spec.name); the manifest says \(spec.count)")
            }
            named[spec.name] = values
        }
        return named
    }

    private static func value(_ name: String, _ tensors: [String: [Float]]) throws -> [Float] {
        guard let value = tensors[name] else {
            throw TinySAM2Error.runtime("there is no tensor \(name), which a program needs")
        }
        return value
    }

    /// Runs work when all calls that came before have ended: an actor alone would let them overlap at every `await`.
    private func inTurn<Outcome: Sendable>(
        _ work: (isolated Tracker) async throws -> Outcome
    ) async throws -> Outcome {
        await takeTurn()
        defer { passTurn() }
        guard !isClosed else { throw TinySAM2Error.closed }
        try Task.checkCancellation()
        return try await work(self)
    }

    private func takeTurn() async {
        if isBusy {
            await withCheckedContinuation { continuation in
                waiting.append(continuation)
            }
        } else {
            isBusy = true
        }
    }

    private func passTurn() {
        if waiting.isEmpty {
            isBusy = false
        } else {
            waiting.removeFirst().resume()
        }
    }
}
