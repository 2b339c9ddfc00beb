// What the tool says: results on standard output, everything else on standard error.

import Atelier
import Foundation

/// The two ways out.
enum Console {
  /// A result: a line on standard output.
  static func print(_ text: String) { FileHandle.standardOutput.write(Data((text + "\n").utf8)) }

  /// A remark: a line on standard error.
  static func remark(_ text: String) { write(text + "\n") }

  /// A text on standard error as it is.
  static func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }

  /// An error: a line on standard error that names the tool.
  static func complain(_ text: String) { remark("atelier: \(text)") }
}
