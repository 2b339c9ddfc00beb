// PyTorch's weight files: the stream and the archive, views, wrappings, and what is refused by name.

import AtelierEngine
import AtelierFiles
import AtelierInterchange
import Foundation
import TestSupport
import Testing

/// A file that Tests/Fixtures/foreign/make_pytorch.py wrote.
func foreignFixture(_ name: String) -> URL {
  URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fixtures/foreign/\(name)")
}

/// Element i of the fixtures' tensor of a name.
private func ramp(_ name: String, _ places: [Int]) -> [Float] {
  places.map { Float($0) / 4 - Float(name.count) }
}

@Suite("Weight files of PyTorch")
struct PyTorchFileTests {
  @Test("every tensor is read as PyTorch shows it", arguments: ["stream.pth", "archive.pt"])
  func tensors(_ name: String) throws {
    let weights = try ForeignWeights.read(from: foreignFixture(name))
    #expect(weights.framework == .pytorch)
    #expect(
      weights.tensors.map(\.name) == [
        "plain", "moved", "first", "second", "half", "brain", "double", "count", "scalar", "empty",
        "parameter",
      ])
    func tensor(_ name: String) throws -> Tensor {
      let found = try #require(weights.tensors.first { $0.name == name })
      return try #require(found.tensor())
    }
    #expect(try tensor("plain") == Tensor([2, 3], ramp("plain", Array(0..<6))))
    // [2, 3, 4] seen as [4, 2, 3].
    let moved = (0..<4).flatMap { last in (0..<6).map { $0 * 4 + last } }
    #expect(try tensor("moved") == Tensor([4, 2, 3], ramp("moved", moved)))
    #expect(try tensor("first") == Tensor([2, 3], ramp("shared", Array(0..<6))))
    let second = (0..<3).flatMap { row in [0, 2, 4].map { 6 + row * 6 + $0 } }
    #expect(try tensor("second") == Tensor([3, 3], ramp("shared", second)))
    for name in ["half", "brain", "double"] {
      #expect(try tensor(name) == Tensor([5], ramp(name, Array(0..<5))), "\(name)")
    }
    #expect(try tensor("scalar") == Tensor(.scalar, [-6]))
    #expect(try tensor("empty") == Tensor([0, 3]))
    #expect(try tensor("parameter") == Tensor([3], ramp("parameter", [0, 1, 2])))
    let count = try #require(weights.tensors.first { $0.name == "count" })
    #expect(count.type == .int64 && !count.holdsFloats && count.tensor() == nil)
  }

  @Test("a state_dict among other things, under module.") func wrapped() throws {
    let weights = try ForeignWeights.read(from: foreignFixture("wrapped.pth"))
    #expect(weights.tensors.map(\.name) == ["weight", "bias"])
    #expect(weights.tensors[0].tensor() == Tensor([2, 3], ramp("weight", Array(0..<6))))
  }

  @Test("what is no weights is refused by name") func refused() throws {
    #expect(
      foreignFault(foreignFixture("module.pth"))?.contains(
        "expected weights by name, received \"__main__.Thing\", a pickled object and not its "
          + "state_dict; nothing was executed") == true)
    #expect(
      foreignFault(foreignFixture("list.pth"))?.hasSuffix(
        "expected weights by name (a state_dict), received a list") == true)
    #expect(
      foreignFault(foreignFixture("make_pytorch.py"))?.contains(
        "the first bytes are none of theirs")
        == true)
  }

  @Test("a call that a pickle asks for is refused by its name") func hostile() throws {
    // What Python would run: os.system("…").
    var data = try Data(contentsOf: foreignFixture("stream.pth")).prefix(15)
    data.append(contentsOf: [0x80, 0x02])
    data.append(contentsOf: "cposix\nsystem\nX".utf8)
    data.append(contentsOf: [2, 0, 0, 0])
    data.append(contentsOf: "ls".utf8)
    data.append(contentsOf: [0x85, 0x52, 0x2E])
    #expect(foreignFault(data)?.contains("received \"posix.system\"") == true)
  }

  @Test("tensors that share a storage may not grow beyond the file") func expanded() throws {
    let url = foreignFixture("stream.pth")
    var data = try Data(contentsOf: url)
    // The sizes (2, 3) of the first tensor become (255, 255) with strides (0, 0).
    let sizes = Data([0x4B, 2, 0x4B, 3, 0x86])
    let place = try #require(data.range(of: sizes))
    data.replaceSubrange(place, with: [0x4B, 255, 0x4B, 255, 0x86])
    let strides = try #require(
      data.range(of: Data([0x4B, 3, 0x4B, 1, 0x86]), in: place.upperBound..<data.count))
    data.replaceSubrange(strides, with: [0x4B, 0, 0x4B, 0, 0x86])
    let text = foreignFault(data)
    #expect(
      text?.contains("larger than the file") == true || text?.contains("share storages") == true,
      "\(text ?? "read")")
  }

  @Test("every truncated file is refused", arguments: ["stream.pth", "archive.pt"])
  func truncated(_ name: String) throws {
    let data = try Data(contentsOf: foreignFixture(name))
    for count in 0..<data.count {
      #expect(foreignFault(data.prefix(count)) != nil, "\(count) bytes")
    }
  }

  @Test("12,000 mutated files are read or refused in one line")
  func mutated() throws {
    let files = try ["stream.pth", "archive.pt", "wrapped.pth", "module.pth"].map {
      try Data(contentsOf: foreignFixture($0))
    }
    let before = peakMemory()
    var (read, refused) = (0, 0)
    for seed in 0..<12_000 {
      var generator = RandomGenerator(seed: 11, UInt64(seed))
      var data = files[seed % files.count]
      for _ in 0...generator.index(below: 4) {
        let place = generator.index(below: data.count)
        switch generator.index(below: 4) {
        case 0: data[place] = UInt8(generator.index(below: 256))
        case 1: data[place] ^= 1 << UInt8(generator.index(below: 8))
        case 2: data.removeSubrange(place..<min(data.count, place + generator.index(below: 9)))
        default: data.insert(UInt8(generator.index(below: 256)), at: place)
        }
        if data.count < 9 { break }
      }
      if let text = foreignFault(data) {
        refused += 1
        #expect(!text.contains { $0.isNewline } && text.utf8.count < 1000, "seed \(seed): \(text)")
      } else {
        read += 1
      }
    }
    print("mutated files of PyTorch: \(refused) refused, \(read) read")
    #expect(read > 500 && refused > 500)
    expectMemory(since: before, below: 256)
  }
}
