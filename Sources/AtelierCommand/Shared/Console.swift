// What the tool says: results on standard output, everything else on standard error.

import Atelier
import Foundation

/// The two ways out.
enum Console {
  /// A result: a line on standard output.
  static func print(_ text: String) { StandardStreams.writeOutput(text + "\n") }

  /// A remark: a line on standard error.
  static func remark(_ text: String) { write(text + "\n") }

  /// A text on standard error as it is.
  static func write(_ text: String) { StandardStreams.writeError(text) }

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
