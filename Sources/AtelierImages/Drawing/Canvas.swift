// Drawing on a colour picture: rectangles, smooth lines, discs, text and other pictures.

/// An opaque colour of three bytes.
public struct PixelColor: Sendable, Hashable {
  /// The red sample.
  public var red: UInt8
  /// The green sample.
  public var green: UInt8
  /// The blue sample.
  public var blue: UInt8

  /// A colour of three samples.
  public init(_ red: UInt8, _ green: UInt8, _ blue: UInt8) {
    self.red = red
    self.green = green
    self.blue = blue
  }

  /// A colour such as 0x1f77b4.
  public init(hex: UInt32) {
    self.init(
      UInt8(truncatingIfNeeded: hex >> 16), UInt8(truncatingIfNeeded: hex >> 8),
      UInt8(truncatingIfNeeded: hex))
  }

  /// White.
  public static let white = PixelColor(255, 255, 255)
  /// The house's near-black for text.
  public static let ink = PixelColor(hex: 0x24292f)
  /// Gray for what is secondary.
  public static let pencil = PixelColor(hex: 0x6b7280)
  /// Light gray for grid lines.
  public static let rule = PixelColor(hex: 0xe3e6ea)
  /// Eight colours that stay apart, also for the colour-blind in their first six.
  public static let series: [PixelColor] = [
    0x2468b4, 0xe0701a, 0x1b9e77, 0xc8324b, 0x7c52b0, 0x3aa8c9, 0x8a5a2b, 0xd667a8,
  ].map { PixelColor(hex: $0) }
}

/// Where text stands to its given place.
public enum TextAnchor: Sendable {
  /// The place is the left end.
  case left
  /// The place is the middle.
  case center
  /// The place is the right end.
  case right
}

/// A colour picture under the pen; coordinates are pixels, pixel centres at halves.
public struct Canvas: Sendable {
  /// The picture so far, three channels.
  public private(set) var image: ByteImage

  /// A canvas of one colour.
  /// - Precondition: the size is positive.
  public init(width: Int, height: Int, background: PixelColor = .white) {
    image = ByteImage(width: width, height: height, channels: 3)
    fill(x: 0, y: 0, width: width, height: height, background)
  }

  /// A canvas that begins with a picture, its alpha laid over white.
  public init(_ picture: ByteImage) { image = picture.flattened().rgb }

  /// Fills a rectangle, as far as it lies on the canvas.
  public mutating func fill(x: Int, y: Int, width: Int, height: Int, _ color: PixelColor) {
    let columns = max(0, x)..<max(max(0, x), min(image.width, x + width))
    let rows = max(0, y)..<max(max(0, y), min(image.height, y + height))
    let imageWidth = image.width
    image.samples.withUnsafeMutableBufferPointer { samples in
      for row in rows {
        for column in columns {
          let place = (row * imageWidth + column) * 3
          samples[place] = color.red
          samples[place + 1] = color.green
          samples[place + 2] = color.blue
        }
      }
    }
  }

  /// Draws the outline of a rectangle, one pixel wide, inside it.
  public mutating func frame(x: Int, y: Int, width: Int, height: Int, _ color: PixelColor) {
    fill(x: x, y: y, width: width, height: 1, color)
    fill(x: x, y: y + height - 1, width: width, height: 1, color)
    fill(x: x, y: y, width: 1, height: height, color)
    fill(x: x + width - 1, y: y, width: 1, height: height, color)
  }

  /// Lays a picture on the canvas, gray ones as gray, alpha over white; what sticks out is cut off.
  public mutating func paste(_ picture: ByteImage, x: Int, y: Int) {
    image.paste(picture.flattened().rgb, x: x, y: y)
  }

  /// Draws smooth lines `width` pixels thick through points, joints round; one point is a dot.
  public mutating func line(
    _ points: [SIMD2<Double>], width: Double, _ color: PixelColor, opacity: Double = 1
  ) {
    guard let first = points.first else { return }
    var mask = CoverageMask(
      points: points, margin: width / 2 + 1, width: image.width, height: image.height)
    if points.count == 1 { mask.stroke(first, first, radius: width / 2) }
    for (start, end) in zip(points, points.dropFirst()) {
      mask.stroke(start, end, radius: width / 2)
    }
    blend(mask, color, opacity)
  }

  /// Draws a filled disc.
  public mutating func disc(_ center: SIMD2<Double>, radius: Double, _ color: PixelColor) {
    line([center], width: 2 * radius, color)
  }

  /// The size of a line of text at a scale.
  public static func textSize(_ text: String, scale: Double) -> (width: Double, height: Double) {
    (StrokeFont.width(text) * scale, StrokeFont.capitalHeight * scale)
  }

  /// Writes one line of ASCII text with its anchor at x and the top of its capitals at y; of other
  /// characters σ and dashes are known.
  ///
  /// `scale` is pixels in a unit of the font, of which a capital has seven, 1.5 and more is smooth;
  /// `weight` is the thickness of strokes in units.
  public mutating func text(
    _ text: String, x: Double, y: Double, scale: Double = 2, _ color: PixelColor = .ink,
    anchor: TextAnchor = .left, weight: Double = 0.85
  ) {
    let width = StrokeFont.width(text) * scale
    var pen = x
    if anchor == .center { pen -= width / 2 }
    if anchor == .right { pen -= width }
    for character in text {
      let glyph = StrokeFont.glyph(character)
      let origin = SIMD2(pen + scale / 2, y + scale / 2)
      let corners = [origin, origin + SIMD2(glyph.advance, StrokeFont.lineHeight) * scale]
      var mask = CoverageMask(
        points: corners, margin: scale, width: image.width, height: image.height)
      for stroke in glyph.strokes {
        mask.stroke(
          origin + stroke.start * scale, origin + stroke.end * scale, radius: weight * scale / 2)
      }
      blend(mask, color, 1)
      pen += glyph.advance * scale
    }
  }

  /// Writes a line of text upwards, its middle at (x, y), x at the left of its capitals.
  public mutating func textUpwards(
    _ text: String, x: Int, y: Int, scale: Double, _ color: PixelColor, background: PixelColor
  ) {
    let size = Canvas.textSize(text, scale: scale)
    let width = Int(size.width.rounded(.up)) + 2
    let height = Int((StrokeFont.lineHeight * scale).rounded(.up)) + 2
    var line = Canvas(width: width, height: height, background: background)
    line.text(text, x: 1, y: 1, scale: scale, color)
    paste(line.image.oriented(.quarterTurnBack), x: x, y: y - width / 2)
  }

  private mutating func blend(_ mask: CoverageMask, _ color: PixelColor, _ opacity: Double) {
    let channels = [Float(color.red), Float(color.green), Float(color.blue)]
    let imageWidth = image.width
    image.samples.withUnsafeMutableBufferPointer { samples in
      for row in 0..<mask.height {
        for column in 0..<mask.width {
          let coverage = mask.values[row * mask.width + column] * Float(opacity)
          if coverage <= 0 { continue }
          let place = ((mask.y + row) * imageWidth + mask.x + column) * 3
          for channel in 0..<3 {
            let old = Float(samples[place + channel])
            samples[place + channel] = UInt8(old + (channels[channel] - old) * coverage + 0.5)
          }
        }
      }
    }
  }
}

/// How much of each pixel of a rectangle a set of strokes covers, 0 to 1.
///
/// Strokes are joined before they are blended, so that joints are not painted twice.
private struct CoverageMask {
  let x: Int
  let y: Int
  let width: Int
  let height: Int
  var values: [Float]

  /// An empty mask around points, within a canvas of the given size.
  init(points: [SIMD2<Double>], margin: Double, width canvasWidth: Int, height canvasHeight: Int) {
    let bound = 1e6
    func limit(_ value: Double) -> Int { Int(max(-bound, min(bound, value)).rounded(.down)) }
    let lowX = limit((points.map(\.x).min() ?? 0) - margin)
    let lowY = limit((points.map(\.y).min() ?? 0) - margin)
    let highX = limit((points.map(\.x).max() ?? 0) + margin) + 1
    let highY = limit((points.map(\.y).max() ?? 0) + margin) + 1
    x = max(0, lowX)
    y = max(0, lowY)
    width = max(0, min(canvasWidth, highX) - x)
    height = max(0, min(canvasHeight, highY) - y)
    values = [Float](repeating: 0, count: width * height)
  }

  /// Adds a stroke with round ends.
  mutating func stroke(_ start: SIMD2<Double>, _ end: SIMD2<Double>, radius: Double) {
    let reach = radius + 1
    let columns = range(start.x, end.x, reach, origin: x, count: width)
    let rows = range(start.y, end.y, reach, origin: y, count: height)
    let along = end - start
    let square = along.x * along.x + along.y * along.y
    for row in rows {
      for column in columns {
        let point = SIMD2(Double(x + column) + 0.5, Double(y + row) + 0.5) - start
        var part = 0.0
        if square > 0 { part = max(0, min(1, (point.x * along.x + point.y * along.y) / square)) }
        let offset = point - along * part
        let distance = (offset.x * offset.x + offset.y * offset.y).squareRoot()
        let coverage = Float(max(0, min(1, radius - distance + 0.5)))
        let place = row * width + column
        values[place] = max(values[place], coverage)
      }
    }
  }

  private func range(
    _ first: Double, _ second: Double, _ reach: Double, origin: Int, count: Int
  ) -> Range<Int> {
    let low = max(Double(origin), min(first, second) - reach) - Double(origin)
    let high = min(Double(origin + count), max(first, second) + reach) - Double(origin)
    guard low < high else { return 0..<0 }
    return Int(low)..<min(count, Int(high.rounded(.up)))
  }
}
