/// A click in pixels of the frame; positive: on the object, else on what it is not.
public struct Point: Hashable, Sendable {
    public let x: Double
    public let y: Double
    public let positive: Bool

    public init(x: Double, y: Double, positive: Bool = true) {
        self.x = x
        self.y = y
        self.positive = positive
    }
}

/// Left, top, right and bottom of the object in pixels of the frame.
public struct Box: Hashable, Sendable {
    public let x0: Double
    public let y0: Double
    public let x1: Double
    public let y1: Double

    public init(x0: Double, y0: Double, x1: Double, y1: Double) {
        self.x0 = x0
        self.y0 = y0
        self.x1 = x1
        self.y1 = y1
    }
}

/// What is said of one object on one frame.
public enum Prompt: Hashable, Sendable {
    /// Points and at most one box, which counts as two points.
    case points([Point], box: Box? = nil)
    /// A byte a pixel of the frame, not 0 on the object; taken as the answer.
    case mask([UInt8])

    /// One click on the object.
    public static func point(x: Double, y: Double) -> Prompt {
        .points([Point(x: x, y: y)])
    }

    /// A box around the object.
    public static func box(x0: Double, y0: Double, x1: Double, y1: Double) -> Prompt {
        .points([], box: Box(x0: x0, y0: y0, x1: x1, y1: y1))
    }

    /// Throws `TinySAM2Error.prompt` where this cannot be said of a frame of that size.
    func check(_ size: Size, mostPoints: Int) throws {
        switch self {
        case .mask(let mask):
            guard mask.count == size.count else {
                throw TinySAM2Error.prompt(
                    "the mask has \(mask.count) bytes; the frame is \(size.width)x\(size.height), one byte a pixel")
            }
            guard mask.contains(where: { $0 != 0 }) else {
                throw TinySAM2Error.prompt("the mask is empty; it must mark at least one pixel")
            }
        case .points(let points, let box):
            let count = points.count + (box == nil ? 0 : 2)
            guard count > 0 else {
                throw TinySAM2Error.prompt("the prompt says nothing; give a point, a box or a mask")
            }
            guard count <= mostPoints else {
                throw TinySAM2Error.prompt(
                    "the prompt has \(count) points; a frame takes at most \(mostPoints), of which a box counts as two")
            }
            try Prompt.check(points, box, size)
        }
    }

    private static func check(_ points: [Point], _ box: Box?, _ size: Size) throws {
        let width = Double(size.width)
        let height = Double(size.height)
        let frame = "the frame, which is \(size.width)x\(size.height)"
        for point in points {
            guard point.x >= 0, point.x < width, point.y >= 0, point.y < height else {
                throw TinySAM2Error.prompt("point \(point.x),\(point.y) lies outside \(frame)")
            }
        }
        if let box {
            guard box.x0 >= 0, box.x1 <= width, box.y0 >= 0, box.y1 <= height else {
                throw TinySAM2Error.prompt("box \(box.x0),\(box.y0),\(box.x1),\(box.y1) reaches outside \(frame)")
            }
            guard box.x0 < box.x1, box.y0 < box.y1 else {
                throw TinySAM2Error.prompt(
                    "box \(box.x0),\(box.y0),\(box.x1),\(box.y1) is empty; give left < right, top < bottom")
            }
        }
    }
}
