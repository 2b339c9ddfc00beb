// Tables of numbers by step: a header once, a row per step, cut back when a run resumes.

import Foundation

/// Appends rows "step,value,value,…" to a CSV file (RFC 4180, lines end with a line feed).
public struct CSVLogWriter: Sendable {
  /// The names after the first column, which is "step".
  public let columns: [String]
  private let file: AppendingFile

  /// Starts a table: the header alone, in place of any former file.
  ///
  /// Precondition: no name holds a line break.
  /// - Throws: When the system cannot write it; a former file is untouched then.
  public init(_ url: URL, columns: [String]) throws(FileError) {
    try self.init(url, columns: columns, content: Data(Self.header(columns).utf8))
  }

  private init(_ url: URL, columns: [String], content: Data) throws(FileError) {
    try AtomicFile.write(content, to: url)
    self.columns = columns
    file = try AppendingFile(url, .existing)
  }

  /// Goes on with a table: rows beyond a step and a torn last row are dropped.
  ///
  /// Without a file, starts one.
  /// - Throws: When the header is another or a row does not start with a step.
  public init(resuming url: URL, columns: [String], through step: Int) throws(FileError) {
    guard FileManager.default.fileExists(atPath: url.path) else {
      try self.init(url, columns: columns)
      return
    }
    let former = try AppendingFile(url, .existing)
    let length = try former.lengthOfWholeLines()
    guard length > 0 else {
      // A table that was torn in its header holds nothing to keep.
      try self.init(url, columns: columns)
      return
    }
    let header = Self.header(columns)
    let lines = try former.read(at: 0, count: length).split(
      separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false
    ).dropLast()
    var kept = Data(header.utf8)
    for (index, line) in lines.enumerated() {
      if index == 0 {
        guard String(decoding: line, as: UTF8.self) + "\n" == header else {
          throw FileError(
            file: url.relativePath,
            message: "line 1: expected the columns \(quoted(String(header.dropLast()))), received "
              + quoted(String(decoding: line, as: UTF8.self)))
        }
        continue
      }
      let field = line.prefix { $0 != UInt8(ascii: ",") }
      guard let rowStep = Int(String(decoding: field, as: UTF8.self)) else {
        throw FileError(
          file: url.relativePath,
          message: "line \(index + 1): expected a step, received "
            + quoted(String(decoding: field, as: UTF8.self)))
      }
      guard rowStep <= step else { continue }
      kept.append(contentsOf: line)
      kept.append(UInt8(ascii: "\n"))
    }
    try self.init(url, columns: columns, content: kept)
  }

  /// Appends a row; nil leaves a field empty, and what is not finite is "nan", "inf" or "-inf".
  ///
  /// Numbers are written as the shortest text that gives the same 32-bit float.
  /// Precondition: one value per column.
  public func append(step: Int, _ values: [Double?]) throws(FileError) {
    precondition(
      values.count == columns.count, "a row has \(columns.count) values; received \(values.count)")
    let fields = values.map { value in value.map { "\(Float($0))" } ?? "" }
    try file.append(Data((["\(step)"] + fields).joined(separator: ",").utf8) + [0x0A])
  }

  /// Syncs the table to the medium.
  public func sync() throws(FileError) { try file.sync() }

  private static func header(_ columns: [String]) -> String {
    (["step"] + columns.map(field)).joined(separator: ",") + "\n"
  }

  private static func field(_ name: String) -> String {
    precondition(!name.contains(where: \.isNewline), "a column's name holds no line break")
    guard name.contains(where: { $0 == "," || $0 == "\"" }) else { return name }
    return "\"" + name.replacingOccurrences(of: "\"", with: "\"\"") + "\""
  }
}
