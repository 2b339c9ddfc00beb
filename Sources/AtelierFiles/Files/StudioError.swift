// The error of work that cannot be done: one clear line, and the exit code that fits.

/// A request that a workshop, or what serves the workshops, cannot do.
public struct StudioError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What kind of error it is; the command line turns it into an exit code of sysexits.
  public enum Kind: Sendable, Hashable {
    /// The request makes no sense (64).
    case usage
    /// A file's content is not what it must be (65).
    case data
    /// A file is missing or cannot be read (66).
    case missingInput
    /// A result cannot be written (73).
    case cannotCreate
    /// There is not enough memory (71).
    case noMemory
  }

  /// What kind of error it is.
  public let kind: Kind
  /// What was expected and what was received.
  public let description: String

  /// Makes an error.
  public init(_ kind: Kind, _ description: String) {
    self.kind = kind
    self.description = description
  }
}
