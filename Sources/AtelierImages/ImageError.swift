// What goes wrong with pictures and their files, said in one line.

import Foundation

/// A picture or picture file that is not what it should be.
public struct ImageError: Error, Equatable, Sendable, CustomStringConvertible, LocalizedError {
  /// What kind of trouble it is, for code that has to choose.
  public enum Reason: Sendable, Equatable {
    /// The file cannot be opened or read.
    case system
    /// The file cannot be written.
    case unwritable
    /// The data is damaged, truncated or not a picture.
    case damaged
    /// A valid file of a kind that is not handled.
    case unsupported
    /// A picture larger than the limit, or larger than its file can hold.
    case tooLarge
    /// The system gives no memory for it.
    case noMemory
    /// An argument that does not fit, such as pictures of different sizes.
    case argument
  }

  /// The kind of trouble.
  public let reason: Reason
  /// The file or the picture it is about.
  public let name: String
  /// What was expected.
  public let expected: String
  /// What was received.
  public let received: String

  /// An error about `name`.
  public init(_ reason: Reason, name: String, expected: String, received: String) {
    self.reason = reason
    self.name = name
    self.expected = expected
    self.received = received
  }

  /// One line: name, expected, received.
  public var description: String { "\(name): expected \(expected), received \(received)" }
  /// The same line, for code that prints `localizedDescription`.
  public var errorDescription: String? { description }
}
