// What was found as text: a table of objects, and outlines as a vector picture.

import AtelierDatasets
import AtelierImages
import AtelierWorkbench
import Foundation

extension SegmentationOutcome {
  /// The header of `csvLines`.
  public static let csvHeader =
    "picture,object,class,score,x,y,width,height,area,center_x,center_y,parts,holes,"
    + "perimeter,major_axis,minor_axis,mean_red,mean_green,mean_blue,"
    + "unit,unit_area,unit_perimeter,unit_major_axis,unit_minor_axis"

  /// One line an object, numbered from 1, without its end: where it is in the picture of this name,
  /// in pixels, how large, of how many parts, how long around and along its axes, and, of a picture of
  /// the outcome's size, how bright in each colour, in the picture's own values (of gray one value
  /// three times), and its sizes in the unit of the picture's file, where that is known (RFC 4180).
  ///
  /// Where pixels are oblong, lengths in the unit are those of square pixels of the same area.
  public func csvLines(
    _ name: String, palette: ClassPalette, picture: StoredImage? = nil, scale: PixelScale? = nil
  ) -> [String] {
    objects.enumerated().map { index, object in
      let measures = RegionMeasures(object.mask, in: picture)
      var means = picture == nil ? ["", "", ""] : measures.means.map { Self.number($0, 2) }
      if means.count == 1 { means = [means[0], means[0], means[0]] }
      let outlines = object.mask.outlines
      let holes = outlines.reduce(0) { $0 + ($1.isHole ? 1 : 0) }
      let center = Self.center(object.mask)
      let fields: [String] =
        [Self.field(name), "\(index + 1)", Self.field(className(object, palette))]
        + [Self.number(object.score, 6)]
        + [object.box.x, object.box.y, object.box.width, object.box.height].map {
          Self.number($0, 2)
        }
        + ["\(object.mask.area)", Self.number(center.x, 2), Self.number(center.y, 2)]
        + ["\(outlines.count - holes)", "\(holes)"]
        + [measures.perimeter, measures.majorAxis, measures.minorAxis].map { Self.number($0, 2) }
        + means + Self.inUnits(object, measures, scale)
      return fields.joined(separator: ",")
    }
  }

  /// The unit, area and lengths in it; empty without a scale.
  private static func inUnits(
    _ object: EncodedObject, _ measures: RegionMeasures, _ scale: PixelScale?
  ) -> [String] {
    guard let scale else { return ["", "", "", "", ""] }
    let area = scale.width * scale.height
    let lengths = [measures.perimeter, measures.majorAxis, measures.minorAxis]
    return [field(scale.unit), number(Double(object.mask.area) * area, 6)]
      + lengths.map { number($0 * area.squareRoot(), 6) }
  }

  /// The outlines of the objects with their holes as an SVG picture of the size in pixels, one path
  /// an object with `data-class` and `data-score`; they follow the edges of pixels, so the filled
  /// paths are the masks.
  public func svg(palette: ClassPalette) -> String {
    var lines = [
      #"<?xml version="1.0" encoding="UTF-8"?>"#,
      #"<svg xmlns="http://www.w3.org/2000/svg" width="\#(size.width)" height="\#(size.height)" "#
        + #"viewBox="0 0 \#(size.width) \#(size.height)">"#,
    ]
    for (index, object) in objects.enumerated() {
      let color = color(index, palette)
      let code = [color.red, color.green, color.blue].map {
        ($0 < 16 ? "0" : "") + String($0, radix: 16)
      }.joined()
      let path = object.mask.outlines.map { outline in
        "M" + outline.corners.map { "\($0.x) \($0.y)" }.joined(separator: "L") + "Z"
      }.joined()
      let name = Self.escaped(className(object, palette))
      let score = Self.number(object.score, 6)
      lines.append(
        #"  <path id="object-\#(index + 1)" data-class="\#(name)" data-score="\#(score)" "#
          + ##"fill="#\##(code)" fill-opacity="0.4" fill-rule="evenodd" stroke="#\##(code)" "##
          + #"d="\#(path)"><title>\#(name) \#(score)</title></path>"#)
    }
    lines.append("</svg>")
    return lines.joined(separator: "\n") + "\n"
  }

  /// The name of an object's class.
  func className(_ object: EncodedObject, _ palette: ClassPalette) -> String {
    let entry = object.classIndex + firstObjectLabel
    return palette.entries.indices.contains(entry)
      ? palette.entries[entry].name : "class \(object.classIndex)"
  }

  /// The middle of a mask's pixels; the picture's corner for none.
  private static func center(_ mask: RunLengthMask) -> SIMD2<Double> {
    var sum = SIMD2(0, 0)
    var count = 0
    mask.forEachPixel { place in
      sum = sum &+ SIMD2(place % mask.width, place / mask.width)
      count += 1
    }
    guard count > 0 else { return .zero }
    return SIMD2(Double(sum.x), Double(sum.y)) / Double(count) + 0.5
  }

  /// A number with at most so many decimals, without trailing zeros.
  private static func number(_ value: Double, _ decimals: Int) -> String {
    let scale = pow(10, Double(decimals))
    let rounded = (value * scale).rounded() / scale
    return rounded == rounded.rounded() && abs(rounded) < 1e15 ? "\(Int(rounded))" : "\(rounded)"
  }

  private static func field(_ text: String) -> String {
    guard text.contains(where: { $0 == "," || $0 == "\"" || $0.isNewline }) else { return text }
    return "\"" + text.replacingOccurrences(of: "\"", with: "\"\"") + "\""
  }

  /// Text as XML may hold it; characters that XML cannot hold become question marks.
  private static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      default:
        let isForbidden = scalar.value < 0x20 || scalar.value == 0xFFFE || scalar.value == 0xFFFF
        result.unicodeScalars.append(isForbidden ? "?" : scalar)
      }
    }
    return result
  }
}
