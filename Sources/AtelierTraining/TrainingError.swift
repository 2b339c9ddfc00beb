// The error of trainings and run folders: one line with what was expected and what was received.

import AtelierFiles

/// A training that cannot run as it was asked for; the text is one line.
public struct TrainingError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What kind of error it is: a request that makes no sense, a damaged or missing file of the run,
  /// a folder that cannot be written.
  public let kind: StudioError.Kind
  /// What was expected and what was received.
  public let description: String

  /// Makes an error with its text; without another kind the request makes no sense.
  public init(_ description: String, _ kind: StudioError.Kind = .usage) {
    self.kind = kind
    self.description = description
  }
}
