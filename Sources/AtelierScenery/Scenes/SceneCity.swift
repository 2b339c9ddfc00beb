// A city at dusk: towers with lit windows, mirrored in a river.

import AtelierEngine
import Foundation

/// One tower of the skyline.
private struct Tower {
  var left: Float
  var right: Float
  var top: Float
  var color: Color
  /// The size of a window's cell in picture heights.
  var cell: Point
  var lit: Float
  var style: Int
}

extension SampleScenes {
  /// A skyline at dusk above a river.
  static func city(_ canvas: inout Canvas, _ seed: UInt64) {
    var generator = RandomGenerator(seed: seed, 7)
    let shore: Float = generator.uniform(0.7...0.76)
    let sky = Sky(
      noise: Noise(seed, 1), zenith: rgb(0x1B2C5E), horizon: rgb(0xF2A06A), cloud: rgb(0xE89A80),
      shade: rgb(0x4A4268), sun: Point(generator.uniform(0.2...0.8) * canvas.aspect, shore - 0.02),
      light: rgb(0xFF8A40) * 0.35, cover: 0.45, level: shore, octaves: canvas.octaves(4, most: 7))
    canvas.shade { sky($0) }
    for layer in 0..<3 {
      let nearness = Float(layer) / 2
      let haze = mix(rgb(0xB07870), rgb(0x141A2C), pow(nearness, 0.6))
      var x: Float = -0.05
      while x < canvas.aspect + 0.05 {
        let width = generator.uniform(0.05...0.11) * mix(0.7, 1.2, nearness)
        let tall = mix(0.22, 0.36, nearness) * (0.4 + 1.1 * pow(generator.uniform(), 1.8))
        let tower = Tower(
          left: x, right: x + width, top: shore - tall, color: haze * generator.uniform(0.7...1.25),
          cell: Point(generator.uniform(0.008...0.0125), generator.uniform(0.012...0.019))
            * mix(0.7, 1.15, nearness),
          lit: generator.uniform(0.2...0.62) * mix(0.5, 1, nearness),
          style: generator.index(below: 4))
        draw(tower, on: &canvas, Noise(seed, generator.next()), shore: shore, haze: nearness)
        x += width * generator.uniform(0.75...1.25)
      }
      let fog = mix(rgb(0xE8A080), rgb(0x6A5068), nearness)
      canvas.filter { p, color in
        let band = exp(-abs(p.y - shore) * 9) * (0.3 - 0.2 * nearness)
        return p.y < shore ? mix(color, fog, band) : color
      }
    }
    quay(&canvas, &generator, shore: shore)
    mirror(&canvas, Noise(seed, 3), shore: shore)
  }

  private static func draw(
    _ tower: Tower, on canvas: inout Canvas, _ noise: Noise, shore: Float, haze: Float
  ) {
    let crown = tower.style == 1 ? (tower.right - tower.left) * 0.55 : 0
    let middle = (tower.left + tower.right) / 2
    let half = (tower.right - tower.left) / 2
    let pixel = canvas.pixel
    if tower.style >= 2 {
      let tip = Point(middle, tower.top - 0.05 - 0.05 * noise.random(5, 5))
      canvas.stroke(
        Point(middle, tower.top), tip, widths: (0.004, 0.0015),
        colors: (tower.color * 0.8, tower.color * 0.8))
      canvas.disc(tip, 0.0022, rgb(0xFF3A2A) * 3, softness: 0.004)
    }
    canvas.paint(
      from: Point(tower.left, tower.top - crown), to: Point(tower.right, shore + 0.002)
    ) { p in
      if p.y < tower.top {
        let inside = half * (p.y - tower.top + crown) / max(crown, 1e-6) - abs(p.x - middle)
        return (tower.color * 0.75, clamp(inside / pixel + 0.5))
      }
      if tower.style == 3, p.y < tower.top + 0.05, abs(p.x - middle) > half * 0.65 {
        return (tower.color, 0)
      }
      let across = (p.x - middle) / half
      let up = (shore - p.y) / (shore - tower.top)
      var color = tower.color * (0.75 + 0.35 * up) * (1 - 0.25 * across)
      color *= 1 + 0.1 * noise.fbm(p * 40, 3)
      let place = (p - Point(tower.left, tower.top)) / tower.cell
      let column = place.x.rounded(.down)
      let row = place.y.rounded(.down)
      let inCell = Point(place.x - column, place.y - row)
      let edge = abs(p.x - middle) < half - tower.cell.x * 0.5 && row > 0
      let isPane = inCell.x > 0.22 && inCell.x < 0.8 && inCell.y > 0.22 && inCell.y < 0.78
      if edge, isPane {
        let chance = noise.random(Int(column), Int(row))
        let floor = noise.random(991, Int(row))
        if chance < tower.lit * (floor < 0.15 ? 1.7 : 0.85) {
          let warm = noise.random(Int(column) + 50, Int(row))
          let lamp = mix(rgb(0xFFC266), rgb(0xFFF1D6), warm)
          let shade = 0.35 + 1.1 * noise.random(Int(column), Int(row) + 77)
          color = mix(color, lamp * shade, 0.6 + 0.4 * haze)
        } else {
          color = mix(color * 0.55, rgb(0x7A6A88), 0.16 * up)
        }
      } else if tower.style == 0, inCell.y < 0.14 {
        color *= 1.3
      }
      return (color, 1)
    }
  }

  private static func quay(
    _ canvas: inout Canvas, _ generator: inout RandomGenerator, shore: Float
  ) {
    canvas.paint(from: Point(-1, shore - 0.012), to: Point(9, shore + 0.004)) { p in
      let stone = 0.7 + 0.5 * smoothstep(0.3, 0.35, (p.x * 46).truncatingRemainder(dividingBy: 1))
      return (rgb(0x2A2630) * stone, 1)
    }
    var x = generator.uniform(0.02...0.06)
    while x < canvas.aspect {
      canvas.stroke(
        Point(x, shore - 0.01), Point(x, shore - 0.045), widths: (0.003, 0.002),
        colors: (rgb(0x100E14), rgb(0x100E14)))
      canvas.disc(Point(x, shore - 0.047), 0.0045, rgb(0xFFE0A0) * 2.4, softness: 0.004)
      canvas.disc(Point(x, shore - 0.047), 0.012, rgb(0xFFB860), softness: 0.03, opacity: 0.3)
      if generator.uniform() < 0.75 {
        let tree = Point(x + generator.uniform(0.018...0.035), shore - 0.012)
        for _ in 0..<46 {
          let leaf = Point(generator.uniform(-1...1), generator.uniform(-1...1)) * 0.017
          let lit = generator.uniform()
          canvas.disc(
            tree + leaf - Point(0, 0.024), generator.uniform(0.0025...0.006),
            mix(rgb(0x0C120E), rgb(0x4A4420), lit * lit), softness: 0.002)
        }
      }
      x += generator.uniform(0.06...0.085)
    }
  }

  private static func mirror(_ canvas: inout Canvas, _ noise: Noise, shore: Float) {
    let source = canvas
    let octaves = canvas.octaves(20, most: 5)
    canvas.filter { p, color in
      let depth = p.y - shore - 0.003
      guard depth > 0 else { return color }
      let stretch = 1 / (depth + 0.05)
      let wave = Point(p.x * (3 + 0.5 * stretch), stretch * 4.6)
      let ripple = noise.fbm(wave * 2.5, octaves)
      // Lights become streaks: the waves smear the mirrored picture up and down, hardly sideways.
      var seen = Color.zero
      for tap in 0..<8 {
        let shift = (Float(tap) / 7 - 0.5 + 0.5 * ripple) * (0.012 + 0.35 * depth)
        let y = shore - depth * 1.15 + shift
        seen += source.color(at: Point(p.x + 0.006 * ripple, min(max(y, 0), shore - 0.004)))
      }
      let tint = mix(rgb(0x0B1626), rgb(0x24344E), clamp(0.5 + 0.6 * ripple))
      return mix(tint, seen / 8, 0.68) * (0.95 + 0.3 * ripple)
    }
  }
}
