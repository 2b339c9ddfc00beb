// Surfaces seen straight on: a height, its slope in the light, and what stands out casts a shade.

import Foundation

/// The light on a surface that is described by its height.
struct Relief: Sendable {
  /// Towards the light: x right, y down, z to the viewer.
  var toLight: Color = normalized(Color(-0.5, -0.6, 0.62))
  var light = Color(1.05, 1.0, 0.92)
  var ambient = Color(0.3, 0.33, 0.38)

  /// Diffuse light and shine of a surface whose slopes are given.
  func lit(_ color: Color, slope: Point, gloss: Float = 0, sharpness: Float = 20) -> Color {
    let normal = normalized(Color(-slope.x, -slope.y, 1))
    let diffuse = max(0, dot(normal, toLight))
    var result = color * (ambient + light * diffuse)
    if gloss > 0 {
      let half = normalized(toLight + Color(0, 0, 1))
      result += light * (gloss * pow(max(0, dot(normal, half)), sharpness))
    }
    return result
  }

  /// The slope of a height at a place.
  @inline(__always)
  static func slope(
    _ p: Point, _ epsilon: Float, _ height: (Point) -> Float
  ) -> Point {
    let here = height(p)
    return Point(height(p + Point(epsilon, 0)) - here, height(p + Point(0, epsilon)) - here)
      / epsilon
  }
}

/// The profile of a rounded block: 0 at the edge of a rectangle, 1 inside, `bevel` wide.
@inline(__always)
func block(_ p: Point, _ half: Point, bevel: Float) -> Float {
  let q = Point(half.x - abs(p.x), half.y - abs(p.y))
  return smoothstep(0, bevel, min(q.x, q.y))
}
