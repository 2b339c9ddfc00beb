// The three kinds of value that a picture can be made of.

/// One channel's value at one pixel: `UInt8`, `UInt16`, or `Float` with the nominal range [0, 1].
public protocol ImageSample: Sendable, Equatable {
  /// The value of full white, or of full opacity: 255, 65535 or 1.
  static var full: Self { get }
  /// The value of black.
  static var zero: Self { get }
  /// The stored value.
  var number: Float { get }
  /// The value as a fraction of `full`.
  var unit: Float { get }
  /// The nearest sample to a fraction; integers clamp to [0, 1] and round half up, NaN is 0.
  init(unit: Float)
  /// The nearest samples to stored values, one for each; integers clamp and round half up, NaN is 0.
  static func store(
    _ numbers: UnsafePointer<Float>, _ count: Int, to samples: UnsafeMutablePointer<Self>)
  /// The luma of a colour: BT.601 weights, for integers in the 16-bit fixed point that Pillow uses.
  static func luma(_ red: Self, _ green: Self, _ blue: Self) -> Self
}

extension UInt8: ImageSample {
  /// 255.
  public static var full: UInt8 { 255 }
  /// The stored value.
  @inlinable public var number: Float { Float(self) }
  /// The value over 255.
  @inlinable public var unit: Float { Float(self) / 255 }

  /// The nearest byte to 255 times the fraction, clamped; NaN gives 0.
  @inlinable public init(unit: Float) {
    // A comparison with NaN is false, so the order of these keeps NaN out of the conversion.
    self = unit > 0 ? (unit < 1 ? UInt8(unit * 255 + 0.5) : 255) : 0
  }

  /// Rounds and clamps without a branch, so that several values go at a time.
  public static func store(
    _ numbers: UnsafePointer<Float>, _ count: Int, to samples: UnsafeMutablePointer<UInt8>
  ) {
    for index in 0..<count {
      samples[index] = UInt8(truncatingIfNeeded: wholeBits(numbers[index], full: 255))
    }
  }

  /// (19595 R + 38470 G + 7471 B + 32768) >> 16, as Pillow's `convert("L")`.
  @inlinable public static func luma(_ red: UInt8, _ green: UInt8, _ blue: UInt8) -> UInt8 {
    let sum = UInt32(red) &* 19595 &+ UInt32(green) &* 38470 &+ UInt32(blue) &* 7471 &+ 0x8000
    return UInt8(truncatingIfNeeded: sum >> 16)
  }
}

extension UInt16: ImageSample {
  /// 65535.
  public static var full: UInt16 { 65535 }
  /// The stored value.
  @inlinable public var number: Float { Float(self) }
  /// The value over 65535.
  @inlinable public var unit: Float { Float(self) / 65535 }

  /// The nearest word to 65535 times the fraction, clamped; NaN gives 0.
  @inlinable public init(unit: Float) {
    self = unit > 0 ? (unit < 1 ? UInt16(unit * 65535 + 0.5) : 65535) : 0
  }

  /// Rounds and clamps without a branch, so that several values go at a time.
  public static func store(
    _ numbers: UnsafePointer<Float>, _ count: Int, to samples: UnsafeMutablePointer<UInt16>
  ) {
    for index in 0..<count {
      samples[index] = UInt16(truncatingIfNeeded: wholeBits(numbers[index], full: 65535))
    }
  }

  /// The byte formula on words.
  @inlinable public static func luma(_ red: UInt16, _ green: UInt16, _ blue: UInt16) -> UInt16 {
    let sum = UInt64(red) &* 19595 &+ UInt64(green) &* 38470 &+ UInt64(blue) &* 7471 &+ 0x8000
    return UInt16(truncatingIfNeeded: sum >> 16)
  }
}

extension Float: ImageSample {
  /// 1.
  public static var full: Float { 1 }
  /// The value itself.
  @inlinable public var number: Float { self }
  /// The value itself.
  @inlinable public var unit: Float { self }

  /// The fraction itself, not clamped.
  @inlinable public init(unit: Float) { self = unit }

  /// The values as they are.
  public static func store(
    _ numbers: UnsafePointer<Float>, _ count: Int, to samples: UnsafeMutablePointer<Float>
  ) {
    samples.update(from: numbers, count: count)
  }

  /// 0.299 R + 0.587 G + 0.114 B.
  @inlinable public static func luma(_ red: Float, _ green: Float, _ blue: Float) -> Float {
    0.299 * red + 0.587 * green + 0.114 * blue
  }
}

/// The whole number nearest to a value limited to [0, full], halves rounded up, not-a-number as 0; in
/// the low 16 bits.
@inline(__always)
private func wholeBits(_ number: Float, full: Float) -> UInt32 {
  // A comparison with NaN is false, so NaN becomes 0.
  let positive = number > 0 ? number : 0
  let value = positive < full ? positive : full
  // Adding 2^23 rounds to a whole number, halves to the even one, and leaves it in the low bits.
  let shifted = value + 8_388_608
  let isCutDown = value - (shifted - 8_388_608) >= 0.5
  return shifted.bitPattern &+ (isCutDown ? 1 : 0)
}
