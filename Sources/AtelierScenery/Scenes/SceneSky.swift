// Skies: gradients, clouds and the sun, shared by the outdoor scenes.

import Foundation

/// A sky above a horizon.
struct Sky: Sendable {
  var noise: Noise
  var zenith: Color
  var horizon: Color
  var cloud: Color
  var shade: Color
  /// The sun's place in the picture and its colour; the glow is wider the lower it stands.
  var sun: Point
  var light: Color
  /// How much of the sky is clouds, 0...1.
  var cover: Float
  /// Where the horizon lies, in picture heights from the top.
  var level: Float
  /// The octaves of the clouds that the picture can show.
  var octaves: Int

  /// The colour of the sky at a place above the horizon (below it, the horizon's).
  func callAsFunction(_ p: Point) -> Color {
    let height = max(level - p.y, 0)
    let up = clamp(height / max(level, 0.05))
    var color = mix(horizon, zenith, pow(up, 0.55))
    let toSun = length(p - sun)
    let halo: Float = 0.6 * exp(-toSun * 7) + 0.25 * exp(-toSun * 2.2)
    color += light * halo
    color += light * (5 * smoothstep(0.03, 0.022, toSun))
    // Clouds lie on a plane overhead, so they flatten and crowd towards the horizon.
    let depth = 0.32 / (height + 0.14)
    let place = Point((p.x - 0.6) * depth * 1.9 + 3, depth * 2.6)
    let density = noise.warped(place, octaves, by: 0.45)
    let cut = mix(0.6, -0.65, cover)
    let amount = smoothstep(cut, cut + 0.65, density)
    if amount > 0 {
      // Denser towards the sun means the light has not reached here yet.
      let toward = Point(sun.x - p.x, (p.y - sun.y) * 0.6) * (0.12 / max(toSun, 0.2))
      let ahead = noise.warped(place + toward * depth, max(octaves - 2, 2), by: 0.45)
      let lit = clamp(0.55 + (density - ahead) * 1.6 - amount * 0.2)
      let body = mix(shade, cloud, lit) + light * (0.35 * exp(-toSun * 3.5) * lit)
      color = mix(color, body, amount * smoothstep(0, 0.06, height) * 0.95)
    }
    return color
  }
}
