import Foundation

/// A bundle's folder, as `tinysam2 ship` writes it. Files are checked against the manifest before they are used.
public struct ModelBundle: Sendable {
    public let folder: URL
    public let manifest: Manifest
    /// Digest of `manifest.json`, which names every other file's: the bundle's identity.
    public let manifestSHA256: String

    private static let manifestName = "manifest.json"
    private static let digestName = "manifest.sha256"

    /// Reads and checks the manifest; artifacts are checked when they are asked for.
    public init(at folder: URL) throws {
        let content = try ModelBundle.content(of: folder.appendingPathComponent(ModelBundle.manifestName))
        let digest = Checksum.hexadecimal(of: content)
        let line = try ModelBundle.content(of: folder.appendingPathComponent(ModelBundle.digestName))
        let stated = String(decoding: line, as: UTF8.self).split(separator: " ").first.map(String.init)
        guard stated == digest else {
            throw TinySAM2Error.bundle(
                "manifest.json is not the file that was shipped: its sha256 differs; copy the bundle again")
        }
        self.folder = folder
        manifest = try Manifest.read(content)
        manifestSHA256 = digest
    }

    /// The artifacts of one runtime, every file of them checked by size and sha256.
    public func artifacts(for target: String) throws -> Artifacts {
        guard let entry = manifest.targets[target] else {
            let known = manifest.targets.keys.sorted().joined(separator: ", ")
            throw TinySAM2Error.bundle("the bundle has no artifacts for \(target); it has \(known)")
        }
        var files: [String: URL] = [:]
        for program in manifest.programs {
            guard let path = entry.files[program.name] else {
                throw TinySAM2Error.bundle("target \(target) of the bundle has no file for \(program.name)")
            }
            files[program.name] = folder.appendingPathComponent(path)
        }
        for path in Set(entry.files.values).sorted() {
            try check(path)
        }
        return Artifacts(
            target: target, precision: entry.precision, halfPrecision: try halfPrecision(entry), files: files,
            inputsByName: entry.inputsBy == "name", outputsBy: entry.outputsBy, programs: manifest.programs,
            identity: manifestSHA256)
    }

    /// A file's content, checked.
    public func content(of path: String) throws -> Data {
        try check(path)
        return try ModelBundle.content(of: folder.appendingPathComponent(path))
    }

    private func halfPrecision(_ target: Manifest.Target) throws -> Bool {
        switch target.ioDtype {
        case "float16": return true
        case "float32": return false
        default:
            throw TinySAM2Error.bundle(
                "a target's tensors are \(target.ioDtype); this package passes float32 and float16")
        }
    }

    /// Checks a file, or every file of a package, which is a folder; a package must hold no others.
    private func check(_ path: String) throws {
        let prefix = path + "/"
        let listed = manifest.files.filter { $0.key == path || $0.key.hasPrefix(prefix) }
        guard !listed.isEmpty else {
            throw TinySAM2Error.bundle("the manifest does not list \(path); ship the bundle again")
        }
        for (name, entry) in listed.sorted(by: { $0.key < $1.key }) {
            guard ModelBundle.liesWithin(name) else {
                throw TinySAM2Error.bundle("the manifest names the file \(name), which does not lie within the bundle")
            }
            try ModelBundle.check(folder.appendingPathComponent(name), name, entry)
        }
        if listed[path] == nil {
            try checkNothingElse(in: path, listed: Set(listed.keys))
        }
    }

    private static func check(_ file: URL, _ name: String, _ entry: Manifest.FileEntry) throws {
        let again = "copy the whole bundle again"
        guard let attributes = try? FileManager.default.attributesOfItem(atPath: file.path) else {
            throw TinySAM2Error.bundle("\(name) is missing; \(again)")
        }
        guard let bytes = (attributes[.size] as? NSNumber)?.intValue, bytes == entry.bytes else {
            throw TinySAM2Error.bundle("\(name) has not the \(entry.bytes) bytes that the manifest says; \(again)")
        }
        let digest: String
        do {
            digest = try Checksum.hexadecimal(ofFile: file)
        } catch {
            throw TinySAM2Error.bundle("\(name) cannot be read: \(error.localizedDescription)")
        }
        guard digest == entry.sha256 else {
            throw TinySAM2Error.bundle("\(name) is not the file that was shipped: its sha256 differs; \(again)")
        }
    }

    private func checkNothingElse(in path: String, listed: Set<String>) throws {
        let root = folder.appendingPathComponent(path)
        let names = try? FileManager.default.subpathsOfDirectory(atPath: root.path)
        for name in (names ?? []).sorted() {
            var isFolder = ObjCBool(false)
            let exists = FileManager.default.fileExists(
                atPath: root.appendingPathComponent(name).path, isDirectory: &isFolder)
            guard !exists || isFolder.boolValue || listed.contains("\(path)/\(name)") else {
                throw TinySAM2Error.bundle("\(path)/\(name) is not listed in the manifest; copy the whole bundle again")
            }
        }
    }

    private static func liesWithin(_ path: String) -> Bool {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        return !path.contains("\\") && parts.allSatisfy { $0 != "" && $0 != "." && $0 != ".." }
    }

    private static func content(of file: URL) throws -> Data {
        do {
            return try Data(contentsOf: file)
        } catch {
            throw TinySAM2Error.bundle("\(file.lastPathComponent) cannot be read; name the folder of a whole bundle")
        }
    }
}

/// What a runtime loads: checked files, and how their tensors are addressed.
public struct Artifacts: Sendable {
    public let target: String
    public let precision: String
    /// Whether the artifacts take and give float16; runtimes convert.
    public let halfPrecision: Bool
    /// By program; programs may share a file.
    public let files: [String: URL]
    public let inputsByName: Bool
    /// `name`, `position` or `output_index`.
    public let outputsBy: String
    public let programs: [ProgramSpec]
    /// The manifest's digest, under which compiled models are cached.
    public let identity: String
}
