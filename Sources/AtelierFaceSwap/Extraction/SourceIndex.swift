// What lists say of pictures and of films' frames, though both may be named from different folders.

import AtelierWorkbench
import Foundation

/// Values by picture and frame, found by the file that is meant.
struct SourceTable<Value: Sendable>: Sendable {
  private struct Place: Hashable {
    let name: String
    let frame: Int?
  }

  private var values: [Place: [Value]] = [:]
  private var names: Set<String> = []
  /// By the last component alone; nil where several names end in it.
  private var byLast: [String: String?] = [:]

  /// Adds a value of a picture, or of a film's frame.
  mutating func append(_ value: Value, to name: String, frame: Int?) {
    // Without what means nothing: leading `./` and `/`, doubled strokes.
    let name = name.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
    if names.insert(name).inserted {
      let last = (name as NSString).lastPathComponent
      byLast[last] = .some(byLast[last] == nil ? name : nil)
    }
    values[Place(name: name, frame: frame), default: []].append(value)
  }

  /// The values of a picture or of a film's frame, in the order in which they were added.
  ///
  /// The file's name is the longest that its path ends in, else the only one of its last component.
  subscript(path: String, frame: Int?) -> [Value] {
    let parts = URL(fileURLWithPath: path).standardizedFileURL.path.split(separator: "/")
    let tails = parts.indices.lazy.map { parts[$0...].joined(separator: "/") }
    guard
      let name = tails.first(where: names.contains)
        ?? parts.last.flatMap({ byLast[String($0)] ?? nil })
    else { return [] }
    return values[Place(name: name, frame: frame)] ?? []
  }
}
