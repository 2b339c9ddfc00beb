// Sums, means and roundings of gradients, value by value, so that no order matters but the tree's.

import AtelierKernels

/// How gradients go from rank to rank; also how they are summed where there is one rank alone, so
/// that the bits are the same.
public enum GradientPrecision: String, Codable, Sendable, CaseIterable {
  /// As they are.
  case float32
  /// The gradient of each shard and each sum of the tree is rounded to bfloat16, eight significant
  /// bits; half the bytes.
  case bfloat16
}

/// Arithmetic on blocks of memory by the calling thread, or shared by a pool.
package enum GradientArithmetic {
  /// Floats of a part of a pool's work.
  private static let part = 1 << 16

  /// Runs `body` over the parts of a block.
  static func parts(
    _ count: Int, _ pool: ThreadPool?, _ body: (_ first: Int, _ count: Int) -> Void
  ) {
    guard let pool, count > part else { return body(0, count) }
    pool.parallelFor((count + part - 1) / part) { index in
      body(index * part, min(part, count - index * part))
    }
  }

  /// The nearest bfloat16, of two equally near the even one; what is no number stays none.
  @inline(__always)
  package static func rounded(_ value: Float) -> Float {
    let bits = value.bitPattern
    let up = bits &+ 0x7FFF &+ ((bits >> 16) & 1)
    // Rounding up could turn what is no number into an infinity.
    let isNumber = bits & 0x7FFF_FFFF <= 0x7F80_0000
    return Float(bitPattern: (isNumber ? up : bits | 0x0040_0000) & 0xFFFF_0000)
  }

  static func add(
    _ sum: UnsafeMutablePointer<Float>, _ values: UnsafePointer<Float>, count: Int,
    _ precision: GradientPrecision
  ) {
    switch precision {
    case .float32: for index in 0..<count { sum[index] += values[index] }
    case .bfloat16:
      for index in 0..<count { sum[index] = rounded(sum[index] + rounded(values[index])) }
    }
  }

  static func copy(
    _ target: UnsafeMutablePointer<Float>, _ values: UnsafePointer<Float>, count: Int,
    _ precision: GradientPrecision
  ) {
    switch precision {
    case .float32: target.update(from: values, count: count)
    case .bfloat16: for index in 0..<count { target[index] = rounded(values[index]) }
    }
  }

  static func scale(
    _ values: UnsafeMutablePointer<Float>, by factor: Float, count: Int,
    _ precision: GradientPrecision
  ) {
    switch precision {
    case .float32: for index in 0..<count { values[index] *= factor }
    case .bfloat16: for index in 0..<count { values[index] = rounded(values[index] * factor) }
    }
  }

  /// The upper halves of values that are bfloat16 already.
  static func pack(
    _ target: UnsafeMutablePointer<UInt16>, _ values: UnsafePointer<Float>, count: Int
  ) {
    for index in 0..<count {
      target[index] = UInt16(truncatingIfNeeded: values[index].bitPattern >> 16)
    }
  }

  static func unpack(
    _ target: UnsafeMutablePointer<Float>, _ values: UnsafePointer<UInt16>, count: Int
  ) {
    for index in 0..<count { target[index] = Float(bitPattern: UInt32(values[index]) << 16) }
  }
}
