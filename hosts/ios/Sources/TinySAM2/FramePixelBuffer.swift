#if canImport(CoreVideo)
import CoreVideo

extension Frame {
    /// A camera's or decoder's picture, copied: 32BGRA, or NV12 of either range.
    ///
    /// The YUV matrix is the buffer's attachment and the range is its pixel format's. The tracker takes upright frames:
    /// set the capture connection's `videoRotationAngle`, or call `rotated(clockwise:)`.
    public init(pixelBuffer: CVPixelBuffer) throws {
        let locked = CVPixelBufferLockBaseAddress(pixelBuffer, .readOnly)
        guard locked == kCVReturnSuccess else {
            throw TinySAM2Error.frame("the pixel buffer cannot be locked for reading (status \(locked))")
        }
        defer { CVPixelBufferUnlockBaseAddress(pixelBuffer, .readOnly) }
        let width = CVPixelBufferGetWidth(pixelBuffer)
        let height = CVPixelBufferGetHeight(pixelBuffer)
        let format = CVPixelBufferGetPixelFormatType(pixelBuffer)
        switch format {
        case kCVPixelFormatType_32BGRA:
            try self.init(rgb: Frame.rgb(ofBGRA: pixelBuffer, width, height), width: width, height: height)
        case kCVPixelFormatType_420YpCbCr8BiPlanarVideoRange:
            try self.init(biPlanar: pixelBuffer, width, height, range: "video")
        case kCVPixelFormatType_420YpCbCr8BiPlanarFullRange:
            try self.init(biPlanar: pixelBuffer, width, height, range: "full")
        default:
            throw TinySAM2Error.frame(
                "the pixel buffer has the format \(format); give 32BGRA or 420YpCbCr8BiPlanar of video or full range")
        }
    }

    private init(biPlanar buffer: CVPixelBuffer, _ width: Int, _ height: Int, range: String) throws {
        let matrix = try Frame.matrix(of: buffer)
        let luma = try Frame.bytes(of: buffer, plane: 0, width, height)
        let half = Size(width: (width + 1) / 2, height: (height + 1) / 2)
        let chroma = try Frame.bytes(of: buffer, plane: 1, 2 * half.width, half.height)
        var u = [UInt8](repeating: 0, count: half.count)
        var v = [UInt8](repeating: 0, count: half.count)
        for index in 0..<half.count {
            u[index] = chroma[2 * index]
            v[index] = chroma[2 * index + 1]
        }
        try self.init(yuv420: luma, u: u, v: v, width: width, height: height, conversion: "\(matrix)-\(range)")
    }

    /// The manifest's name of the buffer's matrix.
    private static func matrix(of buffer: CVPixelBuffer) throws -> String {
        guard let attachment = CVBufferCopyAttachment(buffer, kCVImageBufferYCbCrMatrixKey, nil) else {
            throw TinySAM2Error.frame(
                "the pixel buffer does not tell its YUV matrix; attach kCVImageBufferYCbCrMatrixKey or give 32BGRA")
        }
        if CFEqual(attachment, kCVImageBufferYCbCrMatrix_ITU_R_709_2) {
            return "bt709"
        }
        if CFEqual(attachment, kCVImageBufferYCbCrMatrix_ITU_R_601_4) {
            return "bt601"
        }
        throw TinySAM2Error.frame("the pixel buffer has the YUV matrix \(attachment); give BT.601, BT.709 or 32BGRA")
    }

    /// A plane's rows without the padding at their ends.
    private static func bytes(of buffer: CVPixelBuffer, plane: Int, _ rowBytes: Int, _ rows: Int) throws -> [UInt8] {
        guard let base = CVPixelBufferGetBaseAddressOfPlane(buffer, plane) else {
            throw TinySAM2Error.frame(
                "the pixel buffer has no memory for plane \(plane); give one that the CPU can read")
        }
        let stride = CVPixelBufferGetBytesPerRowOfPlane(buffer, plane)
        guard rowBytes <= stride, rows <= CVPixelBufferGetHeightOfPlane(buffer, plane) else {
            throw TinySAM2Error.frame("plane \(plane) of the pixel buffer is smaller than its size says")
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(rowBytes * rows)
        for row in 0..<rows {
            let start = UnsafeRawPointer(base + row * stride)
            bytes.append(contentsOf: UnsafeRawBufferPointer(start: start, count: rowBytes))
        }
        return bytes
    }

    private static func rgb(ofBGRA buffer: CVPixelBuffer, _ width: Int, _ height: Int) throws -> [UInt8] {
        guard let base = CVPixelBufferGetBaseAddress(buffer) else {
            throw TinySAM2Error.frame("the pixel buffer has no memory; give one that the CPU can read")
        }
        let stride = CVPixelBufferGetBytesPerRow(buffer)
        var rgb = [UInt8](repeating: 0, count: 3 * width * height)
        for row in 0..<height {
            let source = UnsafeRawBufferPointer(start: UnsafeRawPointer(base + row * stride), count: 4 * width)
            for column in 0..<width {
                let at = 3 * (row * width + column)
                rgb[at] = source[4 * column + 2]
                rgb[at + 1] = source[4 * column + 1]
                rgb[at + 2] = source[4 * column]
            }
        }
        return rgb
    }
}
#endif
