/// Where each element of a tensor lies, in row-major order, whatever its strides; both counted in elements.
struct StridedOffsets {
    private let shape: [Int]
    private let strides: [Int]
    private var position: [Int]
    private var offset = 0

    init(shape: [Int], strides: [Int]) {
        self.shape = shape
        self.strides = strides
        position = [Int](repeating: 0, count: shape.count)
    }

    /// The next element's offset. To be called as often as there are elements.
    mutating func next() -> Int {
        let current = offset
        var axis = shape.count - 1
        while axis >= 0 {
            position[axis] += 1
            offset += strides[axis]
            if position[axis] < shape[axis] {
                break
            }
            offset -= position[axis] * strides[axis]
            position[axis] = 0
            axis -= 1
        }
        return current
    }
}
