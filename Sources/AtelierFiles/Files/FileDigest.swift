// SHA-256 of data, by which a file is known again (FIPS 180-4).

import Foundation

/// Digests of files.
public enum FileDigest {
  /// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
  private static let constants: [UInt32] = primes(64).map { fraction(of: cbrt(Double($0))) }

  /// The SHA-256 digest of data as 64 lower-case hexadecimal digits.
  public static func sha256(_ data: Data) -> String {
    var state = primes(8).map { fraction(of: Double($0).squareRoot()) }
    var schedule = [UInt32](repeating: 0, count: 64)
    // The message, a one bit, zeros, and the length in bits in 8 bytes, in blocks of 64.
    var tail = [UInt8](data.suffix(data.count % 64)) + [0x80]
    while tail.count % 64 != 56 { tail.append(0) }
    for shift in stride(from: 56, through: 0, by: -8) {
      tail.append(UInt8(truncatingIfNeeded: (UInt64(data.count) * 8) >> UInt64(shift)))
    }
    for part in [data, Data(tail)] {
      part.withUnsafeBytes { bytes in
        for start in stride(from: 0, through: bytes.count - 64, by: 64) {
          add(UnsafeRawBufferPointer(rebasing: bytes[start..<start + 64]), &state, &schedule)
        }
      }
    }
    return state.map { String(format: "%08x", $0) }.joined()
  }

  private static func primes(_ count: Int) -> [Int] {
    var primes: [Int] = []
    var candidate = 2
    while primes.count < count {
      if primes.allSatisfy({ candidate % $0 != 0 }) { primes.append(candidate) }
      candidate += 1
    }
    return primes
  }

  private static func fraction(of root: Double) -> UInt32 {
    UInt32((root - root.rounded(.down)) * 0x1p32)
  }

  @inline(__always)
  private static func turned(_ word: UInt32, _ count: UInt32) -> UInt32 {
    (word >> count) | (word << (32 - count))
  }

  /// Mixes a block of 64 bytes into the state.
  private static func add(
    _ block: UnsafeRawBufferPointer, _ state: inout [UInt32], _ schedule: inout [UInt32]
  ) {
    schedule.withUnsafeMutableBufferPointer { w in
      constants.withUnsafeBufferPointer { constants in
        for index in 0..<16 {
          w[index] = UInt32(
            bigEndian: block.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self))
        }
        for index in 16..<64 {
          let (early, late) = (w[index - 15], w[index - 2])
          let small = turned(early, 7) ^ turned(early, 18) ^ (early >> 3)
          let large = turned(late, 17) ^ turned(late, 19) ^ (late >> 10)
          w[index] = w[index - 16] &+ small &+ w[index - 7] &+ large
        }
        var (a, b, c, d) = (state[0], state[1], state[2], state[3])
        var (e, f, g, h) = (state[4], state[5], state[6], state[7])
        for index in 0..<64 {
          let rotated = turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)
          let first = h &+ rotated &+ ((e & f) ^ (~e & g)) &+ constants[index] &+ w[index]
          let second =
            (turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) &+ ((a & b) ^ (a & c) ^ (b & c))
          (h, g, f, e, d, c, b, a) = (g, f, e, d &+ first, c, b, a, first &+ second)
        }
        for (index, word) in [a, b, c, d, e, f, g, h].enumerated() { state[index] &+= word }
      }
    }
  }
}
