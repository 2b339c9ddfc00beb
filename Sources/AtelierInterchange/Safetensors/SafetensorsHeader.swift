// The header of a safetensors file: read strictly into names, types, shapes, ranges; and written.

import AtelierEngine
import AtelierFiles
import Foundation

/// What the header says, checked so that the ranges tile the data exactly.
struct SafetensorsHeader {
  /// The largest header that readers accept, in bytes (the limit of the reference implementation).
  static let maximumLength = 100_000_000
  /// The bytes before the header: its length as a little-endian 64-bit number.
  static let prefixLength = 8
  /// Data starts at a multiple of this many bytes in files that we write: a cache line.
  static let alignment = 64
  /// The most axes of a tensor; the reference's users (PyTorch, NumPy) stop at 64 too.
  static let maximumRank = 64
  /// The key of the header that is not a tensor.
  static let metadataKey = "__metadata__"

  /// One tensor of the header.
  struct Item {
    let name: String
    let type: SafetensorsType
    let shape: Shape
    /// The byte range in the data section.
    let range: Range<Int>
    /// The byte of the file where the tensor's description starts.
    let position: Int
  }

  private(set) var metadata: [String: String] = [:]
  /// The tensors in the order of their data.
  private(set) var items: [Item] = []

  private var reader: StrictJSONReader
  private let file: String
  private let dataLength: Int

  /// Checks the length prefix against the file before anything of that size is read, and gives it.
  static func checkedLength(
    _ declared: UInt64, fileSize: Int, file: String
  ) throws(SafetensorsError) -> Int {
    guard declared >= 2 else {
      throw .malformed(file, "expected a header of at least 2 bytes, received \(declared)", at: 0)
    }
    guard declared <= UInt64(maximumLength) else {
      throw .malformed(
        file, "expected a header of at most \(maximumLength) bytes, received \(declared)", at: 0)
    }
    guard declared <= UInt64(fileSize - prefixLength) else {
      throw .malformed(
        file,
        "expected a header of \(declared) bytes, received a file with "
          + "\(fileSize - prefixLength) bytes after the header's length", at: 0)
    }
    return Int(declared)
  }

  /// Reads a header whose data section has `dataLength` bytes.
  init(_ bytes: [UInt8], dataLength: Int, file: String) throws(SafetensorsError) {
    reader = StrictJSONReader(bytes)
    self.file = file
    self.dataLength = dataLength
    guard bytes.first == UInt8(ascii: "{") else {
      throw .malformed(
        file, "expected a header that starts with \"{\", received the byte \(bytes[0])",
        at: Self.prefixLength)
    }
    do {
      try readMembers()
    } catch {
      throw .malformed(file, error.message, at: Self.prefixLength + error.position)
    }
    try orderAndCheckTiling(headerLength: bytes.count)
  }

  private mutating func readMembers() throws(JSONSyntaxError) {
    var names: Set<String> = []
    try reader.beginObject()
    var start = reader.position
    while let name = try reader.nextKey(isFirst: names.isEmpty) {
      guard names.insert(name).inserted else {
        throw JSONSyntaxError(
          message: "expected each name once, received \(quoted(name)) twice", position: start)
      }
      if name == Self.metadataKey {
        try readMetadata()
      } else {
        try readItem(name)
      }
      start = reader.position
    }
    guard reader.isAtEnd() else {
      throw JSONSyntaxError(
        message: "expected only padding after the header's object, received more text",
        position: reader.position)
    }
  }

  private mutating func readMetadata() throws(JSONSyntaxError) {
    try reader.beginObject()
    var start = reader.position
    while let key = try reader.nextKey(isFirst: metadata.isEmpty) {
      guard metadata[key] == nil else {
        throw JSONSyntaxError(
          message: "expected each metadata key once, received \(quoted(key)) twice",
          position: start)
      }
      metadata[key] = try reader.string("a string as the metadata of \(quoted(key))")
      start = reader.position
    }
  }

  private mutating func readItem(_ name: String) throws(JSONSyntaxError) {
    let position = reader.position
    var type: SafetensorsType?
    var shape: [Int]?
    var offsets: [Int]?
    var keys: Set<String> = []
    func fault(_ message: String) -> JSONSyntaxError {
      JSONSyntaxError(message: "tensor \(quoted(name)): \(message)", position: position)
    }
    try reader.beginObject()
    while let key = try reader.nextKey(isFirst: keys.isEmpty) {
      guard keys.insert(key).inserted else {
        throw fault("expected each key once, received \(quoted(key)) twice")
      }
      switch key {
      case "dtype":
        let text = try reader.string("an element type")
        type = SafetensorsType(rawValue: text)
        guard type != nil else {
          let known = SafetensorsType.allCases.map(\.rawValue).joined(separator: ", ")
          throw fault("expected an element type of \(known), received \(quoted(text))")
        }
      case "shape": shape = try readNumbers(atMost: Self.maximumRank, "the sizes of a shape")
      case "data_offsets": offsets = try readNumbers(atMost: 2, "two data offsets")
      default: try reader.skipValue(depth: 2)
      }
    }
    guard let type else { throw fault("expected \"dtype\", received none") }
    guard let shape else { throw fault("expected \"shape\", received none") }
    guard let offsets else { throw fault("expected \"data_offsets\", received none") }
    guard offsets.count == 2, offsets[0] <= offsets[1], offsets[1] <= dataLength else {
      throw fault("expected two rising data offsets of at most \(dataLength), received \(offsets)")
    }
    guard let length = Self.byteCount(shape, type) else {
      throw fault("expected a size in bytes that fits in 64 bits, received the shape \(shape)")
    }
    guard offsets[1] - offsets[0] == length else {
      throw fault(
        "expected \(length) bytes for \(Shape(shape)) of \(type.rawValue), "
          + "received \(offsets[1] - offsets[0])")
    }
    items.append(
      Item(
        name: name, type: type, shape: Shape(shape), range: offsets[0]..<offsets[1],
        position: Self.prefixLength + position))
  }

  private mutating func readNumbers(
    atMost limit: Int, _ expected: String
  ) throws(JSONSyntaxError) -> [Int] {
    var numbers: [Int] = []
    try reader.beginArray("an array with \(expected)")
    while try reader.hasElement(isFirst: numbers.isEmpty) {
      guard numbers.count < limit else {
        throw JSONSyntaxError(
          message: "expected at most \(limit) numbers as \(expected), received more",
          position: reader.position)
      }
      numbers.append(try reader.wholeNumber())
    }
    return numbers
  }

  /// The bytes that a shape takes, or nil when a product on the way does not fit in `Int`.
  static func byteCount(_ shape: [Int], _ type: SafetensorsType) -> Int? {
    var count = 1
    for size in shape {
      let (product, overflow) = count.multipliedReportingOverflow(by: size)
      guard !overflow else { return nil }
      count = product
    }
    let (bytes, overflow) = count.multipliedReportingOverflow(by: type.width)
    return overflow ? nil : bytes
  }

  /// Sorts the tensors by their data and checks that these tile it without hole or overlap.
  private mutating func orderAndCheckTiling(headerLength: Int) throws(SafetensorsError) {
    let order = items.indices.sorted { left, right in
      let (first, second) = (items[left].range, items[right].range)
      return (first.lowerBound, first.upperBound, left)
        < (second.lowerBound, second.upperBound, right)
    }
    items = order.map { items[$0] }
    var end = 0
    for item in items {
      guard item.range.lowerBound == end else {
        let fault = item.range.lowerBound < end ? "an overlap" : "a hole"
        throw .malformed(
          file,
          "tensor \(quoted(item.name)): expected data that starts at offset \(end), received "
            + "\(item.range.lowerBound) (\(fault))", at: item.position)
      }
      end = item.range.upperBound
    }
    guard end == dataLength else {
      throw .malformed(
        file, "expected \(end) bytes of data, received \(dataLength)",
        at: Self.prefixLength + headerLength + end)
    }
  }
}

// MARK: - Writing

extension SafetensorsHeader {
  /// The length prefix and the header, padded, for entries whose data follow in this order.
  static func encoded(metadata: [String: String], entries: [SafetensorsEntry]) -> [UInt8] {
    func quoted(_ text: String) -> String { "\"\(escaped(text))\"" }
    var members: [String] = []
    if !metadata.isEmpty {
      let keys = metadata.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
      let pairs = keys.map { "\(quoted($0)):\(quoted(metadata[$0] ?? ""))" }
      members.append("\(quoted(metadataKey)):{\(pairs.joined(separator: ","))}")
    }
    var offset = 0
    for entry in entries {
      let sizes = entry.shape.dimensions.map(String.init).joined(separator: ",")
      let end = offset + entry.byteCount
      members.append(
        "\(quoted(entry.name)):{\"dtype\":\"\(entry.type.rawValue)\",\"shape\":[\(sizes)],"
          + "\"data_offsets\":[\(offset),\(end)]}")
      offset = end
    }
    var text = Array("{\(members.joined(separator: ","))}".utf8)
    while (prefixLength + text.count) % alignment != 0 { text.append(UInt8(ascii: " ")) }
    return littleEndianBytes([UInt64(text.count)]) + text
  }

  private static func escaped(_ string: String) -> String {
    var text = String.UnicodeScalarView()
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"", "\\": text.append(contentsOf: ["\\", scalar])
      case "\0"..<" ":
        text.append(contentsOf: String(format: "\\u%04x", scalar.value).unicodeScalars)
      default: text.append(scalar)
      }
    }
    return String(text)
  }
}
