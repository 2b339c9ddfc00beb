// A run folder from outside: what it is, its previews, its files and their sizes.

import AtelierFiles
import Foundation

/// A run folder, read and never locked.
package struct RunFiles: Sendable {
  /// The folder.
  package let url: URL

  package init(_ url: URL) { self.url = url }

  /// What `about.json` says.
  package struct About: Codable, Sendable {
    /// Workshop and verb.
    package var job: String
    /// What the front end was given.
    package var arguments: [String: [String]]
    /// The version of the tool.
    package var version: String?
  }

  /// A picture that the training drew.
  package struct Preview: Codable, Sendable, Hashable {
    /// The name without its step.
    package var series: String
    /// The step.
    package var step: Int
    /// The file's name.
    package var file: String
  }

  /// A file of the folder.
  package struct Part: Codable, Sendable {
    /// The name; that of a folder ends with a slash.
    package var name: String
    /// The bytes, all files of a folder together.
    package var bytes: Int
  }

  /// The largest text of a run folder that is read, in bytes.
  private static let largestText = 16 << 20

  /// The folder's own name.
  package var name: String { url.lastPathComponent }
  /// The log of events.
  package var log: EventLog { EventLog(url.appendingPathComponent("events.jsonl")) }
  /// Whether a state was saved from which it can go on.
  package var hasState: Bool { exists("state.safetensors") }
  /// The identity of the run: a hash of its place.
  package var id: String { Self.id(of: url) }

  /// The identity of a folder.
  package static func id(of url: URL) -> String {
    ContentHash.text(ContentHash.xxh64(Array(url.path.utf8)))
  }

  /// Whether a folder is a run's.
  package static func isRun(_ url: URL) -> Bool {
    let files = RunFiles(url)
    return files.exists("configuration.json")
      && (files.exists("run.lock") || files.exists("about.json"))
  }

  private func exists(_ name: String) -> Bool {
    access(url.appendingPathComponent(name).path, F_OK) == 0
  }

  /// A text of the folder; nil where it is not there or is no file of a fitting size.
  package func data(_ name: String) -> Data? {
    try? InputFile.data(url.appendingPathComponent(name), limit: Self.largestText)
  }

  /// What the folder says that it is.
  package var about: About? {
    data("about.json").flatMap { try? JSONDecoder().decode(About.self, from: $0) }
  }

  /// What people wrote about it.
  package var note: String { data("note.txt").map { String(decoding: $0, as: UTF8.self) } ?? "" }

  /// Writes a note; an empty one removes it.
  package func write(note: String) throws {
    let file = url.appendingPathComponent("note.txt")
    guard !note.isEmpty else {
      if unlink(file.path) != 0, errno != ENOENT {
        throw StudioError(.cannotCreate, "\(file.path): \(String(cString: strerror(errno)))")
      }
      return
    }
    try AtomicFile.write(Data(note.utf8), to: file)
  }

  /// The previews by series and step.
  package var previews: [Preview] {
    let folder = url.appendingPathComponent("previews").path
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.compactMap { name -> Preview? in
      guard [".png", ".jpg", ".webp"].contains(where: name.hasSuffix), !name.hasPrefix(".") else {
        return nil
      }
      let stem = name.prefix { $0 != "." }
      let digits = stem.reversed().prefix { $0.isNumber }.reversed()
      let series = stem.dropLast(digits.count).trimmingCharacters(in: ["-", "_"])
      return Preview(series: series, step: Int(String(digits)) ?? 0, file: name)
    }
    .sorted { ($0.step, $0.series, $0.file) < ($1.step, $1.series, $1.file) }
  }

  /// The place of a preview.
  package func place(of preview: Preview) -> URL {
    url.appendingPathComponent("previews").appendingPathComponent(preview.file)
  }

  /// The files of the folder with their sizes, largest first.
  package var parts: [Part] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []
    return names.filter { !$0.hasPrefix(".") }.map { name in
      let place = url.appendingPathComponent(name)
      let isFolder = FileSizes.isFolder(place)
      return Part(name: isFolder ? name + "/" : name, bytes: FileSizes.bytes(place))
    }
    .sorted { ($1.bytes, $0.name) < ($0.bytes, $1.name) }
  }

  /// The times and sizes by which a change of the folder is seen.
  package var stamp: String {
    ["events.jsonl", "configuration.json", "about.json", "note.txt"].map { name in
      var status = stat()
      guard stat(url.appendingPathComponent(name).path, &status) == 0 else { return "-" }
      let time = FileSizes.modified(status)
      return "\(status.st_size):\(time)"
    }
    .joined(separator: " ")
  }
}

/// Sizes and times of files.
package enum FileSizes {
  /// When a file was last changed, in seconds since 1970.
  package static func modified(_ status: stat) -> Double {
    #if canImport(Darwin)
    Double(status.st_mtimespec.tv_sec) + Double(status.st_mtimespec.tv_nsec) / 1e9
    #else
    Double(status.st_mtim.tv_sec) + Double(status.st_mtim.tv_nsec) / 1e9
    #endif
  }

  /// Whether a path is a folder itself, not a link to one.
  package static func isFolder(_ url: URL) -> Bool {
    var status = stat()
    return lstat(url.path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  /// The bytes of a file, or of all files below a folder; links are not followed.
  package static func bytes(_ url: URL, depth: Int = 0) -> Int {
    var status = stat()
    guard lstat(url.path, &status) == 0 else { return 0 }
    guard status.st_mode & S_IFMT == S_IFDIR, depth < 8 else { return Int(status.st_size) }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []
    return names.reduce(0) { $0 + bytes(url.appendingPathComponent($1), depth: depth + 1) }
  }

  /// The bytes that are free for us on the file system of a path; nil where nobody says.
  package static func free(_ url: URL) -> Int? {
    var status = statvfs()
    guard statvfs(url.path, &status) == 0 else { return nil }
    return Int(status.f_bavail) * Int(status.f_frsize)
  }
}
