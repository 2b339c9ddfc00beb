// A picture with what was found in it: tinted, outlined, and named with the score.

import AtelierDatasets
import AtelierImages
import AtelierWorkbench
import Foundation

extension SegmentationOutcome {
  /// The colour of an object: its class's, or one of its own where there is a single class.
  func color(_ index: Int, _ palette: ClassPalette) -> PixelColor {
    let classes = palette.count - firstObjectLabel
    let entry = objects[index].classIndex + firstObjectLabel
    guard !hasInstances || classes > 1, palette.entries.indices.contains(entry) else {
      return PixelColor.distinct(index)
    }
    let color = palette.entries[entry].color
    return PixelColor(color[0], color[1], color[2])
  }

  /// The picture, which must have the outcome's size, as RGB with objects tinted (0...1) and
  /// outlined, each with its class and score; a semantic outcome tints every pixel.
  public func overlay(
    on picture: ByteImage, palette: ClassPalette, opacity: Double = 0.4
  ) -> ByteImage {
    precondition(picture.size == size, "a picture of another size")
    var image = picture.flattened().rgb
    guard hasInstances else {
      let colors = palette.entries.map { PixelColor($0.color[0], $0.color[1], $0.color[2]) }
      for (place, label) in labels.labels.enumerated()
      where label != LabelMap.ignored && Int(label) < colors.count
        && Int(label) >= firstObjectLabel
      {
        Self.tint(&image, place, colors[Int(label)], opacity)
      }
      return image
    }
    let order = surestLast
    for index in order {
      let color = color(index, palette)
      objects[index].mask.forEachPixel { Self.tint(&image, $0, color, opacity) }
    }
    var canvas = Canvas(image)
    let width = lineWidth
    for index in order {
      for outline in objects[index].mask.outlines {
        let points = outline.corners.map { SIMD2(Double($0.x), Double($0.y)) }
        canvas.line(points + points.prefix(1), width: width, color(index, palette))
      }
    }
    for index in order { caption(index, palette, on: &canvas) }
    return canvas.image
  }

  /// The picture, which must have the outcome's size, as RGB with the objects' boxes, each with its
  /// class and score; those of a semantic outcome are the boxes of regions.
  public func boxed(on picture: ByteImage, palette: ClassPalette) -> ByteImage {
    precondition(picture.size == size, "a picture of another size")
    var canvas = Canvas(picture)
    let half = lineWidth / 2
    for index in surestLast {
      let box = objects[index].box
      // Just inside the box, so that one at the picture's edge shows all its sides.
      let (left, top) = (box.x + half, box.y + half)
      let right = max(left, box.x + box.width - half)
      let bottom = max(top, box.y + box.height - half)
      canvas.line(
        [
          SIMD2(left, top), SIMD2(right, top), SIMD2(right, bottom), SIMD2(left, bottom),
          SIMD2(left, top),
        ], width: lineWidth, color(index, palette))
    }
    for index in surestLast { caption(index, palette, on: &canvas) }
    return canvas.image
  }

  /// The objects' places, the surest last, so that it lies on top.
  private var surestLast: [Int] {
    objects.indices.sorted { (objects[$0].score, -$0) < (objects[$1].score, -$1) }
  }

  /// The thickness of outlines and boxes in pixels: more in large pictures, where objects are large, too.
  package var lineWidth: Double {
    let sides = objects.map { $0.area.squareRoot() }.sorted()
    let median = sides.isEmpty ? .infinity : sides[sides.count / 2]
    return max(1, min(scale, median / 12))
  }

  /// How much larger than in a small picture lines and letters are.
  private var scale: Double { min(max(1, Double(min(size.width, size.height)) / 360), 3) }

  private static func tint(
    _ image: inout ByteImage, _ pixel: Int, _ color: PixelColor, _ opacity: Double
  ) {
    for (channel, value) in [color.red, color.green, color.blue].enumerated() {
      let old = Double(image.samples[3 * pixel + channel])
      image.samples[3 * pixel + channel] = UInt8(old + (Double(value) - old) * opacity + 0.5)
    }
  }

  /// Writes class and score at the top of an object, or the score alone, where the object is as wide.
  private func caption(_ index: Int, _ palette: ClassPalette, on canvas: inout Canvas) {
    let object = objects[index]
    let scale = scale
    let entry = object.classIndex + firstObjectLabel
    let name = palette.entries.indices.contains(entry) ? palette.entries[entry].name.drawable : "?"
    // Of a truth nothing is more or less sure.
    let isTruth = objects.allSatisfy { $0.score == 1 }
    let percent = isTruth ? "" : "\(Int((object.score * 100).rounded()))"
    // A name may stand out a little on both sides, a number alone has to fit.
    let hasNames = palette.count - firstObjectLabel > 1
    var texts: [(text: String, reach: Double)] = isTruth ? [] : [(percent, 1)]
    if hasNames { texts.insert((isTruth ? name : "\(name) \(percent)", 1.8), at: 0) }
    for (text, reach) in texts {
      let extent = Canvas.textSize(text, scale: scale)
      guard extent.width + 2 <= reach * object.box.width || text == percent && size.width < 192
      else { continue }
      let high = extent.height + 3
      let x = min(max(object.box.x, 0), max(0, Double(size.width) - extent.width - 3))
      let above = object.box.y - high
      let y = above >= 0 ? above : max(0, object.box.y)
      let color = color(index, palette)
      canvas.fill(x: Int(x), y: Int(y), width: Int(extent.width) + 3, height: Int(high), color)
      let isBright =
        0.299 * Double(color.red) + 0.587 * Double(color.green) + 0.114 * Double(color.blue) > 140
      canvas.text(
        text, x: x.rounded(.down) + 1, y: y.rounded(.down) + 1, scale: scale,
        isBright ? .ink : .white)
      return
    }
  }
}

extension String {
  /// The text in letters that the stroke font has: umlauts as ae, oe, ue and ss, other accents left out.
  package var drawable: String {
    let written: [Character: String] = [
      "ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "æ": "ae",
      "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ø": "o", "Ø": "O", "å": "a", "Å": "A", "ł": "l", "Ł": "L",
      "đ": "d", "Đ": "D", "ı": "i", "µ": "u", "μ": "u",
    ]
    return precomposedStringWithCanonicalMapping.map { character in
      if let text = written[character] { return text }
      let bare = String(character).decomposedStringWithCanonicalMapping.unicodeScalars
        .filter(\.isASCII)
      return bare.isEmpty ? String(character) : String(String.UnicodeScalarView(bare))
    }.joined()
  }
}
