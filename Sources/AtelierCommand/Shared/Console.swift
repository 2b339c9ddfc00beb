// What the tool says: results on standard output, everything else on standard error.

import Atelier
import Foundation

/// The two ways out; of several ranks the first one speaks for all.
///
/// Texts may hold what stands in a file or in its name: what a terminal would obey is shown escaped,
/// in a form that JSON reads as the same text.
enum Console {
  /// A result: a line on standard output.
  static func print(_ text: String) {
    if Ranks.isFirst { StandardStreams.writeOutput(escaped(text) + "\n") }
  }

  /// A remark: a line on standard error.
  static func remark(_ text: String) {
    if Ranks.isFirst { StandardStreams.writeError(escaped(text) + "\n") }
  }

  /// A text on standard error without a line end, which may take the place of the line before it.
  static func write(_ text: String) {
    guard Ranks.isFirst else { return }
    let (start, end) = ("\r", "\u{1B}[K")
    guard text.hasPrefix(start), text.hasSuffix(end) else {
      return StandardStreams.writeError(escaped(text))
    }
    let line = text.unicodeScalars.dropFirst(1).dropLast(3)
    StandardStreams.writeError(start + escaped(String(line)) + end)
  }

  /// The text with control characters as `\u001b`, also those that turn the direction of writing.
  static func escaped(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isObeyed) else { return text }
    var result = ""
    for scalar in text.unicodeScalars {
      if isObeyed(scalar) {
        for unit in String(scalar).utf16 { result += String(format: "\\u%04x", Int(unit)) }
      } else {
        result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  private static func isObeyed(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x09, 0x0A: false
    case 0..<0x20, 0x7F..<0xA0, 0x2028...0x202E, 0x2066...0x2069: true
    default: false
    }
  }

  /// An error: a line on standard error that names the tool.
  static func complain(_ text: String) { remark("atelier: \(text)") }

  /// Ends the process after work that went well: with an error when results could not be printed.
  static func finish() -> Never {
    let code = StandardStreams.outputFailure
    guard code != 0 else { Foundation.exit(0) }
    complain("standard output: \(String(cString: strerror(code)))")
    Foundation.exit(InputFailure.Kind.cannotCreate.exitCode)
  }
}
