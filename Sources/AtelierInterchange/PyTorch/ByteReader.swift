// A cursor over the bytes of a file: every read is held against the end, every fault names its byte.

import AtelierFiles
import Foundation

/// Reads numbers and runs of bytes one after the other.
struct ByteReader {
  /// The bytes; indices begin with 0.
  let data: Data
  /// The next byte.
  private(set) var position: Int
  /// One past the last byte that may be read.
  private let end: Int
  /// The name that errors give.
  let file: String

  /// Reads `range` of a file's bytes, which the caller has held against them.
  init(_ data: Data, _ range: Range<Int>, file: String) {
    self.data = data
    position = range.lowerBound
    end = range.upperBound
    self.file = file
  }

  /// The bytes that are left.
  var remaining: Int { end - position }

  /// The error of a fault at the next byte.
  func fault(_ message: String) -> FileError {
    FileError(file: file, message: "at byte \(position): \(message)")
  }

  /// Passes over `count` bytes and gives where they are.
  mutating func skip(_ count: Int) throws(FileError) -> Range<Int> {
    guard count >= 0, count <= remaining else {
      throw fault("expected \(count) more bytes, received \(remaining)")
    }
    position += count
    return position - count..<position
  }

  /// The next byte.
  mutating func byte() throws(FileError) -> UInt8 { data[try skip(1).lowerBound] }

  /// An integer, least significant byte first.
  mutating func integer<Integer: FixedWidthInteger>(
    _: Integer.Type = Integer.self
  ) throws(FileError) -> Integer {
    let range = try skip(MemoryLayout<Integer>.size)
    var value: Integer = 0
    for (index, byte) in data[range].enumerated() {
      value |= Integer(truncatingIfNeeded: byte) << Integer(8 * index)
    }
    return value
  }

  /// A count of bytes or elements of a file; throws when it is beyond what a file could hold.
  mutating func count<Integer: FixedWidthInteger>(
    _ type: Integer.Type = Integer.self
  ) throws(FileError) -> Int {
    let value = try integer(type)
    guard let count = Int(exactly: value), (0...1 << 48).contains(count) else {
      throw fault("expected a count, received \(value)")
    }
    return count
  }

  /// Text of so many bytes of UTF-8; what is none becomes U+FFFD.
  mutating func text(_ count: Int) throws(FileError) -> String {
    String(decoding: data[try skip(count)], as: UTF8.self)
  }

  /// The text up to the end of a line, which is passed over.
  mutating func line() throws(FileError) -> String {
    guard let stop = data[position..<end].firstIndex(of: 0x0A) else {
      throw fault("expected a line of text, received none")
    }
    let text = try text(stop - position)
    _ = try skip(1)
    return text
  }
}
