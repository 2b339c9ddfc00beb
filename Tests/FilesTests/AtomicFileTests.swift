// Whole-file writes: the former content or the new, nothing left beside.

import AtelierFiles
import Foundation
import TestSupport
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// A write replaces the file whole or changes nothing.
struct AtomicFileTests {
  @Test func `a write makes and replaces a file and leaves nothing beside it`() throws {
    try withScratchFolder { folder in
      let url = folder.appending(path: "state.bin")
      for content in [Data([1, 2, 3]), Data(), Data(repeating: 5, count: 3_000_000)] {
        try AtomicFile.write(content, to: url)
        #expect(try Data(contentsOf: url) == content)
        #expect(try names(in: folder) == ["state.bin"])
      }
    }
  }

  @Test func `what is no regular file is written to, never replaced`() throws {
    try withScratchFolder { folder in
      let pipe = folder.appending(path: "pipe")
      #expect(mkfifo(pipe.path, 0o600) == 0)
      // Opened for both ways, a pipe waits for nobody.
      let reader = open(pipe.path, O_RDWR)
      defer { close(reader) }
      #expect(AtomicFile.isStream(pipe))
      try AtomicFile.write(Data([1, 2, 3]), to: pipe)
      var bytes = [UInt8](repeating: 0, count: 8)
      #expect(read(reader, &bytes, 8) == 3)
      #expect(bytes.prefix(3) == [1, 2, 3])
      #expect(AtomicFile.isStream(pipe))
      #expect(try names(in: folder) == ["pipe"])
      try AtomicFile.write(Data([1]), to: URL(filePath: "/dev/null"))
      #expect(AtomicFile.isStream(URL(filePath: "/dev/null")))
      let link = folder.appending(path: "link")
      try FileManager.default.createSymbolicLink(at: link, withDestinationURL: pipe)
      try AtomicFile.write(Data([4]), to: link)
      #expect(read(reader, &bytes, 8) == 1 && bytes[0] == 4)
      #expect(!AtomicFile.isStream(folder))
    }
  }

  @Test func `a file's permissions are kept`() throws {
    try withScratchFolder { folder in
      let url = folder.appending(path: "state.bin")
      try AtomicFile.write(Data([1]), to: url)
      #expect(chmod(url.path, 0o640) == 0)
      try AtomicFile.write(Data([2]), to: url)
      let permissions = try FileManager.default.attributesOfItem(atPath: url.path)[
        .posixPermissions]
      #expect(permissions as? Int == 0o640)
    }
  }

  @Test func `a failed write names the file and leaves nothing behind`() throws {
    try withScratchFolder { folder in
      // Everything up to the rename works here: a folder that is not empty cannot be replaced.
      let taken = folder.appending(path: "taken")
      let inside = taken.appending(path: "inside")
      try FileManager.default.createDirectory(at: inside, withIntermediateDirectories: true)
      let error = #expect(throws: FileError.self) { try AtomicFile.write(Data([1]), to: taken) }
      #expect(error?.description.hasPrefix(taken.relativePath + ": cannot write: ") == true)
      #expect(error?.code == EISDIR)
      #expect(try names(in: folder) == ["taken"])
      #expect(try names(in: taken) == ["inside"])
      let nowhere = folder.appending(path: "missing/file")
      let missing = #expect(throws: FileError.self) { try AtomicFile.write(Data(), to: nowhere) }
      #expect(missing?.code == ENOENT)
      #expect(try names(in: folder) == ["taken"])
    }
  }

  @Test func `a reader sees the former or the new content, never a mixture`() async throws {
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "interchange-tests-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let url = folder.appending(path: "shared")
    try AtomicFile.write(Data(repeating: 0, count: 100_000), to: url)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for writer in 1...2 {
        group.addTask {
          for _ in 0..<20 {
            try AtomicFile.write(Data(repeating: UInt8(writer), count: 100_000 + writer), to: url)
          }
        }
      }
      for _ in 0..<200 {
        let data = try Data(contentsOf: url)
        let first = try #require(data.first)
        #expect(data.count == 100_000 + Int(first))
        #expect(data.allSatisfy { $0 == first })
      }
      try await group.waitForAll()
    }
    #expect(try names(in: folder) == ["shared"])
  }

  @Test func `folders are made with those above them, or say why not`() throws {
    try withScratchFolder { folder in
      let deep = folder.appending(path: "one/two/three")
      try AtomicFile.makeFolder(deep)
      try AtomicFile.makeFolder(deep)
      #expect(try names(in: folder.appending(path: "one/two")) == ["three"])
      try Data().write(to: folder.appending(path: "file"))
      #expect(throws: (any Error).self) {
        try AtomicFile.makeFolder(folder.appending(path: "file/one"))
      }
    }
  }

  @Test func `only what dead processes left is removed`() throws {
    try withScratchFolder { folder in
      let process = Process()
      process.executableURL = URL(filePath: "/usr/bin/env")
      process.arguments = ["true"]
      try process.run()
      process.waitUntilExit()
      let dead = ".atelier-\(process.processIdentifier)-abc-1.partial"
      let former = ".atelier-\(getpid())-formerprocess-1.partial"
      let alive = ".atelier-\(getppid())-abc-1.partial"
      let others = [".atelier-x-abc-1.partial", "notes.partial", alive]
      for name in others + [dead, former] {
        try Data().write(to: folder.appending(path: name))
      }
      #expect(AtomicFile.removeAbandoned(in: folder) == 2)
      #expect(try names(in: folder) == others.sorted())
    }
  }
}
