// The names of classes in YAML (1.2), as PyYAML, Ultralytics, Roboflow and CVAT write them.

import Foundation

/// Reads `names:` of a description of a YOLO set: a list or a mapping from numbers, in lines or in
/// brackets, of plain or quoted words; else numbers the classes that `nc:` counts.
struct YAMLNames {
  /// The most classes.
  private static let most = 10_000

  private let text: [Character]
  private var place = 0

  init(_ text: String) {
    let bare = text.hasPrefix("\u{feff}") ? String(text.dropFirst()) : text
    self.text = Array(bare.replacingOccurrences(of: "\r\n", with: "\n"))
  }

  /// The names; nil without any.
  /// - Throws: `DatasetError` that tells the line and what was expected there.
  mutating func names() throws(DatasetError) -> [String]? {
    if try begin("names") {
      let entries = try next == "[" ? list() : next == "{" ? flowMapping() : lines()
      return entries.isEmpty ? nil : try ordered(entries)
    }
    guard try begin("nc") else { return nil }
    let word = try scalar(ending: [])
    guard let count = Int(word), (1...Self.most).contains(count) else {
      throw fail("a number of classes, received '\(word.prefix(40))'")
    }
    return (0..<count).map(String.init)
  }

  // MARK: - Forms

  /// Goes behind a key at the beginning of a line; whether there is one, bare in brackets or not.
  private mutating func begin(_ key: String) throws(DatasetError) -> Bool {
    for start in text.indices where start == 0 || text[start - 1] == "\n" {
      place = start
      // One mapping in brackets may hold everything.
      if next == "{" {
        place += 1
        if try seek(key) { return true }
        continue
      }
      if try takeKey(key) { return true }
    }
    return false
  }

  /// Goes from key to key of a mapping in brackets until one is behind.
  private mutating func seek(_ wanted: String) throws(DatasetError) -> Bool {
    while true {
      skipBlank()
      if next == nil || next == "}" { return false }
      if try takeKey(wanted) { return true }
      _ = try scalar(ending: [":"])
      guard next == ":" else { throw fail("a colon behind a key") }
      place += 1
      try skipValue()
      if next == "," { place += 1 }
    }
  }

  private mutating func takeKey(_ key: String) throws(DatasetError) -> Bool {
    let start = place
    guard let first = next, !first.isWhitespace, first != "#",
      let word = try? scalar(ending: [":"]),
      word == key, next == ":"
    else {
      place = start
      return false
    }
    place += 1
    skipBlank()
    return true
  }

  private mutating func skipValue() throws(DatasetError) {
    skipBlank()
    switch next {
    case "[": _ = try list()
    case "{": _ = try flowMapping()
    default: _ = try scalar(ending: [",", "}"])
    }
    skipBlank()
  }

  /// A list in brackets: `[a, b]`.
  private mutating func list() throws(DatasetError) -> [(Int, String)] {
    var result: [(Int, String)] = []
    place += 1
    while true {
      skipBlank()
      if next == "]" { break }
      guard next != nil else { throw fail("the closing bracket of a list") }
      result.append((result.count, try scalar(ending: [",", "]"])))
      skipBlank()
      if next == "," { place += 1 } else if next != "]" { throw fail("a comma or a bracket") }
    }
    place += 1
    return result
  }

  /// A mapping in braces: `{0: a, 1: b}`.
  private mutating func flowMapping() throws(DatasetError) -> [(Int, String)] {
    var result: [(Int, String)] = []
    place += 1
    while true {
      skipBlank()
      if next == "}" { break }
      guard next != nil else { throw fail("the closing brace of a mapping") }
      let key = try number(scalar(ending: [":"]))
      guard next == ":" else { throw fail("a colon behind a number") }
      place += 1
      skipBlank()
      result.append((key, try scalar(ending: [",", "}"])))
      skipBlank()
      if next == "," { place += 1 } else if next != "}" { throw fail("a comma or a brace") }
    }
    place += 1
    return result
  }

  /// Lines of `- a` or of `0: a`, deeper than the key, or dashes as deep.
  private mutating func lines() throws(DatasetError) -> [(Int, String)] {
    var result: [(Int, String)] = []
    while true {
      skipBlank()
      let isDeeper = place > 0 && text[place - 1] == " "
      if next == "-", place + 1 < text.count, text[place + 1] == " " {
        place += 2
        skipSpaces()
        result.append((result.count, try scalar(ending: [])))
      } else if next != nil, isDeeper {
        let key = try number(scalar(ending: [":"]))
        guard next == ":" else { throw fail("a colon behind a number") }
        place += 1
        skipSpaces()
        result.append((key, try scalar(ending: [])))
      } else {
        return result
      }
      guard result.count <= Self.most else { throw fail("at most \(Self.most) names") }
    }
  }

  private func ordered(_ entries: [(Int, String)]) throws(DatasetError) -> [String] {
    let sorted = entries.sorted { $0.0 < $1.0 }
    guard sorted.map(\.0) == Array(sorted.indices) else {
      throw DatasetError(
        "expected names of the classes 0 to \(entries.count - 1), received those of "
          + sorted.prefix(12).map { String($0.0) }.joined(separator: ", "))
    }
    return sorted.map(\.1)
  }

  // MARK: - Words

  private var next: Character? { place < text.count ? text[place] : nil }

  private func number(_ word: String) throws(DatasetError) -> Int {
    guard let number = Int(word), (0..<Self.most).contains(number) else {
      throw fail("the number of a class, received '\(word.prefix(40))'")
    }
    return number
  }

  /// A word: quoted, or plain to the end of its line, a remark or one of the characters.
  private mutating func scalar(ending: Set<Character>) throws(DatasetError) -> String {
    if next == "'" || next == "\"" { return try quoted() }
    var word = ""
    while let character = next, character != "\n", !ending.contains(character) {
      // In lines a colon without a space behind it is part of a word, and so is a # without one before.
      if character == "#", word.isEmpty || word.last == " " { break }
      word.append(character)
      place += 1
    }
    if next == "#" { skipRemark() }
    return word.trimmingCharacters(in: .whitespaces)
  }

  private mutating func quoted() throws(DatasetError) -> String {
    let quote = text[place]
    var word = ""
    place += 1
    while let character = next {
      place += 1
      if character == quote {
        guard quote == "'", next == "'" else {
          skipSpaces()
          if next == "#" { skipRemark() }
          return word
        }
        place += 1
        word.append("'")
      } else if character == "\\", quote == "\"" {
        word += try escape()
      } else if character == "\n" {
        // A line that was broken is joined by a space.
        word = word.trimmingCharacters(in: .whitespaces) + " "
        skipSpaces()
      } else {
        word.append(character)
      }
    }
    throw fail("the closing quote of a word")
  }

  private mutating func escape() throws(DatasetError) -> String {
    guard let character = next else { throw fail("an escape") }
    place += 1
    let lengths: [Character: Int] = ["x": 2, "u": 4, "U": 8]
    if let length = lengths[character] {
      let digits = String(text[place..<min(place + length, text.count)])
      guard digits.count == length, let code = UInt32(digits, radix: 16),
        let scalar = Unicode.Scalar(code)
      else { throw fail("\(length) hexadecimal digits of a character") }
      place += length
      return String(Character(scalar))
    }
    let plain: [Character: String] = [
      "n": "\n", "t": "\t", "\\": "\\", "\"": "\"", "/": "/", " ": " ", "_": "\u{a0}",
    ]
    if character == "\n" {
      skipSpaces()
      return ""
    }
    guard let text = plain[character] else {
      throw fail("an escape of YAML, received \\\(character)")
    }
    return text
  }

  private mutating func skipSpaces() { while next == " " || next == "\t" { place += 1 } }

  private mutating func skipRemark() { while next != nil, next != "\n" { place += 1 } }

  /// Skips spaces, line ends and remarks.
  private mutating func skipBlank() {
    while let character = next {
      if character == "#" {
        skipRemark()
      } else if character == " " || character == "\t" || character == "\n" {
        place += 1
      } else {
        return
      }
    }
  }

  private func fail(_ expected: String) -> DatasetError {
    let line = 1 + text[..<min(place, text.count)].count { $0 == "\n" }
    return DatasetError("line \(line): expected \(expected)")
  }
}
