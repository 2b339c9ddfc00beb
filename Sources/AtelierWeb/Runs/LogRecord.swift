// One line of an event log: the entries of its object, found without building it, because lists
// read millions.

import Foundation

/// A line that holds a JSON object, looked into where it lies.
package struct LogRecord {
  /// The bytes of one line with its end.
  package let line: UnsafeBufferPointer<UInt8>

  package init(_ line: UnsafeBufferPointer<UInt8>) { self.line = line }

  /// Calls `body` with every outermost key and the bytes of its value; stops at what is no JSON.
  package func entries(_ body: (UnsafeBufferPointer<UInt8>, UnsafeBufferPointer<UInt8>) -> Void) {
    var index = line.startIndex
    func part(_ range: Range<Int>) -> UnsafeBufferPointer<UInt8> { .init(rebasing: line[range]) }
    func skipSpace() {
      while index < line.endIndex, [0x20, 0x09, 0x0D, 0x0A].contains(line[index]) { index += 1 }
    }
    skipSpace()
    guard index < line.endIndex, line[index] == UInt8(ascii: "{") else { return }
    index += 1
    while true {
      skipSpace()
      guard index < line.endIndex, line[index] == UInt8(ascii: "\"") else { return }
      guard let keyEnd = endOfText(from: index) else { return }
      let key = part(index + 1..<keyEnd)
      index = keyEnd + 1
      skipSpace()
      guard index < line.endIndex, line[index] == UInt8(ascii: ":") else { return }
      index += 1
      skipSpace()
      guard let end = endOfValue(from: index), end > index else { return }
      body(key, part(index..<end))
      index = end
      skipSpace()
      guard index < line.endIndex, line[index] == UInt8(ascii: ",") else { return }
      index += 1
    }
  }

  /// The index of the quote that ends a text which begins at `start`.
  private func endOfText(from start: Int) -> Int? {
    var index = start + 1
    while index < line.endIndex {
      switch line[index] {
      case UInt8(ascii: "\\"): index += 2
      case UInt8(ascii: "\""): return index
      default: index += 1
      }
    }
    return nil
  }

  /// The index behind a value.
  private func endOfValue(from start: Int) -> Int? {
    var index = start
    var depth = 0
    while index < line.endIndex {
      switch line[index] {
      case UInt8(ascii: "\""):
        guard let end = endOfText(from: index) else { return nil }
        index = end
      case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        if depth == 0 { return index }
        depth -= 1
        if depth == 0 { return index + 1 }
      case UInt8(ascii: ","), UInt8(ascii: "\n"): if depth == 0 { return index }
      default: break
      }
      index += 1
    }
    return nil
  }

  /// A value as a number; nil for what is none or is not finite.
  package static func number(_ value: UnsafeBufferPointer<UInt8>) -> Double? {
    guard let first = value.first, first == UInt8(ascii: "-") || (0x30...0x39).contains(first),
      value.count < 64
    else { return nil }
    let number = Double(String(decoding: value, as: UTF8.self))
    return number.flatMap { $0.isFinite ? $0 : nil }
  }

  /// A value as a whole number.
  package static func count(_ value: UnsafeBufferPointer<UInt8>) -> Int? {
    number(value).flatMap { Int(exactly: $0.rounded()) }
  }

  /// A value as a text, its escapes read; nil for what is none.
  package static func text(_ value: UnsafeBufferPointer<UInt8>) -> String? {
    guard value.count >= 2, value.first == UInt8(ascii: "\"") else { return nil }
    if !value.contains(UInt8(ascii: "\\")) {
      return String(decoding: value[1..<value.count - 1], as: UTF8.self)
    }
    return try? JSONDecoder().decode(String.self, from: Data(value))
  }
}

extension [UInt8] {
  /// Calls `body` with each whole line.
  package func forEachLine(_ body: (LogRecord) -> Void) {
    withUnsafeBufferPointer { bytes in
      var start = 0
      while start < bytes.count,
        let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n"))
      {
        if end > start { body(LogRecord(.init(rebasing: bytes[start...end]))) }
        start = end + 1
      }
    }
  }
}

extension UnsafeBufferPointer<UInt8> {
  /// Whether the bytes are those of a text.
  package func spells(_ text: StaticString) -> Bool {
    count == text.utf8CodeUnitCount
      && memcmp(baseAddress ?? text.utf8Start, text.utf8Start, count) == 0
  }
}
