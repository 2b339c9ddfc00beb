// Stored samples of any width as the samples of a picture, row by row.

/// Turns rows of stored samples into bytes, words or floats.
struct TIFFSamples {
  /// The sample type of the picture that a page becomes.
  enum Target {
    case bytes
    case words
    case floats
  }

  let kind: TIFFStorage.Kind
  let bits: Int
  /// Whether values are indices of a colour map, which are not scaled.
  let isIndexed: Bool

  /// What a page's samples become; nil for a type that is not read.
  var target: Target? {
    switch (kind, bits) {
    case (.unsigned, 1...8), (.signed, 8): .bytes
    case (.unsigned, 9...16), (.signed, 16): .words
    case (.unsigned, 32), (.signed, 32), (.float, 16), (.float, 32), (.float, 64): .floats
    default: nil
    }
  }

  /// The bytes of a row of `count` samples.
  func rowBytes(_ count: Int) -> Int { (count * bits + 7) / 8 }

  /// A row as bytes; signed ones are moved up by 128, fewer than 8 bits scaled up.
  func bytes(_ row: UnsafeRawPointer, _ count: Int, _ target: UnsafeMutablePointer<UInt8>) {
    guard bits < 8 else {
      target.update(from: row.assumingMemoryBound(to: UInt8.self), count: count)
      if kind == .signed { for index in 0..<count { target[index] ^= 0x80 } }
      return
    }
    let largest = 1 << bits - 1
    unpack(row, count) { index, value in
      target[index] = UInt8(isIndexed ? value : (value * 255 + largest / 2) / largest)
    }
  }

  /// A row as words; signed ones are moved up by 32768, fewer than 16 bits scaled up.
  func words(_ row: UnsafeRawPointer, _ count: Int, _ target: UnsafeMutablePointer<UInt16>) {
    guard bits < 16 else {
      memoryCopy(row, target, count)
      if kind == .signed { for index in 0..<count { target[index] ^= 0x8000 } }
      return
    }
    let largest = 1 << bits - 1
    unpack(row, count) { index, value in
      target[index] = UInt16(isIndexed ? value : (value * 65535 + largest / 2) / largest)
    }
  }

  /// A row as floats, the stored numbers as they are.
  func floats(_ row: UnsafeRawPointer, _ count: Int, _ target: UnsafeMutablePointer<Float>) {
    func each<Number: BitwiseCopyable>(_ kind: Number.Type, _ number: (Number) -> Float) {
      let stride = MemoryLayout<Number>.stride
      for index in 0..<count {
        target[index] = number(row.loadUnaligned(fromByteOffset: index * stride, as: Number.self))
      }
    }
    switch (kind, bits) {
    case (.float, 32): memoryCopy(row, target, count)
    case (.float, 64): each(Double.self) { Float($0) }
    case (.float, _): each(UInt16.self, Self.half)
    case (.signed, _): each(Int32.self) { Float($0) }
    default: each(UInt32.self) { Float($0) }
    }
  }

  private func memoryCopy<Sample: BitwiseCopyable>(
    _ row: UnsafeRawPointer, _ target: UnsafeMutablePointer<Sample>, _ count: Int
  ) {
    UnsafeMutableRawPointer(target).copyMemory(
      from: row, byteCount: count * MemoryLayout<Sample>.stride)
  }

  /// Samples of any number of bits, the first in the highest bits.
  private func unpack(_ row: UnsafeRawPointer, _ count: Int, _ take: (Int, Int) -> Void) {
    let bytes = row.assumingMemoryBound(to: UInt8.self)
    var (held, valid, place) = (0, 0, 0)
    let mask = 1 << bits - 1
    for index in 0..<count {
      while valid < bits {
        held = held << 8 | Int(bytes[place])
        place += 1
        valid += 8
      }
      valid -= bits
      take(index, held >> valid & mask)
      held &= 1 << valid - 1
    }
  }

  /// A half-precision number (IEEE 754 binary16); x86 has no such type in Swift.
  static func half(_ bits: UInt16) -> Float {
    let sign = UInt32(bits & 0x8000) << 16
    let exponent = UInt32(bits >> 10 & 0x1f)
    let fraction = UInt32(bits & 0x3ff)
    switch exponent {
    case 0:
      let magnitude = Float(fraction) * 0x1p-24
      return sign == 0 ? magnitude : -magnitude
    case 31: return Float(bitPattern: sign | 0x7f80_0000 | fraction << 13)
    default: return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
    }
  }

  /// The nearest half-precision number, ties to even.
  static func halfBits(_ value: Float) -> UInt16 {
    let sign = UInt16(value.bitPattern >> 16 & 0x8000)
    if value.isNaN { return sign | 0x7e00 }
    let magnitude = value.magnitude
    if magnitude >= 65520 { return sign | 0x7c00 }
    if magnitude < 0x1p-14 {
      return sign | UInt16((magnitude * 0x1p24).rounded(.toNearestOrEven))
    }
    let pattern = magnitude.bitPattern
    let rounded = pattern + 0xfff + (pattern >> 13 & 1)
    return sign | UInt16((rounded >> 13) - (112 << 10))
  }
}
