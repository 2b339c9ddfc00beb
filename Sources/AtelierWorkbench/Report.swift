// What a job gives back: lines and tables for people, a value for programs, files, what failed.

import AtelierFiles
import Foundation

/// What a job gives back; the command line prints it, `--json` encodes it, the web studio shows it.
public struct Report: Sendable {
  /// One part of what people read.
  public enum Block: Sendable {
    /// Results: a text of one or more lines.
    case text(String)
    /// Results in columns.
    case table(Table)
    /// What is said of the work; left out where only results are wanted.
    case note(String)
  }

  /// What people read, in order.
  public var blocks: [Block] = []
  /// What programs read; nil for a job that has nothing for them.
  public var value: (any Encodable & Sendable)?
  /// The files that were written and are results, such as pictures to look at.
  public var files: [String] = []
  /// The inputs that failed, where the others were worked on.
  public var failures: [InputFailure] = []
  /// How an interrupted job goes on, none where it cannot; nil when it came to its end.
  public var continuation: [String]?
  /// What ended the job after it had something to report.
  public var fault: StudioError?

  /// Starts an empty report.
  public init(value: (any Encodable & Sendable)? = nil) { self.value = value }

  /// Adds results.
  public mutating func say(_ text: String) { blocks.append(.text(text)) }
  /// Adds a table of results.
  public mutating func say(_ table: Table) { blocks.append(.table(table)) }
  /// Adds what is said of the work.
  public mutating func note(_ text: String) { blocks.append(.note(text)) }
}

/// Entries of a JSON object by name; those that are nil are left out.
public struct JSONEntries: Encodable, Sendable {
  private let entries: [(name: String, value: any Encodable & Sendable)]

  /// Takes entries.
  public init(_ entries: [(String, (any Encodable & Sendable)?)]) {
    self.entries = entries.compactMap { name, value in value.map { (name, $0) } }
  }

  private struct Key: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    for (name, value) in entries { try container.encode(value, forKey: Key(stringValue: name)) }
  }
}

/// Values as JSON text.
public enum JSONText {
  /// Indented, keys sorted; an infinite PSNR becomes the text `inf`, since JSON has no such number.
  public static func pretty(_ value: some Encodable) throws -> String {
    String(decoding: try data(value), as: UTF8.self)
  }

  /// On one line, keys sorted.
  public static func line(_ value: some Encodable) throws -> String {
    String(decoding: try data(value, isIndented: false), as: UTF8.self)
  }

  /// The same as bytes.
  public static func data(_ value: some Encodable, isIndented: Bool = true) throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    if isIndented { encoder.outputFormatting.insert(.prettyPrinted) }
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    return try encoder.encode(value)
  }
}

/// An input that could not be read or worked on.
public struct InputFailure: Sendable, Hashable, Encodable {
  /// What kind of fault it is.
  public enum Kind: String, Sendable, Hashable, Codable {
    /// It is not there or cannot be read.
    case missing
    /// Its content is not what it must be.
    case data
    /// Its result cannot be written.
    case cannotCreate
    /// It makes no sense.
    case usage
    /// There is not enough memory for it.
    case noMemory
    /// A fault of the tool itself.
    case fault
  }

  /// The input as it was named.
  public let file: String
  /// One line.
  public let error: String
  /// What kind of fault it is.
  public let kind: Kind

  enum CodingKeys: String, CodingKey { case file, error }
}

extension InputFailure {
  /// The failure that an error is.
  ///
  /// What asks for memory seldom knows for which file: the line names it.
  public init(file: String, _ error: any Error) {
    let (kind, text) = (ErrorLine.kind(error), ErrorLine.text(error))
    let isNamed = text.contains((file as NSString).lastPathComponent)
    self.init(
      file: file, error: kind == .noMemory && !isNamed ? "\(file): \(text)" : text, kind: kind)
  }
}

/// A table of text for people: columns as wide as they need, numbers to the right.
public struct Table: Sendable, Hashable {
  /// The cells by row, the header first.
  public private(set) var rows: [[String]]
  private let leftColumns: Int

  /// Starts a table whose first columns are set to the left.
  public init(_ header: [String], leftColumns: Int = 1) {
    rows = [header]
    self.leftColumns = leftColumns
  }

  /// Adds a row.
  public mutating func append(_ cells: [String]) { rows.append(cells) }

  /// The lines of the table.
  public var text: String {
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
public enum NumberText {
  /// A number with a fixed number of decimals.
  public static func fixed(_ value: Double, _ digits: Int) -> String {
    value.isFinite ? String(format: "%.\(digits)f", value) : "\(value)"
  }
}
