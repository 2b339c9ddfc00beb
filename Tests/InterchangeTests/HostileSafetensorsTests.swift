// Model files that are torn, hostile or mutated: one clear line, no crash, bounded memory.

import AtelierEngine
import AtelierInterchange
import Foundation
import TestSupport
import Testing

/// A header that must be refused, and a part of the line that says so.
struct HostileHeader: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let data: Data
  let expected: String

  init(_ name: String, _ header: String, dataCount: Int = 0, expected: String) {
    testDescription = name
    data = handMade(header.utf8, dataCount: dataCount)
    self.expected = expected
  }

  init(_ name: String, data: Data, expected: String) {
    testDescription = name
    self.data = data
    self.expected = expected
  }

  private static func tensor(
    _ shape: String, _ offsets: String, type: String = "F32", name: String = "w"
  ) -> String {
    #""\#(name)":{"dtype":"\#(type)","shape":\#(shape),"data_offsets":\#(offsets)}"#
  }

  static let lengths: [HostileHeader] = [
    HostileHeader(
      "no bytes", data: Data(), expected: "hostile at byte 0: expected at least 8 bytes, received 0"
    ),
    HostileHeader(
      "length 0", data: handMade([], length: 0),
      expected: "hostile at byte 0: expected a header of at least 2 bytes, received 0"),
    HostileHeader(
      "length 2^63", data: handMade("{}".utf8, length: 1 << 63),
      expected: "expected a header of at most 100000000 bytes, received 9223372036854775808"),
    HostileHeader(
      "length 2^64 - 1", data: handMade("{}".utf8, length: .max), expected: "at most 100000000"),
    HostileHeader(
      "length just above the limit", data: handMade("{}".utf8, length: 100_000_001),
      expected: "at most 100000000 bytes, received 100000001"),
    HostileHeader(
      "length beyond the file", data: handMade("{}".utf8, length: 3),
      expected: "expected a header of 3 bytes, received a file with 2 bytes after"),
  ]

  static let texts: [HostileHeader] = [
    HostileHeader("not an object", "[]", expected: "at byte 8: expected a header that starts with"),
    HostileHeader("space first", " {}", expected: "received the byte 32"),
    HostileHeader("unclosed", "{ ", expected: "at byte 10: expected a key in double quotes"),
    HostileHeader("text behind", "{} x", expected: "at byte 11: expected only padding"),
    HostileHeader("NUL padding", "{}\0", expected: "expected only padding"),
    HostileHeader(
      "trailing comma", "{\(tensor("[]", "[0,4]")),}", dataCount: 4, expected: "expected a key"),
    HostileHeader("not a key", "{1:2}", expected: "at byte 9: expected a key in double quotes"),
    HostileHeader(
      "not UTF-8", data: handMade(Array("{\"".utf8) + [0xC3, 0x28] + Array("\":1}".utf8)),
      expected: "at byte 10: expected UTF-8 text"),
    HostileHeader(
      "overlong UTF-8", data: handMade(Array("{\"".utf8) + [0xC0, 0xAF] + Array("\":1}".utf8)),
      expected: "expected UTF-8 text"),
    HostileHeader(
      "lone surrogate", #"{"\ud800":1}"#, expected: "expected a pair of surrogates"),
    HostileHeader(
      "surrogates swapped", #"{"\udc00\ud800":1}"#, expected: "expected a pair of surrogates"),
    HostileHeader("bad escape", #"{"\x":1}"#, expected: "expected an escape of JSON"),
    HostileHeader("raw newline", "{\"a\nb\":1}", expected: "expected an escape for a control"),
    HostileHeader(
      "deep nesting",
      #"{"w":{"x":"# + String(repeating: "[", count: 100_000), expected: "nesting of at most 32"),
    HostileHeader(
      "deep objects", #"{"w":{"x":"# + String(repeating: #"{"a":"#, count: 5000),
      expected: "nesting of at most 32"),
    HostileHeader("metadata a number", #"{"__metadata__":{"a":1}}"#, expected: "expected a string"),
    HostileHeader("metadata null", #"{"__metadata__":null}"#, expected: "expected an object"),
    HostileHeader(
      "metadata key twice", #"{"__metadata__":{"a":"","a":""}}"#,
      expected: "expected each metadata key once, received \"a\" twice"),
    HostileHeader(
      "metadata twice", #"{"__metadata__":{},"__metadata__":{}}"#,
      expected: "expected each name once, received \"__metadata__\" twice"),
  ]

  static let tensors: [HostileHeader] = [
    HostileHeader(
      "name twice", "{\(tensor("[0]", "[0,0]")),\(tensor("[0]", "[0,0]"))}",
      expected: "expected each name once, received \"w\" twice"),
    HostileHeader(
      "name twice through an escape",
      "{\(tensor("[0]", "[0,0]")),\(tensor("[0]", "[0,0]", name: #"\u0077"#))}",
      expected: "expected each name once, received \"w\" twice"),
    HostileHeader(
      "key twice", #"{"w":{"dtype":"F32","dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#,
      expected: "expected each key once, received \"dtype\" twice"),
    HostileHeader(
      "unknown key twice", #"{"w":{"x":{"a":1,"a":2}}}"#, expected: "received \"a\" twice"),
    HostileHeader("not an object", #"{"w":7}"#, expected: "expected an object, received \"7\""),
    HostileHeader("no type", #"{"w":{"shape":[],"data_offsets":[0,4]}}"#, expected: "\"dtype\""),
    HostileHeader(
      "no shape", #"{"w":{"dtype":"F32","data_offsets":[0,4]}}"#, expected: "\"shape\""),
    HostileHeader(
      "no offsets", #"{"w":{"dtype":"F32","shape":[]}}"#, expected: "\"data_offsets\""),
    HostileHeader(
      "unknown type", "{\(tensor("[]", "[0,4]", type: "F33"))}", dataCount: 4,
      expected: "F64, I64, U64, received \"F33\""),
    HostileHeader(
      "offset beyond the end", "{\(tensor("[2]", "[0,8]"))}", dataCount: 4,
      expected: "expected two rising data offsets of at most 4, received [0, 8]"),
    HostileHeader(
      "offset beyond 64 bits", "{\(tensor("[2]", "[0,18446744073709551616]"))}", dataCount: 8,
      expected: "expected a number of at most 9223372036854775807"),
    HostileHeader(
      "offset 2^63", "{\(tensor("[2]", "[9223372036854775808,8]"))}", dataCount: 8,
      expected: "at most 9223372036854775807, received \"9223372036854775808\""),
    HostileHeader(
      "size 2^63", "{\(tensor("[9223372036854775808]", "[0,0]"))}",
      expected: "at most 9223372036854775807, received \"9223372036854775808\""),
    HostileHeader(
      "negative offset", "{\(tensor("[2]", "[-8,0]"))}", dataCount: 8,
      expected: "expected a whole number of at least 0, received \"-8\""),
    HostileHeader(
      "falling offsets", "{\(tensor("[1]", "[8,4]"))}", dataCount: 8,
      expected: "two rising data offsets"),
    HostileHeader(
      "one offset", "{\(tensor("[1]", "[4]"))}", dataCount: 4, expected: "two rising data offsets"),
    HostileHeader(
      "three offsets", "{\(tensor("[1]", "[0,4,4]"))}", dataCount: 4,
      expected: "expected at most 2 numbers"),
    HostileHeader(
      "overlap", "{\(tensor("[2]", "[0,8]")),\(tensor("[2]", "[4,12]", name: "v"))}",
      dataCount: 12, expected: "that starts at offset 8, received 4 (an overlap)"),
    HostileHeader(
      "hole", "{\(tensor("[1]", "[0,4]")),\(tensor("[1]", "[8,12]", name: "v"))}",
      dataCount: 12, expected: "that starts at offset 4, received 8 (a hole)"),
    HostileHeader(
      "hole in front", "{\(tensor("[1]", "[4,8]"))}", dataCount: 8, expected: "(a hole)"),
    HostileHeader(
      "data behind", "{\(tensor("[1]", "[0,4]"))}", dataCount: 5,
      expected: "expected 4 bytes of data, received 5"),
    HostileHeader(
      "wrong count", "{\(tensor("[3]", "[0,8]"))}", dataCount: 8,
      expected: "expected 12 bytes for [3] of F32, received 8"),
    HostileHeader(
      "wrong type for the count", "{\(tensor("[2]", "[0,8]", type: "F16"))}", dataCount: 8,
      expected: "expected 4 bytes for [2] of F16, received 8"),
    HostileHeader(
      "shape overflows", "{\(tensor("[4294967296,4294967296]", "[0,0]"))}",
      expected: "expected a size in bytes that fits in 64 bits"),
    HostileHeader(
      "shape overflows before a 0", "{\(tensor("[9223372036854775807,2,0]", "[0,0]"))}",
      expected: "expected a size in bytes that fits in 64 bits"),
    HostileHeader(
      "bytes overflow", "{\(tensor("[4611686018427387904]", "[0,0]"))}",
      expected: "expected a size in bytes that fits in 64 bits"),
    HostileHeader("negative size", "{\(tensor("[-1]", "[0,0]"))}", expected: "received \"-1\""),
    HostileHeader("fraction", "{\(tensor("[1.0]", "[0,4]"))}", dataCount: 4, expected: "\"1.0\""),
    HostileHeader("exponent", "{\(tensor("[1e0]", "[0,4]"))}", dataCount: 4, expected: "\"1e0\""),
    HostileHeader(
      "leading zero", "{\(tensor("[01]", "[0,4]"))}", dataCount: 4, expected: "leading 0"),
    HostileHeader(
      "rank 65",
      "{\(tensor("[\(Array(repeating: "1", count: 65).joined(separator: ","))]", "[0,4]"))}",
      dataCount: 4, expected: "expected at most 64 numbers"),
  ]
}

/// Bad files throw one line; sound but odd ones are read.
struct HostileSafetensorsTests {
  @Test(arguments: HostileHeader.lengths + HostileHeader.texts + HostileHeader.tensors)
  func `a hostile header is refused in one line`(_ header: HostileHeader) throws {
    let error = try #require(failure(header.data))
    #expect(error.description.contains(header.expected), "\(error)")
    #expect(error.description.hasPrefix("hostile at byte "))
    #expect(error.reason == .malformed)
    #expect(!error.description.contains("\n"))
    #expect(try #require(error.position) <= max(header.data.count, 8))
    // The same file from a disk gives the same line.
    try withScratchFolder { folder in
      let url = folder.appending(path: "hostile")
      try header.data.write(to: url)
      let read = #expect(throws: SafetensorsError.self) { try SafetensorsFile.read(from: url) }
      #expect(read?.message == error.message)
    }
  }

  @Test func `a name from the file stays on one short line`() throws {
    let name = #"a\nb\u001b[2J\u202e"# + String(repeating: "x", count: 5000)
    let error = try #require(failure(handMade(#"{"\#(name)":{}}"#.utf8)))
    #expect(error.description.count < 300)
    #expect(error.description.contains(#""a\u{a}b\u{1b}[2J\u{202e}xxx"#))
  }

  @Test(arguments: [
    "{}", "{}      ", "{ }\n", #"{"__metadata__":{}}"#,
    #"{"w":{"shape":[0,9223372036854775807],"dtype":"F32","data_offsets":[0,0]}}"#,
    #"{"w":{"dtype":"F32","shape":[3],"data_offsets":[0,0],"x":[1,{"y":[]},null,-1.5e3]}}"#
      .replacingOccurrences(of: "[3]", with: "[ 0 ]"),
  ])
  func `odd but sound headers are read`(_ header: String) throws {
    let file = try SafetensorsFile(data: handMade(header.utf8), name: "odd")
    #expect(file.entries.allSatisfy { $0.bytes.isEmpty })
  }

  @Test func `a file cut at any byte is refused`() throws {
    let whole = try sampleFile().encoded()
    #expect(failure(whole) == nil)
    for count in 0..<whole.count {
      #expect(failure(whole.prefix(count)) != nil, "cut after \(count) of \(whole.count) bytes")
    }
    #expect(failure(whole + [0]) != nil)
  }

  @Test func `data that is a slice is read from its start`() throws {
    let whole = try sampleFile().encoded()
    let slice = (Data([1, 2, 3]) + whole).dropFirst(3)
    #expect(slice.startIndex == 3)
    #expect(try SafetensorsFile(data: slice, name: "slice").encoded() == whole)
  }

  @Test func `missing files, folders and pipes are refused`() throws {
    try withScratchFolder { folder in
      let missing = folder.appending(path: "missing.safetensors")
      let error = #expect(throws: SafetensorsError.self) {
        try SafetensorsFile.read(from: missing)
      }
      #expect(error?.description.hasSuffix("cannot read: No such file or directory") == true)
      #expect(error?.reason == .unreadable)
      #expect(throws: SafetensorsError.self) { try SafetensorsFile.read(from: folder) }
      let pipe = folder.appending(path: "pipe")
      #expect(mkfifo(pipe.path, 0o600) == 0)
      #expect(throws: SafetensorsError.self) { try SafetensorsFile.read(from: pipe) }
    }
  }

  @Test func `6,000 mutated files are refused or read, never worse`() throws {
    let whole = [UInt8](try sampleFile().encoded())
    let tokens = [
      "18446744073709551615", "-1", "[", "{", "\"", "\\u", "\\ud800", ",", "e9", "null", "F64",
      "\u{0}", "9223372036854775807", "__metadata__", "\"ramp\"",
    ].map { Array($0.utf8) }
    var (read, refused) = (0, 0)
    for seed in 0..<6000 {
      var generator = RandomGenerator(seed: 2, UInt64(seed))
      var bytes = whole
      for _ in 0...generator.index(below: 4) {
        // Most faults in the header: data may hold any bits.
        let place = generator.index(below: generator.index(below: 8) == 0 ? bytes.count : 700)
        guard place < bytes.count else { continue }
        switch generator.index(below: 6) {
        case 0: bytes[place] = UInt8(generator.index(below: 256))
        case 1: bytes[place] ^= 1 << UInt8(generator.index(below: 8))
        case 2: bytes.removeSubrange(place..<min(bytes.count, place + generator.index(below: 9)))
        case 3: bytes.insert(contentsOf: tokens[generator.index(below: tokens.count)], at: place)
        case 4:
          let token = tokens[generator.index(below: tokens.count)]
          bytes.replaceSubrange(place..<min(bytes.count, place + token.count), with: token)
        default:
          bytes[generator.index(below: min(8, bytes.count))] = UInt8(generator.index(below: 256))
        }
        if bytes.isEmpty { break }
      }
      do throws(SafetensorsError) {
        let file = try SafetensorsFile(data: Data(bytes), name: "seed \(seed)")
        read += 1
        // No more bytes than the file has can come out of it.
        #expect(file.entries.reduce(0) { $0 + $1.bytes.count } <= bytes.count, "seed \(seed)")
        #expect(try SafetensorsFile(data: file.encoded(), name: "again").metadata == file.metadata)
      } catch {
        refused += 1
        #expect(!error.description.contains { $0.isNewline }, "seed \(seed)")
        #expect(error.description.utf8.count < 1000, "seed \(seed)")
      }
    }
    print("mutated model files: \(read) read, \(refused) refused")
    #expect(read > 100)
    #expect(refused > 4000)
  }
}
