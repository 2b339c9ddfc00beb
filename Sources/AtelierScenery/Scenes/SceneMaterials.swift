// Materials seen straight on: tartan cloth, wooden planks, carved marble.

import AtelierEngine
import Foundation

extension SampleScenes {
  /// Tartan twill in folds.
  static func cloth(_ canvas: inout Canvas, _ seed: UInt64) {
    var generator = RandomGenerator(seed: seed, 11)
    let noise = Noise(seed, 1)
    let sets: [[Color]] = [
      [rgb(0x8E1420), rgb(0x16352A), rgb(0xE8D8A0), rgb(0x101820)],
      [rgb(0x1E3A6E), rgb(0x0E4A3A), rgb(0xF0F0E4), rgb(0xB02028)],
      [rgb(0xB89A6A), rgb(0x2A1E18), rgb(0xF4F0E6), rgb(0x9A2A20)],
    ]
    let colors = sets[generator.index(below: sets.count)]
    // Widths in threads of one repeat, mirrored, as setts are counted.
    let bands = [(0, 12), (1, 8), (0, 2), (2, 2), (1, 8), (3, 5), (2, 2), (3, 5), (1, 4)]
    var sett: [Int] = []
    for (color, count) in bands { sett += Array(repeating: color, count: count) }
    sett += sett.reversed()
    let pattern = sett
    let threads = min(130, 0.24 / canvas.pixel)
    let tilt = generator.uniform(-0.35...0.35)
    let relief = Relief(ambient: Color(0.26, 0.28, 0.33))
    @Sendable func fold(_ q: Point) -> Float {
      let bent = rotated(q, 0.5 + tilt)
      let sweep = bent.x * 2.1 + 0.6 * noise(bent * 1.3)
      return 0.05 * sin(sweep * 2.4 + noise(Point(bent.y * 1.4, 2))) + 0.05
        * noise.fbm(bent * 1.9, 2)
        + 0.003 * noise(q * 7)
    }
    canvas.shade { p in
      let slope = Relief.slope(p, 0.004, fold)
      // Cloth runs longer where it is steep, so the pattern shifts with the folds.
      let q = (rotated(p, tilt) + slope * 0.035) * threads
      let x = q.x.rounded(.down)
      let y = q.y.rounded(.down)
      let isWarp = ((Int(x) + Int(y)) % 4 + 4) % 4 < 2
      let index = Int(isWarp ? x : y)
      let color = colors[pattern[(index % pattern.count + pattern.count) % pattern.count]]
      let across = isWarp ? q.x - x - 0.5 : q.y - y - 0.5
      let along = isWarp ? q.y : q.x
      let fiber = noise.fbm(Point(Float(index) * 3.1 + across * 5, along * 0.9), 3)
      let round = cos(across * 2.6)
      let spun =
        color * (0.62 + 0.42 * round + 0.22 * fiber) + Color(repeating: 0.012 * (1 + fiber))
      let fuzz = isWarp ? Point(across * 0.3, 0) : Point(0, across * 0.3)
      return relief.lit(spun, slope: slope * 1.9 + fuzz, gloss: 0.03, sharpness: 8)
        * (0.8 + 3 * clamp(fold(p) + 0.06, 0, 0.15))
    }
  }

  /// Floor boards with rings, knots, pores, gaps and nails.
  static func wood(_ canvas: inout Canvas, _ seed: UInt64) {
    var generator = RandomGenerator(seed: seed, 12)
    let noise = Noise(seed, 1)
    let tones: [(Color, Color)] = [
      (rgb(0xC79A63), rgb(0x7A4A22)), (rgb(0xB07A48), rgb(0x53290F)),
      (rgb(0xB9A68C), rgb(0x6A5844)),
    ]
    let tone = tones[generator.index(below: tones.count)]
    let board = generator.uniform(0.17...0.23)
    let relief = Relief()
    let octaves = canvas.octaves(50, most: 4)
    @Sendable func grain(_ p: Point, _ row: Int) -> (ring: Float, knot: Float) {
      let shift = Point(noise.random(row, 1) * 40, noise.random(row, 2) * 9)
      let place = p * Point(1, 1) + shift
      let spot = noise.cells(Point(place.x * 1.05, Float(row) * 1.7 + 0.5), jitter: 0.8)
      let knotAt = Point(
        spot.offset.x / 1.05, p.y - (Float(row) + 0.3 + 0.4 * noise.random(row, 4)) * board)
      let has: Float = noise.random(spot.cell.x, row + 40) < 0.55 ? 1 : 0
      let distance = length(knotAt * Point(0.75, 1.25))
      // The pull of a knot ends before the next cell begins.
      let pull = has * exp(-distance * 26) * smoothstep(0, 0.3, spot.second - spot.first)
      let field =
        place.y * 9 + 0.9 * noise.fbm(Point(place.x * 0.9, place.y * 5), 3)
        + 0.07 * noise.fbm(Point(place.x * 5, place.y * 40), 3) + pull * 5.5
      return (field * 2.2, has * smoothstep(0.026, 0.012, distance))
    }
    canvas.shade { p in
      let row = Int((p.y / board).rounded(.down))
      let length = 1.1 + 0.5 * noise.random(row, 7)
      let start = noise.random(row, 8) * length
      let piece = Int(((p.x + start) / length).rounded(.down))
      let id = row * 13 + piece
      let (ring, knot) = grain(p + Point(Float(piece) * 7, 0), row)
      let part = ring - ring.rounded(.down)
      // Light spring wood turns slowly into dark summer wood and stops at once.
      let dark = smoothstep(0.25, 0.93, part) * smoothstep(1, 0.95, part)
      let pores = noise.fbm(Point(p.x * 16, p.y * 210 + noise.random(id, 3) * 9), octaves)
      var color = mix(tone.0, tone.1, 0.12 + 0.55 * dark) * (0.8 + 0.4 * noise.random(id, 5))
      color *= 1 + 0.16 * pores
      color = mix(color, tone.1 * 0.45, 0.6 * smoothstep(0.42, 0.75, pores))
      color = mix(color, tone.1 * (0.3 + 0.25 * abs(sin(ring * 5))), knot * 0.9)
      let inRow = p.y / board - Float(row)
      let inPiece = (p.x + start) / length - Float(piece)
      let gap = min(min(inRow, 1 - inRow) * board, min(inPiece, 1 - inPiece) * length)
      let tilt = (noise.random(id, 9) - 0.5) * 0.12
      let bevel = smoothstep(0.007, 0.0022, gap) * (inRow < 0.5 ? -1.0 : 1.0)
      let slope = Point(tilt, tilt * 0.7 + bevel * 0.9) + Point(0, 0.05) * pores
      color = relief.lit(color, slope: slope, gloss: 0.12, sharpness: 14)
      return color * mix(0.1, 1, smoothstep(0.0012, 0.0035, gap))
    }
    nails(&canvas, noise, board: board)
    canvas.filter { p, color in
      let beam = smoothstep(0.1, 0.5, sin((p.x * 0.8 + p.y * 0.55) * 5) * 0.5 + 0.5)
      return color * mix(0.55, 1.12, beam * (0.75 + 0.25 * noise.fbm(p * 2, 2)))
    }
  }

  private static func nails(_ canvas: inout Canvas, _ noise: Noise, board: Float) {
    for row in 0..<Int(1 / board) + 1 {
      let length = 1.1 + 0.5 * noise.random(row, 7)
      let start = noise.random(row, 8) * length
      for piece in 0...4 {
        for (side, up) in [(-0.022, 0.25), (0.022, 0.25), (-0.022, 0.75), (0.022, 0.75)]
          as [(Float, Float)]
        {
          let place = Point(Float(piece) * length - start + side, (Float(row) + up) * board)
          canvas.disc(place, 0.0062, rgb(0x120C08), softness: 0.003, opacity: 0.8)
          canvas.disc(place, 0.0044, rgb(0x5A544E), softness: 0.002)
          canvas.disc(place - Point(0.001, 0.0012), 0.0018, rgb(0xC4C0BA), softness: 0.003)
        }
      }
    }
  }

  /// Veined marble slabs around a carved rosette.
  static func marble(_ canvas: inout Canvas, _ seed: UInt64) {
    var generator = RandomGenerator(seed: seed, 13)
    let noise = Noise(seed, 1)
    let veins = Noise(seed, 2)
    let isGreen = generator.uniform() < 0.35
    let center = Point(canvas.aspect / 2, 0.5)
    let petals = Float(8 + 2 * generator.index(below: 4))
    let octaves = canvas.octaves(6, most: 8)
    let relief = Relief(toLight: normalized(Color(-0.6, -0.7, 0.75)))
    @Sendable func carving(_ q: Point) -> Float {
      let d = q - center
      let r = length(d)
      guard r < 0.4 else { return 0.02 * smoothstep(0.4, 0.415, r) }
      let angle = atan2(d.y, d.x)
      let wave = abs(cos(angle * petals / 2))
      let outer = smoothstep(0, 0.05, (0.2 + 0.12 * pow(wave, 0.6) - r)) * smoothstep(0.1, 0.17, r)
      let inner = smoothstep(0, 0.04, 0.1 + 0.07 * abs(sin(angle * petals / 2)) - r)
      let bead = (angle / (2 * Float.pi) * 48).truncatingRemainder(dividingBy: 1)
      let beads = max(0, 1 - pow((r - 0.368) / 0.014, 2) - pow((abs(bead) - 0.5) * 2.4, 2))
      let boss = max(0, 1 - r * r / 0.0022)
      let rib = 0.004 * cos(angle * petals) * smoothstep(0.1, 0.3, r)
      return 0.028 * outer + rib + 0.03 * inner + 0.03 * boss.squareRoot()
        + 0.013 * beads.squareRoot()
    }
    canvas.shade { p in
      let mirrored = Point(abs(p.x - center.x), p.y)
      let inside = length(p - center) < 0.415
      let place = inside ? rotated(p, 0.7) * 1.3 + Point(9, 4) : mirrored
      let bend = Point(veins.fbm(place * 1.7, 4), veins.fbm(place * 1.7 + Point(7, 2), 4)) * 0.5
      let field = veins.fbm(place * 1.8 + bend, octaves)
      let thin = pow(1 - clamp(abs(field) * 3.2), 7)
      let fine = pow(1 - clamp(abs(veins.fbm(place * 4.2 + bend * 2, octaves)) * 3.5), 9)
      let cloud = noise.warped(place * 2.4, octaves, by: 0.8)
      var color: Color
      if isGreen && !inside {
        color = mix(rgb(0x12352A), rgb(0x3E6E58), clamp(0.45 + 0.6 * cloud))
        color = mix(color, rgb(0xD8E4D6), 0.75 * thin + 0.4 * fine)
      } else {
        color = mix(rgb(0xC9C6C2), rgb(0xF3F0EA), clamp(0.55 + 0.55 * cloud))
        color = mix(color, rgb(0x5A5C66), 0.75 * thin)
        color = mix(color, rgb(0xA88A54), 0.45 * fine)
      }
      color *= 1 + 0.05 * noise.fbm(place * 60, 3)
      let slope = Relief.slope(p, 0.002, carving)
      let joint = min(abs(p.x - center.x), abs((p.y - 0.5)))
      let isJoint = !inside && joint < 0.002
      let cavity = 1 - 0.35 * smoothstep(0.02, 0, carving(p)) * (inside ? 1 : 0)
      let lit = relief.lit(color * 0.92 * cavity, slope: slope, gloss: 0.22, sharpness: 26)
      let window = smoothstep(0.5, 0.9, noise.fbm(p * 0.9 + Point(1, 5), 2) + p.x * 0.4)
      return isJoint ? color * 0.25 : lit + Color(repeating: inside ? 0 : 0.06 * window)
    }
  }
}
