// Polygons as labelme fills them: corners stand for pixels, and edges belong to the inside.

import AtelierImages

extension RunLengthMask {
  /// The pixels of a polygon of x and y of each corner, the last of which joins the first: corners
  /// are cut down to the pixels that they lie in, and rows are filled up to and with the pixels
  /// nearest to the edges, as Pillow's `ImageDraw.polygon`, which labelme uses, has it.
  ///
  /// - Throws: `DatasetError` as `init(width:height:polygon:)`.
  init(width: Int, height: Int, pixelPolygon polygon: [Double]) throws(DatasetError) {
    // Checks corners and sizes.
    _ = try RunLengthMask(width: width, height: height, polygon: polygon)
    let corners = stride(from: 0, to: polygon.count, by: 2).map {
      SIMD2(Int(polygon[$0]), Int(polygon[$0 + 1]))
    }
    let low = max(corners.reduce(Int.max) { min($0, $1.y) }, 0)
    let high = min(corners.reduce(Int.min) { max($0, $1.y) }, height - 1)
    let left = max(corners.reduce(Int.max) { min($0, $1.x) }, 0)
    let right = min(corners.reduce(Int.min) { max($0, $1.x) }, width - 1)
    guard low <= high, left <= right else {
      self.init(width: width, height: height, intervals: [])
      return
    }
    var raster = PixelRaster(left: left, top: low, width: right - left + 1, height: high - low + 1)
    raster.fill(corners)
    self.init(
      width: width, height: height, left: left, top: low, columns: raster.width,
      pixels: raster.pixels)
  }
}

extension RunLengthMask {
  /// The longest axis of a disc, so that products of four of them fit.
  private static let longestAxis = 50_000

  /// The pixels of a circle in the box of pixels around it, as Pillow's `ImageDraw.ellipse`, which
  /// labelme uses, has them: of each row the outermost pixel of Bresenham's walk along the edge.
  ///
  /// - Throws: `DatasetError` when it lies farther outside the picture than the picture is large.
  init(width: Int, height: Int, pixelDisc center: SIMD2<Double>, radius: Double)
    throws(DatasetError)
  {
    let (low, high) = (center - radius, center + radius)
    // Checks corners and sizes.
    _ = try RunLengthMask(
      width: width, height: height,
      polygon: [low.x, low.y, high.x, low.y, high.x, high.y, low.x, high.y])
    let (left, top) = (Int(low.x), Int(low.y))
    let (across, down) = (Int(high.x) - left, Int(high.y) - top)
    guard max(across, down) <= Self.longestAxis else {
      throw DatasetError(
        "expected a circle of at most \(Self.longestAxis) pixels across, received \(across)")
    }
    var pixels = [Bool](repeating: false, count: width * height)
    func fill(_ row: Int, _ first: Int, _ last: Int) {
      guard (0..<height).contains(row), max(first, 0) <= min(last, width - 1) else { return }
      for x in max(first, 0)...min(last, width - 1) { pixels[row * width + x] = true }
    }
    // Twice the distance from the middle, so that it is whole.
    var (x, y) = (across, down % 2)
    func distance(_ x: Int, _ y: Int) -> Int {
      abs(across * across * y * y + down * down * x * x - across * across * down * down)
    }
    var row = -1
    while across + down > 0 {
      if y > row {
        row = y
        for side in [y, -y] {
          fill(top + (side + down) / 2, left + (across - x) / 2, left + (across + x) / 2)
        }
      }
      if x == across % 2, y == down { break }
      var next = (x, y + 2)
      if x > 1 {
        for step in [(x - 2, y + 2), (x - 2, y)]
        where distance(step.0, step.1) < distance(next.0, next.1) { next = step }
      }
      (x, y) = next
    }
    self.init(BinaryMask(width: width, height: height, pixels: pixels))
  }
}

/// The part of a picture that a polygon may touch.
private struct PixelRaster {
  let left: Int
  let top: Int
  let width: Int
  let height: Int
  var pixels: [Bool]

  init(left: Int, top: Int, width: Int, height: Int) {
    (self.left, self.top, self.width, self.height) = (left, top, width, height)
    pixels = [Bool](repeating: false, count: width * height)
  }

  /// The pixels between pairs of crossings of each row, rounded to the nearest.
  ///
  /// An edge counts on the rows of both of its ends, and twice on that of its lower one unless the
  /// polygon ends there: so peaks and valleys are filled, and where edges follow each other the
  /// crossings stay in pairs.
  mutating func fill(_ corners: [SIMD2<Int>]) {
    let last = corners.reduce(Int.min) { max($0, $1.y) }
    for row in top..<top + height {
      var crossings: [Double] = []
      for (index, start) in corners.enumerated() {
        let end = corners[(index + 1) % corners.count]
        let (upper, lower) = start.y < end.y ? (start, end) : (end, start)
        guard upper.y <= row, row <= lower.y else { continue }
        if upper.y == lower.y {
          span(Double(min(start.x, end.x)), Double(max(start.x, end.x)), row)
          continue
        }
        let part = Double(row - upper.y) / Double(lower.y - upper.y)
        let crossing = Double(upper.x) + part * Double(lower.x - upper.x)
        crossings.append(crossing)
        if row == lower.y, row < last { crossings.append(crossing) }
      }
      crossings.sort()
      for pair in stride(from: 0, to: crossings.count - 1, by: 2) {
        span(crossings[pair], crossings[pair + 1], row)
      }
    }
  }

  /// The pixels of a row from the one nearest to a place to that nearest to another.
  private mutating func span(_ low: Double, _ high: Double, _ row: Int) {
    let first = max(Int((low + 0.5).rounded(.down)), left)
    let last = min(Int((high - 0.5).rounded(.up)), left + width - 1)
    guard first <= last else { return }
    for x in first...last { pixels[(row - top) * width + x - left] = true }
  }
}
