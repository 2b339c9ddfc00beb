// The error that reading and sampling data throws, and what becomes of it in folders.

import AtelierFiles
import AtelierImages

/// Data that cannot be used; the text names the file or the option, what was expected and what was
/// received.
public struct DatasetError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What was expected and what was received, in one line.
  public let description: String
  /// Whether one file cannot be read, so that a folder's others can be taken without it.
  public let isBrokenFile: Bool
  /// Whether there is nothing of a kind that is read, rather than something wrong.
  public let isUnknownForm: Bool
  /// Whether the data are of a form that is known and not read.
  public let isForeignForm: Bool
  /// Whether nothing is wrong with the data, but there is no memory for it.
  public let lacksMemory: Bool

  /// Makes an error with its text.
  public init(_ description: String) { self.init(description, isBrokenFile: false) }

  init(
    _ description: String, isBrokenFile: Bool, lacksMemory: Bool = false,
    isUnknownForm: Bool = false, isForeignForm: Bool = false
  ) {
    self.isForeignForm = isForeignForm
    self.isUnknownForm = isUnknownForm
    self.description = description
    self.isBrokenFile = isBrokenFile
    self.lacksMemory = lacksMemory
  }

  /// What `read` gives; its errors become those of data, with a beginning unless they are already.
  ///
  /// A picture of a kind that is not read is as good as broken; such a mask is a mistake of the set.
  static func wrapping<Value>(
    _ beginning: String = "", isMask: Bool = false, _ read: () throws -> Value
  ) throws(DatasetError) -> Value {
    do { return try read() } catch {
      let broken: [ImageError.Reason] =
        [.damaged, .system] + (isMask ? [] : [.unsupported, .tooLarge])
      let isBroken = (error as? ImageError).map { broken.contains($0.reason) } ?? false
      throw error as? DatasetError
        ?? DatasetError(
          "\(beginning)\(error)", isBrokenFile: isBroken, lacksMemory: isForMemory(error))
    }
  }
}

/// Whether an error tells of missing memory, which no file is to blame for.
func isForMemory(_ error: any Error) -> Bool {
  (error as? ImageError)?.reason == .noMemory || (error as? StudioError)?.kind == .noMemory
}

/// What came of a folder's files that are read one by one: broken ones are told and left out.
struct FileHarvest {
  /// A line for each file that is broken.
  private(set) var leftOut: [String] = []
  private var taken = 0

  /// What `read` gives; nil where the file is broken.
  mutating func take<Value>(_ read: () throws(DatasetError) -> Value) throws(DatasetError) -> Value?
  {
    do {
      let value = try read()
      taken += 1
      return value
    } catch {
      guard error.isBrokenFile else { throw error }
      leftOut.append(error.description)
      return nil
    }
  }

  /// Throws the first reason when there were files and none could be read.
  func expectSome() throws(DatasetError) {
    if taken == 0, let first = leftOut.first { throw DatasetError(first) }
  }
}
