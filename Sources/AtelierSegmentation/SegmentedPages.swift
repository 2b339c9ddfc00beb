// A picture file on its way through a segmentation: page by page, at its precision, with the size of
// its pixels.

import AtelierImages
import AtelierMedia
import AtelierWorkbench
import Foundation

/// The size of a picture's pixels in the unit that its file names.
public struct PixelScale: Sendable, Hashable {
  /// A pixel's width and height in the unit.
  public var width: Double
  public var height: Double
  /// The unit's name, such as µm or mm.
  public var unit: String

  /// What a file says: the sizes in OME's XML, the unit that ImageJ names in a TIFF's description, or millimetres where the
  /// file counts pixels along a metre, a centimetre or an inch; nil where it says nothing.
  package init?(_ metadata: ImageMetadata) {
    if let scale = Self.ome(metadata) {
      self = scale
      return
    }
    guard let resolution = metadata.resolution, resolution.x > 0, resolution.y > 0,
      resolution.x.isFinite, resolution.y.isFinite
    else { return nil }
    if let named = Self.named(metadata) {
      (width, height, unit) = (1 / resolution.x, 1 / resolution.y, named)
      return
    }
    guard resolution.unit != .none else { return nil }
    let millimeters = 1000 * resolution.unit.rawValue
    (width, height, unit) = (millimeters / resolution.x, millimeters / resolution.y, "mm")
  }

  private init(width: Double, height: Double, unit: String) {
    (self.width, self.height, self.unit) = (width, height, unit)
  }

  /// The sizes in the description of an OME-TIFF: `PhysicalSizeX="0.3" PhysicalSizeXUnit="µm"`, where
  /// micrometres go without saying.
  private static func ome(_ metadata: ImageMetadata) -> PixelScale? {
    guard let data = metadata.tags[270]?.data else { return nil }
    let text = String(decoding: data, as: UTF8.self)
    guard text.contains("<OME"), let pixels = text.range(of: "<Pixels") else { return nil }
    let element = text[pixels.upperBound...].prefix { $0 != ">" }
    func attribute(_ name: String) -> String? {
      guard let start = element.range(of: " \(name)=") else { return nil }
      let rest = element[start.upperBound...]
      guard let quote = rest.first, quote == "\"" || quote == "'" else { return nil }
      return String(rest.dropFirst().prefix { $0 != quote })
    }
    guard let width = attribute("PhysicalSizeX").flatMap(Double.init), width > 0, width.isFinite,
      let height = Double(attribute("PhysicalSizeY") ?? "\(width)"), height > 0, height.isFinite
    else { return nil }
    let unit = attribute("PhysicalSizeXUnit") ?? "µm"
    // One length has to stand for both.
    guard attribute("PhysicalSizeYUnit") ?? "µm" == unit else { return nil }
    let isMicron = ["&#181;m", "&#xB5;m", "μm", "um"].contains(unit)
    return PixelScale(width: width, height: height, unit: isMicron ? "µm" : String(unit.prefix(16)))
  }

  /// The unit in the description that ImageJ writes: `unit=micron` on a line of its own.
  private static func named(_ metadata: ImageMetadata) -> String? {
    guard let data = metadata.tags[270]?.data else { return nil }
    let text = String(decoding: data, as: UTF8.self)
    guard text.hasPrefix("ImageJ="),
      let line = text.split(whereSeparator: \.isNewline).first(where: { $0.hasPrefix("unit=") })
    else { return nil }
    let word = line.dropFirst(5).trimmingCharacters(in: .controlCharacters)
    switch word {
    case "micron", "microns", "um", "\\u00B5m", "µm", "μm": return "µm"
    case "", "pixel", "pixels": return nil
    default: return String(word.prefix(16))
    }
  }
}

/// One page of a picture file.
struct SegmentedPage {
  /// The page as its file stores it, alpha laid over white.
  let stored: StoredImage
  /// The size of its pixels; nil where the file does not say.
  let scale: PixelScale?
  /// What follows the file's name in those of its results: nothing for a file of one page.
  let suffix: String

  /// The page in 8 bits; of more bits, or of floating-point values, the darkest and brightest half
  /// percent are laid on black and white where that is how a model sees pictures.
  func picture(isStretched: Bool) -> ByteImage {
    if case .bytes(let image) = stored { return image }
    return isStretched ? stored.words.stretchedBytes : stored.bytes
  }

  /// What the name of a copy for annotation tools ends with.
  static let copyEnding = "-picture.png"

  /// Whether annotation tools open the file and show what a model is shown: one page of 8 bits.
  var isOpenedByTools: Bool {
    if case .bytes = stored { suffix.isEmpty } else { false }
  }

  /// What ends a visit early.
  private struct Found: Error {}

  /// The page of a place, from 0, in the order of `visit`; nil where there is none.
  static func read(_ path: String, _ wanted: Int, in place: JobPlace) throws -> SegmentedPage? {
    var found: SegmentedPage?
    var number = 0
    do {
      try visit(path, in: place) { page in
        guard number == wanted else {
          number += 1
          return
        }
        found = page
        throw Found()
      }
    } catch is Found {}
    return found
  }

  /// Visits the pages of a file; further samples of a gray page, a microscope's channels, are pages
  /// of their own.
  ///
  /// Throws `ImageError` when the file cannot be read, and what the visit throws.
  static func visit(
    _ path: String, in place: JobPlace, _ body: (SegmentedPage) throws -> Void
  ) throws {
    let source = try ForeignPicture(path)
    if let remark = source.remark { place.remark(remark) }
    let reader = try PictureReader(source.path, isUpright: source.isUpright)
    let digits = max(3, String(reader.pageCount).count)
    var number = 0
    while let page = try reader.nextPage() {
      number += 1
      let scale = PixelScale(page.metadata)
      let isStack = reader.pageCount > 1
      let text = String(number)
      let name = isStack ? "-p" + String(repeating: "0", count: digits - text.count) + text : ""
      let isGray = page.image.channels == 1 && !page.planes.isEmpty
      try body(
        SegmentedPage(stored: page.image, scale: scale, suffix: name + (isGray ? "-c1" : "")))
      for (index, plane) in page.planes.enumerated() where isGray {
        try body(SegmentedPage(stored: plane, scale: scale, suffix: name + "-c\(index + 2)"))
      }
    }
    for remark in reader.remarks { place.remark("\(path): \(remark)") }
  }
}

extension URL {
  /// The path that leads here from a folder, links resolved, with `/` between names.
  func path(from folder: URL) -> String {
    func parts(_ url: URL) -> [String] {
      url.standardizedFileURL.resolvingSymlinksInPath().pathComponents
    }
    // The file itself may be a link with a name of its own.
    let here = parts(deletingLastPathComponent()) + [lastPathComponent]
    let there = parts(folder)
    let common = zip(here, there).prefix { $0 == $1 }.count
    return ([String](repeating: "..", count: there.count - common) + here[common...])
      .joined(separator: "/")
  }
}

extension WordImage {
  /// 8 bits a sample, the darkest and brightest half percent of the samples at black and white.
  var stretchedBytes: ByteImage {
    let visible = flattened()
    var counts = [Int](repeating: 0, count: 1 << 16)
    for sample in visible.samples { counts[Int(sample)] += 1 }
    let (low, high) = Self.ends(counts)
    guard high > low else { return visible.bytes }
    let table = counts.indices.map { value in
      UInt8(min(max((value - low) * 255 / (high - low), 0), 255))
    }
    return ByteImage(
      width: width, height: height, channels: visible.channels,
      samples: visible.samples.map { table[Int($0)] })
  }
}
