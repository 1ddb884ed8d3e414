import Foundation

#if canImport(CryptoKit)
import CryptoKit
#endif

/// SHA-256 of files and bytes, in lower-case hexadecimal.
enum Checksum {
    static func hexadecimal(of bytes: Data) -> String {
        #if canImport(CryptoKit)
        return text(Array(SHA256.hash(data: bytes)))
        #else
        var digest = PortableSHA256()
        digest.update([UInt8](bytes))
        return text(digest.finalize())
        #endif
    }

    /// Reads the file a block at a time, so that a large model is never in memory as a whole.
    static func hexadecimal(ofFile file: URL) throws -> String {
        let handle = try FileHandle(forReadingFrom: file)
        defer { try? handle.close() }
        #if canImport(CryptoKit)
        var digest = SHA256()
        while let block = try handle.read(upToCount: blockBytes), !block.isEmpty {
            digest.update(data: block)
        }
        return text(Array(digest.finalize()))
        #else
        var digest = PortableSHA256()
        while let block = try handle.read(upToCount: blockBytes), !block.isEmpty {
            digest.update([UInt8](block))
        }
        return text(digest.finalize())
        #endif
    }

    private static let blockBytes = 1 << 20

    static func text(_ bytes: [UInt8]) -> String {
        bytes.map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }.joined()
    }
}

/// SHA-256 as FIPS 180-4 defines it, where CryptoKit is not available.
struct PortableSHA256 {
    private var state: [UInt32] = [
        0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
    ]
    private var pending: [UInt8] = []
    private var length: UInt64 = 0
    private var schedule = [UInt32](repeating: 0, count: 64)

    mutating func update(_ bytes: [UInt8]) {
        length += UInt64(bytes.count)
        pending.append(contentsOf: bytes)
        var start = 0
        while pending.count - start >= Self.block {
            compress(from: start)
            start += Self.block
        }
        pending.removeFirst(start)
    }

    mutating func finalize() -> [UInt8] {
        let bits = length &* 8
        pending.append(0x80)
        while pending.count % Self.block != Self.block - 8 {
            pending.append(0)
        }
        for shift in stride(from: 56, through: 0, by: -8) {
            pending.append(UInt8(truncatingIfNeeded: bits >> UInt64(shift)))
        }
        for start in stride(from: 0, to: pending.count, by: Self.block) {
            compress(from: start)
        }
        pending.removeAll()
        return state.flatMap { word in
            [24, 16, 8, 0].map { shift in UInt8(truncatingIfNeeded: word >> UInt32(shift)) }
        }
    }

    private mutating func compress(from start: Int) {
        for index in 0..<16 {
            let at = start + 4 * index
            let high = UInt32(pending[at]) << 24 | UInt32(pending[at + 1]) << 16
            schedule[index] = high | UInt32(pending[at + 2]) << 8 | UInt32(pending[at + 3])
        }
        for index in 16..<64 {
            let early = schedule[index - 15]
            let late = schedule[index - 2]
            let first = Self.rotated(early, 7) ^ Self.rotated(early, 18) ^ (early >> 3)
            let second = Self.rotated(late, 17) ^ Self.rotated(late, 19) ^ (late >> 10)
            schedule[index] = schedule[index - 16] &+ first &+ schedule[index - 7] &+ second
        }
        var work = state
        for index in 0..<64 {
            let a = work[0]
            let e = work[4]
            let sumE = Self.rotated(e, 6) ^ Self.rotated(e, 11) ^ Self.rotated(e, 25)
            let choice = (e & work[5]) ^ (~e & work[6])
            let first = work[7] &+ sumE &+ choice &+ Self.constants[index] &+ schedule[index]
            let sumA = Self.rotated(a, 2) ^ Self.rotated(a, 13) ^ Self.rotated(a, 22)
            let majority = (a & work[1]) ^ (a & work[2]) ^ (work[1] & work[2])
            let second = sumA &+ majority
            work[7] = work[6]
            work[6] = work[5]
            work[5] = e
            work[4] = work[3] &+ first
            work[3] = work[2]
            work[2] = work[1]
            work[1] = a
            work[0] = first &+ second
        }
        for index in 0..<8 {
            state[index] = state[index] &+ work[index]
        }
    }

    private static func rotated(_ word: UInt32, _ by: UInt32) -> UInt32 {
        (word >> by) | (word << (32 - by))
    }

    /// Bytes of a block.
    private static let block = 512 / 8

    private static let constants: [UInt32] = [
        0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
        0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
        0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
        0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
        0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
        0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
        0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
        0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
    ]
}
