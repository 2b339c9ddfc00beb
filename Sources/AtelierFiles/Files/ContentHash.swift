// XXH64, by which a changed bit is seen; fast enough for every save.

/// The 64-bit hash of Yann Collet's xxHash (2012), seed 0.
///
/// It guards against accidents, not against people (`FileDigest` has SHA-256 for that).
package enum ContentHash {
  private static let primes: (UInt64, UInt64, UInt64, UInt64, UInt64) = (
    0x9E37_79B1_85EB_CA87, 0xC2B2_AE3D_27D4_EB4F, 0x1656_67B1_9E37_79F9, 0x85EB_CA77_C2B2_AE63,
    0x27D4_EB2F_1656_67C5
  )

  /// The hash of bytes.
  package static func xxh64(_ bytes: some Collection<UInt8>) -> UInt64 {
    let known = bytes.withContiguousStorageIfAvailable { hash(UnsafeRawBufferPointer($0)) }
    return known ?? Array(bytes).withUnsafeBytes { hash($0) }
  }

  /// The hash as 16 lower-case hexadecimal digits.
  package static func text(_ hash: UInt64) -> String {
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  private static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    let (p1, p2, _, p4, p5) = primes
    func word(_ offset: Int) -> UInt64 {
      UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
    var offset = 0
    var result = p5
    if bytes.count >= 32 {
      var lanes = SIMD4<UInt64>(p1 &+ p2, p2, 0, 0 &- p1)
      while offset + 32 <= bytes.count {
        for lane in 0..<4 { lanes[lane] = round(lanes[lane], word(offset + 8 * lane)) }
        offset += 32
      }
      result = turned(lanes[0], 1) &+ turned(lanes[1], 7)
      result = result &+ turned(lanes[2], 12) &+ turned(lanes[3], 18)
      for lane in 0..<4 { result = (result ^ round(0, lanes[lane])) &* p1 &+ p4 }
    }
    return finish(result &+ UInt64(bytes.count), bytes, offset, word)
  }

  /// Takes in the last bytes, fewer than 32, and mixes.
  private static func finish(
    _ start: UInt64, _ bytes: UnsafeRawBufferPointer, _ start32: Int, _ word: (Int) -> UInt64
  ) -> UInt64 {
    let (p1, p2, p3, p4, p5) = primes
    var (result, offset) = (start, start32)
    while offset + 8 <= bytes.count {
      result = turned(result ^ round(0, word(offset)), 27) &* p1 &+ p4
      offset += 8
    }
    if offset + 4 <= bytes.count {
      let half = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
      result = turned(result ^ (UInt64(half) &* p1), 23) &* p2 &+ p3
      offset += 4
    }
    while offset < bytes.count {
      result = turned(result ^ (UInt64(bytes[offset]) &* p5), 11) &* p1
      offset += 1
    }
    result = (result ^ (result >> 33)) &* p2
    result = (result ^ (result >> 29)) &* p3
    return result ^ (result >> 32)
  }

  @inline(__always)
  private static func round(_ lane: UInt64, _ input: UInt64) -> UInt64 {
    turned(lane &+ input &* primes.1, 31) &* primes.0
  }

  @inline(__always)
  private static func turned(_ word: UInt64, _ count: UInt64) -> UInt64 {
    word << count | word >> (64 - count)
  }
}
