// The studio's own folder: the token, the index, what was uploaded, the jobs; nobody else may look
// into it.

import AtelierFiles
import Foundation

/// The folder and what lies where.
package struct StudioHome: Sendable {
  /// The folder.
  package let url: URL

  /// Opens the folder or makes it, for this user alone.
  package init(_ url: URL) throws {
    self.url = url
    for folder in [url, url.appendingPathComponent("jobs"), url.appendingPathComponent("uploads")] {
      do { try AtomicFile.makeFolder(folder) } catch {
        throw StudioError(.cannotCreate, "\(folder.path): cannot make the folder: \(error)")
      }
    }
    guard chmod(url.path, 0o700) == 0 else {
      throw StudioError(.cannotCreate, "\(url.path): \(String(cString: strerror(errno)))")
    }
  }

  /// Where the folder is when nobody says.
  package static var usual: URL {
    if let path = ProcessInfo.processInfo.environment["XDG_STATE_HOME"], !path.isEmpty {
      return URL(fileURLWithPath: path).appendingPathComponent("atelier-studio")
    }
    return FileManager.default.homeDirectoryForCurrentUser
      .appendingPathComponent(".local/state/atelier-studio")
  }

  /// The folders of jobs, one each.
  package var jobs: URL { url.appendingPathComponent("jobs") }
  /// The pictures that a browser sent.
  package var uploads: URL { url.appendingPathComponent("uploads") }

  // MARK: - Token

  /// The token that a browser must know; made once, kept in a file that only this user reads.
  package func token(isNew: Bool = false) throws -> String {
    let file = url.appendingPathComponent("token")
    if !isNew, let data = try? InputFile.data(file, limit: 256) {
      let text = String(decoding: data, as: UTF8.self).trimmingCharacters(
        in: .whitespacesAndNewlines)
      if text.count == 64, text.allSatisfy(\.isHexDigit) {
        chmod(file.path, 0o600)
        return text
      }
    }
    unlink(file.path)
    var generator = SystemRandomNumberGenerator()
    let token = (0..<4).map { _ in ContentHash.text(generator.next()) }.joined()
    let descriptor = open(file.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else {
      throw StudioError(.cannotCreate, "\(file.path): \(String(cString: strerror(errno)))")
    }
    defer { close(descriptor) }
    let bytes = Array((token + "\n").utf8)
    guard write(descriptor, bytes, bytes.count) == bytes.count, fsync(descriptor) == 0 else {
      throw StudioError(.cannotCreate, "\(file.path): \(String(cString: strerror(errno)))")
    }
    return token
  }

  /// The lock that keeps a second studio out of the same folder, held while the value lives.
  package func hold() throws -> Int32 {
    let file = url.appendingPathComponent("studio.lock").path
    let descriptor = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0, flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      throw StudioError(
        .cannotCreate,
        "\(url.path): another atelier-studio works in this folder; --home names another one")
    }
    return descriptor
  }
}
