// The error of reading and writing files: one line with the file, what was tried and why it failed.

import Foundation

/// A file that could not be read or written; the text is one line that names the file.
public struct FileError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The file, as the caller named it.
  public let file: String
  /// What was tried or expected, and what came instead.
  public let message: String
  /// The error number of the system (`errno`), or nil when the file's content is at fault.
  public let code: Int32?
  /// Whether the file was to be read, not written.
  public let isReading: Bool

  /// The file and the message on one line.
  public var description: String { "\(file): \(message)" }

  /// Makes an error about the content of a file.
  public init(file: String, message: String) {
    self.file = file
    self.message = message
    code = nil
    isReading = true
  }

  /// Makes an error from a failed system call.
  init(_ url: URL, _ action: String, code: Int32) {
    file = url.relativePath
    message = "cannot \(action): \(String(cString: strerror(code)))"
    self.code = code
    isReading = action == "read"
  }
}

/// A name from a file made fit for an error line: quoted, control characters escaped, at most 80
/// characters.
package func quoted(_ text: String) -> String {
  "\"" + fitForLine(text, limit: 80) { "\\u{" + String($0.value, radix: 16) + "}" } + "\""
}

/// The first `limit` characters of a text, those that do not show replaced.
package func fitForLine(
  _ text: String, limit: Int, replacing replacement: (Unicode.Scalar) -> String
) -> String {
  var result = ""
  for (index, scalar) in text.unicodeScalars.enumerated() {
    if index == limit { return result + "…" }
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .unassigned:
      result += replacement(scalar)
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result
}
