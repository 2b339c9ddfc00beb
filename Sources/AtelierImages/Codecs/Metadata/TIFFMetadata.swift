// What goes with a picture in a TIFF: tags read and written, and their like in other formats.

import Foundation

/// The tags of a TIFF page that go with its picture.
enum TIFFMetadata {
  /// Exif, GPS, XMP, profile and resolution.
  private static let (exif, gps, xmp, photoshop, profile) = (
    UInt16(0x8769), UInt16(0x8825), UInt16(700), UInt16(34377), UInt16(34675)
  )
  /// Tags of the first directory that Exif blocks have too: description, camera, program, time,
  /// artist, copyright, resolution.
  private static let described: [UInt16] = [270, 271, 272, 282, 283, 296, 305, 306, 315, 33432]
  /// Tags with a place in other formats.
  static let shared = Set(
    described + [exif, gps, xmp, photoshop, profile, 269, 285, 286, 287, 297])

  /// What a page's tags say.
  static func metadata(_ tags: TagDirectory, orientation: Orientation) -> ImageMetadata {
    var metadata = ImageMetadata()
    metadata.tags = tags
    metadata.orientation = orientation
    metadata.xmp = tags[xmp].map { Data($0.data) }
    metadata.profile = tags[profile].map { Data($0.data) }
    metadata.photoshop = tags[photoshop].map { Data($0.data) }
    if let x = tags[282]?.fraction, let y = tags[283]?.fraction, x > 0, y > 0 {
      let unit = tags[296]?.number ?? 2
      metadata.resolution = .init(
        x: x, y: y, unit: unit == 2 ? .inch : unit == 3 ? .centimeter : .none)
    }
    let block = TagDirectory(
      entries: tags.entries.filter { described.contains($0.tag) || $0.tag == exif || $0.tag == gps }
    )
    let isDescribed = block.entries.contains { ![282, 283, 296].contains($0.tag) }
    if isDescribed { metadata.exif = TagWriter().block(block) }
    return metadata
  }

  /// The tags to write for metadata of any format.
  static func tags(_ metadata: ImageMetadata) -> TagDirectory {
    var tags = metadata.tags
    if tags.entries.isEmpty {
      let block = metadata.exif.flatMap { ExifBlock($0).directory } ?? TagDirectory()
      tags.entries = block.entries.filter {
        !TIFFPage.structure.contains($0.tag) && $0.tag != 0x0112
      }
      tags[profile] = metadata.profile.map { .undefined(profile, $0) }
      tags[photoshop] = metadata.photoshop.map { .undefined(photoshop, $0) }
      tags[xmp] = metadata.xmp.map { .init(tag: xmp, kind: 1, data: [UInt8]($0)) }
      if let given = metadata.resolution {
        let resolution = given.unit == .meter ? given.counted(along: .centimeter) : given
        tags[282] = .rational(282, resolution.x)
        tags[283] = .rational(283, resolution.y)
        tags[296] = .short(296, resolution.unit == .none ? 1 : resolution.unit == .inch ? 2 : 3)
      }
      if tags[270] == nil, let text = description(metadata.texts) { tags[270] = .text(270, text) }
      if tags[305] == nil, let text = metadata.texts["Software"] { tags[305] = .text(305, text) }
    }
    return tags
  }

  /// The Exif block; one of the resolution alone where there is no other place for it.
  static func exif(_ metadata: ImageMetadata) -> Data? {
    if let exif = metadata.exif { return exif }
    guard metadata.resolution != nil else { return nil }
    var bare = ImageMetadata()
    bare.resolution = metadata.resolution
    return TagWriter().block(tags(bare))
  }

  /// The texts of a PNG or JPEG as a description.
  private static func description(_ texts: [String: String]) -> String? {
    let lines = texts.filter { $0.key != "Software" }.sorted { $0.key < $1.key }
    guard !lines.isEmpty else { return nil }
    if lines.count == 1, let only = lines.first { return only.value }
    return lines.map { "\($0.key): \($0.value)" }.joined(separator: "\n")
  }
}
