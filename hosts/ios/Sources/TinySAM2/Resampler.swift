/// A filter's weight at a distance, in pixels of the smaller picture.
enum Filter: String, Sendable {
    case triangle
    case box

    /// Beyond this distance the weight is 0.
    var reach: Double {
        switch self {
        case .triangle: return 1.0
        case .box: return 0.5
        }
    }

    func weight(at distance: Double) -> Double {
        switch self {
        case .triangle:
            return max(0.0, 1.0 - abs(distance))
        case .box:
            return distance > -0.5 && distance <= 0.5 ? 1.0 : 0.0
        }
    }
}

/// The weights that take one axis from one size to another; the filter widens where the axis shrinks.
///
/// Computed in float64 in this order of operations, so that every language gets the same weights to the bit.
struct AxisWeights: Sendable {
    /// The first input of each output.
    let first: [Int]
    /// For each output, the weight of each input from the first on.
    let weights: [[Double]]

    init(filter: Filter, from: Int, to: Int) {
        let scale = Double(from) / Double(to)
        let stretch = max(scale, 1.0)
        let support = filter.reach * stretch
        let inverse = 1.0 / stretch
        var first: [Int] = []
        var weights: [[Double]] = []
        first.reserveCapacity(to)
        weights.reserveCapacity(to)
        for output in 0..<to {
            let center = (Double(output) + 0.5) * scale
            let start = max(0, Int(center - support + 0.5))
            let end = min(from, Int(center + support + 0.5))
            var taps = (start..<end).map { input in
                filter.weight(at: (Double(input) - center + 0.5) * inverse)
            }
            var sum = 0.0
            for tap in taps {
                sum += tap
            }
            for index in taps.indices {
                taps[index] /= sum
            }
            first.append(start)
            weights.append(taps)
        }
        self.first = first
        self.weights = weights
    }

    /// The weights as integers of so many fractional bits, rounded half up.
    func fixed(bits: Int) -> [[Int32]] {
        let one = Double(1 << bits)
        return weights.map { taps in taps.map { tap in Int32(tap * one + 0.5) } }
    }
}

/// Width and height in pixels.
public struct Size: Hashable, Sendable {
    public let width: Int
    public let height: Int

    public init(width: Int, height: Int) {
        self.width = width
        self.height = height
    }

    var count: Int { width * height }
}

/// Resizes RGB bytes: across, rounded to bytes, then down. Integers only.
struct ByteResampler: Sendable {
    private let from: Size
    private let to: Size
    private let bits: Int32
    private let acrossFirst: [Int]
    private let acrossTaps: [[Int32]]
    private let downFirst: [Int]
    private let downTaps: [[Int32]]

    init(filter: Filter, bits: Int, from: Size, to: Size) {
        let across = AxisWeights(filter: filter, from: from.width, to: to.width)
        let down = AxisWeights(filter: filter, from: from.height, to: to.height)
        self.from = from
        self.to = to
        self.bits = Int32(bits)
        acrossFirst = across.first
        acrossTaps = across.fixed(bits: bits)
        downFirst = down.first
        downTaps = down.fixed(bits: bits)
    }

    /// RGB bytes [height, width, 3] to bytes [3, height, width] of the new size.
    func planes(_ rgb: [UInt8]) -> [UInt8] {
        let middle = resizedAcross(rgb)
        let row = to.width * 3
        var planes = [UInt8](repeating: 0, count: 3 * to.count)
        for y in 0..<to.height {
            let taps = downTaps[y]
            let start = downFirst[y] * row
            for x in 0..<to.width {
                for channel in 0..<3 {
                    var sum = half
                    var at = start + x * 3 + channel
                    for tap in taps {
                        sum += Int32(middle[at]) * tap
                        at += row
                    }
                    planes[channel * to.count + y * to.width + x] = byte(sum)
                }
            }
        }
        return planes
    }

    private func resizedAcross(_ rgb: [UInt8]) -> [UInt8] {
        var middle = [UInt8](repeating: 0, count: from.height * to.width * 3)
        for y in 0..<from.height {
            for x in 0..<to.width {
                var red = half
                var green = half
                var blue = half
                var at = (y * from.width + acrossFirst[x]) * 3
                for tap in acrossTaps[x] {
                    red += Int32(rgb[at]) * tap
                    green += Int32(rgb[at + 1]) * tap
                    blue += Int32(rgb[at + 2]) * tap
                    at += 3
                }
                let output = (y * to.width + x) * 3
                middle[output] = byte(red)
                middle[output + 1] = byte(green)
                middle[output + 2] = byte(blue)
            }
        }
        return middle
    }

    /// One half in fixed point, which makes the shift round half up.
    private var half: Int32 { 1 << (bits - 1) }

    private func byte(_ sum: Int32) -> UInt8 { UInt8(clamping: sum >> bits) }
}

/// Resizes a plane of floats: across, then down; float64 sums in the order of the taps, stored as float32.
struct PlaneResampler: Sendable {
    let from: Size
    let to: Size
    private let across: AxisWeights
    private let down: AxisWeights

    init(filter: Filter, from: Size, to: Size) {
        self.from = from
        self.to = to
        across = AxisWeights(filter: filter, from: from.width, to: to.width)
        down = AxisWeights(filter: filter, from: from.height, to: to.height)
    }

    func plane(_ values: [Float]) -> [Float] {
        var middle = [Float](repeating: 0, count: from.height * to.width)
        for y in 0..<from.height {
            for x in 0..<to.width {
                var sum = 0.0
                var at = y * from.width + across.first[x]
                for tap in across.weights[x] {
                    sum += Double(values[at]) * tap
                    at += 1
                }
                middle[y * to.width + x] = Float(sum)
            }
        }
        var resized = [Float](repeating: 0, count: to.count)
        for y in 0..<to.height {
            for x in 0..<to.width {
                var sum = 0.0
                var at = down.first[y] * to.width + x
                for tap in down.weights[y] {
                    sum += Double(middle[at]) * tap
                    at += to.width
                }
                resized[y * to.width + x] = Float(sum)
            }
        }
        return resized
    }
}
