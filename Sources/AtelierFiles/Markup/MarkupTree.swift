// A small strict reader of XML: elements, attributes and text; enough for OpenCV's storage files.
//
// Foundation's XMLParser would bring in another library for every program that links this one,
// and it accepts document types, whose entities can grow without bound. This one refuses them.

/// The elements of an XML document, flat, in the order of their start tags.
package struct MarkupTree {
  /// One element.
  package struct Element {
    /// The bytes of its name.
    package var name: Range<Int>
    /// The bytes between its start tag and its first child or end.
    package var text: Range<Int>
    /// The bytes of its attributes, as they stand in the start tag.
    package var attributes: Range<Int>
    /// Its first child, or -1.
    package var firstChild = -1
    /// The next element with the same parent, or -1.
    package var nextSibling = -1
  }

  /// What makes a document unreadable: a line and what is wrong there.
  package struct Failure: Error {
    package let line: Int
    package let reason: String

    package init(line: Int, reason: String) {
      self.line = line
      self.reason = reason
    }
  }

  /// The largest document that is read, in bytes.
  package static let largestSize = 32 << 20
  /// The deepest nesting that is read.
  package static let deepestNesting = 32
  /// The most elements that are read.
  package static let mostElements = 1 << 20

  /// The document and one zero byte, so that a number at its end has an end.
  package let bytes: [UInt8]
  package private(set) var elements: [Element] = []

  /// Reads a document.
  /// - Throws: `Failure` for what is no well-formed document or larger than the limits.
  package init(_ document: [UInt8]) throws {
    guard document.count <= Self.largestSize else {
      throw Failure(
        line: 1, reason: "\(document.count) bytes, more than the limit of \(Self.largestSize)")
    }
    bytes = document + [0]
    var scanner = Scanner(bytes: bytes)
    try scanner.run()
    elements = scanner.elements
  }

  /// Whether an element has this name.
  package func isNamed(_ element: Int, _ name: String) -> Bool {
    bytes[elements[element].name].elementsEqual(name.utf8)
  }

  /// The first child of an element with this name.
  package func child(_ element: Int, _ name: String) -> Int? {
    children(element).first { isNamed($0, name) }
  }

  /// The children of an element.
  package func children(_ element: Int) -> [Int] {
    var list: [Int] = []
    var child = elements[element].firstChild
    while child >= 0 {
      list.append(child)
      child = elements[child].nextSibling
    }
    return list
  }

  /// The text of an element before its first child, without the white space around it.
  package func text(_ element: Int) -> String {
    let trimmed = bytes[elements[element].text].drop(while: Self.isSpace)
    let last = trimmed.lastIndex { !Self.isSpace($0) }.map { $0 + 1 } ?? trimmed.startIndex
    return String(decoding: trimmed[..<last], as: UTF8.self)
  }

  /// The attributes of an element as they are written.
  package func attributes(_ element: Int) -> String {
    String(decoding: bytes[elements[element].attributes], as: UTF8.self)
  }

  /// The line of an element's start tag, from 1.
  package func line(_ element: Int) -> Int {
    1 + bytes[..<elements[element].name.lowerBound].count { $0 == 0x0A }
  }

  package static func isSpace(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x0A || byte == 0x09 || byte == 0x0D
  }
}

/// Walks over a document once.
private struct Scanner {
  let bytes: [UInt8]
  var position = 0
  var elements: [MarkupTree.Element] = []
  /// The open elements and the last child of each.
  var open: [(element: Int, lastChild: Int)] = []

  var end: Int { bytes.count - 1 }

  func failure(_ reason: String, at place: Int? = nil) -> MarkupTree.Failure {
    let place = min(place ?? position, end)
    return MarkupTree.Failure(line: 1 + bytes[..<place].count { $0 == 0x0A }, reason: reason)
  }

  mutating func run() throws {
    // A byte order mark is allowed.
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
    while position < end {
      if bytes[position] == UInt8(ascii: "<") { try tag() } else { try text() }
    }
    if let last = open.last {
      let name = String(decoding: bytes[elements[last.element].name], as: UTF8.self)
      throw failure("the file ends inside of <\(name.prefix(40))>")
    }
    if elements.isEmpty { throw failure("no element at all") }
  }

  private mutating func text() throws {
    let start = position
    var isBlank = true
    while position < end, bytes[position] != UInt8(ascii: "<") {
      if bytes[position] == UInt8(ascii: "&") { throw failure("an entity, which is not read") }
      if !MarkupTree.isSpace(bytes[position]) { isBlank = false }
      position += 1
    }
    guard let parent = open.last else {
      if !isBlank { throw failure("text outside of the root element", at: start) }
      return
    }
    if parent.lastChild < 0, elements[parent.element].text.isEmpty {
      elements[parent.element].text = start..<position
    } else if !isBlank {
      throw failure("text between elements", at: start)
    }
  }

  private mutating func tag() throws {
    let start = position
    if skips("<!--", to: "-->") || skips("<?", to: "?>") { return }
    switch bytes[start + 1] {
    case UInt8(ascii: "!"): throw failure("a comment without end, a document type or raw data")
    case UInt8(ascii: "?"): throw failure("a processing instruction without end")
    case UInt8(ascii: "/"): try closingTag()
    default: try openingTag()
    }
  }

  /// Skips what begins with `opening` up to the end of `closing`, if it stands here and has an end.
  private mutating func skips(_ opening: StaticString, to closing: StaticString) -> Bool {
    guard stands(opening, at: position) else { return false }
    var place = position + opening.utf8CodeUnitCount
    while place < end {
      if stands(closing, at: place) {
        position = place + closing.utf8CodeUnitCount
        return true
      }
      place += 1
    }
    return false
  }

  private func stands(_ text: StaticString, at place: Int) -> Bool {
    guard place + text.utf8CodeUnitCount <= end else { return false }
    for offset in 0..<text.utf8CodeUnitCount where bytes[place + offset] != text.utf8Start[offset] {
      return false
    }
    return true
  }

  private mutating func name() throws -> Range<Int> {
    let start = position
    while position < end, Self.isNameByte(bytes[position]) { position += 1 }
    if start == position { throw failure("a tag without a name") }
    return start..<position
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
    case UInt8(ascii: "0")...UInt8(ascii: "9"): true
    case UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: ":"): true
    default: byte >= 0x80
    }
  }

  private mutating func openingTag() throws {
    position += 1
    let name = try name()
    let attributeStart = position
    var quote: UInt8?
    while position < end {
      let byte = bytes[position]
      if let open = quote {
        if byte == open { quote = nil }
      } else if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
        quote = byte
      } else if byte == UInt8(ascii: ">") {
        break
      } else if byte == UInt8(ascii: "<") {
        throw failure("a tag inside of a tag")
      }
      position += 1
    }
    guard position < end else { throw failure("a tag without end", at: name.lowerBound) }
    let isClosed = bytes[position - 1] == UInt8(ascii: "/") && position > attributeStart
    let attributes = attributeStart..<(isClosed ? position - 1 : position)
    position += 1
    try append(MarkupTree.Element(name: name, text: position..<position, attributes: attributes))
    if !isClosed {
      guard open.count < MarkupTree.deepestNesting else {
        throw failure("elements nested deeper than \(MarkupTree.deepestNesting)")
      }
      open.append((elements.count - 1, -1))
    }
  }

  private mutating func append(_ element: MarkupTree.Element) throws {
    guard elements.count < MarkupTree.mostElements else {
      throw failure("more than \(MarkupTree.mostElements) elements")
    }
    let index = elements.count
    if let parent = open.last {
      if parent.lastChild < 0 {
        elements[parent.element].firstChild = index
      } else {
        elements[parent.lastChild].nextSibling = index
      }
      open[open.count - 1].lastChild = index
    } else if index > 0 {
      throw failure("a second root element", at: element.name.lowerBound)
    }
    elements.append(element)
  }

  private mutating func closingTag() throws {
    position += 2
    let name = try name()
    guard let last = open.popLast(),
      bytes[name].elementsEqual(bytes[elements[last.element].name])
    else { throw failure("an end tag that closes nothing", at: name.lowerBound) }
    while position < end, MarkupTree.isSpace(bytes[position]) { position += 1 }
    guard position < end, bytes[position] == UInt8(ascii: ">") else {
      throw failure("an end tag without end", at: name.lowerBound)
    }
    position += 1
  }
}
