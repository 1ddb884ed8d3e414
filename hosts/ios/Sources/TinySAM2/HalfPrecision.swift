/// float16 as bits, since Swift has no `Float16` on Intel Macs.
enum HalfPrecision {
    /// The nearest float16, half to even; beyond its range infinity.
    static func bits(_ value: Float) -> UInt16 {
        let bits = value.bitPattern
        let sign = UInt16(truncatingIfNeeded: bits >> 16) & 0x8000
        let magnitude = bits & 0x7fff_ffff
        if magnitude >= 0x7f80_0000 {
            return sign | (magnitude > 0x7f80_0000 ? 0x7e00 : 0x7c00)
        }
        let exponent = Int32(magnitude >> 23) - 127
        if exponent > 15 {
            return sign | 0x7c00
        }
        if exponent < -25 {
            return sign
        }
        let significand = magnitude & 0x007f_ffff | 0x0080_0000
        // Below the least normal number a float16 has fewer bits.
        let dropped = UInt32(exponent < -14 ? -1 - exponent : 13)
        let kept = significand >> dropped
        let rest = significand & ((1 << dropped) - 1)
        let tie: UInt32 = 1 << (dropped - 1)
        let up: UInt32 = rest > tie || (rest == tie && kept & 1 == 1) ? 1 : 0
        // A carry out of the significand raises the exponent, as it should.
        let base: UInt32 = exponent < -14 ? 0 : UInt32(exponent + 14) << 10
        return sign | UInt16(truncatingIfNeeded: base + kept + up)
    }
}
