import Foundation
import XCTest

@testable import TinySAM2

/// A bundle of four tiny programs in a temporary folder, with digests as `tinysam2 ship` writes them.
final class TestBundle {
    static let target = "test"
    let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("tinysam2-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try Data("program".utf8).write(to: folder.appendingPathComponent("model.bin"))
        try writeManifest(TestBundle.manifest())
    }

    deinit {
        try? FileManager.default.removeItem(at: folder)
    }

    func writeManifest(_ manifest: [String: Any]) throws {
        let content = try JSONSerialization.data(withJSONObject: manifest)
        try content.write(to: folder.appendingPathComponent("manifest.json"))
        let line = "\(Checksum.hexadecimal(of: content))  manifest.json\n"
        try Data(line.utf8).write(to: folder.appendingPathComponent("manifest.sha256"))
    }

    /// An image of 4x4, mask logits of 2x2, and a bank of one counter, which begins at -1.
    static func manifest() -> [String: Any] {
        let image = tensor("image", [1, 3, 4, 4])
        let features = tensor("features", [1, 2])
        let conditioned = tensor("conditioned", [1, 2])
        let bank = tensor("seen", [1, 1])
        let prompts = [
            tensor("point_coords", [1, 4, 2]), tensor("point_labels", [1, 4]), tensor("mask_prompt", [1, 1, 2, 2]),
            tensor("has_mask", [1, 1]),
        ]
        let answer = [tensor("mask_logits", [1, 1, 2, 2]), tensor("iou", [1, 1]), tensor("object_score", [1, 1])]
        let isPrompted = tensor("is_prompted", [1, 1])
        let digest = Checksum.hexadecimal(of: Data("program".utf8))
        let names = ["image_encoder", "memory_attention", "mask_decoder", "memory_encoder"]
        let files = Dictionary(uniqueKeysWithValues: names.map { ($0, "model.bin") })
        return [
            "manifest_version": 2, "platform": "ios", "preset": "tiny", "tinysam2_version": "0", "golden": NSNull(),
            "deployment": ["ios": "17.0"],
            "weights": [
                "source": "none", "sha256": digest, "trained": false, "licence": "none", "trained_on": [String](),
            ] as [String: Any],
            "parity": ["passed": true, "targets": [target: true], "report": "report.json"] as [String: Any],
            "budget": ["bank_bytes_per_object": 4, "limit_bytes_per_object": 4, "passed": true] as [String: Any],
            "targets": [
                target: [
                    "precision": "fp32", "io_dtype": "float32", "files": files,
                    "inputs_by": "name", "outputs_by": "name",
                    "runtime": ["name": "test", "package": "none", "minimum_version": "1"], "versions": [String: String](),
                ] as [String: Any]
            ],
            "programs": [
                program(names[0], [image], [features]),
                program(names[1], [features, bank], [conditioned]),
                program(names[2], [conditioned] + prompts, answer),
                program(names[3], [features, isPrompted, bank] + answer, [tensor("next_seen", [1, 1])]),
            ],
            "bank": [
                "per": "object",
                "tensors": [
                    ["name": "seen", "shape": [1, 1], "initial": -1, "fed_back_from": "next_seen"] as [String: Any]
                ],
            ] as [String: Any],
            "frame": frame(),
            "files": ["model.bin": ["bytes": 7, "sha256": digest] as [String: Any]],
        ]
    }

    static func frame() -> [String: Any] {
        let passes = ["horizontal", "vertical"]
        let arithmetic = "float64 sums in tap order, stored as float32 after each pass"
        func plane(_ filter: String) -> [String: Any] {
            ["filter": filter, "antialias": true, "passes": passes, "arithmetic": arithmetic]
        }
        return [
            "image": [
                "width": 4, "height": 4, "channels": ["red", "green", "blue"], "range": [0, 255], "layout": "NCHW",
                "resize": [
                    "filter": "triangle", "antialias": true, "passes": passes, "coefficient_bits": 22,
                    "between_passes": "uint8",
                ] as [String: Any],
            ] as [String: Any],
            "video": [
                "coefficient_bits": 16, "chroma": "nearest", "default": "bt601-full",
                "rotation": ["degrees": [0, 90, 180, 270], "direction": "clockwise", "when": "before resizing"]
                    as [String: Any],
                "conversions": [
                    "bt601-full": [
                        "luma_offset": 0, "chroma_offset": 128, "luma": 65536, "red_v": 91881, "green_u": -22554,
                        "green_v": -46802, "blue_u": 116130,
                    ]
                ],
            ] as [String: Any],
            "points": [
                "most": 4, "padding_label": -1, "negative_label": 0, "positive_label": 1, "box_labels": [2, 3],
                "order": "points, then the box's top left and bottom right corner", "scale": "x * width / frame_width",
            ] as [String: Any],
            "mask_prompt": ["width": 2, "height": 2, "resize": plane("box")] as [String: Any],
            "mask": ["width": 2, "height": 2, "resize": plane("triangle"), "threshold": 0, "inside": "above"]
                as [String: Any],
            "ids": ["least": 1, "most": 255, "overlap": "greatest logit above 0; at a tie the least id"] as [String: Any],
        ]
    }

    private static func tensor(_ name: String, _ shape: [Int]) -> [String: Any] {
        [
            "name": name, "shape": shape, "dtype": "float32", "layout": "contiguous", "quantization": NSNull(),
            "meaning": name,
        ]
    }

    private static func program(
        _ name: String, _ inputs: [[String: Any]], _ outputs: [[String: Any]]
    ) -> [String: Any] {
        ["name": name, "inputs": inputs, "outputs": outputs]
    }
}

/// A runtime that counts frames in the bank and answers by simple rules; it records what it is called with.
actor ScriptedRuntime: Runtime {
    nonisolated let target = TestBundle.target
    nonisolated let version = "1"
    private(set) var calls: [String] = []
    private(set) var inputs: [String: [[Float]]] = [:]
    private(set) var loads = 0
    private(set) var isClosed = false
    private var running = 0
    private(set) var mostAtOnce = 0
    private var failing: String?

    func fail(at program: String?) {
        failing = program
    }

    func load(_ artifacts: Artifacts) async throws {
        loads += 1
    }

    func run(_ program: ProgramSpec, _ values: [[Float]]) async throws -> [[Float]] {
        running += 1
        mostAtOnce = max(mostAtOnce, running)
        defer { running -= 1 }
        await Task.yield()
        calls.append(program.name)
        inputs[program.name] = values
        if failing == program.name {
            throw TinySAM2Error.runtime("scripted")
        }
        switch program.name {
        case "image_encoder":
            return [[values[0][0], values[0][values[0].count - 1]]]
        case "memory_attention":
            return [[values[0][0], values[1][0]]]
        case "mask_decoder":
            // The object is on the left; its score is the bank's counter.
            return [[1, -1, 1, -1], [0.5], [values[0][1]]]
        default:
            return [[values[2][0] + 1]]
        }
    }

    func close() {
        isClosed = true
    }
}
