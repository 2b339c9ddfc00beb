// Polygons as labelme fills them: corners stand for pixels, and edges belong to the inside.

import AtelierImages

extension RunLengthMask {
  /// The pixels of a polygon of x and y of each corner, the last of which joins the first: corners
  /// are cut down to the pixels that they lie in, and the pixels on edges count, as Pillow's
  /// `ImageDraw.polygon` with an outline, which labelme uses, has it.
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
    for (index, corner) in corners.enumerated() {
      raster.line(corner, corners[(index + 1) % corners.count])
    }
    raster.fill(corners)
    self.init(
      width: width, height: height, left: left, top: low, columns: raster.width,
      pixels: raster.pixels)
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

  private mutating func set(_ x: Int, _ y: Int) {
    guard x >= left, x < left + width, y >= top, y < top + height else { return }
    pixels[(y - top) * width + x - left] = true
  }

  /// The pixels of a line (Bresenham 1965).
  mutating func line(_ from: SIMD2<Int>, _ to: SIMD2<Int>) {
    let (across, down) = (abs(to.x - from.x), abs(to.y - from.y))
    let step = SIMD2(to.x >= from.x ? 1 : -1, to.y >= from.y ? 1 : -1)
    let isFlat = across >= down
    let (long, short) = isFlat ? (across, down) : (down, across)
    var rest = 2 * short - long
    var place = from
    for _ in 0...long {
      set(place.x, place.y)
      if rest > 0 {
        if isFlat { place.y += step.y } else { place.x += step.x }
        rest -= 2 * long
      }
      rest += 2 * short
      if isFlat { place.x += step.x } else { place.y += step.y }
    }
  }

  /// The pixels between pairs of crossings of each row, rounded to the nearest.
  mutating func fill(_ corners: [SIMD2<Int>]) {
    for row in top..<top + height {
      var crossings: [Double] = []
      for (index, start) in corners.enumerated() {
        let end = corners[(index + 1) % corners.count]
        let (upper, lower) = start.y < end.y ? (start, end) : (end, start)
        guard upper.y <= row, row < lower.y else { continue }
        let part = Double(row - upper.y) / Double(lower.y - upper.y)
        crossings.append(Double(upper.x) + part * Double(lower.x - upper.x))
      }
      crossings.sort()
      for pair in stride(from: 0, to: crossings.count - 1, by: 2) {
        let first = max(Int((crossings[pair] + 0.5).rounded(.down)), left)
        let last = min(Int((crossings[pair + 1] - 0.5).rounded(.up)), left + width - 1)
        guard first <= last else { continue }
        for x in first...last { pixels[(row - top) * width + x - left] = true }
      }
    }
  }
}
