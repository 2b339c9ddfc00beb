// The error of trainings and run folders: one line with what was expected and what was received.

/// A training that cannot run as it was asked for; the text is one line.
public struct TrainingError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What was expected and what was received.
  public let description: String

  /// Makes an error with its text.
  public init(_ description: String) { self.description = description }
}
