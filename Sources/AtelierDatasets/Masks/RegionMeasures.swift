// Measures of one object: its perimeter, its axes, and how bright it is.

import AtelierImages

/// Shape and brightness of an object, as scikit-image's `regionprops` gives them.
public struct RegionMeasures: Sendable, Hashable {
  /// The length of the boundary in pixels: its pixels by how they go on, 1 straight, √2 across corners
  /// (Benkrid and Crookes 2000).
  public var perimeter = 0.0
  /// The longer axis of the ellipse with the same second moments, in pixels.
  public var majorAxis = 0.0
  /// The shorter axis of it.
  public var minorAxis = 0.0
  /// The mean of each colour in the picture's own values: one of gray, three of RGB.
  public var means: [Double] = []

  /// Measures an object; all zero where it has no pixel.
  ///
  /// - Parameters:
  ///   - mask: Its pixels.
  ///   - picture: The picture that it is in, of the mask's size; nil measures no brightness.
  public init(_ mask: RunLengthMask, in picture: ByteImage? = nil) {
    self.init(mask, in: picture.map { StoredImage.bytes($0) })
  }

  /// The same in a picture as its file stores it.
  public init(_ mask: RunLengthMask, in picture: StoredImage?) {
    switch picture {
    case .bytes(let image): self.init(mask, samplesOf: image) { Double($0) }
    case .words(let image): self.init(mask, samplesOf: image) { Double($0) }
    case .floats(let image): self.init(mask, samplesOf: image) { Double($0) }
    case nil: self.init(mask, samplesOf: nil as ByteImage?) { Double($0) }
    }
  }

  private init<Sample>(
    _ mask: RunLengthMask, samplesOf picture: Image<Sample>?, value: (Sample) -> Double
  ) {
    precondition(picture.map { $0.size == mask.size } ?? true, "a picture of another size")
    guard let bounds = mask.bounds else { return }
    let (left, top) = (Int(bounds.x), Int(bounds.y))
    let (width, height) = (Int(bounds.width), Int(bounds.height))
    // Two pixels around the bounds, so that neighbours of neighbours need no question.
    let row = width + 4
    var inside = [Bool](repeating: false, count: row * (height + 4))
    let colors = picture.map { $0.hasAlpha ? $0.channels - 1 : $0.channels } ?? 0
    var sums = [Double](repeating: 0, count: colors)
    var (count, x, y) = (0.0, 0.0, 0.0)
    mask.forEachPixel { place in
      let (column, line) = (place % mask.width - left, place / mask.width - top)
      inside[(line + 2) * row + column + 2] = true
      count += 1
      x += Double(column)
      y += Double(line)
      guard let picture else { return }
      for channel in 0..<colors {
        sums[channel] += value(picture.samples[place * picture.channels + channel])
      }
    }
    means = sums.map { $0 / count }
    let border = inside.indices.map { place in
      inside[place]
        && !(inside[place - 1] && inside[place + 1] && inside[place - row] && inside[place + row])
    }
    var (across, down, mixed) = (0.0, 0.0, 0.0)
    for line in 2..<height + 2 {
      for column in 2..<width + 2 where inside[line * row + column] {
        let (u, v) = (Double(column - 2) - x / count, Double(line - 2) - y / count)
        across += u * u
        down += v * v
        mixed += u * v
        let place = line * row + column
        if border[place] { perimeter += Self.length(border, place, row) }
      }
    }
    (across, down, mixed) = (across / count, down / count, mixed / count)
    let middle = (across + down) / 2
    let spread = (((across - down) / 2) * ((across - down) / 2) + mixed * mixed).squareRoot()
    majorAxis = 4 * max(middle + spread, 0).squareRoot()
    minorAxis = 4 * max(middle - spread, 0).squareRoot()
  }

  /// What one pixel of the boundary adds, by its neighbours there: straight ones count 2, those
  /// across a corner 10, itself 1.
  private static func length(_ border: [Bool], _ place: Int, _ row: Int) -> Double {
    var code = 1
    for step in [-1, 1, -row, row] where border[place + step] { code += 2 }
    for step in [-row - 1, -row + 1, row - 1, row + 1] where border[place + step] { code += 10 }
    switch code {
    case 5, 7, 15, 17, 25, 27: return 1
    case 21, 33: return 2.0.squareRoot()
    case 13, 23: return (1 + 2.0.squareRoot()) / 2
    default: return 0
    }
  }
}
