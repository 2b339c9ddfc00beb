// What goes with a picture in a JPEG: segments read and written.

import CImageCodecs
import Foundation

/// The segments of a JPEG that go with its picture.
enum JPEGMetadata {
  /// A segment: its marker and bytes.
  struct Segment {
    let marker: Int
    let data: Data
  }

  private static let (app1, app2, app11, app13, comment) = (0xe1, 0xe2, 0xeb, 0xed, 0xfe)
  private static let exifHead = Array("Exif\0\0".utf8)
  private static let xmpHead = Array("http://ns.adobe.com/xap/1.0/\0".utf8)
  private static let extendedHead = Array("http://ns.adobe.com/xmp/extension/\0".utf8)
  private static let profileHead = Array("ICC_PROFILE\0".utf8)
  private static let photoshopHead = Array("Photoshop 3.0\0".utf8)

  /// What the segments say.
  static func read(_ reader: OpaquePointer) -> ImageMetadata {
    var metadata = ImageMetadata()
    var profiles: [(number: UInt8, data: Data)] = []
    var marker: Int32 = 0
    var count = 0
    var index: Int32 = 0
    while let bytes = ci_reader_segment(reader, index, &marker, &count) {
      let data = Data(bytes: bytes, count: count)
      index += 1
      func body(_ head: [UInt8]) -> Data? {
        data.starts(with: head) ? Data(data.dropFirst(head.count)) : nil
      }
      switch Int(marker) {
      case app1:
        if let exif = body(exifHead) {
          if metadata.exif == nil { metadata.exif = exif }
        } else if let xmp = body(xmpHead) {
          metadata.xmp = xmp
        } else if data.starts(with: extendedHead) {
          metadata.extendedXMP.append(data)
        }
      case app2:
        if let part = body(profileHead), part.count > 2 {
          profiles.append((part[0], Data(part.dropFirst(2))))
        } else if data.starts(with: "MPF\0".utf8) {
          metadata.dropped.append("further pictures (MPF)")
        }
      case app11:
        if !metadata.dropped.contains(credentials) { metadata.dropped.append(credentials) }
      case app13:
        if let part = body(photoshopHead) {
          metadata.photoshop = (metadata.photoshop ?? Data()) + part
        }
      case comment: take(comment: String(decoding: data, as: UTF8.self), &metadata)
      default: break
      }
    }
    if !profiles.isEmpty {
      metadata.profile = profiles.sorted { $0.number < $1.number }.reduce(Data()) { $0 + $1.data }
    }
    var (x, y) = (Int32(0), Int32(0))
    let unit = ci_reader_density(reader, &x, &y)
    if unit >= 0, x > 0, y > 0, unit > 0 || x != y {
      metadata.resolution = .init(
        x: Double(x), y: Double(y), unit: unit == 1 ? .inch : unit == 2 ? .centimeter : .none)
    }
    metadata.orientation = metadata.exif.map { ExifBlock($0).orientation } ?? .upright
    return metadata
  }

  private static let credentials = "content credentials, which vouch for the file as it was"

  /// Takes a comment by what stands before its colon, or as `Comment`.
  private static func take(comment text: String, _ metadata: inout ImageMetadata) {
    if let colon = text.range(of: ": ") {
      metadata.texts[String(text[..<colon.lowerBound])] = String(text[colon.upperBound...])
    } else {
      metadata.texts["Comment"] = text
    }
  }

  /// The density of the JFIF header.
  static func density(_ metadata: ImageMetadata) -> (unit: Int, x: Int, y: Int)? {
    guard let given = metadata.resolution else { return nil }
    let resolution = given.unit == .meter ? given.counted(along: .inch) : given
    let unit = resolution.unit == .none ? 0 : resolution.unit == .centimeter ? 2 : 1
    func number(_ value: Double) -> Int { Int(min(max(1, value.rounded()), 65535)) }
    return (unit, number(resolution.x), number(resolution.y))
  }

  /// The segments to write for metadata, but for texts whose keys are written otherwise.
  static func segments(_ metadata: ImageMetadata, without keys: Set<String>) -> [Segment] {
    var result: [Segment] = []
    let most = Int(CI_JPEG_SEGMENT)
    func append(_ marker: Int, _ head: [UInt8], _ data: Data) {
      guard head.count + data.count <= most else { return }
      result.append(Segment(marker: marker, data: Data(head) + data))
    }
    if let exif = metadata.exif { append(app1, exifHead, exif) }
    if let xmp = metadata.xmp, !keys.contains(ImageWriteOptions.xmpKey) {
      append(app1, xmpHead, xmp)
      for part in metadata.extendedXMP { append(app1, [], part) }
    }
    if let profile = metadata.profile {
      let room = most - profileHead.count - 2
      let parts = (profile.count + room - 1) / room
      for part in 0..<parts where parts <= 255 {
        let data = profile.dropFirst(part * room).prefix(room)
        append(app2, profileHead + [UInt8(part + 1), UInt8(parts)], Data(data))
      }
    }
    if let photoshop = metadata.photoshop {
      let room = most - photoshopHead.count
      for start in stride(from: 0, to: photoshop.count, by: room) {
        append(app13, photoshopHead, Data(photoshop.dropFirst(start).prefix(room)))
      }
    }
    for (key, value) in metadata.texts.sorted(by: { $0.key < $1.key }) where !keys.contains(key) {
      // A comment without a key is read as one of this name.
      let isPlain = key == "Comment" && !value.contains(": ")
      append(comment, [], Data((isPlain ? value : "\(key): \(value)").utf8))
    }
    return result
  }

  /// What is too large for a JPEG, in words.
  static func tooLarge(_ metadata: ImageMetadata) -> [String] {
    let most = Int(CI_JPEG_SEGMENT)
    var lost: [String] = []
    if let exif = metadata.exif, exifHead.count + exif.count > most { lost.append("Exif") }
    if let xmp = metadata.xmp, xmpHead.count + xmp.count > most { lost.append("XMP") }
    if let profile = metadata.profile, profile.count > 255 * (most - profileHead.count - 2) {
      lost.append("the colour profile")
    }
    if metadata.texts.contains(where: { $0.key.utf8.count + $0.value.utf8.count + 2 > most }) {
      lost.append("long texts")
    }
    return lost
  }
}
