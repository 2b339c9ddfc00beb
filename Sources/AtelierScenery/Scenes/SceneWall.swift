// A brick wall with a wooden door, a lantern and ivy.

import AtelierEngine
import Foundation

/// Where the door is and how it looks.
private struct Door: Sendable {
  var middle: Float
  var half: Float
  var spring: Float
  var foot: Float
  var color: Color

  /// How far inside the doorway a place lies (negative outside), with a round arch on top.
  func inside(_ p: Point) -> Float {
    let side = half - abs(p.x - middle)
    if p.y > spring { return min(side, foot - p.y) }
    return half - length(p - Point(middle, spring))
  }
}

extension SampleScenes {
  /// Bricks, a planked door under an arch, ivy that climbs past it.
  static func wall(_ canvas: inout Canvas, _ seed: UInt64) {
    var generator = RandomGenerator(seed: seed, 8)
    let colors = [rgb(0x2E5E6A), rgb(0x3A5A36), rgb(0x7A2E28), rgb(0x35507E), rgb(0x8A6A2E)]
    let door = Door(
      middle: generator.uniform(0.42...0.5) * canvas.aspect, half: 0.2, spring: 0.38, foot: 0.93,
      color: colors[generator.index(below: colors.count)])
    let noise = Noise(seed, 1)
    let relief = Relief()
    let octaves = canvas.octaves(40, most: 5)
    canvas.shade { p in
      let inside = door.inside(p)
      var color: Color
      if p.y > door.foot {
        color = paving(p, door.foot, noise, relief, octaves)
      } else if inside > 0 {
        color = planks(p, door, inside, noise, relief, octaves)
      } else if inside > -0.055 {
        color = arch(p, door, inside, noise, relief, octaves)
      } else {
        color = bricks(p, noise, relief, octaves)
      }
      // Damp near the ground, the lean of the light, stains.
      let damp = smoothstep(0.25, 0, door.foot - p.y) * (0.5 + 0.5 * noise.fbm(p * 5, 4))
      color *= 1 - 0.4 * clamp(damp)
      return color * (0.9 + 0.25 * noise.fbm(p * 1.7 + Point(4, 4), 3))
    }
    fittings(&canvas, door.middle, door.half, door.spring)
    ivy(&canvas, seed, &generator, door.middle - door.half)
  }

  private static func bricks(
    _ p: Point, _ noise: Noise, _ relief: Relief, _ octaves: Int
  ) -> Color {
    let size = Point(0.115, 0.045)
    // The brick at a place, and how much of its face is there.
    func brick(_ q: Point, bevel: Float) -> (column: Int, row: Int, face: Float) {
      let bent = q + Point(noise(q * 18), noise(q * 18 + Point(7, 3))) * 0.0022
      let row = (bent.y / size.y).rounded(.down)
      let shift = Int(row) % 2 == 0 ? 0 : size.x / 2
      let column = ((bent.x + shift) / size.x).rounded(.down)
      let local = bent + Point(shift, 0) - Point(column + 0.5, row + 0.5) * size
      let face = block(local, size / 2 - Point(0.004, 0.004), bevel: bevel)
      return (Int(column), Int(row), face)
    }
    func height(_ q: Point) -> Float {
      let face = brick(q, bevel: 0.006).face
      return 0.011 * face + 0.0032 * noise.fbm(q * 60, octaves) + 0.002 * noise.fbm(q * 16, 2)
    }
    let (column, row, face) = brick(p, bevel: 0.003)
    let tone = noise.random(column, row)
    let kind = noise.random(column, row + 999)
    var clay = mix(rgb(0x8A3F2C), rgb(0xC0714E), tone)
    if kind < 0.12 { clay = mix(rgb(0x4A2C2A), rgb(0x6A4038), tone) }
    if kind > 0.9 { clay = mix(rgb(0xB88A62), rgb(0xC89A78), tone) }
    let grain = noise.fbm(p * 45 + Point(tone * 9, 0), octaves)
    clay *= 1 + 0.38 * grain
    let bloom = smoothstep(0.3, 0.8, noise.fbm(p * 7 + Point(2, 8), 4))
    clay = mix(clay, rgb(0xC9B5A0), 0.3 * bloom)
    let mortar = mix(rgb(0x8E8578), rgb(0xB9B0A0), clamp(0.5 + 0.8 * grain))
    return relief.lit(mix(mortar, clay, face), slope: Relief.slope(p, 0.0016, height))
  }

  private static func planks(
    _ p: Point, _ door: Door, _ inside: Float, _ noise: Noise, _ relief: Relief, _ octaves: Int
  ) -> Color {
    let frame: Float = 0.02
    let width = (door.half - frame) * 2 / 5
    func height(_ q: Point) -> Float {
      let part = (q.x - door.middle) / width + 2.5
      let local = part - part.rounded(.down) - 0.5
      let groove = smoothstep(0.5, 0.44, abs(local))
      let rail = max(
        smoothstep(0.03, 0.026, abs(q.y - door.spring - 0.07)),
        smoothstep(0.03, 0.026, abs(q.y - door.foot + 0.1)))
      return 0.005 * groove + 0.009 * rail + 0.0012 * noise.fbm(Point(q.x * 130, q.y * 9), 3)
    }
    let grain = noise.fbm(Point(p.x * 120, p.y * 7 + 3 * noise(p * 4)), octaves)
    let part = ((p.x - door.middle) / width + 2.5).rounded(.down)
    var wood = door.color * (0.85 + 0.3 * noise.random(Int(part), 3)) * (1 + 0.25 * grain)
    // Paint has worn off where the grain is proud and near the ground.
    let worn = smoothstep(0.35, 0.75, grain + 0.5 * smoothstep(0.7, 0.95, p.y))
    wood = mix(wood, rgb(0x9A8468), 0.6 * worn)
    var color = relief.lit(wood, slope: Relief.slope(p, 0.0016, height), gloss: 0.08)
    let shadow =
      smoothstep(0, 0.05, inside) * smoothstep(-0.02, 0.05, p.x - door.middle + door.half)
    color *= 0.35 + 0.65 * shadow
    return inside < frame ? color * 0.55 + rgb(0x1A1210) * 0.3 : color
  }

  private static func arch(
    _ p: Point, _ door: Door, _ inside: Float, _ noise: Noise, _ relief: Relief, _ octaves: Int
  ) -> Color {
    let offset = p - Point(door.middle, door.spring)
    func along(_ q: Point) -> Float {
      let d = q - Point(door.middle, door.spring)
      return d.y > 0 ? d.y / 0.08 : atan2(d.y, abs(d.x)) * door.half / 0.062
    }
    func height(_ q: Point) -> Float {
      let part = along(q)
      let local = abs(part - part.rounded(.down) - 0.5)
      let joint = smoothstep(0.5, 0.42, local)
      let rim = smoothstep(0, 0.008, min(-door.inside(q), 0.055 + door.inside(q)))
      return 0.012 * joint * rim + 0.004 * noise.fbm(q * 50, octaves)
    }
    let stone = along(p).rounded(.down)
    let tone = noise.random(Int(stone), offset.x > 0 ? 5 : 6)
    let grain = noise.fbm(p * 38, octaves)
    let color = mix(rgb(0x9C9080), rgb(0xCFC3AE), tone) * (1 + 0.3 * grain)
    return relief.lit(color, slope: Relief.slope(p, 0.0016, height))
  }

  private static func paving(
    _ p: Point, _ top: Float, _ noise: Noise, _ relief: Relief, _ octaves: Int
  ) -> Color {
    let depth = (p.y - top) * 2.2 + 0.002
    let place = Point(p.x * 7, depth * 22)
    let cell = noise.cells(place, jitter: 0.5)
    let joint = smoothstep(0.02, 0.16, cell.second - cell.first)
    let tone = noise.random(cell.cell.x, cell.cell.y)
    let grain = noise.fbm(p * Point(40, 70), octaves)
    let stone = mix(rgb(0x6A655E), rgb(0xA39A8C), tone) * (1 + 0.35 * grain)
    let slope = Point(cell.offset.x, cell.offset.y) * 0.7
    let lit = relief.lit(mix(rgb(0x2E2A24), stone, joint), slope: slope)
    return lit * smoothstep(-0.01, 0.03, p.y - top)
  }

  private static func fittings(
    _ canvas: inout Canvas, _ middle: Float, _ half: Float, _ spring: Float
  ) {
    let knob = Point(middle + half * 0.66, 0.66)
    canvas.disc(knob + Point(0.006, 0.008), 0.016, rgb(0x080504), softness: 0.012, opacity: 0.6)
    canvas.disc(knob, 0.0145, rgb(0x6A4A18))
    canvas.disc(knob - Point(0.002, 0.003), 0.010, rgb(0xC0923A), softness: 0.008)
    canvas.disc(knob - Point(0.005, 0.006), 0.0035, rgb(0xFFF4D0) * 1.4, softness: 0.003)
    for side in [0.07, 0.45] as [Float] {
      let y = spring + side
      canvas.stroke(
        Point(middle - half * 0.88, y), Point(middle + half * 0.45, y), widths: (0.014, 0.006),
        colors: (rgb(0x14110F), rgb(0x2A2624)))
      for nail in 0..<4 {
        let place = Point(middle - half * (0.75 - 0.35 * Float(nail)), y)
        canvas.disc(place, 0.0045, rgb(0x4A4644), softness: 0.002)
        canvas.disc(place - Point(0.001, 0.0015), 0.0016, rgb(0xB0ACA8), softness: 0.002)
      }
    }
    let lamp = Point(min(middle + half + 0.14, canvas.aspect - 0.07), spring - 0.02)
    canvas.disc(lamp + Point(0, 0.02), 0.05, rgb(0xFFB050), softness: 0.22, opacity: 0.5)
    canvas.stroke(
      lamp + Point(0, -0.055), lamp + Point(0, -0.03), widths: (0.006, 0.006),
      colors: (rgb(0x0E0C0A), rgb(0x0E0C0A)))
    canvas.paint(from: lamp - Point(0.05, 0.05), to: lamp + Point(0.05, 0.08)) { p in
      let q = (p - lamp) / 0.04
      let glass = min(1.2 - abs(q.y - 0.4), 0.62 - abs(q.x) - 0.12 * (q.y - 0.4))
      let roof = min(q.y + 1.3, -0.6 - q.y, 0.95 - abs(q.x) + (q.y + 0.6) * 0.9)
      let inside = max(glass, roof)
      let isBar = roof > glass || glass < 0.11 || abs(q.x) < 0.05
      let flame = exp(-length((q - Point(0, 0.6)) * Point(1.6, 1)) * 2)
      let color = isBar ? rgb(0x14100C) : mix(rgb(0xB8742A), rgb(0xFFF0C0) * 1.7, flame)
      return (color, clamp(inside * 30 + 0.5))
    }
  }

  private static func ivy(
    _ canvas: inout Canvas, _ seed: UInt64, _ generator: inout RandomGenerator, _ door: Float
  ) {
    let field = Noise(seed, 6)
    for vine in 0..<16 {
      var place = Point(door * generator.uniform(-0.1...0.72), generator.uniform(0.86...0.97))
      if vine % 4 == 3 { place = Point(canvas.aspect * generator.uniform(0.9...1.02), 0.95) }
      var angle: Float = -Float.pi / 2
      let steps = 26 + generator.index(below: 44)
      for step in 0..<steps {
        angle += 0.5 * field(place * 5 + Point(Float(vine), 0)) + generator.uniform(-0.25...0.25)
        angle = mix(angle, -Float.pi / 2, 0.12)
        let next = place + Point(cos(angle), sin(angle)) * 0.017
        let thin = mix(0.007, 0.002, Float(step) / Float(steps))
        canvas.stroke(place, next, widths: (thin, thin), colors: (rgb(0x2E2216), rgb(0x4A3A22)))
        for _ in 0..<2 {
          let away = Point(generator.uniform(-1...1), generator.uniform(-1...1)) * 0.028
          leaf(
            &canvas, &generator, at: next + away, size: generator.uniform(0.013...0.027),
            angle: generator.uniform(-1.1...1.1))
        }
        place = next
      }
    }
  }

  /// One ivy leaf with five lobes, its veins, and the shadow it throws on the wall.
  private static func leaf(
    _ canvas: inout Canvas, _ generator: inout RandomGenerator, at place: Point, size: Float,
    angle: Float
  ) {
    let tone = generator.uniform()
    let base = mix(rgb(0x1C3A18), rgb(0x5E8A34), tone)
    let tilt = generator.uniform(-0.5...0.8)
    canvas.disc(
      place + Point(size * 0.35, size * 0.45), size * 0.8, rgb(0x0A0806), softness: size * 0.9,
      opacity: 0.42)
    let edge = 1 / (canvas.step * 1.2)
    canvas.paint(from: place - Point(size, size) * 1.2, to: place + Point(size, size) * 1.2) { p in
      let q = rotated((p - place) / size, -angle)
      let radius = length(q)
      let turn = atan2(q.x, q.y)
      let lobes = 0.7 + 0.17 * cos(turn * 5) + 0.13 * cos(turn)
      let inside = (lobes - radius) * size * edge
      guard inside > -1 else { return (base, 0) }
      let near = abs(turn * 5 / (2 * .pi) - (turn * 5 / (2 * .pi)).rounded())
      let vein = smoothstep(0.07, 0.02, near * radius)
      let fold = 0.8 + 0.35 * tilt * q.x + 0.3 * smoothstep(0.1, 0.7, radius)
      let color = mix(base * fold, rgb(0xB8CC88), 0.4 * vein)
      return (color, clamp(inside + 0.5))
    }
  }
}
