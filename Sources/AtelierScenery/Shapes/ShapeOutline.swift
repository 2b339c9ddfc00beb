// The outlines of the shapes scenes: how far a place lies from the edge of a circle, a square, a star.

import Foundation

/// What a drawn shape is.
public enum ShapeKind: String, Codable, Sendable, CaseIterable {
  /// A disc.
  case circle
  /// A square.
  case square
  /// An equilateral triangle.
  case triangle
  /// A star of five points.
  case star
  /// A plus of two bars.
  case cross
  /// A disc with a round hole.
  case ring

  /// The shapes that the scenes show unless told otherwise.
  public static let standard: [ShapeKind] = [.circle, .square, .triangle]
}

extension ShapeKind {
  /// How far a place lies outside (above 0) or inside (below 0) the shape of radius 1 about 0.
  ///
  /// Exact for circle and ring, near edges also for the others; beyond a convex corner it is less than the
  /// true distance. The sign is exact everywhere.
  func distance(_ p: Point) -> Float {
    switch self {
    case .circle: return length(p) - 1
    case .square:
      // As wide as gives the square the area that its corners on the unit circle allow.
      return max(abs(p.x), abs(p.y)) - Float(0.5).squareRoot()
    case .triangle: return Self.polygon(p, corners: 3)
    case .star: return Self.starDistance(p)
    case .cross:
      let x = abs(p.x)
      let y = abs(p.y)
      return min(max(x - 0.95, y - 0.3), max(x - 0.3, y - 0.95))
    case .ring: return abs(length(p) - 0.74) - 0.26
    }
  }

  /// A regular polygon with its corners on the unit circle: the farthest of its half planes.
  private static func polygon(_ p: Point, corners: Int) -> Float {
    let inner = cos(Float.pi / Float(corners))
    var farthest = -Float.infinity
    for edge in 0..<corners {
      let angle = (2 * Float(edge) + 1) * .pi / Float(corners)
      farthest = max(farthest, p.x * sin(angle) - p.y * cos(angle) - inner)
    }
    return farthest
  }

  /// A star of five points: folded into one tenth, it is a half plane.
  private static func starDistance(_ p: Point) -> Float {
    let sector = 2 * Float.pi / 5
    let angle = atan2(p.x, -p.y)
    let folded = abs(angle - (angle / sector).rounded() * sector)
    let q = Point(sin(folded), cos(folded)) * length(p)
    let tip = Point(0, 1)
    let notch = Point(sin(sector / 2), cos(sector / 2)) * 0.45
    let along = notch - tip
    // Above 0 beyond the edge from the tip to the notch.
    return (along.x * (q.y - tip.y) - along.y * (q.x - tip.x)) / length(along)
  }
}
