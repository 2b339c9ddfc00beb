// Binary graymaps and pixmaps (P5, P6) with up to 16 bits a sample.

import Foundation

/// A PGM or PPM file in memory, its header read and checked.
struct PortableAnymap {
  let size: PixelSize
  let channels: Int
  let maximum: Int
  private let data: Data
  private let start: Int

  /// Whether data begins as a P5 or P6 file does.
  static func recognises(_ data: Data) -> Bool {
    let magic = [UInt8](data.prefix(3))
    guard magic.count == 3, magic[0] == 0x50, magic[1] == 0x35 || magic[1] == 0x36 else {
      return false
    }
    return [9, 10, 13, 32, 35].contains(magic[2])
  }

  init(_ data: Data, name: String, limits: ImageLimits) throws {
    var place = data.startIndex + 2
    func number(_ what: String) throws -> Int {
      var value = 0
      var digits = 0
      var comment = false
      while place < data.endIndex {
        let byte = data[place]
        if comment {
          comment = byte != 10
        } else if 48...57 ~= byte, digits < 9 {
          value = value * 10 + Int(byte - 48)
          digits += 1
        } else if digits > 0 {
          break
        } else if byte == 35 {
          comment = true
        } else if ![9, 10, 11, 12, 13, 32].contains(byte) {
          break
        }
        place += 1
      }
      guard digits > 0 else {
        throw ImageError(
          .damaged, name: name, expected: "a PNM header with a \(what)", received: "none")
      }
      return value
    }
    channels = data[data.startIndex + 1] == 0x35 ? 1 : 3
    size = PixelSize(width: try number("width"), height: try number("height"))
    maximum = try number("largest value")
    start = place + 1
    self.data = data
    guard 1...65535 ~= maximum, size.width > 0, size.height > 0 else {
      throw ImageError(
        .damaged, name: name, expected: "a positive size and a largest value of 1 to 65535",
        received: "\(size) and \(maximum)")
    }
    guard size.width <= limits.samples / size.height / channels else {
      throw ImageError(
        .tooLarge, name: name, expected: "at most \(limits.samples) samples",
        received: "\(size) with \(channels) channels")
    }
    let needed = size.width * size.height * channels * (maximum > 255 ? 2 : 1)
    guard data.endIndex - start >= needed else {
      throw ImageError(
        .damaged, name: name, expected: "\(needed) bytes of samples",
        received: "\(max(0, data.endIndex - start))")
    }
  }

  var information: ImageInformation {
    ImageInformation(
      format: .portableAnymap, width: size.width, height: size.height, channels: channels,
      bitDepth: maximum > 255 ? 16 : 8, hasPalette: false, isMultipass: false,
      orientation: .upright)
  }

  /// The picture; stored values above the largest one count as it.
  func image<Sample: ImageSample>(of kind: Sample.Type) -> Image<Sample> {
    let scale = 1 / Float(maximum)
    return Image<Sample>(width: size.width, height: size.height, channels: channels) { target in
      data.withUnsafeBytes { bytes in
        var place = start - data.startIndex
        for index in 0..<target.count {
          var value = Int(bytes[place])
          place += 1
          if maximum > 255 {
            value = value << 8 | Int(bytes[place])
            place += 1
          }
          target[index] = Sample(unit: Float(min(value, maximum)) * scale)
        }
      }
    }
  }
}
