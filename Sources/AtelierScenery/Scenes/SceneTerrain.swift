// Landscapes in perspective: mountains, a lake that mirrors them, dunes.

import AtelierEngine
import Foundation

/// A landscape drawn column by column, from near to far, so that hills hide what is behind them.
struct Terrain: Sendable {
  /// The height of the ground at (x, z), z pointing away from the camera.
  var height: @Sendable (Point, Int) -> Float
  /// The ground's own colour at a place, from height, steepness (normal's y) and place.
  var ground: @Sendable (Point, Float, Color) -> Color
  var eye: Float
  var level: Float
  var focal: Float
  /// The direction to the sun, x right, y up, z away.
  var toSun: Color
  var sunlight: Color
  var skylight: Color
  var haze: Color
  /// The share of light that haze takes a unit of distance, and how fast valley fog thins upwards.
  var hazeDensity: Float
  var fogHeight: Float
  var near: Float
  var far: Float
  var octaves: Int

  /// The lit, hazy colour of the ground at a distance.
  private func color(_ place: Point, _ elevation: Float, _ octaves: Int) -> Color {
    let epsilon = 0.0025 * place.y
    let dx = height(place + Point(epsilon, 0), octaves) - elevation
    let dz = height(place + Point(0, epsilon), octaves) - elevation
    let normal = normalized(Color(-dx / epsilon, 1, -dz / epsilon))
    var lit = max(0, dot(normal, toSun))
    if lit > 0 {
      // A short march towards the sun: hills throw shadows on each other.
      var blocked: Float = 0
      var distance: Float = 0.05
      for _ in 0..<7 {
        let along = place + Point(toSun.x, toSun.z) * distance
        let gap = height(along, min(octaves, 4)) - (elevation + toSun.y * distance)
        blocked = max(blocked, gap / (distance * 0.12))
        distance *= 1.8
      }
      lit *= 1 - clamp(blocked)
    }
    let base = ground(place, elevation, normal)
    let bounce = skylight * (0.45 + 0.55 * normal.y)
    let shaded = base * (sunlight * lit + bounce)
    let thickness = hazeDensity * place.y * (1 + 3 * exp(-elevation / fogHeight))
    return mix(haze, shaded, exp(-thickness))
  }

  /// Draws over the sky that the canvas holds.
  func draw(on canvas: inout Canvas) {
    let middle = canvas.aspect / 2
    let rows = canvas.rows
    let ratio = 1 + max(0.003, canvas.step * 1.6)
    canvas.shadeColumns { x, line in
      var top = rows
      var z = near
      while z < far, top > 0 {
        let place = Point((x - middle) * z / focal, z)
        // Far ground shows no fine detail; leaving it out keeps it from glittering.
        let shown = max(3, min(octaves, octaves - Int(log2(max(z / 2, 1)))))
        let elevation = height(place, shown)
        let y = level + (eye - elevation) / z * focal
        let row = max(0, Int((y * Float(rows)).rounded()))
        if row < top {
          let color = color(place, elevation, shown)
          for index in row..<top { line[index] = color }
          top = row
        }
        z *= ratio
      }
    }
  }
}

extension SampleScenes {
  /// Snowy ridges in morning haze.
  static func mountains(_ canvas: inout Canvas, _ seed: UInt64) {
    var generator = RandomGenerator(seed: seed, 1)
    alps(&canvas, seed, &generator, valley: 0)
    for _ in 0..<26 {
      let side = pow(generator.uniform(), 1.4) * 0.42
      let x = generator.uniform() < 0.5 ? side : 1 - side * 0.8
      let foot = Point(x * canvas.aspect, 1.02 + 0.05 * generator.uniform() - 0.05 * (0.42 - side))
      conifer(
        &canvas, &generator, foot: foot, height: (0.44 - 0.75 * side) * generator.uniform(0.6...1),
        color: rgb(0x0E1A14), light: rgb(0x4A5A34))
    }
  }

  private static func alps(
    _ canvas: inout Canvas, _ seed: UInt64, _ generator: inout RandomGenerator, valley: Float
  ) {
    let noise = Noise(seed, 1)
    let cover = Noise(seed, 2)
    let isEvening = generator.uniform() < 0.4
    let sunX = generator.uniform(0.1...0.35) * canvas.aspect
    let sky = Sky(
      noise: Noise(seed, 3), zenith: isEvening ? rgb(0x3A5A9A) : rgb(0x2F6DB5),
      horizon: isEvening ? rgb(0xF0B890) : rgb(0xC3D9EA),
      cloud: isEvening ? rgb(0xFFD9BC) : rgb(0xF8FAFC),
      shade: isEvening ? rgb(0x8C7E9A) : rgb(0x9FB0C2), sun: Point(sunX, 0.12),
      light: isEvening ? rgb(0xFF9A50) * 0.6 : rgb(0xFFE9C8) * 0.4, cover: 0.5, level: 0.62,
      octaves: canvas.octaves(4, most: 7))
    canvas.shade { sky($0) }
    let snow = generator.uniform(0.42...0.55)
    let shift = Point(generator.uniform(0...50), generator.uniform(0...50))
    let terrain = Terrain(
      height: { p, octaves in
        let bend = Point(noise(p * 0.9 + shift), noise(p * 0.9 - shift)) * 0.25
        let ridge = noise.ridged((p + bend) * 0.42 + shift, octaves)
        let rise = smoothstep(0.8 + valley, 6.5 + valley, p.y)
        let massif = 0.62 + 0.62 * noise(Point(p.x * 0.27, p.y * 0.16) - shift)
        let foothills = rise < 1 ? 0.2 * noise.fbm(p * 0.8 - shift, min(octaves, 6)) : 0
        return ridge * (0.08 + 1.75 * rise * massif) + 0.08 * p.y * rise + foothills * (1 - rise)
      },
      ground: { p, elevation, normal in
        let grain = cover.fbm(p * 9, 4)
        let isSnowy =
          smoothstep(snow - 0.1, snow + 0.16, elevation + 0.12 * grain)
          * smoothstep(0.42, 0.6, normal.y + 0.08 * grain)
        let strata = cover(Point(elevation * 26 + grain, p.x * 0.7))
        let rock = mix(rgb(0x5C554F), rgb(0x8B8378), clamp(0.5 + 0.4 * strata + 0.3 * grain))
        let trees = cover.fbm(p * 46, 3)
        let meadow = smoothstep(-0.1, 0.25, cover.fbm(p * 2.3 + shift, 3))
        let wood = mix(rgb(0x14261A), rgb(0x33492A), clamp(0.4 + 0.9 * trees))
        let grass = mix(wood, mix(rgb(0x5F7038), rgb(0x8C9150), clamp(0.5 + trees)), meadow)
        let isGreen =
          smoothstep(0.36, 0.2, elevation + 0.1 * grain) * smoothstep(0.5, 0.7, normal.y)
        return mix(mix(rock, grass, isGreen), rgb(0xF2F5FA), isSnowy)
      },
      eye: 0.62, level: 0.44, focal: 1.15,
      toSun: normalized(Color(-0.75, 0.5, 0.25)),
      sunlight: (isEvening ? rgb(0xFFC890) : rgb(0xFFF1DA)) * 1.5,
      skylight: rgb(0x7FA2CC) * 0.5, haze: mix(sky.horizon, sky.zenith, 0.22), hazeDensity: 0.032,
      fogHeight: 0.1, near: 0.9, far: 28, octaves: 10)
    terrain.draw(on: &canvas)
  }

  /// The same mountains behind a lake with reeds.
  static func lake(_ canvas: inout Canvas, _ seed: UInt64) {
    var generator = RandomGenerator(seed: seed, 2)
    alps(&canvas, seed, &generator, valley: 0.5)
    let shore: Float = generator.uniform(0.6...0.66)
    let noise = Noise(seed, 5)
    conifers(
      &canvas, &generator, along: shore, height: 0.05...0.12, count: 90,
      color: rgb(0x1B2B22), light: rgb(0x4D5F3C))
    let mirror = canvas
    canvas.filter { p, color in
      let bank = shore + 0.004 * noise(Point(p.x * 9, 0))
      guard p.y > bank else { return color }
      let depth = p.y - bank
      // Ripples shear the mirrored picture; they are longer and slower near the viewer.
      let stretch = 1 / (depth + 0.03)
      let wave = Point(p.x * 5 * (0.3 + 0.12 * stretch), stretch * 3.2)
      let ripple = noise.fbm(wave * 2.2, 4)
      let calm = 0.25 + 0.75 * smoothstep(-0.2, 0.5, noise.fbm(Point(p.x * 1.3, p.y * 7), 3))
      let source = Point(
        p.x + 0.012 * ripple * calm, bank - depth * 1.02 + 0.05 * ripple * calm * (depth + 0.05))
      let seen = mirror.color(at: Point(source.x, min(max(source.y, 0), bank - 0.004)))
      let tint = mix(rgb(0x12303A), rgb(0x1D4650), clamp(0.5 + 0.5 * ripple))
      let share = mix(0.9, 0.55, smoothstep(0, 0.4, depth))
      return mix(tint, seen * Color(0.86, 0.93, 0.95), share) + Color(repeating: 0.02 * ripple)
    }
    reeds(&canvas, &generator)
  }

  /// Blades of reed along the lower edge.
  private static func reeds(_ canvas: inout Canvas, _ generator: inout RandomGenerator) {
    for index in 0..<220 {
      let side = index % 3 == 0 ? generator.uniform(0.72...1.02) : generator.uniform(-0.02...0.34)
      let root = Point(side * canvas.aspect, generator.uniform(0.97...1.04))
      let tall = generator.uniform(0.07...0.26)
      let lean = generator.uniform(-0.07...0.07)
      let tip = root + Point(lean * 1.7, -tall)
      let bright = generator.uniform()
      let base = mix(rgb(0x1A2414), rgb(0x3C4A1E), bright)
      let end = mix(rgb(0x5E6B2C), rgb(0xB5A65A), bright)
      canvas.curve(
        root, root + Point(lean * 0.2, -tall * 0.7), tip, widths: (0.006, 0.0012),
        colors: (base, end))
      if index % 7 == 0 {
        canvas.stroke(
          tip, tip + Point(lean * 0.12, -0.028), widths: (0.009, 0.007),
          colors: (rgb(0x5A3A20), rgb(0x7A5030)))
      }
    }
  }

  /// Wind-rippled sand under a low sun.
  static func dunes(_ canvas: inout Canvas, _ seed: UInt64) {
    var generator = RandomGenerator(seed: seed, 3)
    let noise = Noise(seed, 1)
    let ripples = Noise(seed, 2)
    let shift = generator.uniform(0...40)
    let sky = Sky(
      noise: Noise(seed, 3), zenith: rgb(0x2E62A6), horizon: rgb(0xE4D3BC),
      cloud: rgb(0xFFF6EA), shade: rgb(0xC6BDB8), sun: Point(0.1 * canvas.aspect, 0.1),
      light: rgb(0xFFE2B0) * 0.4, cover: 0.22, level: 0.5, octaves: canvas.octaves(4, most: 7))
    canvas.shade { sky($0) }
    let fine = canvas.octaves(90, most: 3)
    let terrain = Terrain(
      height: { p, octaves in
        // A dune climbs slowly and falls off sharply: a bent saw-tooth of a warped coordinate.
        let bend = 0.9 * noise.fbm(p * 0.28 + Point(shift, 3), 2)
        let phase = p.y * 0.36 + p.x * 0.2 + bend * 1.5
        let part = phase - phase.rounded(.down)
        let saw = part < 0.72 ? smoothstep(0, 0.76, part) : smoothstep(1.01, 0.7, part)
        let size = 0.55 + 0.5 * noise(Point(p.x * 0.3 + shift, phase.rounded(.down) * 3.7))
        var elevation = 0.62 * saw * size + 0.12 * noise.fbm(p * 0.5, 2)
        if octaves > 6 {
          let warp = ripples.fbm(p * 3, 2)
          elevation += 0.0032 * sin((p.y * 1.2 + p.x * 0.5 + warp * 0.35) * 62)
        }
        return elevation
      },
      ground: { p, _, normal in
        let grain = ripples.fbm(p * 60, fine)
        let sand = mix(rgb(0xC88A52), rgb(0xE6B67E), clamp(0.5 + 0.45 * grain))
        return sand * (0.9 + 0.1 * normal.y)
      },
      eye: 1.05, level: 0.36, focal: 1.1, toSun: normalized(Color(-0.85, 0.34, 0.3)),
      sunlight: rgb(0xFFE0B4) * 1.5, skylight: rgb(0x8FA8D0) * 0.42, haze: rgb(0xDCC6B0),
      hazeDensity: 0.02, fogHeight: 0.3, near: 0.8, far: 30, octaves: 9)
    terrain.draw(on: &canvas)
  }
}
