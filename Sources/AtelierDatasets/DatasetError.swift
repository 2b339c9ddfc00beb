// The error that reading and sampling data throws.

/// Data that cannot be used; the text names the file or the option, what was expected and what was
/// received.
public struct DatasetError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What was expected and what was received, in one line.
  public let description: String

  /// Makes an error with its text.
  public init(_ description: String) { self.description = description }
}
