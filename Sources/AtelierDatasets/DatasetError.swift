// The error that reading and sampling data throws.

/// Data that cannot be used; the text names the file or the option, what was expected and what was
/// received.
public struct DatasetError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What was expected and what was received, in one line.
  public let description: String

  /// Makes an error with its text.
  public init(_ description: String) { self.description = description }

  /// What `read` gives; its errors become those of data, with a beginning unless they are already.
  static func wrapping<Value>(
    _ beginning: String = "", _ read: () throws -> Value
  ) throws(DatasetError) -> Value {
    do { return try read() } catch {
      throw error as? DatasetError ?? DatasetError("\(beginning)\(error)")
    }
  }
}
