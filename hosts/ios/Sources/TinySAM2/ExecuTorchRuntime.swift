#if canImport(ExecuTorch)
import Dispatch
import ExecuTorch
import Foundation

/// Runs a bundle's `.pte` by ExecuTorch, on a queue of its own. Programs that share a file share one module.
public actor ExecuTorchRuntime: Runtime {
    public nonisolated let target = "executorch"
    public nonisolated let version: String
    private let queue = DispatchSerialQueue(label: "tinysam2.executorch")
    private var modules: [String: Module] = [:]
    private var identity: String?

    public nonisolated var unownedExecutor: UnownedSerialExecutor {
        queue.asUnownedSerialExecutor()
    }

    /// version: of the ExecuTorch package that the app links, for reports; the package does not tell it.
    public init(version: String) {
        self.version = version
    }

    public func load(_ artifacts: Artifacts) async throws {
        if identity == artifacts.identity && !modules.isEmpty {
            return
        }
        guard !artifacts.halfPrecision else {
            throw TinySAM2Error.bundle(
                "the bundle's ExecuTorch program takes float16; this package passes float32 to it")
        }
        var byFile: [URL: Module] = [:]
        var loaded: [String: Module] = [:]
        for program in artifacts.programs {
            guard let file = artifacts.files[program.name] else {
                throw TinySAM2Error.bundle("the artifacts have no file for \(program.name)")
            }
            let module = byFile[file] ?? Module(filePath: file.path)
            byFile[file] = module
            do {
                try module.load(program.name)
            } catch {
                throw TinySAM2Error.runtime(
                    "ExecuTorch cannot load \(program.name): \(error.localizedDescription); "
                        + "link backend_xnnpack, kernels_optimized and kernels_quantized with -all_load")
            }
            loaded[program.name] = module
        }
        modules = loaded
        identity = artifacts.identity
    }

    public func run(_ program: ProgramSpec, _ inputs: [[Float]]) async throws -> [[Float]] {
        guard let module = modules[program.name] else {
            throw TinySAM2Error.runtime("\(program.name) is not loaded; call load() before run()")
        }
        var tensors: [Tensor<Float>] = []
        for (spec, values) in zip(program.inputs, inputs) {
            tensors.append(Tensor<Float>(values, shape: spec.shape))
        }
        let outputs: [Value]
        do {
            outputs = try module.execute(program.name, tensors)
        } catch {
            throw TinySAM2Error.runtime("ExecuTorch cannot run \(program.name): \(error.localizedDescription)")
        }
        var answers: [[Float]] = []
        for (spec, output) in zip(program.outputs, outputs) {
            guard let tensor: Tensor<Float> = output.tensor() else {
                throw TinySAM2Error.runtime(
                    "ExecuTorch gave \(spec.name) of \(program.name) as something else than floats")
            }
            answers.append(tensor.scalars())
        }
        return answers
    }

    public func close() {
        modules = [:]
        identity = nil
    }
}
#endif
