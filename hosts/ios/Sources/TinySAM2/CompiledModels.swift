#if canImport(CoreML)
import CoreML
import Foundation

/// Core ML models compiled on the device, kept under the manifest's digest, so that each bundle is compiled once.
actor CompiledModels {
    static let shared = CompiledModels()

    private var inProgress: [URL: Task<URL, any Error>] = [:]

    /// The compiled model of a package. A compilation goes on when its caller is cancelled; the next caller joins it.
    func compiled(_ package: URL, to destination: URL) async throws -> URL {
        if let running = inProgress[destination] {
            return try await running.value
        }
        if FileManager.default.fileExists(atPath: destination.path) {
            return destination
        }
        let compilation = Task.detached { try await CompiledModels.compile(package, to: destination) }
        inProgress[destination] = compilation
        defer { inProgress[destination] = nil }
        return try await compilation.value
    }

    /// Deletes a compiled model that cannot be loaded, for example one of an older system.
    func discard(_ compiled: URL) throws {
        if FileManager.default.fileExists(atPath: compiled.path) {
            try FileManager.default.removeItem(at: compiled)
        }
    }

    private static func compile(_ package: URL, to destination: URL) async throws -> URL {
        let compiled = try await MLModel.compileModel(at: package)
        let files = FileManager.default
        let folder = destination.deletingLastPathComponent()
        try files.createDirectory(at: folder, withIntermediateDirectories: true)
        // Under another name first: a kill midway leaves no half-written model under the name that is looked for.
        let staged = folder.appendingPathComponent(UUID().uuidString)
        try files.moveItem(at: compiled, to: staged)
        if files.fileExists(atPath: destination.path) {
            try files.removeItem(at: staged)
        } else {
            try files.moveItem(at: staged, to: destination)
        }
        return destination
    }
}
#endif
