// Directories of tags as bytes: for Exif blocks, and for the tags that a TIFF file is to carry.

import Foundation

/// Writes directories in one byte order and width of offsets.
package struct TagWriter {
  /// Whether numbers are big-endian.
  var isBigEndian = false
  /// Whether offsets have eight bytes (BigTIFF).
  var isWide = false

  /// A writer of little-endian numbers and short offsets where not said otherwise.
  package init(isBigEndian: Bool = false, isWide: Bool = false) {
    self.isBigEndian = isBigEndian
    self.isWide = isWide
  }

  private var field: Int { isWide ? 8 : 4 }

  /// A number in so many bytes.
  package func number(_ value: Int, bytes: Int) -> [UInt8] {
    let little = (0..<bytes).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    return isBigEndian ? little.reversed() : little
  }

  /// A directory and what belongs to it, as it stands at byte `base` of a file, followed by the
  /// pointer `next`; the number of bytes is even.
  func bytes(of directory: TagDirectory, at base: Int, next: Int = 0) -> [UInt8] {
    let entries = directory.entries.filter { TagDirectory.width(of: $0.kind) > 0 }
    let table = (isWide ? 8 : 2) + entries.count * (isWide ? 20 : 12) + field
    var result = number(entries.count, bytes: isWide ? 8 : 2)
    var behind: [UInt8] = []
    func place() -> Int { base + table + behind.count }
    for entry in entries {
      var value: [UInt8]
      var (kind, count) = (entry.kind, entry.count)
      if let inner = entry.directory {
        (kind, count) = (isWide && kind != 4 ? kind : 4, 1)
        value = number(place(), bytes: kind == 4 || kind == 13 ? 4 : 8)
        behind += bytes(of: inner, at: place())
      } else {
        value = entry.data
        if isBigEndian { value.turnOver(by: TagDirectory.unit(of: kind)) }
        if value.count > field {
          let offset = place()
          behind += value
          if behind.count % 2 == 1 { behind.append(0) }
          value = number(offset, bytes: field)
        }
      }
      result += number(Int(entry.tag), bytes: 2) + number(Int(kind), bytes: 2)
      result += number(count, bytes: field)
      result += value + [UInt8](repeating: 0, count: field - value.count)
    }
    result += number(next, bytes: field)
    // A table of an odd number of bytes is not possible: its parts are even.
    return result + behind
  }

  /// A whole block with its header, such as Exif data are.
  func block(_ directory: TagDirectory) -> Data {
    let head: [UInt8] = isBigEndian ? [0x4d, 0x4d, 0, 42] : [0x49, 0x49, 42, 0]
    return Data(head + number(8, bytes: 4) + bytes(of: directory, at: 8))
  }
}

extension TagDirectory.Entry {
  /// A short number.
  static func short(_ tag: UInt16, _ value: Int) -> Self {
    Self(tag: tag, kind: 3, data: TagWriter().number(value, bytes: 2))
  }

  /// A long number.
  static func long(_ tag: UInt16, _ value: Int) -> Self {
    Self(tag: tag, kind: 4, data: TagWriter().number(value, bytes: 4))
  }

  /// A fraction in ten-thousandths where it needs one.
  package static func rational(_ tag: UInt16, _ value: Double) -> Self {
    let isWhole = value == value.rounded() && value < 4e9
    let denominator = isWhole ? 1.0 : value < 400_000 ? 10_000 : 1
    let numerator = min(max(0, (value * denominator).rounded()), 4_294_967_295)
    return Self(
      tag: tag, kind: 5,
      data: TagWriter().number(Int(numerator), bytes: 4)
        + TagWriter().number(Int(denominator), bytes: 4))
  }

  /// A text.
  package static func text(_ tag: UInt16, _ value: String) -> Self {
    Self(tag: tag, kind: 2, data: Array(value.utf8) + [0])
  }

  /// Bytes of no further meaning to TIFF.
  static func undefined(_ tag: UInt16, _ value: Data) -> Self {
    Self(tag: tag, kind: 7, data: [UInt8](value))
  }

  /// The first value as a fraction.
  var fraction: Double? {
    func long(_ start: Int) -> Double {
      Double(data[start..<start + 4].reversed().reduce(0) { $0 << 8 | Int($1) })
    }
    guard kind == 5, data.count >= 8, long(4) > 0 else { return number.map(Double.init) }
    return long(0) / long(4)
  }
}
