/// What runs the four programs. `Tracker` calls it one call at a time; loading and running are apart.
public protocol Runtime: Sendable {
    /// The runtime's name in the manifest's `targets`.
    var target: String { get }
    /// The version of the runtime, for reports.
    var version: String { get }
    /// Makes the programs ready to run; does nothing where they are loaded.
    func load(_ artifacts: Artifacts) async throws
    /// Runs a program on its inputs, row-major and in the manifest's order; returns its outputs likewise.
    func run(_ program: ProgramSpec, _ inputs: [[Float]]) async throws -> [[Float]]
    /// Frees the programs.
    func close() async
}
