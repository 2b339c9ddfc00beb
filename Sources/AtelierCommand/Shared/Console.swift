// What the tool says: results on standard output, everything else on standard error.

import Foundation

/// The two ways out.
enum Console {
  /// A result: a line on standard output.
  static func print(_ text: String) {
    FileHandle.standardOutput.write(Data((text + "\n").utf8))
  }

  /// A remark: a line on standard error.
  static func remark(_ text: String) { write(text + "\n") }

  /// A text on standard error as it is.
  static func write(_ text: String) {
    FileHandle.standardError.write(Data(text.utf8))
  }

  /// An error: a line on standard error that names the tool.
  static func complain(_ text: String) { remark("atelier: \(text)") }

  /// A value as JSON with sorted keys on standard output.
  static func print(json value: some Encodable) throws {
    print(try JSONText.pretty(value))
  }
}

/// Values as JSON text.
enum JSONText {
  /// Indented, keys sorted; an infinite PSNR becomes the text `inf`, since JSON has no such number.
  static func pretty(_ value: some Encodable) throws -> String {
    try text(value, [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes])
  }

  /// On one line, keys sorted.
  static func line(_ value: some Encodable) throws -> String {
    try text(value, [.sortedKeys, .withoutEscapingSlashes])
  }

  private static func text(
    _ value: some Encodable, _ formatting: JSONEncoder.OutputFormatting
  ) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = formatting
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }
}

/// A table of text for people: columns as wide as they need, numbers to the right.
struct TextTable {
  private var rows: [[String]]
  private let leftColumns: Int

  /// Starts a table.
  ///
  /// - Parameters:
  ///   - header: The titles of the columns.
  ///   - leftColumns: How many of the first columns are set to the left.
  init(_ header: [String], leftColumns: Int = 1) {
    rows = [header]
    self.leftColumns = leftColumns
  }

  mutating func append(_ cells: [String]) { rows.append(cells) }

  /// The lines of the table.
  var text: String {
    let widths = rows[0].indices.map { column in
      rows.map { $0.count > column ? $0[column].count : 0 }.max() ?? 0
    }
    return rows.map { cells in
      let padded = cells.enumerated().map { column, cell in
        let space = String(repeating: " ", count: max(widths[column] - cell.count, 0))
        return column < leftColumns ? cell + space : space + cell
      }
      var line = padded.joined(separator: "  ")
      while line.last == " " { line.removeLast() }
      return line
    }.joined(separator: "\n")
  }
}

/// Numbers for people.
enum NumberText {
  /// A number with a fixed number of decimals.
  static func fixed(_ value: Double, _ digits: Int) -> String {
    value.isFinite ? String(format: "%.\(digits)f", value) : "\(value)"
  }
}
