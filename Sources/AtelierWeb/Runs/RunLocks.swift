// Which run folders are held by a living process, seen without taking anybody's lock.

import Foundation

/// The locks of the system at one instant.
///
/// A studio that took a run's lock to look at it could make a training that starts at that instant
/// fail.
/// So Linux is asked what it lists; only elsewhere a shared lock is tried.
package struct RunLocks: Sendable {
  private var holders: Set<UInt64>?

  /// Looks once for all runs.
  package init() {
    guard let text = try? String(contentsOfFile: "/proc/locks", encoding: .utf8) else { return }
    holders = Self.files(in: text)
  }

  /// The numbers of the files that `flock` holds, out of the text of `/proc/locks`.
  package static func files(in text: String) -> Set<UInt64> {
    var files: Set<UInt64> = []
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ")
      guard words.count >= 6, words[1] == "FLOCK" else { continue }
      if let file = words[5].split(separator: ":").last.flatMap({ UInt64($0) }) {
        files.insert(file)
      }
    }
    return files
  }

  /// Whether a process holds the run folder.
  package func holds(_ run: URL) -> Bool {
    let path = run.appendingPathComponent("run.lock").path
    var status = stat()
    guard stat(path, &status) == 0 else { return false }
    // The device's number differs between the list and `stat` on some file systems.
    if let holders { return holders.contains(UInt64(status.st_ino)) }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    return flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK
  }
}
