// Which entry of a list belongs to a picture, though both may be named from different folders.

import Foundation

/// Finds the name in a list that means a given file.
struct SourceIndex: Sendable {
  private let names: Set<String>
  /// By the last component alone; nil where several names end in it.
  private let byLast: [String: String?]

  /// Takes the names of a list.
  init(_ names: some Sequence<String>) {
    self.names = Set(names.map(Self.normal))
    var byLast: [String: String?] = [:]
    for name in self.names {
      let last = (name as NSString).lastPathComponent
      byLast[last] = .some(byLast[last] == nil ? name : nil)
    }
    self.byLast = byLast
  }

  /// A name without what means nothing: leading `./` and `/`, doubled strokes.
  static func normal(_ name: String) -> String {
    name.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
  }

  /// The name, normal, that means the file: the longest one that the file's path ends in, or else
  /// the only one with the same last component.
  func name(for path: String) -> String? {
    let whole = URL(fileURLWithPath: path).standardizedFileURL.path
    let parts = whole.split(separator: "/")
    for start in parts.indices {
      let tail = parts[start...].joined(separator: "/")
      if names.contains(tail) { return tail }
    }
    return parts.last.flatMap { byLast[String($0)] ?? nil }
  }
}
