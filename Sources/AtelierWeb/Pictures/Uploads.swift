// Pictures that a browser sends: written in parts, limited in bytes and pixels before anybody
// decodes them.

import AtelierFiles
import Foundation
import Hummingbird
import NIOCore

/// The folder of uploads.
package struct Uploads: Sendable {
  /// The folder.
  package let url: URL
  /// The most bytes of one file.
  package var mostBytes = 64 << 20
  /// The most pixels of one picture.
  package var mostPixels = 100_000_000
  /// The most bytes of all files.
  package var mostTogether = 4 << 30

  package init(_ home: StudioHome) { url = home.uploads }

  /// A picture that was sent.
  package struct Upload: Codable, Sendable {
    package var id: String
    package var name: String
    package var width: Int
    package var height: Int
    package var bytes: Int
  }

  /// Takes a picture in; throws what is wrong with it, and then nothing is left of it.
  func take(_ request: Request, name: String) async throws -> Upload {
    if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > mostBytes {
      throw tooLarge(name)
    }
    guard FileSizes.bytes(url) < mostTogether else {
      throw StudioError(
        .cannotCreate, "the uploads take \(mostTogether >> 30) GB: remove some first")
    }
    let id = ContentHash.text(UInt64.random(in: 0...UInt64.max))
    let folder = url.appendingPathComponent(id)
    try AtomicFile.makeFolder(folder)
    do {
      let plain = Self.plainName(name)
      let part = folder.appendingPathComponent(".part")
      let (head, count) = try await write(request.body, to: part, name: name)
      guard let header = PictureHeader(head) else {
        throw StudioError(.data, "\(name): expected a PNG, JPEG, TIFF or WebP picture")
      }
      guard header.width <= mostPixels / header.height else {
        throw StudioError(
          .data,
          "\(name): expected at most \(mostPixels / 1_000_000) million pixels, received "
            + "\(header.width)x\(header.height)")
      }
      let file = folder.appendingPathComponent("\(plain).\(header.ending)")
      guard rename(part.path, file.path) == 0 else {
        throw StudioError(.cannotCreate, "\(name): \(String(cString: strerror(errno)))")
      }
      return Upload(
        id: id, name: file.lastPathComponent, width: header.width, height: header.height,
        bytes: count)
    } catch {
      try? FileManager.default.removeItem(at: folder)
      throw error
    }
  }

  private func tooLarge(_ name: String) -> StudioError {
    StudioError(.noMemory, "\(name): expected at most \(mostBytes >> 20) MB")
  }

  private func write(
    _ body: RequestBody, to file: URL, name: String
  ) async throws -> (head: [UInt8], count: Int) {
    let descriptor = open(file.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      throw StudioError(.cannotCreate, "\(file.path): \(String(cString: strerror(errno)))")
    }
    let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    var head: [UInt8] = []
    var count = 0
    for try await buffer in body {
      count += buffer.readableBytes
      guard count <= mostBytes else { throw tooLarge(name) }
      let bytes = Data(buffer.readableBytesView)
      if head.count < PictureHeader.length {
        head += bytes.prefix(PictureHeader.length - head.count)
      }
      try handle.write(contentsOf: bytes)
    }
    return (head, count)
  }

  /// A name that is fit for any file system and any command line.
  package static func plainName(_ name: String) -> String {
    let last = name.split(separator: "/").last.map(String.init) ?? "picture"
    let stem = last.split(separator: ".").dropLast().joined(separator: ".")
    let text = (stem.isEmpty ? last : stem).map { letter -> Character in
      letter.isLetter || letter.isNumber || "-_".contains(letter) ? letter : "-"
    }
    let plain = String(text.prefix(60)).trimmingCharacters(in: ["-"])
    return plain.isEmpty ? "picture" : plain
  }

  /// The file of an upload.
  package func file(_ id: String) throws -> URL {
    let folder = url.appendingPathComponent(try Identity.checked(id))
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    guard let name = names.first(where: { !$0.hasPrefix(".") }) else {
      throw StudioError(.missingInput, "the picture \(id) was removed")
    }
    return folder.appendingPathComponent(name)
  }

  /// Removes all uploads.
  package func removeAll() {
    for name in (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? [] {
      try? FileManager.default.removeItem(at: url.appendingPathComponent(name))
    }
  }
}

/// Identities in addresses: sixteen hexadecimal digits, so that none is ever part of a path that
/// leads away.
package enum Identity {
  /// The identity, or an error.
  package static func checked(_ text: String) throws -> String {
    guard text.utf8.count == 16,
      text.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
    else { throw StudioError(.usage, "expected an identity of 16 digits") }
    return text
  }
}
