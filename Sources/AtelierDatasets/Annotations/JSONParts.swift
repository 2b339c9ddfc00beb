// What readers of annotation files have in common: objects, arrays and null in strict JSON.

import AtelierFiles

/// A reader that pulls the parts of a format out of JSON.
protocol JSONParts {
  /// The text, read up to the next value.
  var reader: StrictJSONReader { get set }
  /// What stands for the file in errors.
  var name: String { get }
}

extension StrictJSONReader {
  /// Whether what follows is one value to the end of the text.
  fileprivate var isWellFormed: Bool {
    var ahead = self
    do { try ahead.skipValue() } catch { return false }
    return ahead.isAtEnd()
  }
}

extension JSONParts {
  /// What the text is from its beginning to its end.
  mutating func whole<Value>(
    _ parse: (inout Self) throws -> Value
  ) throws(DatasetError) -> Value {
    let start = reader
    do {
      let value = try parse(&self)
      guard reader.isAtEnd() else {
        throw JSONSyntaxError(
          message: "expected the end of the text, received more", position: reader.position)
      }
      return value
    } catch let error as JSONSyntaxError {
      // Damage of one file is no reason to refuse a folder's others; a mistake in it is.
      throw DatasetError(
        "\(name): byte \(error.position): \(error.message)", isBrokenFile: !start.isWellFormed)
    } catch {
      throw error as? DatasetError ?? DatasetError("\(name): \(error)")
    }
  }

  /// Visits the keys of an object, each at most once; `visit` reads or skips the value of each.
  mutating func object(_ visit: (inout Self, String) throws -> Void) throws {
    try reader.beginObject()
    var keys: Set<String> = []
    var start = reader.position
    while let key = try reader.nextKey(isFirst: keys.isEmpty) {
      guard keys.insert(key).inserted else {
        throw JSONSyntaxError(
          message: "expected each key once, received one twice", position: start)
      }
      try visit(&self, key)
      start = reader.position
    }
  }

  mutating func array<Element>(
    _ expected: String, _ element: (inout Self) throws -> Element
  ) throws -> [Element] {
    try reader.beginArray(expected)
    var result: [Element] = []
    while try reader.hasElement(isFirst: result.isEmpty) { result.append(try element(&self)) }
    return result
  }

  /// An array of which the errors tell the number of the element, from 1.
  mutating func numbered<Element>(
    _ title: String, _ expected: String, _ element: (inout Self) throws -> Element
  ) throws -> [Element] {
    var count = 0
    return try array(expected) { parser in
      count += 1
      do { return try element(&parser) } catch let error as JSONSyntaxError {
        throw JSONSyntaxError(
          message: "\(title) \(count): \(error.message)", position: error.position)
      }
    }
  }

  mutating func numbers(_ expected: String) throws -> [Double] {
    try array(expected) { try $0.reader.number() }
  }

  /// A value, or nil for null.
  mutating func optional<Value>(_ value: (inout Self) throws -> Value) throws -> Value? {
    guard reader.nextIs("n") else { return try value(&self) }
    try reader.skipValue()
    return nil
  }
}
