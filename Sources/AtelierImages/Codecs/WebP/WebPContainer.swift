// The chunks of a WebP file: the picture, and what goes with it (RIFF, as WebP's container has it).

import Foundation

/// The chunks of one WebP file.
package struct WebPContainer {
  /// A chunk: four letters and its bytes.
  package struct Chunk {
    package let name: String
    package let data: Data
  }

  /// The chunks in their order.
  package private(set) var chunks: [Chunk] = []

  /// Whether data begins as a WebP file does.
  static func recognises(_ head: Data) -> Bool {
    let bytes = [UInt8](head.prefix(12))
    return bytes.count == 12 && bytes[0..<4].elementsEqual("RIFF".utf8)
      && bytes[8..<12].elementsEqual("WEBP".utf8)
  }

  /// Reads the chunks that are whole; what follows a broken one is not looked at.
  package init(_ data: Data) {
    var place = data.startIndex + 12
    while place <= data.endIndex - 8 {
      let name = String(decoding: data[place..<place + 4], as: UTF8.self)
      let length = (0..<4).reduce(0) { $0 | Int(data[place + 4 + $1]) << (8 * $1) }
      place += 8
      guard length <= data.endIndex - place else { return }
      chunks.append(Chunk(name: name, data: data.subdata(in: place..<place + length)))
      place += length + length % 2
    }
  }

  /// The first chunk of a name.
  subscript(name: String) -> Data? { chunks.first { $0.name == name }?.data }

  /// An encoded picture with chunks beside it: profile before, Exif and XMP behind.
  static func file(
    _ picture: Data, size: PixelSize, hasAlpha: Bool, profile: Data?, exif: Data?, xmp: Data?
  ) -> Data {
    guard profile != nil || exif != nil || xmp != nil else { return picture }
    let inner = WebPContainer(picture).chunks.filter { $0.name != "VP8X" }
    var bits = 0
    if profile != nil { bits |= 0x20 }
    if hasAlpha { bits |= 0x10 }
    if exif != nil { bits |= 0x08 }
    if xmp != nil { bits |= 0x04 }
    let writer = TagWriter()
    let head = Data(
      writer.number(bits, bytes: 4) + writer.number(size.width - 1, bytes: 3)
        + writer.number(size.height - 1, bytes: 3))
    var body = Data("WEBP".utf8) + chunk("VP8X", head)
    if let profile { body += chunk("ICCP", profile) }
    for part in inner { body += chunk(part.name, part.data) }
    if let exif { body += chunk("EXIF", exif) }
    if let xmp { body += chunk("XMP ", xmp) }
    return Data("RIFF".utf8) + Data(writer.number(body.count, bytes: 4)) + body
  }

  private static func chunk(_ name: String, _ data: Data) -> Data {
    var result = Data(name.utf8) + Data(TagWriter().number(data.count, bytes: 4)) + data
    if data.count % 2 == 1 { result.append(0) }
    return result
  }
}
