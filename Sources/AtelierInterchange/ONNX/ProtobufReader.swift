// A strict reader of protocol buffers: fields of one message after the other, each within its bounds.
//
// Our own, because SwiftProtobuf costs 89 CPU seconds of every clean build, and a reader that
// leaves tensors where they lie in the file needs no generated types.

import AtelierFiles
import Foundation

/// The bytes of a message, and where its next field begins.
struct ProtobufReader {
  /// A field's number and the form of its value.
  struct Field {
    let number: Int
    let wire: Wire
    /// Where the field's tag lies, for errors.
    let position: Int
  }

  /// The forms that values have; groups, which nobody writes any more, are refused.
  enum Wire: Int {
    case varint = 0
    case fixed64 = 1
    case bytes = 2
    case fixed32 = 5
  }

  let source: UnsafeRawBufferPointer
  let file: String
  private(set) var position: Int
  let end: Int

  /// Reads the message in a range of the file's bytes.
  init(_ source: UnsafeRawBufferPointer, _ range: Range<Int>, file: String) {
    (self.source, self.file) = (source, file)
    (position, end) = (range.lowerBound, range.upperBound)
  }

  /// An error at a byte of the file.
  func fault(_ message: String, at position: Int? = nil) -> FileError {
    FileError(file: file, message: "\(message) at byte \(position ?? self.position)")
  }

  /// The next field's tag, nil at the message's end.
  mutating func next() throws(FileError) -> Field? {
    guard position < end else { return nil }
    let start = position
    let tag = try varint()
    let number = tag >> 3
    guard number >= 1, number < 1 << 29, let wire = Wire(rawValue: Int(tag & 7)) else {
      throw fault("expected a field of a protocol buffer, received tag \(tag)", at: start)
    }
    return Field(number: Int(number), wire: wire, position: start)
  }

  /// A number of 7 bits a byte.
  mutating func varint() throws(FileError) -> UInt64 {
    let start = position
    var value: UInt64 = 0
    for shift in stride(from: 0, to: 70, by: 7) {
      guard position < end else { throw fault("a number ends early", at: start) }
      let byte = UInt64(source[position])
      position += 1
      if shift == 63, byte > 1 { throw fault("a number has more than 64 bits", at: start) }
      value |= (byte & 0x7F) << UInt64(shift)
      if byte < 0x80 { return value }
    }
    throw fault("a number has more than 10 bytes", at: start)
  }

  /// The bytes of a field of variable length.
  mutating func bytes(_ field: Field) throws(FileError) -> Range<Int> {
    try expect(field, .bytes)
    let start = position
    let length = try varint()
    guard length <= UInt64(end - position) else {
      throw fault("a field of \(length) bytes ends outside its message", at: start)
    }
    let range = position..<position + Int(length)
    position = range.upperBound
    return range
  }

  /// A message in a field.
  mutating func message(_ field: Field) throws(FileError) -> ProtobufReader {
    ProtobufReader(source, try bytes(field), file: file)
  }

  /// A text in UTF-8.
  mutating func text(_ field: Field) throws(FileError) -> String {
    let range = try bytes(field)
    guard range.count <= 65_536 else {
      throw fault("a name has \(range.count) bytes", at: field.position)
    }
    guard
      let text = String(validating: UnsafeRawBufferPointer(rebasing: source[range]), as: UTF8.self)
    else { throw fault("a text is not UTF-8", at: field.position) }
    return text
  }

  /// An integer; negative ones have all 64 bits.
  mutating func integer(_ field: Field) throws(FileError) -> Int {
    try expect(field, .varint)
    return Int(Int64(bitPattern: try varint()))
  }

  /// A float of 32 bits.
  mutating func float(_ field: Field) throws(FileError) -> Float {
    try expect(field, .fixed32)
    guard position + 4 <= end else { throw fault("a float ends early") }
    let bits = source.loadUnaligned(fromByteOffset: position, as: UInt32.self)
    position += 4
    return Float(bitPattern: UInt32(littleEndian: bits))
  }

  /// Adds one integer, or all of a packed field, to a list of at most `limit`.
  mutating func integers(
    _ field: Field, into list: inout [Int], limit: Int
  ) throws(FileError) {
    if field.wire == .varint {
      list.append(try integer(field))
    } else {
      var packed = try message(field)
      while packed.position < packed.end {
        list.append(Int(Int64(bitPattern: try packed.varint())))
        if list.count > limit { break }
      }
    }
    guard list.count <= limit else {
      throw fault("a list has more than \(limit) numbers", at: field.position)
    }
  }

  /// Adds one float, or all of a packed field, to a list.
  mutating func floats(_ field: Field, into list: inout [Float]) throws(FileError) {
    if field.wire == .fixed32 { return list.append(try float(field)) }
    var packed = try message(field)
    let one = Field(number: field.number, wire: .fixed32, position: field.position)
    while packed.position < packed.end { list.append(try packed.float(one)) }
  }

  /// Passes over a field that nothing here needs.
  mutating func skip(_ field: Field) throws(FileError) {
    switch field.wire {
    case .varint: _ = try varint()
    case .bytes: _ = try bytes(field)
    case .fixed32, .fixed64:
      let size = field.wire == .fixed32 ? 4 : 8
      guard position + size <= end else { throw fault("a number ends early") }
      position += size
    }
  }

  private func expect(_ field: Field, _ wire: Wire) throws(FileError) {
    guard field.wire == wire else {
      throw fault(
        "field \(field.number) has wire type \(field.wire.rawValue), expected \(wire.rawValue)",
        at: field.position)
    }
  }
}
