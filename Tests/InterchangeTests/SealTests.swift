// The seal of model files: a changed bit is refused, what counts the same is read, files without one are, too.

import AtelierEngine
import AtelierFiles
import AtelierInterchange
import Foundation
import TestSupport
import Testing

struct SealTests {
  private func sealed() throws -> SafetensorsFile {
    var file = SafetensorsFile(metadata: ["format": "test", "graph": "{\"a\":[1,2]}"], name: "m")
    try file.append("w", Tensor([2, 3], [1, -2, 3.5, 0, 5, 1e-3]))
    try file.append(SafetensorsEntry(name: "h", halfPrecision: Tensor([3], [1, 2, 3])))
    try file.append(SafetensorsEntry(name: "n", integers: [1, -1]))
    return file.sealed
  }

  @Test func `every flipped bit is refused or changes nothing`() throws {
    let file = try sealed()
    let bytes = [UInt8](file.encoded())
    let whole = try SafetensorsFile(data: Data(bytes), name: "m")
    #expect(whole.metadata == file.metadata)
    for entry in file.entries { #expect(whole.entry(named: entry.name) == entry) }
    var refused = 0
    for bit in 0..<8 * bytes.count {
      var damaged = bytes
      damaged[bit / 8] ^= 1 << (bit % 8)
      guard let read = try? SafetensorsFile(data: Data(damaged), name: "m") else {
        refused += 1
        continue
      }
      // The name of the seal itself, or white space, may change.
      #expect(read.entries.map(\.name).sorted() == whole.entries.map(\.name).sorted(), "bit \(bit)")
      for entry in whole.entries { #expect(read.entry(named: entry.name) == entry, "bit \(bit)") }
      #expect(read.metadata["graph"] == whole.metadata["graph"], "bit \(bit)")
      #expect(read.metadata["format"] == whole.metadata["format"], "bit \(bit)")
    }
    #expect(refused > 8 * bytes.count * 8 / 10)
  }

  @Test func `the line tells what was expected and what came`() throws {
    var bytes = [UInt8](try sealed().encoded())
    bytes[bytes.count - 1] ^= 1
    let error = #expect(throws: SafetensorsError.self) {
      _ = try SafetensorsFile(data: Data(bytes), name: "m")
    }
    #expect(error?.reason == .malformed)
    #expect(error?.description.hasPrefix("m: expected what has the checksum \"xxh64:") == true)
    #expect(
      error?.description.hasSuffix("the file was damaged or changed after it was written") == true)
  }

  @Test func `order and alignment do not count, other seals are left alone`() throws {
    let file = try sealed()
    var other = SafetensorsFile(metadata: file.metadata, name: "m")
    for entry in file.entries.reversed() { try other.append(entry) }
    _ = try SafetensorsFile(data: other.encoded(), name: "m")
    other.metadata["checksum"] = "sha256:00"
    _ = try SafetensorsFile(data: other.encoded(), name: "m")
    other.metadata["checksum"] = nil
    _ = try SafetensorsFile(data: other.encoded(), name: "m")
    // One more entry is a change.
    other.metadata = file.metadata
    try other.append("more", Tensor([1], [0]))
    #expect(throws: SafetensorsError.self) {
      _ = try SafetensorsFile(data: other.encoded(), name: "m")
    }
  }

  @Test func `files that are written have one`() throws {
    try withScratchFolder { folder in
      let url = folder.appending(path: "m.safetensors")
      try sealed().write(to: url)
      var bytes = [UInt8](try Data(contentsOf: url))
      bytes[bytes.count - 5] ^= 0x10
      try Data(bytes).write(to: url)
      #expect(throws: SafetensorsError.self) { _ = try SafetensorsFile.read(from: url) }
    }
  }
}
