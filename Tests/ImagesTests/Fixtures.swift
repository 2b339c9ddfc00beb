// Where the fixtures lie, what they expect, and a small seeded generator.

import AtelierImages
import Foundation

enum Fixture {
  static let folder = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fixtures/images")

  static func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

  static func data(_ name: String) throws -> Data {
    try Data(contentsOf: folder.appendingPathComponent(name))
  }

  /// Expected bytes.
  static func bytes(_ name: String) throws -> [UInt8] { [UInt8](try data(name + ".raw")) }

  /// Expected 16-bit words.
  static func words(_ name: String) throws -> [UInt16] {
    let bytes = try bytes(name)
    return stride(from: 0, to: bytes.count, by: 2).map {
      UInt16(bytes[$0]) | UInt16(bytes[$0 + 1]) << 8
    }
  }

  /// Expected floats.
  static func floats(_ name: String) throws -> [Float] {
    let bytes = try bytes(name)
    return stride(from: 0, to: bytes.count, by: 4).map { place in
      Float(
        bitPattern: (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[place + $1]) << (8 * $1) })
    }
  }

  /// Runs `body` with the path of an empty folder that is removed afterwards.
  static func inTemporaryFolder(_ body: (String) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("atelier-images-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try body(folder.path)
  }
}

/// A seeded generator: splitmix64 (Steele, Lea, Flood 2014).
struct Generator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
    return value ^ (value >> 31)
  }

  /// A picture of noise.
  mutating func image(_ width: Int, _ height: Int, _ channels: Int) -> ByteImage {
    let samples = (0..<width * height * channels).map { _ in
      UInt8.random(in: 0 ... .max, using: &self)
    }
    return ByteImage(width: width, height: height, channels: channels, samples: samples)
  }

  /// A smooth picture, such as JPEG keeps well.
  func smoothImage(_ width: Int, _ height: Int, _ channels: Int) -> ByteImage {
    var image = ByteImage(width: width, height: height, channels: channels)
    for y in 0..<height {
      for x in 0..<width {
        for channel in 0..<channels {
          let wave = sin(Float(x) / 9 + Float(channel)) * cos(Float(y) / 7)
          image[x, y, channel] = UInt8(unit: 0.5 + 0.4 * wave)
        }
      }
    }
    return image
  }
}
