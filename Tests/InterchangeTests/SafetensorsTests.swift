// Model files: round trips to the bit, alignment, Python's file read, our file read by Python.

import AtelierEngine
import AtelierFiles
import AtelierInterchange
import Foundation
import TestSupport
import Testing

/// What is written can be read, here and by the reference implementation, to the bit.
struct SafetensorsTests {
  @Test func `what is written is read back to the bit`() throws {
    let file = try sampleFile()
    let read = try SafetensorsFile(data: file.encoded(), name: "sample")
    #expect(read.metadata == file.metadata)
    #expect(Set(read.names) == Set(file.names))
    for entry in file.entries { #expect(read.entry(named: entry.name) == entry) }
    let bits = try read.tensor(named: "bits").elements.map(\.bitPattern)
    #expect(bits == specialBits)
    #expect(try read.tensor(named: "scalar") == Tensor(.scalar, [42.5]))
    #expect(try read.tensor(named: "empty").shape == [3, 0, 2])
    #expect(try read.bytes(named: "state") == [1, 2, 255])
    #expect(try read.unsignedIntegers(named: "counters") == [0, .max, 1 << 53 + 1])
    #expect(try read.integers(named: "steps") == [.min, .max])
    #expect(try SafetensorsFile(data: read.encoded(), name: "again") == read)
    #expect(read.encoded() == file.encoded())
  }

  @Test func `bytes are exactly as drawn`() throws {
    var file = SafetensorsFile(metadata: ["b": "2", "a": "\u{1F}\""])
    try file.append(SafetensorsEntry(name: "u", bytes: [9]))
    try file.append("w", Tensor([1, 2], [1, -2]))
    let header =
      #"{"__metadata__":{"a":"\u001f\"","b":"2"},"#
      + #""w":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"#
      + #""u":{"dtype":"U8","shape":[1],"data_offsets":[8,9]}}"#
    let padded = header + String(repeating: " ", count: (64 - (8 + header.utf8.count) % 64) % 64)
    var expected = Data([UInt8(padded.utf8.count), 0, 0, 0, 0, 0, 0, 0])
    expected.append(Data(padded.utf8))
    expected.append(Data([0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0, 9]))
    #expect(file.encoded() == expected)
  }

  @Test func `data starts at a multiple of 64 and each tensor at one of its element`() throws {
    var generator = RandomGenerator(seed: 11)
    for round in 0..<200 {
      var file = SafetensorsFile(
        metadata: ["k": String(repeating: "x", count: generator.index(below: 80))])
      for index in 0..<generator.index(below: 6) {
        let type = SafetensorsType.allCases[
          generator.index(below: SafetensorsType.allCases.count)]
        let count = generator.index(below: 5)
        try file.append(
          SafetensorsEntry(
            name: "t\(index)", type: type, shape: [count],
            bytes: (0..<count * type.width).map { _ in UInt8(generator.index(below: 256)) }))
      }
      let data = file.encoded()
      let headerLength = data.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
      #expect((8 + headerLength) % 64 == 0, "round \(round)")
      let read = try SafetensorsFile(data: data, name: "round \(round)")
      var offset = 0
      for entry in read.entries {
        #expect(offset % entry.type.width == 0, "round \(round), \(entry.name)")
        #expect(entry == file.entry(named: entry.name), "round \(round)")
        offset += entry.bytes.count
      }
      #expect(read.entries.count == file.entries.count)
    }
  }

  @Test func `the order of metadata does not change the bytes`() throws {
    let keys = (0..<40).map { "key\($0)" }
    let forward = SafetensorsFile(
      metadata: Dictionary(uniqueKeysWithValues: keys.map { ($0, $0) }))
    let backward = SafetensorsFile(
      metadata: Dictionary(uniqueKeysWithValues: keys.reversed().map { ($0, $0) }))
    #expect(forward.encoded() == backward.encoded())
  }

  @Test func `a file of Python is read`() throws {
    let file = try SafetensorsFile.read(from: interchangeFixture("python.safetensors"))
    #expect(file.metadata == ["graph": "{\"layers\": [\"a\\b\", \"é\", \"\u{2028}\"]}"])
    #expect(file.entries.count == 12)
    #expect(
      try file.tensor(named: "encoder.weight", shape: [2, 3, 4]).elements
        == (0..<24).map { Float($0) * 0.5 - 3 })
    #expect(
      try file.tensor(named: "bits32").elements.map(\.bitPattern) == specialBits + [0xFF80_0000])
    let half = try file.tensor(named: "half").elements
    #expect(half[..<5] == [1, -2, 65504, 0x1p-24, 0x1p-24 * 1023])
    #expect(half[5].bitPattern == 0x8000_0000)
    #expect(half[6] == .infinity)
    #expect(half[7].bitPattern == 0x7FC0_2000)
    let brain = try file.tensor(named: "brain").elements.map(\.bitPattern)
    #expect(brain == [0x3F80_0000, 0xC000_0000, 0x0001_0000, 0x8000_0000, 0x7F80_0000])
    #expect(try file.tensor(named: "double", shape: [3, 1]).elements == [0.1, -.infinity, 0])
    #expect(try file.tensor(named: "scalar", shape: .scalar).elements == [42.5])
    #expect(try file.tensor(named: "empty", shape: [3, 0, 2]).elements.isEmpty)
    #expect(try file.integers(named: "long") == [.min, -1, 0, .max])
    #expect(try file.integers(named: "int") == [Int64(Int32.min), Int64(Int32.max)])
    #expect(try file.bytes(named: "byte") == [0, 1, 2, 3, 4])
    #expect(file.entry(named: "truth")?.bytes == [1, 0, 1])
    #expect(try file.tensor(named: "gewicht.groß \"7\"\n日本").elements == [7])
  }

  @Test func `rounding to halves is the machine's`() {
    #if arch(arm64) || os(Linux)
    var generator = RandomGenerator(seed: 12)
    // Every half, the middle between it and the next one, and its neighbours; then any bits.
    var values = (0..<UInt16(0x7C00)).flatMap { bits -> [Float] in
      let half = Float(Float16(bitPattern: bits))
      let next = bits == 0x7BFF ? 65536 : Float(Float16(bitPattern: bits + 1))
      let middle = half + (next - half) / 2
      return [half, middle, middle.nextUp, middle.nextDown, -middle]
    }
    values += (0..<20_000).map { _ in
      Float(bitPattern: UInt32(generator.index(below: 1 << 32)))
    }
    values += [.infinity, -.infinity, .greatestFiniteMagnitude, .nan, -0.0]
    let entry = SafetensorsEntry(
      name: "h", halfPrecision: Tensor([values.count], values))
    #expect(entry.type == .float16 && entry.bytes.count == 2 * values.count)
    for (index, value) in values.enumerated() {
      let bits = UInt16(entry.bytes[2 * index]) | UInt16(entry.bytes[2 * index + 1]) << 8
      let machine = Float16(value)
      #expect(
        value.isNaN ? Float16(bitPattern: bits).isNaN : bits == machine.bitPattern, "\(value)")
    }
    #endif
  }

  @Test func `every half is the machine's half`() {
    #if arch(arm64) || os(Linux)
    let bits = (0...UInt16.max).flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }
    let entry = SafetensorsEntry(name: "h", type: .float16, shape: [65536], bytes: bits)
    let floats = entry.floats ?? []
    #expect(floats.count == 65536)
    for (pattern, float) in floats.enumerated() {
      let expected = Float(Float16(bitPattern: UInt16(pattern)))
      guard !expected.isNaN else {
        #expect(float.isNaN)
        continue
      }
      #expect(float.bitPattern == expected.bitPattern, "\(pattern)")
    }
    #endif
  }

  @Test func `our file is read by Python to the bit`() throws {
    let python = ProcessInfo.processInfo.environment["ATELIER_PYTHON"] ?? "python3"
    guard try runPython(python, ["-c", "import numpy, safetensors"]).status == 0 else {
      print(
        "SKIPPED: our model file read by Python; \(python) has no safetensors and numpy "
          + "(set ATELIER_PYTHON to one that has)")
      return
    }
    try withScratchFolder { folder in
      let url = folder.appending(path: "ours.safetensors")
      try sampleFile().write(to: url)
      let check = try runPython(
        python, [interchangeFixture("check_safetensors.py").path, url.path])
      #expect(check.output == "ok\n")
      #expect(check.status == 0)
      // The same script must see a difference of one bit.
      var changed = try sampleFile().encoded()
      changed[changed.count - 1] ^= 1
      try AtomicFile.write(changed, to: url)
      #expect(
        try runPython(python, [interchangeFixture("check_safetensors.py").path, url.path]).status
          != 0)
    }
  }

  @Test func `names are taken once and looked up with their shape and type`() throws {
    var file = SafetensorsFile(name: "net.safetensors")
    try file.append("w", Tensor([2], [1, 2]))
    try file.append(SafetensorsEntry(name: "s", bytes: [1]))
    func text(_ body: () throws(SafetensorsError) -> Void) -> String? {
      do throws(SafetensorsError) {
        try body()
        return nil
      } catch {
        return error.description
      }
    }
    #expect(
      text { () throws(SafetensorsError) in _ = try file.tensor(named: "v") }
        == "net.safetensors: expected a tensor \"v\", received none among 2")
    #expect(
      text { () throws(SafetensorsError) in _ = try file.tensor(named: "w", shape: [3]) }
        == "net.safetensors: tensor \"w\": expected the shape [3], received [2]")
    #expect(
      text { () throws(SafetensorsError) in _ = try file.tensor(named: "s") }
        == "net.safetensors: tensor \"s\": expected F32, F16, BF16 or F64, received U8")
    #expect(
      text { () throws(SafetensorsError) in _ = try file.bytes(named: "w") }
        == "net.safetensors: tensor \"w\": expected U8, received F32")
    for name in ["w", "__metadata__"] {
      #expect(
        text { () throws(SafetensorsError) in
          var other = file
          try other.append(name, Tensor(.scalar))
        }
          == "net.safetensors: expected a new tensor name, received \"\(name)\", which is taken")
    }
  }

  private func runPython(
    _ python: String, _ arguments: [String]
  ) throws -> (status: Int32, output: String) {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = [python] + arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = FileHandle.nullDevice
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: output, as: UTF8.self))
  }
}
