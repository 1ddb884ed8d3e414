/// One object on one frame.
public struct TrackedObject: Sendable {
    public let id: Int
    /// Predicted IoU of the mask, 0 to 1.
    public let iou: Float
    /// Logit of the object being in the frame.
    public let objectScore: Float

    private let smallLogits: [Float]
    private let enlargement: PlaneResampler
    private let threshold: Float

    init(id: Int, iou: Float, objectScore: Float, smallLogits: [Float], enlargement: PlaneResampler, threshold: Float) {
        self.id = id
        self.iou = iou
        self.objectScore = objectScore
        self.smallLogits = smallLogits
        self.enlargement = enlargement
        self.threshold = threshold
    }

    /// The frame's size.
    public var frameSize: Size { enlargement.to }

    /// Mask logits at the frame's size, row after row; enlarged at each call.
    public func logits() -> [Float] {
        enlargement.plane(smallLogits)
    }

    /// A byte a pixel of the frame: 1 on the object, else 0.
    public func mask() -> [UInt8] {
        logits().map { $0 > threshold ? 1 : 0 }
    }
}

/// All objects on one frame; their masks may overlap, and `ids()` says whose each pixel is.
public struct TrackedFrame: Sendable {
    public let size: Size
    /// In the order of their ids.
    public let objects: [TrackedObject]
    private let threshold: Float

    init(size: Size, objects: [TrackedObject], threshold: Float) {
        self.size = size
        self.objects = objects
        self.threshold = threshold
    }

    /// The object of that id; nil where there is none.
    public subscript(id: Int) -> TrackedObject? {
        objects.first { $0.id == id }
    }

    /// A byte a pixel: the id of the object with the greatest logit, the least id at a tie, 0 where there is none.
    public func ids() -> [UInt8] {
        var ids = [UInt8](repeating: 0, count: size.count)
        var greatest = [Float](repeating: threshold, count: size.count)
        for object in objects {
            let logits = object.logits()
            for index in logits.indices where logits[index] > greatest[index] {
                greatest[index] = logits[index]
                ids[index] = UInt8(object.id)
            }
        }
        return ids
    }
}
