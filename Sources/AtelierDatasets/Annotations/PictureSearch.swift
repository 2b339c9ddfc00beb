// Where the pictures are that annotation files name, which were often written on another machine.

import AtelierImages
import Foundation

/// Looks for pictures in folders by the names that annotation files give them.
///
/// A name is tried whole and without its leading folders, as it is, with its percent escapes decoded,
/// and ignoring case. A file from elsewhere does not get to name other places of this machine: no
/// name leads out of the folders.
package struct PictureSearch {
  /// The folders that are there, each once.
  let folders: [URL]
  /// The names in a folder by what they are in lower case; nil where two are the same.
  private var listings: [String: [String: String?]] = [:]
  /// Which name led to a file.
  private var owners: [String: String] = [:]

  /// The most leading folders that are taken off a name.
  private static let mostFolders = 16

  init(_ folders: [URL]) {
    var seen: Set<String> = []
    self.folders = folders.filter {
      $0.isFolder == true && seen.insert($0.standardizedFileURL.path).inserted
    }
  }

  /// Where was looked, for messages.
  var places: String { folders.map(\.relativePath).joined(separator: " or ") }

  /// The file of a name with its path below a folder; nil where there is none.
  /// - Throws: `DatasetError` where another name led to the same file, since one of both is wrong.
  mutating func find(_ name: String, of file: String) throws(DatasetError) -> (
    name: String, url: URL
  )? {
    guard let (path, url) = firstFile(name) else { return nil }
    if let owner = owners[url.path], owner != name {
      throw DatasetError(
        "\(file): expected a picture of its own for \(name), received \(url.relativePath), which "
          + "was found for \(owner), too; keep the folders that the names tell")
    }
    owners[url.path] = name
    return (path, url)
  }

  private mutating func firstFile(_ name: String) -> (name: String, url: URL)? {
    let tails = Self.tails(name)
    for tail in tails {
      for folder in folders {
        let url = folder.appendingPathComponent(tail)
        if url.isFolder == false { return (tail, url) }
      }
    }
    for tail in tails {
      for folder in folders {
        if let found = ignoringCase(tail, in: folder) { return found }
      }
    }
    return nil
  }

  /// The paths below a folder that a name may stand for, the longest first.
  package static func tails(_ name: String) -> [String] {
    guard !name.contains("\0") else { return [] }
    // Windows programs write their own separators.
    var portable = name.replacingOccurrences(of: "\\", with: "/")
    if let scheme = portable.range(of: "://") {
      portable = String(portable[scheme.upperBound...].prefix { $0 != "?" && $0 != "#" })
    }
    let parts = portable.split(separator: "/").map(String.init).filter { $0 != "." }
    func isSafe(_ part: String) -> Bool {
      part != ".." && !part.contains("/") && !part.contains("\0")
    }
    // Here the separator of Windows may be part of a name.
    var result = name.contains("\\") && !name.contains("/") ? [name] : []
    for first in parts.indices where first < mostFolders || first == parts.count - 1 {
      let tail = Array(parts[first...])
      for names in [tail, tail.map { $0.removingPercentEncoding ?? $0 }]
      where names.allSatisfy(isSafe) {
        let path = names.joined(separator: "/")
        if result.last != path { result.append(path) }
      }
    }
    return result
  }

  /// The file of a path of which the names may be written in another case; nil for none or several.
  private mutating func ignoringCase(_ path: String, in folder: URL) -> (name: String, url: URL)? {
    var place = folder
    var names: [String] = []
    for part in path.split(separator: "/") {
      guard place.isFolder == true, let known = listing(place)[part.lowercased()], let known else {
        return nil
      }
      names.append(known)
      place.appendPathComponent(known)
    }
    return place.isFolder == false ? (names.joined(separator: "/"), place) : nil
  }

  private mutating func listing(_ folder: URL) -> [String: String?] {
    if let known = listings[folder.path] { return known }
    var names: [String: String?] = [:]
    for name in (try? folder.entries()) ?? [] {
      let key = name.lowercased()
      names[key] = names.keys.contains(key) ? .some(nil) : name
    }
    listings[folder.path] = names
    return names
  }
}
