// Polygons as masks, pixel for pixel as COCO's reference implementation fills them.

import AtelierImages

extension RunLengthMask {
  /// The most steps along the edges of one polygon, so that hostile ones end.
  private static let mostSteps = 50_000_000

  /// The pixels inside a polygon of x and y of each corner; the last corner joins the first.
  ///
  /// Edges are walked on a grid five times as fine, and a column's pixels lie between the places where
  /// edges cross its middle (`rleFrPoly` of the COCO API, Lin et al. 2014); areas and overlaps
  /// are thus the published ones to the pixel.
  ///
  /// - Throws: `DatasetError` when there are fewer than three corners, a number is missing, or a
  ///   corner lies farther outside the picture than the picture is large.
  public init(width: Int, height: Int, polygon: [Double]) throws(DatasetError) {
    guard polygon.count >= 6, polygon.count.isMultiple(of: 2) else {
      throw DatasetError(
        "expected a polygon of three or more corners, x and y each; received \(polygon.count) "
          + "numbers")
    }
    // The size is checked as that of any mask.
    let empty = try RunLengthMask(width: width, height: height, runs: [width &* height])
    var corners: [SIMD2<Int>] = []
    for index in stride(from: 0, to: polygon.count, by: 2) {
      let (x, y) = (polygon[index], polygon[index + 1])
      guard x >= -Double(width), x <= 2 * Double(width), y >= -Double(height),
        y <= 2 * Double(height)
      else {
        throw DatasetError(
          "expected a polygon in or near the picture of \(empty.size), received the corner "
            + "(\(x), \(y))")
      }
      corners.append(SIMD2(Int(5 * x + 0.5), Int(5 * y + 0.5)))
    }
    var walk = BoundaryWalk(width: width, height: height)
    var steps = 0
    for (index, start) in corners.enumerated() {
      let end = corners[(index + 1) % corners.count]
      steps += max(abs(end.x - start.x), abs(end.y - start.y)) + 1
      guard steps <= Self.mostSteps else {
        throw DatasetError(
          "expected a polygon of at most \(Self.mostSteps / 5) pixels around, received a longer "
            + "one")
      }
      walk.edge(start, end)
    }
    self.init(width: width, height: height, crossings: walk.crossings.sorted())
  }

  /// Fills between pairs of crossings; two at one place cancel out.
  private init(width: Int, height: Int, crossings: [Int]) {
    var intervals: [Range<Int>] = []
    var start: Int?
    for crossing in crossings {
      if let first = start {
        intervals.append(first..<crossing)
        start = nil
      } else {
        start = crossing
      }
    }
    if let start { intervals.append(start..<width * height) }
    self.init(width: width, height: height, intervals: intervals.filter { !$0.isEmpty })
  }
}

/// A walk along a polygon's edges that notes where it crosses the middles of columns.
private struct BoundaryWalk {
  let width: Int
  let height: Int
  /// Column-wise places of the pixels below the crossings.
  var crossings: [Int] = []
  var last: SIMD2<Int>?

  /// Walks a straight edge on the fine grid, always computed from its left or upper end.
  mutating func edge(_ start: SIMD2<Int>, _ end: SIMD2<Int>) {
    let wide = abs(end.x - start.x)
    let high = abs(end.y - start.y)
    let isFlat = wide >= high
    let isFlipped = isFlat ? start.x > end.x : start.y > end.y
    let (low, far) = isFlipped ? (end, start) : (start, end)
    let length = isFlat ? wide : high
    // An edge of one place has no slope; its place is that of its neighbours.
    let slope =
      length == 0 ? 0 : (isFlat ? Double(far.y - low.y) : Double(far.x - low.x)) / Double(length)
    for step in 0...length {
      let along = isFlipped ? length - step : step
      if isFlat {
        visit(SIMD2(low.x + along, Int(Double(low.y) + slope * Double(along) + 0.5)))
      } else {
        visit(SIMD2(Int(Double(low.x) + slope * Double(along) + 0.5), low.y + along))
      }
    }
  }

  private mutating func visit(_ place: SIMD2<Int>) {
    defer { last = place }
    guard let last, last.x != place.x else { return }
    let x = (Double(place.x < last.x ? place.x : place.x - 1) + 0.5) / 5 - 0.5
    guard x.rounded(.down) == x, x >= 0, x <= Double(width - 1) else { return }
    let y = (Double(min(place.y, last.y)) + 0.5) / 5 - 0.5
    let row = min(max(y, 0), Double(height)).rounded(.up)
    crossings.append(Int(x) * height + Int(row))
  }
}
