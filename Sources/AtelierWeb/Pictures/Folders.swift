// The folder picker: what lies below the roots, links resolved, and nothing else.

import AtelierFiles
import Foundation

/// Looks into folders inside the roots.
package struct Folders: Sendable {
  /// The roots, links resolved.
  package let roots: [URL]

  package init(roots: [URL]) { self.roots = roots }

  /// An entry of a folder.
  package struct Entry: Codable, Sendable, Equatable {
    package var name: String
    package var isFolder: Bool
    package var bytes: Int
  }

  /// A folder's entries.
  package struct Listing: Codable, Sendable {
    /// The folder, as a command names it: below the first root without that root.
    package var path: String
    /// Whether it has a folder above it that may be looked into.
    package var hasParent: Bool
    package var entries: [Entry]
    /// Whether there are more entries than are listed.
    package var isCut: Bool
  }

  /// The place that a path leads to; throws unless it lies inside a root.
  package func place(_ path: String) throws -> URL {
    guard !path.contains("\0"), let first = roots.first else {
      throw StudioError(.usage, "expected a path")
    }
    let given =
      path.hasPrefix("/") ? URL(fileURLWithPath: path) : first.appendingPathComponent(path)
    guard let real = Self.real(given.path) else {
      throw StudioError(.missingInput, "\(path): there is nothing of that name")
    }
    guard
      roots.contains(where: { real == $0.path || real.hasPrefix($0.path + "/") || $0.path == "/" })
    else {
      throw StudioError(
        .usage, "\(path): lies outside the folders that the studio was given (--root adds one)")
    }
    return URL(fileURLWithPath: real)
  }

  /// The place of something that is yet to be made: the folder above it must lie inside a root.
  package func newPlace(_ path: String) throws -> URL {
    guard let first = roots.first else { throw StudioError(.usage, "expected a path") }
    let given =
      path.hasPrefix("/") ? URL(fileURLWithPath: path) : first.appendingPathComponent(path)
    var parts: [String] = []
    var folder = given.standardizedFileURL
    while Self.real(folder.path) == nil, folder.path != "/" {
      parts.insert(folder.lastPathComponent, at: 0)
      folder.deleteLastPathComponent()
    }
    return parts.reduce(try place(folder.path)) { $0.appendingPathComponent($1) }
  }

  /// A path without links; nil where nothing is.
  package static func real(_ path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  /// A place as a command names it.
  package func name(_ url: URL) -> String {
    guard let first = roots.first?.path else { return url.path }
    if url.path == first { return "." }
    return url.path.hasPrefix(first + "/") ? String(url.path.dropFirst(first.count + 1)) : url.path
  }

  /// What lies in a folder, folders first; at most a thousand entries.
  package func list(_ path: String) throws -> Listing {
    let folder = try place(path.isEmpty ? "." : path)
    let names: [String]
    do { names = try FileManager.default.contentsOfDirectory(atPath: folder.path) } catch {
      throw StudioError(.missingInput, "\(path): cannot be looked into")
    }
    let shown = names.filter { !$0.hasPrefix(".") }.sorted()
    var entries: [Entry] = []
    for name in shown.prefix(5000) {
      var status = stat()
      guard stat(folder.appendingPathComponent(name).path, &status) == 0 else { continue }
      let kind = status.st_mode & S_IFMT
      guard kind == S_IFDIR || kind == S_IFREG else { continue }
      entries.append(Entry(name: name, isFolder: kind == S_IFDIR, bytes: Int(status.st_size)))
    }
    entries = entries.filter(\.isFolder) + entries.filter { !$0.isFolder }
    return Listing(
      path: name(folder), hasParent: !roots.contains { $0.path == folder.path },
      entries: Array(entries.prefix(1000)), isCut: entries.count > 1000 || shown.count > 5000)
  }

  /// The pictures that words name: files themselves, and those in folders.
  package func pictures(_ words: [String], extra: URL) -> [String] {
    var found: [String] = []
    for word in words {
      let path = word.hasPrefix("/") ? word : (roots.first?.path ?? "") + "/" + word
      guard let real = Self.real(path),
        (roots + [extra]).contains(where: { real.hasPrefix($0.path) })
      else { continue }
      let url = URL(fileURLWithPath: real)
      if FileSizes.isFolder(url) {
        found += ResultFiles.below(url, limit: 2000).filter(PictureNames.isPicture)
          .map { url.appendingPathComponent($0).path }
      } else if PictureNames.isPicture(real) {
        found.append(real)
      }
    }
    return found
  }
}

/// Names of pictures.
package enum PictureNames {
  /// Whether a name is a picture's.
  package static func isPicture(_ name: String) -> Bool {
    ["png", "jpg", "jpeg", "webp", "tif", "tiff"].contains(
      name.split(separator: ".").last.map { $0.lowercased() } ?? "")
  }
}
