// Pebbles at the water's edge.

import AtelierEngine
import Foundation

extension SampleScenes {
  /// Rounded stones of every size, some veined, some wet.
  static func pebbles(_ canvas: inout Canvas, _ seed: UInt64) {
    var generator = RandomGenerator(seed: seed, 14)
    let noise = Noise(seed, 1)
    let octaves = canvas.octaves(70, most: 5)
    canvas.shade { p in
      let grain = noise.fbm(p * 70, octaves)
      return mix(rgb(0x241E18), rgb(0x6A5C4A), clamp(0.4 + 0.7 * grain)) * 0.7
    }
    let area = canvas.aspect
    let sizes: [(Int, ClosedRange<Float>)] = [
      (Int(1500 * area), 0.008...0.02), (Int(420 * area), 0.02...0.042),
      (Int(100 * area), 0.045...0.08), (Int(14 * area), 0.09...0.13),
    ]
    for (count, range) in sizes {
      for _ in 0..<count {
        let place = Point(
          generator.uniform(-0.03...1.03) * canvas.aspect, generator.uniform(-0.03...1.03))
        stone(&canvas, &generator, noise, at: place, size: generator.uniform(range))
      }
    }
    canvas.filter { p, color in
      // The wet part is darker and more saturated.
      let edge = 0.72 + 0.05 * noise.fbm(Point(p.x * 3, 1), 4) - p.x * 0.16
      let wet = smoothstep(edge - 0.03, edge + 0.04, p.y)
      let gray = Color(repeating: (color.x + color.y + color.z) / 3)
      return mix(color, (color + (color - gray) * 0.5) * 0.62, wet)
    }
  }

  private static func stone(
    _ canvas: inout Canvas, _ generator: inout RandomGenerator, _ noise: Noise, at place: Point,
    size: Float
  ) {
    let colors = [
      rgb(0x8C8880), rgb(0x6E747A), rgb(0xB3A48E), rgb(0x9A6E58), rgb(0x4E5054), rgb(0xD5CCBC),
      rgb(0x7A8478), rgb(0xA88E70),
    ]
    let base = colors[generator.index(below: colors.count)] * generator.uniform(0.75...1.1)
    let angle = generator.uniform(0...3.14)
    let flat = generator.uniform(0.6...0.92)
    let power = generator.uniform(2...2.7)
    let texture = Point(generator.uniform(0...90), generator.uniform(0...90))
    let veinAngle = generator.uniform(0...3.14)
    let hasVein = generator.uniform() < 0.3
    let speckle = generator.uniform(0.1...0.4)
    let gloss = generator.uniform(0...0.22)
    let sun = normalized(Color(-0.55, -0.6, 0.62))
    let sharpness = size / canvas.step
    canvas.disc(
      place + Point(0.32, 0.36) * size, size * 0.95, rgb(0x0C0A08), softness: size * 0.7,
      opacity: 0.62)
    let octaves = canvas.octaves(3 / size, most: 5)
    canvas.paint(from: place - Point(size, size) * 1.1, to: place + Point(size, size) * 1.1) { p in
      var q = rotated((p - place) / size, angle)
      q.y /= flat
      q += Point(noise(q * 1.3 + texture), noise(q * 1.3 - texture)) * 0.13
      let radius = pow(pow(abs(q.x), power) + pow(abs(q.y), power), 1 / power)
      let coverage = (1 - radius) * sharpness * flat + 0.5
      guard coverage > 0 else { return (base, 0) }
      let lift = pow(max(0, 1 - radius * radius), 0.5)
      let out = rotated(Point(q.x, q.y / flat), -angle)
      let grain = noise.fbm(q * 3 + texture, octaves)
      let rough = Point(grain, noise.fbm(q * 3 - texture, 2)) * 0.12
      let normal = normalized(Color(out.x + rough.x, out.y + rough.y, lift + 0.22))
      var color = base * (1 + speckle * 1.4 * grain)
      if hasVein {
        let band = rotated(q, veinAngle).y + 0.12 * noise.fbm(q * 2 + texture, 3)
        color = mix(color, rgb(0xE4DED2), 0.8 * smoothstep(0.09, 0.05, abs(band)))
      }
      let diffuse = max(0, dot(normal, sun))
      let half = normalized(sun + Color(0, 0, 1))
      let shine = gloss * pow(max(0, dot(normal, half)), 28)
      let ambient = 0.2 + 0.16 * normal.z
      let lit = color * (Color(1.15, 1.08, 0.98) * diffuse + Color(0.85, 0.95, 1.1) * ambient)
      return (lit + Color(repeating: shine), clamp(coverage))
    }
  }
}
