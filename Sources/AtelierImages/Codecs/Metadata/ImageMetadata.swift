// What a picture file says besides its pixels, and what becomes of it when a result is written.

import Foundation

/// What goes with a picture: Exif, XMP, colour profile, resolution, texts and tags.
///
/// It is read from one file and given to the writing of another; what that file's format can hold is
/// carried over.
public struct ImageMetadata: Sendable, Equatable {
  /// The Exif block, a TIFF structure.
  public var exif: Data?
  /// The XMP packet.
  public var xmp: Data?
  /// The ICC colour profile.
  public var profile: Data?
  /// Pixels a length.
  public var resolution: Resolution?
  /// The texts of a PNG and comments of a JPEG by their keys.
  public var texts: [String: String] = [:]
  /// How the stored picture is turned to stand upright.
  public var orientation = Orientation.upright
  /// The image resources of Photoshop, IPTC among them.
  var photoshop: Data?
  /// What does not fit one packet of XMP: the APP1 segments of a JPEG as they are.
  var extendedXMP: [Data] = []
  /// Colour and text chunks of a PNG as they are.
  package var chunks: [Chunk] = []
  /// The tags of a TIFF page that do not say how its samples are stored.
  package var tags = TagDirectory()
  /// What was found and is not kept, in words.
  var dropped: [String] = []

  /// A chunk of a PNG.
  package struct Chunk: Sendable, Equatable {
    package var name: String
    package var data: Data

    /// A chunk of a name of four letters.
    package init(name: String, data: Data) {
      self.name = name
      self.data = data
    }

    /// Whether it is a text.
    var isText: Bool { ["tEXt", "zTXt", "iTXt"].contains(name) }
  }

  /// Pixels a length in both directions.
  public struct Resolution: Sendable, Equatable {
    /// What the numbers are counted along.
    public enum Unit: Double, Sendable {
      /// Nothing: only the shape of a pixel is known.
      case none = 0
      /// A metre.
      case meter = 1
      /// A centimetre.
      case centimeter = 0.01
      /// An inch.
      case inch = 0.0254
    }

    /// Pixels across.
    public var x: Double
    /// Pixels down.
    public var y: Double
    /// The length.
    public var unit: Unit

    /// A resolution.
    public init(x: Double, y: Double, unit: Unit) {
      self.x = x
      self.y = y
      self.unit = unit
    }

    /// The same along another length; none stays none.
    package func counted(along other: Unit) -> Resolution {
      if unit == .none || unit == other { return self }
      let scale = other.rawValue / unit.rawValue
      return Resolution(x: x * scale, y: y * scale, unit: other)
    }
  }

  /// Nothing.
  public init() {}

  /// Whether nothing is carried.
  public var isEmpty: Bool {
    exif == nil && xmp == nil && profile == nil && resolution == nil && texts.isEmpty
      && photoshop == nil && extendedXMP.isEmpty && chunks.isEmpty && tags.entries.isEmpty
  }

  /// The same for a picture that was turned upright and has `size`: orientation 1, sizes right, no
  /// thumbnails.
  public func upright(_ size: PixelSize) -> ImageMetadata {
    var result = self
    result.exif = exif.map { ExifBlock($0).mended(size: size) }
    result.photoshop = photoshop.map(PhotoshopResources.withoutThumbnails)
    result.xmp = xmp.map { XMPPacket.mended($0, isTurned: orientation != .upright, size: size) }
    if orientation.swapsSides {
      result.resolution = resolution.map { Resolution(x: $0.y, y: $0.x, unit: $0.unit) }
      let (x, y) = (tags[282], tags[283])
      result.tags[282] = y.map { TagDirectory.Entry(tag: 282, kind: $0.kind, data: $0.data) }
      result.tags[283] = x.map { TagDirectory.Entry(tag: 283, kind: $0.kind, data: $0.data) }
    }
    if let entry = tags[700], let xmp = result.xmp {
      result.tags[700] = .init(tag: 700, kind: entry.kind, data: [UInt8](xmp))
    }
    if tags[34377] != nil {
      result.tags[34377] = result.photoshop.map { .undefined(34377, $0) }
    }
    for (tag, value) in [(UInt16(0xa002), size.width), (0xa003, size.height)]
    where tags[0x8769]?.directory?[tag] != nil {
      result.tags[0x8769]?.directory?[tag] = .long(tag, value)
    }
    result.orientation = .upright
    return result
  }

  /// What a format cannot hold of this, in words.
  func lost(in format: ImageFormat) -> [String] {
    var lost = dropped
    let colors = Set(chunks.filter { !$0.isText }.map(\.name))
    func names(_ pairs: [(Set<String>, String)]) -> [String] {
      pairs.filter { !$0.0.isDisjoint(with: colors) }.map(\.1)
    }
    if format != .png {
      // What says sRGB says what is taken for granted without it.
      if !colors.contains("sRGB") {
        lost += names([(["gAMA"], "gamma"), (["cHRM"], "primaries")])
      }
      lost += names([
        (["cICP", "mDCV", "mDCv", "cLLI", "cLLi"], "HDR chunks"),
        (["oFFs", "pCAL", "sCAL", "bKGD"], "further chunks"),
      ])
    }
    if format != .jpeg, !extendedXMP.isEmpty { lost.append("extended XMP") }
    if format == .webp {
      if !texts.isEmpty { lost.append("texts") }
      if photoshop != nil { lost.append("Photoshop's resources (IPTC)") }
    }
    if format == .png, photoshop != nil { lost.append("Photoshop's resources (IPTC)") }
    if format == .portableAnymap { lost = isEmpty ? [] : ["all metadata"] }
    if format != .tiff {
      let known = TIFFMetadata.shared
      let own = tags.entries.filter { !known.contains($0.tag) }
      if !own.isEmpty {
        lost.append("TIFF tags \(own.map { "\($0.tag)" }.joined(separator: ", "))")
      }
    }
    return lost
  }
}

/// The resources of Photoshop that stand in JPEG and TIFF files.
package enum PhotoshopResources {
  /// The resources but for the previews (1033, 1036), which show another picture now.
  package static func withoutThumbnails(_ data: Data) -> Data {
    var result = Data()
    let bytes = [UInt8](data)
    var place = 0
    while place + 12 <= bytes.count {
      guard bytes[place..<place + 4].elementsEqual("8BIM".utf8) else { break }
      let identifier = Int(bytes[place + 4]) << 8 | Int(bytes[place + 5])
      let name = (Int(bytes[place + 6]) + 2) / 2 * 2
      let field = place + 6 + name
      guard field + 4 <= bytes.count else { break }
      let length = bytes[field..<field + 4].reduce(0) { $0 << 8 | Int($1) }
      let end = field + 4 + length + length % 2
      guard end <= bytes.count else { break }
      if identifier != 1033, identifier != 1036 { result += bytes[place..<end] }
      place = end
    }
    // What is not understood stays.
    return result + Data(bytes[place...])
  }
}

/// The places of an XMP packet that speak of the stored picture.
enum XMPPacket {
  /// The packet with the orientation 1 and the size right where the picture was turned, and without
  /// thumbnails; bytes that are no UTF-8 stay as they are.
  static func mended(_ data: Data, isTurned: Bool, size: PixelSize) -> Data {
    guard var text = String(data: data, encoding: .utf8) else { return data }
    let former = text
    while let start = text.range(of: "<xmp:Thumbnails>"),
      let end = text.range(of: "</xmp:Thumbnails>", range: start.upperBound..<text.endIndex)
    {
      text.removeSubrange(start.lowerBound..<end.upperBound)
    }
    if isTurned {
      set("tiff:Orientation", 1, &text)
      for name in ["tiff:ImageWidth", "exif:PixelXDimension"] { set(name, size.width, &text) }
      for name in ["tiff:ImageLength", "exif:PixelYDimension"] { set(name, size.height, &text) }
    }
    return text == former ? data : Data(text.utf8)
  }

  /// Sets a property that stands as an attribute or as an element.
  private static func set(_ name: String, _ value: Int, _ text: inout String) {
    for (before, after) in [("\(name)=\"", "\""), ("\(name)='", "'"), ("<\(name)>", "</\(name)>")] {
      guard let start = text.range(of: before),
        let end = text.range(of: after, range: start.upperBound..<text.endIndex)
      else { continue }
      text.replaceSubrange(start.upperBound..<end.lowerBound, with: "\(value)")
    }
  }
}
