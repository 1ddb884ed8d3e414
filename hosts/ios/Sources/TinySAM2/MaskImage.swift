#if canImport(CoreGraphics)
import CoreGraphics
import Foundation

extension TrackedFrame {
    /// The objects as an image of the frame's size to lay over it, each in its colour, transparent elsewhere.
    ///
    /// opacity: 0 to 1. Colours go around the circle of hues by the golden angle, so that neighbouring ids differ.
    public func image(opacity: Double = 0.5) -> CGImage? {
        let alpha = min(max(opacity, 0), 1)
        var pixels = [UInt8](repeating: 0, count: 4 * size.count)
        var colours: [UInt8: [UInt8]] = [:]
        for object in objects {
            colours[UInt8(object.id)] = MaskColour.premultiplied(id: object.id, alpha: alpha)
        }
        for (index, id) in ids().enumerated() where id != 0 {
            guard let colour = colours[id] else { continue }
            for channel in 0..<4 {
                pixels[4 * index + channel] = colour[channel]
            }
        }
        let info = CGBitmapInfo(rawValue: CGImageAlphaInfo.premultipliedLast.rawValue)
        return MaskImage.make(pixels, size, bytesPerPixel: 4, space: CGColorSpaceCreateDeviceRGB(), info: info)
    }
}

extension TrackedObject {
    /// The mask as a grey image of the frame's size: white on the object, black elsewhere.
    public func maskImage() -> CGImage? {
        let pixels = mask().map { $0 == 0 ? UInt8.min : UInt8.max }
        let info = CGBitmapInfo(rawValue: CGImageAlphaInfo.none.rawValue)
        return MaskImage.make(pixels, frameSize, bytesPerPixel: 1, space: CGColorSpaceCreateDeviceGray(), info: info)
    }
}

private enum MaskImage {
    static func make(
        _ pixels: [UInt8], _ size: Size, bytesPerPixel: Int, space: CGColorSpace, info: CGBitmapInfo
    ) -> CGImage? {
        guard let provider = CGDataProvider(data: Data(pixels) as CFData) else { return nil }
        return CGImage(
            width: size.width, height: size.height, bitsPerComponent: 8, bitsPerPixel: 8 * bytesPerPixel,
            bytesPerRow: bytesPerPixel * size.width, space: space, bitmapInfo: info, provider: provider, decode: nil,
            shouldInterpolate: false, intent: .defaultIntent)
    }
}
#endif

/// The colour of an object by its id.
enum MaskColour {
    /// Red, green, blue times alpha, and alpha, as bytes.
    static func premultiplied(id: Int, alpha: Double) -> [UInt8] {
        let hue = (Double(id - 1) * 0.381966).truncatingRemainder(dividingBy: 1)
        let channels = [0.0, 2.0, 4.0].map { offset -> Double in
            let turn = (hue * 6 + offset).truncatingRemainder(dividingBy: 6)
            return min(max(abs(turn - 3) - 1, 0), 1)
        }
        return (channels.map { $0 * alpha } + [alpha]).map { UInt8($0 * 255 + 0.5) }
    }
}
