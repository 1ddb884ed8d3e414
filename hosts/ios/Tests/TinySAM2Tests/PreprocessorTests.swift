import Foundation
import XCTest

@testable import TinySAM2

final class PreprocessorTests: XCTestCase {
    func testAPictureOfOneColourStaysIt() {
        let from = Size(width: 7, height: 5)
        let resampler = ByteResampler(filter: .triangle, bits: 22, from: from, to: Size(width: 4, height: 4))
        XCTAssertEqual(resampler.planes([UInt8](repeating: 200, count: 105)), [UInt8](repeating: 200, count: 48))
    }

    func testABoxCountsTheShareOfEachCell() {
        let resampler = PlaneResampler(filter: .box, from: Size(width: 4, height: 1), to: Size(width: 2, height: 1))
        XCTAssertEqual(resampler.plane([1, 1, 1, 0]), [1, 0.5])
    }

    func testGreyStaysGreyInFullRange() throws {
        let bundle = try TestBundle()
        let video = try ModelBundle(at: bundle.folder).manifest.frame.video
        let frame = try Frame(yuv420: [0, 100, 255, 7], u: [128], v: [128], width: 2, height: 2)
        XCTAssertEqual(try frame.rgb(video), [0, 0, 0, 100, 100, 100, 255, 255, 255, 7, 7, 7])
    }

    func testAQuarterTurnIsClockwise() throws {
        let bundle = try TestBundle()
        let video = try ModelBundle(at: bundle.folder).manifest.frame.video
        let frame = try Frame(rgb: [1, 1, 1, 2, 2, 2], width: 2, height: 1)
        let quarter = try frame.rotated(clockwise: 90)
        XCTAssertEqual(quarter.size, Size(width: 1, height: 2))
        XCTAssertEqual(try quarter.rgb(video), [1, 1, 1, 2, 2, 2])
        XCTAssertEqual(try quarter.rotated(clockwise: 90).rgb(video), [2, 2, 2, 1, 1, 1])
        XCTAssertEqual(try quarter.rotated(clockwise: 180).rgb(video), [2, 2, 2, 1, 1, 1])
    }

    func testHalfPrecisionRoundsHalfToEven() {
        XCTAssertEqual(HalfPrecision.bits(1), 0x3c00)
        XCTAssertEqual(HalfPrecision.bits(-2), 0xc000)
        XCTAssertEqual(HalfPrecision.bits(65504), 0x7bff)
        XCTAssertEqual(HalfPrecision.bits(65520), 0x7c00)
        XCTAssertEqual(HalfPrecision.bits(1 + Float(sign: .plus, exponent: -11, significand: 1)), 0x3c00)
        XCTAssertEqual(HalfPrecision.bits(1 + Float(sign: .plus, exponent: -11, significand: 3)), 0x3c02)
        XCTAssertEqual(HalfPrecision.bits(Float(sign: .plus, exponent: -24, significand: 1)), 0x0001)
        XCTAssertEqual(HalfPrecision.bits(Float(sign: .plus, exponent: -25, significand: 1)), 0x0000)
    }

    func testStridesLeaveGaps() {
        var offsets = StridedOffsets(shape: [2, 3], strides: [8, 2])
        XCTAssertEqual((0..<6).map { _ in offsets.next() }, [0, 2, 4, 8, 10, 12])
    }

    func testPromptsThatDoNotFitAreRefused() {
        let size = Size(width: 4, height: 3)
        XCTAssertThrowsError(try Prompt.point(x: 4, y: 1).check(size, mostPoints: 4))
        XCTAssertThrowsError(try Prompt.box(x0: 2, y0: 0, x1: 2, y1: 3).check(size, mostPoints: 4))
        XCTAssertThrowsError(try Prompt.mask([UInt8](repeating: 0, count: 12)).check(size, mostPoints: 4))
        XCTAssertThrowsError(try Prompt.points([]).check(size, mostPoints: 4))
        XCTAssertNoThrow(try Prompt.box(x0: 0, y0: 0, x1: 4, y1: 3).check(size, mostPoints: 2))
    }
}
