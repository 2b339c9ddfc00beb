// Files that are filled beside their place, files that are read, and the hash that guards them.

import AtelierFiles
import Foundation
import TestSupport
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

struct PendingFileTests {
  @Test func `a file appears whole, with the permissions of the former one`() throws {
    try withScratchFolder { folder in
      let url = folder.appending(path: "picture.png")
      try Data([1]).write(to: url)
      #expect(chmod(url.path, 0o640) == 0)
      let pending = PendingFile(url)
      try Data([2, 3]).write(to: URL(filePath: pending.path))
      #expect(try Data(contentsOf: url) == Data([1]))
      try pending.finish()
      #expect(try Data(contentsOf: url) == Data([2, 3]))
      #expect(try names(in: folder) == ["picture.png"])
      let permissions = try FileManager.default.attributesOfItem(atPath: url.path)[
        .posixPermissions]
      #expect(permissions as? Int == 0o640)
    }
  }

  @Test func `what is not finished leaves nothing`() throws {
    try withScratchFolder { folder in
      let url = folder.appending(path: "picture.png")
      do {
        let pending = PendingFile(url)
        try Data([2]).write(to: URL(filePath: pending.path))
        #expect(try names(in: folder).count == 1)
      }
      #expect(try names(in: folder).isEmpty)
      // Nothing was filled: there is nothing to rename.
      let error = #expect(throws: FileError.self) { try PendingFile(url).finish() }
      #expect(error?.code == ENOENT)
    }
  }

  @Test func `names may be as long as the system has them`() throws {
    try withScratchFolder { folder in
      let url = folder.appending(path: String(repeating: "n", count: 251) + ".png")
      try AtomicFile.write(Data([7]), to: url)
      let pending = PendingFile(url)
      try Data([8]).write(to: URL(filePath: pending.path))
      try pending.finish()
      #expect(try Data(contentsOf: url) == Data([8]))
    }
  }

  @Test func `the first file of a process removes what killed ones left`() throws {
    try withScratchFolder { folder in
      let process = Process()
      process.executableURL = URL(filePath: "/usr/bin/env")
      process.arguments = ["true"]
      try process.run()
      process.waitUntilExit()
      let left = folder.appending(path: ".atelier-\(process.processIdentifier)-abc-1.partial")
      try Data([1]).write(to: left)
      let pending = PendingFile(folder.appending(path: "a"))
      #expect(try names(in: folder).isEmpty)
      pending.abandon()
    }
  }

  @Test func `a pipe is filled as it is`() throws {
    try withScratchFolder { folder in
      let pipe = folder.appending(path: "pipe")
      #expect(mkfifo(pipe.path, 0o600) == 0)
      let pending = PendingFile(pipe)
      #expect(pending.path == pipe.path)
      try pending.finish()
      #expect(AtomicFile.isStream(pipe))
      pending.abandon()
      #expect(AtomicFile.isStream(pipe))
    }
  }
}

struct InputFileTests {
  @Test func `regular files are read, everything else is refused at once`() throws {
    try withScratchFolder { folder in
      let url = folder.appending(path: "a")
      try Data([1, 2, 3]).write(to: url)
      #expect(try InputFile.data(url, limit: 3) == Data([1, 2, 3]))
      let large = #expect(throws: FileError.self) { _ = try InputFile.data(url, limit: 2) }
      #expect(
        large?.description == "\(url.relativePath): expected at most 2 bytes, received 3"
          && large?.code == nil)
      let missing = #expect(throws: FileError.self) {
        _ = try InputFile.data(folder.appending(path: "none"), limit: 9)
      }
      #expect(missing?.code == ENOENT && missing?.isReading == true)
      let pipe = folder.appending(path: "pipe")
      #expect(mkfifo(pipe.path, 0o600) == 0)
      for (place, kind) in [(pipe, "a pipe"), (URL(filePath: "/dev/null"), "a device")] {
        #expect(
          errorLine { _ = try InputFile.data(place, limit: 9) }
            == "\(place.relativePath): expected a file, received \(kind)")
        #expect(InputFile.otherKind(place.path) == kind)
      }
      #expect(
        errorLine { _ = try InputFile.data(folder, limit: 9) }?.hasSuffix("received a folder")
          == true)
      #expect(InputFile.otherKind(folder.path) == nil && InputFile.otherKind(url.path) == nil)
      let link = folder.appending(path: "link")
      try FileManager.default.createSymbolicLink(at: link, withDestinationURL: pipe)
      #expect(InputFile.otherKind(link.path) == "a pipe")
    }
  }

  @Test func `one byte order mark is left out`() {
    #expect([0xEF, 0xBB, 0xBF, 65].withoutByteOrderMark == [65] as [UInt8])
    #expect([65, 0xEF, 0xBB, 0xBF].withoutByteOrderMark == [65, 0xEF, 0xBB, 0xBF] as [UInt8])
    #expect([0xEF, 0xBB].withoutByteOrderMark == [0xEF, 0xBB] as [UInt8])
  }
}

struct ContentHashTests {
  /// The values of the reference implementation (xxhsum -H1, xxHash 0.8).
  @Test(arguments: [
    ("", "ef46db3751d8e999"), ("a", "d24ec4f1a98c6e5b"), ("abc", "44bc2cf5ad770999"),
    ("Nobody inspects the spammish repetition", "fbcea83c8a378bf1"),
  ])
  func `hashes are the reference's`(_ text: String, _ hash: String) {
    #expect(ContentHash.text(ContentHash.xxh64(Array(text.utf8))) == hash)
  }

  @Test func `every changed bit changes the hash`() {
    for count in [1, 3, 4, 7, 8, 31, 32, 33, 71] {
      var bytes = (0..<count).map { UInt8($0 * 37 & 255) }
      let whole = ContentHash.xxh64(bytes)
      #expect(ContentHash.xxh64(bytes[...]) == whole)
      for bit in 0..<8 * count {
        bytes[bit / 8] ^= 1 << (bit % 8)
        #expect(ContentHash.xxh64(bytes) != whole, "\(count) \(bit)")
        bytes[bit / 8] ^= 1 << (bit % 8)
      }
    }
  }
}
