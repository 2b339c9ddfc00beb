// A file that somebody fills beside its place; it appears there whole or not at all.

import Foundation
import Synchronization

/// A file on its way: filled under another name, then synced and renamed.
///
/// Without `finish` nothing stays. What killed processes left in the folder is removed when the
/// first file of a process goes there. A device or a pipe is filled as it is.
public final class PendingFile {
  /// The file that is to be filled; its ending says nothing of its kind.
  public let path: String
  private let url: URL
  private let isStream: Bool
  private var isDone = false

  private static let cleaned = Mutex<Set<String>>([])

  /// Chooses a name in the file's folder; nothing is made yet.
  public init(_ url: URL) {
    self.url = url
    isStream = AtomicFile.isStream(url)
    path = isStream ? url.path : AtomicFile.nameBeside(url).path
    let folder = url.deletingLastPathComponent()
    if !isStream, Self.cleaned.withLock({ $0.insert(folder.path).inserted }) {
      AtomicFile.removeAbandoned(in: folder)
    }
  }

  deinit { abandon() }

  /// Syncs what was filled, with the permissions of the file that it replaces, renames it and syncs
  /// the folder.
  ///
  /// **Throws:** when a step fails; then the former file is untouched and nothing is left beside it,
  /// but for the very last one, the folder's sync.
  public func finish() throws(FileError) {
    guard !isStream else { return }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileError(url, "write", code: errno) }
    var code = AtomicFile.keepPermissions(of: url, on: descriptor)
    if code == 0 { code = AtomicFile.synced(descriptor) }
    if close(descriptor) != 0, code == 0 { code = errno }
    if code == 0, rename(path, url.path) != 0 { code = errno }
    guard code == 0 else {
      abandon()
      throw FileError(url, "write", code: code)
    }
    isDone = true
    try AtomicFile.syncFolder(url.deletingLastPathComponent())
  }

  /// Removes what is there.
  public func abandon() {
    if !isDone, !isStream { unlink(path) }
    isDone = true
  }
}
