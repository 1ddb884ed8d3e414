/// The calls of a frame, checked to fit together before anything is loaded.
struct CallPlan: Sendable {
    /// Runs once a frame, whatever the number of objects.
    let encoder: ProgramSpec
    /// Run for each object, in this order, up to its mask.
    let untilMask: [ProgramSpec]
    /// Run for each object once its mask is known: what it remembers.
    let afterMask: [ProgramSpec]
    private let bank: [Manifest.BankTensor]

    init(_ manifest: Manifest) throws {
        let answer = [TensorName.maskLogits, TensorName.iou, TensorName.objectScore]
        let position = manifest.programs.firstIndex { program in
            answer.allSatisfy { name in program.outputs.contains { $0.name == name } }
        }
        guard let decoder = position, decoder > 0 else {
            throw TinySAM2Error.bundle(
                "no program of the manifest gives \(answer.joined(separator: ", ")) after an encoder")
        }
        encoder = manifest.programs[0]
        untilMask = Array(manifest.programs[1...decoder])
        afterMask = Array(manifest.programs[(decoder + 1)...])
        bank = manifest.bank.tensors
        try check(manifest.frame)
    }

    /// The bank of an object that was not seen yet.
    func emptyBank() -> [String: [Float]] {
        var tensors: [String: [Float]] = [:]
        for tensor in bank {
            tensors[tensor.name] = [Float](repeating: tensor.initial, count: tensor.shape.reduce(1, *))
        }
        return tensors
    }

    /// The next frame's bank, from all tensors of this frame.
    func fedBack(_ tensors: [String: [Float]]) throws -> [String: [Float]] {
        var following: [String: [Float]] = [:]
        for tensor in bank {
            guard let value = tensors[tensor.fedBackFrom] else {
                throw TinySAM2Error.runtime("no program gave \(tensor.fedBackFrom), which the memory bank needs")
            }
            following[tensor.name] = value
        }
        return following
    }

    /// Every input comes from the frame, the bank or an earlier program, with as many values as it has there.
    private func check(_ frame: FrameContract) throws {
        var known = [TensorName.image: frame.image.channels.count * frame.image.width * frame.image.height]
        try take(encoder, &known)
        known[TensorName.pointCoords] = 2 * frame.points.most
        known[TensorName.pointLabels] = frame.points.most
        known[TensorName.maskPrompt] = frame.maskPrompt.width * frame.maskPrompt.height
        known[TensorName.hasMask] = 1
        known[TensorName.isPrompted] = 1
        for tensor in bank {
            known[tensor.name] = tensor.shape.reduce(1, *)
        }
        for program in untilMask + afterMask {
            try take(program, &known)
        }
        for tensor in bank {
            try demand(tensor.fedBackFrom, tensor.shape.reduce(1, *), known)
        }
        try demand(TensorName.maskLogits, frame.mask.width * frame.mask.height, known)
        try demand(TensorName.iou, 1, known)
        try demand(TensorName.objectScore, 1, known)
    }

    private func take(_ program: ProgramSpec, _ known: inout [String: Int]) throws {
        for input in program.inputs {
            try demand(input.name, input.count, known)
        }
        for output in program.outputs {
            known[output.name] = output.count
        }
    }

    private func demand(_ name: String, _ count: Int, _ known: [String: Int]) throws {
        guard let given = known[name] else {
            throw TinySAM2Error.bundle("the manifest asks for \(name), which no program, bank or frame gives")
        }
        guard given == count else {
            throw TinySAM2Error.bundle("the manifest has \(name) with \(count) values; it is given \(given)")
        }
    }
}
