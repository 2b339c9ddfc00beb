// Finds the run folders below the studio's roots, a bounded walk that follows no links.

import Foundation

/// A walk through the roots.
package struct RunFinder: Sendable {
  /// How deep below a root runs may lie.
  package static let depth = 4
  /// Folders with more entries than this are data, and are not looked into for longer.
  private static let mostEntries = 200_000
  /// Folders that never hold runs.
  private static let ignored: Set<String> = [
    "node_modules", "Sources", "Tests", "previews", "__pycache__", "Checkpoints",
  ]

  /// What a walk found.
  package struct Found: Sendable {
    /// The run folders.
    package var runs: [URL] = []
    /// Folders of faces that were cut out of pictures, known by their `alignments.json`.
    package var faces: [URL] = []
  }

  /// Walks through folders.
  package static func walk(_ roots: [URL]) -> Found {
    var found = Found()
    for root in roots { walk(root, depth: 0, into: &found) }
    return found
  }

  private static func walk(_ folder: URL, depth: Int, into found: inout Found) {
    guard let directory = opendir(folder.path) else { return }
    var folders: [String] = []
    var hasConfiguration = false
    var hasMark = false
    var hasFaces = false
    var count = 0
    while let entry = readdir(directory) {
      count += 1
      guard count <= mostEntries else { break }
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      switch name {
      case "configuration.json": hasConfiguration = true
      case "run.lock", "about.json": hasMark = true
      case "alignments.json": hasFaces = true
      default:
        guard !name.hasPrefix("."), !ignored.contains(name) else { continue }
        let type = Int32(entry.pointee.d_type)
        let isFolder =
          type == Int32(DT_DIR)
          || (type == Int32(DT_UNKNOWN) && FileSizes.isFolder(folder.appendingPathComponent(name)))
        if isFolder { folders.append(name) }
      }
    }
    closedir(directory)
    if hasFaces { found.faces.append(folder) }
    if hasConfiguration, hasMark {
      found.runs.append(folder)
      return
    }
    guard depth < Self.depth else { return }
    for name in folders.sorted() {
      walk(folder.appendingPathComponent(name, isDirectory: true), depth: depth + 1, into: &found)
    }
  }

}
