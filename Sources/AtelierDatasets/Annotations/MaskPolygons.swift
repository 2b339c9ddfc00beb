// Masks as polygons without holes, for formats that know no others.

import AtelierImages

extension RunLengthMask {
  /// How far corners are drawn in from the edges of the pixels that they enclose.
  ///
  /// Annotation tools disagree on which pixels an edge belongs to: labelme and the YOLO tools cut
  /// corners down to the pixel that they lie in and fill up to and with the edges, COCO fills what has
  /// its middle inside. A quarter of a pixel inside, all of them fill the same pixels.
  package static let inset = 0.25

  /// A polygon for each part of the mask, with corners a little inside of the edges of pixels.
  ///
  /// A hole is joined to its part by an edge that is walked in both directions, so that even-odd
  /// filling gives the mask again, to the pixel.
  package var polygons: [[SIMD2<Double>]] {
    let all = outlines
    var parts = all.filter { !$0.isHole }.map { outline in
      (outline: outline.corners, joined: outline.corners(inset: Self.inset))
    }
    for hole in all where hole.isHole {
      // The first edge of an outline runs east with the mask below it.
      let place = hole.corners[0]
      let owner = parts.firstIndex {
        Self.surrounds($0.outline, Double(place.x) + 0.5, Double(place.y) + 0.5)
      }
      guard let owner else { continue }
      parts[owner].joined = Self.joined(parts[owner].joined, hole.corners(inset: Self.inset))
    }
    return parts.map(\.joined)
  }

  /// Two polygons as one, joined where they are nearest: tools that fill edges, too, draw the shortest
  /// line that way.
  private static func joined(_ one: [SIMD2<Double>], _ other: [SIMD2<Double>]) -> [SIMD2<Double>] {
    var best = (distance: Double.infinity, first: 0, second: 0)
    // Of very long outlines some corners stand for all, so that joining stays quick.
    let (step, stride) = (1 + one.count / 1000, 1 + other.count / 1000)
    for first in Swift.stride(from: 0, to: one.count, by: step) {
      for second in Swift.stride(from: 0, to: other.count, by: stride) {
        let way = one[first] - other[second]
        let distance = way.x * way.x + way.y * way.y
        if distance < best.distance { best = (distance, first, second) }
      }
    }
    let walk = Array(other[best.second...] + other[..<best.second])
    return Array(one[...best.first]) + walk + [walk[0]] + Array(one[best.first...])
  }

  /// All parts of the mask as one polygon, joined by edges that are walked in both directions.
  package var polygon: [SIMD2<Double>] {
    let polygons = polygons
    guard let first = polygons.first else { return [] }
    return polygons.dropFirst().reduce(first, Self.joined)
  }

  /// Whether a polygon's inside holds a place, by even-odd crossings.
  private static func surrounds(_ corners: [SIMD2<Int>], _ x: Double, _ y: Double) -> Bool {
    var isInside = false
    var last = corners[corners.count - 1]
    for corner in corners {
      if (Double(corner.y) > y) != (Double(last.y) > y), Double(corner.x) > x { isInside.toggle() }
      last = corner
    }
    return isInside
  }
}

extension MaskOutline {
  /// The corners, drawn in towards the mask by a part of a pixel in both directions.
  fileprivate func corners(inset: Double) -> [SIMD2<Double>] {
    corners.indices.map { index in
      let corner = corners[index]
      let before = corners[(index + corners.count - 1) % corners.count]
      let after = corners[(index + 1) % corners.count]
      // The mask lies to the right of the walk, which with y pointing down is (-dy, dx).
      func inwards(_ from: SIMD2<Int>, _ to: SIMD2<Int>) -> SIMD2<Double> {
        let step = SIMD2((to.x - from.x).signum(), (to.y - from.y).signum())
        return SIMD2(Double(-step.y), Double(step.x))
      }
      return SIMD2(Double(corner.x), Double(corner.y))
        + inset * (inwards(before, corner) + inwards(corner, after))
    }
  }
}
