// The error of model files: one line with the file, what was expected, what was received and where.

import AtelierEngine

/// A model file that cannot be read, breaks the format, or lacks what was asked of it.
public struct SafetensorsError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The kinds of failure, for callers that choose an exit code.
  public enum Reason: Hashable, Sendable {
    /// The file is not there or the system cannot read it.
    case unreadable
    /// The bytes are not a safetensors file.
    case malformed
    /// The file is sound, but a tensor or its shape or type is not the one that was asked for.
    case mismatched
  }

  /// The file, as the caller named it.
  public let file: String
  /// The kind of failure.
  public let reason: Reason
  /// What was expected and what was received.
  public let message: String
  /// The byte of the file where the fault lies, or nil when there is no such byte.
  public private(set) var position: Int?

  /// The file, the place and the message on one line.
  public var description: String {
    let place = position.map { " at byte \($0)" } ?? ""
    return "\(file)\(place): \(message)"
  }

  /// Makes the error of a file that breaks the format at a byte.
  static func malformed(_ file: String, _ message: String, at position: Int) -> SafetensorsError {
    SafetensorsError(file: file, reason: .malformed, message: message, position: position)
  }
}
