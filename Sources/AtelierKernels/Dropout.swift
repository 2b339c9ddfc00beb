// Dropout with a generator that is a function of the seed and the element's index, so nothing is
// stored for the way back.

import CKernels

/// The keys that a dropout seed becomes: a random number is a mix of an element's index with both
/// of them.
struct DropoutKey {
  let first: UInt32
  let second: UInt32

  init(seed: UInt64) {
    // SplitMix64 (Steele and others 2014), so that neighbouring seeds give unrelated keys.
    var z = seed &+ 0x9E37_79B9_7F4A_7C15
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    z ^= z >> 31
    first = UInt32(truncatingIfNeeded: z)
    second = UInt32(truncatingIfNeeded: z >> 32)
  }

  /// A value is kept where its 24-bit random number is not below this.
  static func threshold(rate: Float) -> UInt32 {
    UInt32((Double(min(max(rate, 0), 1)) * 16_777_216).rounded())
  }

  /// 24 random bits for the element at `index`.
  func random24(at index: Int) -> UInt32 {
    let high = UInt32(truncatingIfNeeded: index >> 32)
    let low = UInt32(truncatingIfNeeded: index)
    return Self.mix(Self.mix(low ^ first) ^ (second &+ high)) >> 8
  }

  /// A bijection of 32-bit words in which every input bit moves every output bit.
  private static func mix(_ value: UInt32) -> UInt32 {
    var z = value
    z = (z ^ (z >> 16)) &* 0x7FEB_352D
    z = (z ^ (z >> 15)) &* 0x846C_A68B
    return z ^ (z >> 16)
  }
}

extension Kernels {
  /// Zeroes each value with probability `rate` and divides the others by 1 − rate (Srivastava and
  /// others 2014).
  ///
  /// The gradient is the same call on the gradient with the same seed. `y` may be `x`.
  public func dropout(
    _ x: UnsafePointer<Float>, rate: Float, seed: UInt64, _ y: UnsafeMutablePointer<Float>,
    count: Int
  ) {
    let key = DropoutKey(seed: seed)
    let threshold = DropoutKey.threshold(rate: rate)
    let scale = rate < 1 ? 1 / (1 - rate) : 0
    forEachChunk(of: count) { start, count in
      // Chunks are far smaller than 2³², so the high half of the index changes between chunks only.
      let high = UInt32(truncatingIfNeeded: start >> 32)
      elementwise.pointee.dropout(
        x + start, UInt32(truncatingIfNeeded: start), key.first, key.second &+ high, threshold,
        scale, y + start, count)
    }
  }
}
