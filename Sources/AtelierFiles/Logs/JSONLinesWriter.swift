// Event logs of one JSON object per line, which survive a kill and go on.

import Foundation

/// Appends values as lines of `JSONEncoder.ordered`, one write per line; a line that a kill has
/// torn is cut when the file is opened again.
public struct JSONLinesWriter: Sendable {
  private let file: AppendingFile

  /// Opens a log or makes it; a torn last line is cut.
  ///
  /// It keeps `length` bytes of an existing log, as `length` gave them; nil keeps every whole line.
  /// - Throws: When the file cannot be opened, or `length` is not the end of one of its lines.
  public init(_ url: URL, keeping length: Int? = nil) throws(FileError) {
    file = try AppendingFile(url, .newOrExisting)
    guard let length else {
      try file.truncate(to: try file.lengthOfWholeLines())
      return
    }
    guard 0...file.length ~= length else {
      throw FileError(
        file: url.relativePath,
        message: "expected at least \(length) bytes to go on from, received \(file.length)")
    }
    if length > 0, try file.read(at: length - 1, count: 1) != [UInt8(ascii: "\n")] {
      throw FileError(
        file: url.relativePath,
        message: "expected the end of a line at byte \(length), received none")
    }
    try file.truncate(to: length)
  }

  /// The bytes of the log; a run state that stores them can go on from here.
  public var length: Int { file.length }

  /// Appends one line.
  ///
  /// **Throws:** `EncodingError` of the value, or `FileError`; the log is as before then.
  public func append(_ value: some Encodable) throws {
    var line = try JSONEncoder.ordered().encode(value)
    line.append(UInt8(ascii: "\n"))
    try file.append(line)
  }

  /// Syncs the log to the medium.
  public func sync() throws(FileError) { try file.sync() }
}
