/// An upright picture: RGB bytes, or the planes of a camera or a video decoder.
public struct Frame: Sendable {
    /// Of the upright picture.
    public let size: Size
    let pixels: Pixels
    /// Quarter turns clockwise that make the pixels upright.
    private let turns: Int

    enum Pixels: Sendable {
        /// [height, width, 3]
        case rgb([UInt8])
        case yuv420(YUVPlanes)
    }

    /// RGB bytes, row after row without gaps.
    public init(rgb: [UInt8], width: Int, height: Int) throws {
        let size = try Frame.checked(width, height)
        guard rgb.count == 3 * size.count else {
            throw TinySAM2Error.frame(
                "the frame has \(rgb.count) bytes; \(width)x\(height) RGB takes \(3 * size.count)")
        }
        self.size = size
        pixels = .rgb(rgb)
        turns = 0
    }

    /// Planes with chroma of half the size, rounded up.
    ///
    /// conversion: a name in the manifest's `frame.video.conversions`, such as `bt709-video`; nil: its default.
    public init(yuv420 y: [UInt8], u: [UInt8], v: [UInt8], width: Int, height: Int, conversion: String? = nil) throws {
        let size = try Frame.checked(width, height)
        let planes = YUVPlanes(y: y, u: u, v: v, size: size, conversion: conversion)
        guard y.count == size.count, u.count == planes.chroma.count, v.count == planes.chroma.count else {
            throw TinySAM2Error.frame(
                "the planes have \(y.count), \(u.count) and \(v.count) bytes; \(width)x\(height) takes \(size.count) "
                    + "and twice \(planes.chroma.count)")
        }
        self.size = size
        pixels = .yuv420(planes)
        turns = 0
    }

    private init(size: Size, pixels: Pixels, turns: Int) {
        self.size = size
        self.pixels = pixels
        self.turns = turns
    }

    /// The frame turned clockwise by 0, 90, 180 or 270 degrees, for a camera that gives it lying on its side.
    public func rotated(clockwise degrees: Int) throws -> Frame {
        guard [0, 90, 180, 270].contains(degrees) else {
            throw TinySAM2Error.frame("a frame cannot be turned by \(degrees) degrees; it must be 0, 90, 180 or 270")
        }
        let quarters = degrees / 90
        let turned = quarters % 2 == 0 ? size : Size(width: size.height, height: size.width)
        return Frame(size: turned, pixels: pixels, turns: (turns + quarters) % 4)
    }

    /// The upright picture's RGB bytes [height, width, 3].
    func rgb(_ video: FrameContract.Video) throws -> [UInt8] {
        let stored = turns % 2 == 0 ? size : Size(width: size.height, height: size.width)
        let source: [UInt8]
        switch pixels {
        case .rgb(let bytes):
            source = bytes
        case .yuv420(let planes):
            source = try planes.rgb(video)
        }
        return turns == 0 ? source : turned(source, from: stored)
    }

    private func turned(_ source: [UInt8], from stored: Size) -> [UInt8] {
        var upright = [UInt8](repeating: 0, count: source.count)
        for row in 0..<size.height {
            for column in 0..<size.width {
                let from: (row: Int, column: Int)
                switch turns {
                case 1: from = (row: stored.height - 1 - column, column: row)
                case 2: from = (row: stored.height - 1 - row, column: stored.width - 1 - column)
                default: from = (row: column, column: stored.width - 1 - row)
                }
                let at = 3 * (row * size.width + column)
                let start = 3 * (from.row * stored.width + from.column)
                for channel in 0..<3 {
                    upright[at + channel] = source[start + channel]
                }
            }
        }
        return upright
    }

    private static func checked(_ width: Int, _ height: Int) throws -> Size {
        guard width > 0, height > 0 else {
            throw TinySAM2Error.frame("the frame is \(width)x\(height); both sides must be at least 1")
        }
        return Size(width: width, height: height)
    }
}

/// Luma of the frame's size and chroma of half of it.
struct YUVPlanes: Sendable {
    let y: [UInt8]
    let u: [UInt8]
    let v: [UInt8]
    let size: Size
    let conversion: String?

    var chroma: Size { Size(width: (size.width + 1) / 2, height: (size.height + 1) / 2) }

    /// RGB bytes [height, width, 3].
    func rgb(_ video: FrameContract.Video) throws -> [UInt8] {
        let name = conversion ?? video.standard
        guard let numbers = video.conversions[name] else {
            let known = video.conversions.keys.sorted().joined(separator: ", ")
            throw TinySAM2Error.frame("the frame asks for the YUV conversion \(name); the manifest has \(known)")
        }
        let half = 1 << (video.coefficientBits - 1)
        var rgb = [UInt8](repeating: 0, count: 3 * size.count)
        for row in 0..<size.height {
            for column in 0..<size.width {
                let at = row * size.width + column
                let chromaAt = (row >> 1) * chroma.width + (column >> 1)
                let luma = numbers.luma * (Int(y[at]) - numbers.lumaOffset) + half
                let blueness = Int(u[chromaAt]) - numbers.chromaOffset
                let redness = Int(v[chromaAt]) - numbers.chromaOffset
                let red = luma + numbers.redV * redness
                let green = luma + numbers.greenU * blueness + numbers.greenV * redness
                let blue = luma + numbers.blueU * blueness
                rgb[3 * at] = UInt8(clamping: red >> video.coefficientBits)
                rgb[3 * at + 1] = UInt8(clamping: green >> video.coefficientBits)
                rgb[3 * at + 2] = UInt8(clamping: blue >> video.coefficientBits)
            }
        }
        return rgb
    }
}
