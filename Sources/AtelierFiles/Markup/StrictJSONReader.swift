// A strict, bounded JSON reader that is pulled value by value and builds only what is asked for.

/// A place where text is not the JSON that was expected.
package struct JSONSyntaxError: Error, Hashable {
  /// What was expected and what came.
  package let message: String
  /// The byte position in the text.
  package let position: Int

  /// Makes an error about a place.
  package init(message: String, position: Int) {
    self.message = message
    self.position = position
  }
}

/// Reads JSON (RFC 8259) from bytes; refuses what lenient parsers let through.
///
/// Foundation's decoder keeps one of two equal keys in silence; a model file with two tensors of
/// one name must be refused. Strings must be valid UTF-8 without lone surrogates, numbers follow
/// the grammar, nesting ends at `maximumDepth`. The memory taken is that of the strings that are
/// read, so a large hostile header stays within its own size.
package struct StrictJSONReader {
  /// The deepest nesting that `skipValue` follows.
  package static let maximumDepth = 32

  private let bytes: [UInt8]
  /// The next byte to read.
  package private(set) var position = 0

  package init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// Skips white space and reports whether the text is at its end.
  package mutating func isAtEnd() -> Bool {
    skipWhitespace()
    return position == bytes.count
  }

  /// Skips white space, then consumes the opening brace of an object.
  package mutating func beginObject() throws(JSONSyntaxError) {
    try consume("{", expecting: "an object")
  }

  /// The next key of an object with its colon consumed, or nil once the closing brace is consumed.
  package mutating func nextKey(isFirst: Bool) throws(JSONSyntaxError) -> String? {
    guard try hasNext(isFirst: isFirst, closing: "}") else { return nil }
    let key = try string("a key in double quotes")
    try consume(":", expecting: "a colon after the key")
    skipWhitespace()
    return key
  }

  /// Skips white space, then consumes the opening bracket of an array.
  package mutating func beginArray(_ expected: String) throws(JSONSyntaxError) {
    try consume("[", expecting: expected)
  }

  /// Whether an array goes on; its comma or closing bracket is consumed.
  package mutating func hasElement(isFirst: Bool) throws(JSONSyntaxError) -> Bool {
    try hasNext(isFirst: isFirst, closing: "]")
  }

  /// Reads a whole number of at least 0 that fits in `Int`, without sign, fraction or exponent.
  package mutating func wholeNumber() throws(JSONSyntaxError) -> Int {
    skipWhitespace()
    let start = position
    try skipNumber("a whole number")
    var value = 0
    for byte in bytes[start..<position] {
      guard Self.digits.contains(byte) else {
        throw JSONSyntaxError(
          message: "expected a whole number of at least 0, received \(text(start..<position))",
          position: start)
      }
      let (tenfold, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) = tenfold.addingReportingOverflow(Int(byte - Self.digits.lowerBound))
      guard !overflow, !carry else {
        throw JSONSyntaxError(
          message: "expected a number of at most \(Int.max), received \(text(start..<position))",
          position: start)
      }
      value = sum
    }
    return value
  }

  /// Reads a number as the nearest double, infinite beyond its range.
  package mutating func number(_ expected: String = "a number") throws(JSONSyntaxError) -> Double {
    skipWhitespace()
    let start = position
    try skipNumber(expected)
    // The grammar has been followed, so there is nothing that the conversion could refuse.
    return Double(String(decoding: bytes[start..<position], as: UTF8.self)) ?? .nan
  }

  /// Skips white space and tells how the next value begins, without consuming it.
  package mutating func nextIs(_ character: Unicode.Scalar) -> Bool {
    skipWhitespace()
    return peek(character)
  }

  /// Reads a string.
  package mutating func string(_ expected: String = "a string") throws(JSONSyntaxError) -> String {
    try consume("\"", expecting: expected)
    let start = position
    var decoded: [UInt8] = []
    while position < bytes.count {
      let byte = bytes[position]
      switch byte {
      case UInt8(ascii: "\""):
        position += 1
        guard let string = String(validating: decoded, as: UTF8.self) else {
          throw JSONSyntaxError(
            message: "expected UTF-8 text, received other bytes", position: start)
        }
        return string
      case UInt8(ascii: "\\"):
        try appendEscape(to: &decoded)
      case 0..<0x20:
        throw unexpected("an escape for a control character in a string")
      default:
        decoded.append(byte)
        position += 1
      }
    }
    throw unexpected("the closing double quote of a string")
  }

  /// Reads past any one value, checking its grammar; equal keys in an object are refused.
  package mutating func skipValue(depth: Int = 0) throws(JSONSyntaxError) {
    skipWhitespace()
    guard depth < Self.maximumDepth else {
      throw JSONSyntaxError(
        message: "expected nesting of at most \(Self.maximumDepth) levels, received more",
        position: position)
    }
    switch position < bytes.count ? bytes[position] : 0 {
    case UInt8(ascii: "{"):
      try beginObject()
      var keys: Set<String> = []
      var start = position
      while let key = try nextKey(isFirst: keys.isEmpty) {
        guard keys.insert(key).inserted else {
          throw JSONSyntaxError(
            message: "expected each key once, received \(quoted(key)) twice", position: start)
        }
        try skipValue(depth: depth + 1)
        start = position
      }
    case UInt8(ascii: "["):
      try beginArray("an array")
      var isFirst = true
      while try hasElement(isFirst: isFirst) {
        try skipValue(depth: depth + 1)
        isFirst = false
      }
    case UInt8(ascii: "\""): _ = try string()
    case UInt8(ascii: "t"): try skipLiteral("true")
    case UInt8(ascii: "f"): try skipLiteral("false")
    case UInt8(ascii: "n"): try skipLiteral("null")
    default: try skipNumber("a value")
    }
  }

  // MARK: - Parts

  private static let digits = UInt8(ascii: "0")...UInt8(ascii: "9")

  private mutating func skipWhitespace() {
    while position < bytes.count {
      let byte = bytes[position]
      guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
      position += 1
    }
  }

  private mutating func consume(
    _ character: Unicode.Scalar, expecting expected: String
  ) throws(JSONSyntaxError) {
    skipWhitespace()
    guard peek(character) else { throw unexpected(expected) }
    position += 1
  }

  private mutating func hasNext(
    isFirst: Bool, closing: Unicode.Scalar
  ) throws(JSONSyntaxError) -> Bool {
    skipWhitespace()
    if peek(closing) {
      position += 1
      return false
    }
    if !isFirst { try consume(",", expecting: "a comma or \"\(closing)\"") }
    return true
  }

  private mutating func skipLiteral(_ literal: String) throws(JSONSyntaxError) {
    for byte in literal.unicodeScalars {
      guard peek(byte) else { throw unexpected(literal) }
      position += 1
    }
  }

  /// Follows the number grammar: minus?, 0 or digits without a leading 0, fraction?, exponent?.
  private mutating func skipNumber(_ expected: String) throws(JSONSyntaxError) {
    if peek("-") { position += 1 }
    if peek("0") { position += 1 } else { try skipDigits(expected) }
    if peek(".") {
      position += 1
      try skipDigits("a digit after the decimal point")
    }
    if peek("e") || peek("E") {
      position += 1
      if peek("+") || peek("-") { position += 1 }
      try skipDigits("a digit of the exponent")
    }
    if isAtDigit { throw unexpected("a number without a leading 0") }
  }

  private mutating func skipDigits(_ expected: String) throws(JSONSyntaxError) {
    guard isAtDigit else { throw unexpected(expected) }
    while isAtDigit { position += 1 }
  }

  private var isAtDigit: Bool {
    position < bytes.count && Self.digits.contains(bytes[position])
  }

  private func peek(_ character: Unicode.Scalar) -> Bool {
    position < bytes.count && bytes[position] == UInt8(ascii: character)
  }

  private mutating func appendEscape(to decoded: inout [UInt8]) throws(JSONSyntaxError) {
    position += 1
    guard position < bytes.count else { throw unexpected("an escape") }
    let replacement: UInt8
    switch bytes[position] {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): replacement = bytes[position]
    case UInt8(ascii: "b"): replacement = 0x08
    case UInt8(ascii: "f"): replacement = 0x0C
    case UInt8(ascii: "n"): replacement = 0x0A
    case UInt8(ascii: "r"): replacement = 0x0D
    case UInt8(ascii: "t"): replacement = 0x09
    case UInt8(ascii: "u"):
      position += 1
      decoded.append(contentsOf: String(Character(try escapedScalar())).utf8)
      return
    default: throw unexpected("an escape of JSON")
    }
    decoded.append(replacement)
    position += 1
  }

  private mutating func escapedScalar() throws(JSONSyntaxError) -> Unicode.Scalar {
    let start = position
    let first = try fourHexDigits()
    if let scalar = Unicode.Scalar(first) { return scalar }
    guard first < 0xDC00, peek("\\") else { throw loneSurrogate(start) }
    position += 1
    guard peek("u") else { throw loneSurrogate(start) }
    position += 1
    let second = try fourHexDigits()
    guard (0xDC00..<0xE000).contains(second),
      let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
    else { throw loneSurrogate(start) }
    return scalar
  }

  private func loneSurrogate(_ start: Int) -> JSONSyntaxError {
    JSONSyntaxError(message: "expected a pair of surrogates, received one alone", position: start)
  }

  private mutating func fourHexDigits() throws(JSONSyntaxError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard position < bytes.count,
        let digit = Character(Unicode.Scalar(bytes[position])).hexDigitValue
      else { throw unexpected("four hexadecimal digits") }
      value = value << 4 | UInt32(digit)
      position += 1
    }
    return value
  }

  private func text(_ range: Range<Int>) -> String {
    quoted(String(decoding: bytes[range].prefix(40), as: UTF8.self))
  }

  private func unexpected(_ expected: String) -> JSONSyntaxError {
    var received = "the end of the text"
    if position < bytes.count {
      let byte = bytes[position]
      received =
        (0x21..<0x7F).contains(byte)
        ? "\"\(Character(Unicode.Scalar(byte)))\"" : "the byte 0x\(String(byte, radix: 16))"
    }
    let message = "expected \(expected), received \(received)"
    return JSONSyntaxError(message: message, position: position)
  }
}
