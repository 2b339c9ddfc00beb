// Event files: TensorBoard's own bytes, checksums, and going on after a kill.

import AtelierFiles
import Foundation
import TestSupport
import Testing

/// What is written equals what TensorBoard's own classes write, and a torn file goes on.
struct TensorBoardTests {
  /// The events of the fixture script, in its order.
  private func writeFixtureEvents(_ folder: URL) throws -> TensorBoardWriter {
    let writer = try TensorBoardWriter(folder: folder, host: "a/b", wallTime: 1_700_000_000.25)
    try writer.append(["loss/train": 0], step: 0, wallTime: 1_700_000_001.5)
    try writer.append(
      ["psnr": 28.5, "größe": -.infinity], step: 300, wallTime: 1_700_000_002.75)
    let picture = TensorBoardWriter.Picture(
      png: Data(0..<200), height: 2, width: 3, channels: 3)
    try writer.append(picture, tag: "preview", step: 1 << 40, wallTime: 1_700_000_003)
    try writer.sync()
    return writer
  }

  @Test func `bytes are TensorBoard's own`() throws {
    try withScratchFolder { folder in
      let writer = try writeFixtureEvents(folder)
      let expected = try Data(contentsOf: interchangeFixture("python.tfevents"))
      #expect(try Data(contentsOf: writer.url) == expected)
      #expect(writer.length == expected.count)
      let name = writer.url.lastPathComponent
      #expect(name.hasPrefix("events.out.tfevents.1700000000.a-b."))
      #expect(try names(in: folder) == [name])
      let second = try TensorBoardWriter(folder: folder, host: "a/b", wallTime: 1_700_000_000)
      #expect(second.url != writer.url)
      #expect(try Data(contentsOf: writer.url) == expected)
    }
  }

  @Test func `a file goes on from a saved length`() throws {
    try withScratchFolder { folder in
      let writer = try TensorBoardWriter(folder: folder, host: "h", wallTime: 1)
      try writer.append(["a": 1], step: 1, wallTime: 2)
      let saved = writer.length
      try writer.append(["a": 2], step: 2, wallTime: 3)
      let uninterrupted = try Data(contentsOf: writer.url)
      try writer.append(["a": 9], step: 9, wallTime: 9)
      let resumed = try TensorBoardWriter(continuing: writer.url, keeping: saved)
      #expect(resumed.length == saved)
      try resumed.append(["a": 2], step: 2, wallTime: 3)
      #expect(try Data(contentsOf: writer.url) == uninterrupted)
      for length in [saved - 1, saved + 1, resumed.length + 1, -1] {
        #expect(throws: FileError.self) {
          try TensorBoardWriter(continuing: writer.url, keeping: length)
        }
        #expect(try Data(contentsOf: writer.url) == uninterrupted)
      }
    }
  }

  @Test func `whatever is torn is cut to whole records`() throws {
    try withScratchFolder { folder in
      let whole = try Data(contentsOf: try writeFixtureEvents(folder).url)
      var ends = [0]
      while let end = ends.last, end < whole.count {
        ends.append(end + 16 + whole[end..<end + 8].reversed().reduce(0) { $0 << 8 | Int($1) })
      }
      #expect(ends.count == 5)
      let url = folder.appending(path: "torn")
      for count in 0...whole.count {
        // A power failure may leave zeros where data were to come.
        for zeros in [0, 24] {
          try (whole.prefix(count) + Data(count: zeros)).write(to: url)
          let expected = try #require(ends.last { $0 <= count })
          #expect(try TensorBoardWriter(continuing: url).length == expected)
          #expect(try Data(contentsOf: url) == whole.prefix(expected))
        }
      }
      for byte in 0..<whole.count {
        var damaged = whole
        damaged[byte] ^= 0x10
        try damaged.write(to: url)
        let expected = try #require(ends.last { $0 <= byte })
        #expect(try TensorBoardWriter(continuing: url).length == expected, "byte \(byte)")
      }
    }
  }

  @Test func `checksums are those of RFC 3720`() {
    #expect(CyclicRedundancyCheck.checksum([]) == 0)
    #expect(CyclicRedundancyCheck.checksum("123456789".utf8) == 0xE306_9283)
    #expect(CyclicRedundancyCheck.checksum(Array(repeating: 0, count: 32)) == 0x8A91_36AA)
    #expect(CyclicRedundancyCheck.checksum(Array(repeating: 0xFF, count: 32)) == 0x62A8_AB43)
    #expect(CyclicRedundancyCheck.checksum(0..<32) == 0x46DD_794E)
    #expect(CyclicRedundancyCheck.checksum((0..<32).reversed()) == 0x113F_DB5C)
    // TensorFlow's crc32c_test: masking changes the value, and again.
    #expect(CyclicRedundancyCheck.masked("foo".utf8) != CyclicRedundancyCheck.checksum("foo".utf8))
    #expect(CyclicRedundancyCheck.masked([]) == 0xA282_EAD8)
  }

  @Test(
    arguments: [
      (0, [0x08, 0x00]), (1, [0x08, 0x01]), (127, [0x08, 0x7F]), (128, [0x08, 0x80, 0x01]),
      (300, [0x08, 0xAC, 0x02]),
      (-1, [0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01]),
    ] as [(Int64, [UInt8])])
  func `integers are of variable length`(_ value: Int64, _ expected: [UInt8]) {
    var encoder = ProtobufEncoder()
    encoder.integer(1, value)
    #expect(encoder.bytes == expected)
  }
}
