// Masks as polygons without holes, for formats that know no others.

import AtelierImages

extension BinaryMask {
  /// A polygon for each part of the mask, with corners on the edges of pixels.
  ///
  /// A hole is joined to its part by an edge that is walked in both directions, so that even-odd
  /// filling gives the mask again, to the pixel.
  package var polygons: [[SIMD2<Int>]] {
    let all = outlines
    var parts = all.filter { !$0.isHole }.map { (outline: $0.corners, joined: $0.corners) }
    for hole in all where hole.isHole {
      // The first edge of an outline runs east with the mask below it.
      let place = hole.corners[0]
      let owner = parts.firstIndex {
        Self.surrounds($0.outline, Double(place.x) + 0.5, Double(place.y) + 0.5)
      }
      guard let owner else { continue }
      parts[owner].joined += [parts[owner].outline[0]] + hole.corners + [hole.corners[0]]
    }
    return parts.map(\.joined)
  }

  /// All parts of the mask as one polygon, joined by edges that are walked in both directions.
  package var polygon: [SIMD2<Int>] {
    guard var joined = polygons.first else { return [] }
    let start = joined[0]
    for part in polygons.dropFirst() { joined += [start] + part + [part[0]] }
    return joined
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
