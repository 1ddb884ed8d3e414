import Foundation
import XCTest

@testable import TinySAM2

final class BundleTests: XCTestCase {
    func testTheDigestIsThatOfTheStandard() {
        XCTAssertEqual(
            Checksum.hexadecimal(of: Data("abc".utf8)),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        XCTAssertEqual(
            Checksum.hexadecimal(of: Data()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    }

    func testThePortableDigestTakesBlocksOfAnySize() {
        var whole = PortableSHA256()
        whole.update([UInt8]("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".utf8))
        let text = Checksum.text(whole.finalize())
        XCTAssertEqual(text, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
        var million = PortableSHA256()
        for _ in 0..<1000 {
            million.update([UInt8](repeating: 97, count: 1000))
        }
        let expected = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
        XCTAssertEqual(Checksum.text(million.finalize()), expected)
    }

    func testAChangedManifestIsFound() throws {
        let bundle = try TestBundle()
        let file = bundle.folder.appendingPathComponent("manifest.json")
        try (Data(contentsOf: file) + Data(" ".utf8)).write(to: file)
        XCTAssertThrowsError(try ModelBundle(at: bundle.folder)) { error in
            XCTAssertTrue("\(error)".contains("manifest.json is not the file that was shipped"))
        }
    }

    func testAFlippedByteOfAnArtifactIsFound() throws {
        let bundle = try TestBundle()
        try Data("prograM".utf8).write(to: bundle.folder.appendingPathComponent("model.bin"))
        let opened = try ModelBundle(at: bundle.folder)
        XCTAssertThrowsError(try opened.artifacts(for: TestBundle.target)) { error in
            XCTAssertTrue("\(error)".contains("model.bin is not the file that was shipped"))
        }
    }

    func testAnotherVersionIsRefused() throws {
        let bundle = try TestBundle()
        var manifest = TestBundle.manifest()
        manifest["manifest_version"] = 3
        try bundle.writeManifest(manifest)
        XCTAssertThrowsError(try ModelBundle(at: bundle.folder)) { error in
            XCTAssertTrue("\(error)".contains("manifest version 3; this package reads version 2"))
        }
    }

    func testAFilterThatIsNotSupportedIsRefused() throws {
        let bundle = try TestBundle()
        var manifest = TestBundle.manifest()
        var frame = TestBundle.frame()
        frame["mask_prompt"] = [
            "width": 2, "height": 2,
            "resize": [
                "filter": "lanczos", "antialias": true, "passes": ["horizontal", "vertical"],
                "arithmetic": "float64 sums in tap order, stored as float32 after each pass",
            ] as [String: Any],
        ] as [String: Any]
        manifest["frame"] = frame
        try bundle.writeManifest(manifest)
        XCTAssertThrowsError(try ModelBundle(at: bundle.folder)) { error in
            XCTAssertTrue("\(error)".contains("lanczos"))
        }
    }
}
