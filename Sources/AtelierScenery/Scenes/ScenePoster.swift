// A printed exhibition poster: lettering, flat shapes, paper grain.

import AtelierEngine
import Foundation

/// A line font: each letter is a few polylines on a grid 4 wide and 6 high.
private enum Lettering {
  /// Two digits a place (x, y from the top), blanks between polylines.
  static let strokes: [Character: String] = [
    "A": "062046 1434", "B": "00063645443303 0030414233", "C": "4130100105163645",
    "D": "00062644422000", "E": "40000646 0333", "F": "400006 0333", "G": "41301001051636454323",
    "H": "0006 4046 0343", "I": "2026", "J": "3035261605", "K": "0006 400346", "L": "000646",
    "M": "0600244046", "N": "06004640", "O": "103041453616050110", "P": "06003041423303",
    "Q": "103041453616050110 3446", "R": "06003041423303 2346", "S": "413010010213334445361605",
    "T": "0040 2026", "U": "000516364540", "V": "002640", "W": "0016233640", "X": "0046 4006",
    "Y": "002340 2326", "Z": "00400646", "·": "2324", "–": "0343",
  ]

  static func lines(_ letter: Character) -> [[Point]] {
    (strokes[letter] ?? "").split(separator: " ").map { text in
      let digits = text.compactMap(\.wholeNumberValue)
      return stride(from: 0, to: digits.count - 1, by: 2).map {
        Point(Float(digits[$0]), Float(digits[$0 + 1]))
      }
    }
  }
}

extension SampleScenes {
  /// Writes capitals with round pens; returns the x behind the last letter.
  private static func write(
    _ text: String, on canvas: inout Canvas, at place: Point, size: Float, pen: Float, color: Color
  ) {
    let unit = size / 6
    var x = place.x
    for letter in text {
      for line in Lettering.lines(letter) {
        for index in 0..<max(line.count - 1, 0) {
          canvas.stroke(
            Point(x, place.y) + line[index] * unit, Point(x, place.y) + line[index + 1] * unit,
            widths: (pen, pen), colors: (color, color))
        }
      }
      x += unit * (letter == "I" ? 5.4 : letter == " " ? 3.4 : 5.7)
    }
  }

  /// The poster "ATELIER", with text down to the smallest readable size.
  static func poster(_ canvas: inout Canvas, _ seed: UInt64) {
    var generator = RandomGenerator(seed: seed, 18)
    let noise = Noise(seed, 1)
    let palettes: [[Color]] = [
      [rgb(0xEFE4CC), rgb(0xD2402C), rgb(0x1F3A5F), rgb(0xE9B23A), rgb(0x1A1818)],
      [rgb(0xE6E8E0), rgb(0xE0762A), rgb(0x2A6A6A), rgb(0xD8C24A), rgb(0x20242C)],
      [rgb(0xF2E6DA), rgb(0xA83A5A), rgb(0x3A4A8A), rgb(0x7AAE8A), rgb(0x241C24)],
    ]
    let colors = palettes[generator.index(below: palettes.count)]
    canvas.shade { _ in colors[0] }
    shapes(&canvas, &generator, colors)
    let margin = 0.06 * min(canvas.aspect, 1)
    let room = canvas.aspect - 2 * margin
    let title = min(room / 6.4, 0.17)
    write(
      "ATELIER", on: &canvas, at: Point(margin + title * 0.06, 0.075), size: title,
      pen: title * 0.17, color: colors[4])
    write(
      "ENCODER – DECODER", on: &canvas, at: Point(margin + 0.01, 0.1 + title * 1.1),
      size: title / 4.2, pen: title / 24, color: colors[1])
    let words = [
      "A PICTURE LOSES ITSELF", "STEP BY STEP AND WALKS", "THE SAME STEPS BACK", "POOL · UNPOOL",
      "FOLD · UNFOLD", "NOISE · QUIET", "LIGHT AND PAPER", "LINES AND GRAIN",
    ]
    var y: Float = 0.81
    var size = min(room / 42, 0.03)
    for line in 0..<6 {
      let text = words[(line + generator.index(below: 2) * 2) % words.count]
      write(text, on: &canvas, at: Point(margin, y), size: size, pen: size * 0.14, color: colors[4])
      write(
        words[(line + 3) % words.count], on: &canvas, at: Point(margin + room * 0.55, y),
        size: size * 0.8, pen: size * 0.11, color: colors[2])
      y += size * 1.55
      size *= 0.84
    }
    let crease = canvas.aspect / 2
    let octaves = canvas.octaves(120, most: 4)
    canvas.filter { p, color in
      // Paper fibres, ink that did not take everywhere, a fold in each direction, the lamp.
      let fiber = noise.fbm(Point(p.x * 130, p.y * 90), octaves)
      let worn = smoothstep(0.5, 0.85, noise.fbm(p * 46 + Point(3, 3), 3))
      var result = mix(color, colors[0], 0.22 * worn) * (1 + 0.055 * fiber)
      for distance in [p.x - crease, p.y - 0.5] as [Float] {
        let wrinkle = distance + 0.0015 * noise(p * 30)
        let dark = 0.16 * exp(-pow(wrinkle / 0.0025, 2))
        let bright = 0.1 * exp(-pow((wrinkle - 0.005) / 0.004, 2))
        result *= 1 - dark + bright
      }
      let sag = noise.fbm(p * 1.6, 3)
      return result * (0.86 + 0.12 * sag + 0.16 * (1 - p.y))
    }
  }

  private static func shapes(
    _ canvas: inout Canvas, _ generator: inout RandomGenerator, _ colors: [Color]
  ) {
    let middle = Point(canvas.aspect * 0.5, 0.56)
    let edge = 1 / canvas.step
    let reach: Float = 0.21 * min(1.1, canvas.aspect * 1.35)
    canvas.disc(middle + Point(-reach * 0.55, -reach * 0.1), reach * 0.82, colors[1])
    // A fan of bars whose width falls by a constant factor: the encoder; mirrored: the decoder.
    var width = reach * 0.22
    var x = middle.x - reach * 0.1
    for step in 0..<7 {
      let tall = reach * (0.95 - 0.11 * Float(step))
      let left = Point(x, middle.y - tall)
      let color = step % 2 == 0 ? colors[2] : colors[4]
      let shown = width * 0.72
      canvas.paint(from: left - Point(0.01, 0.01), to: left + Point(width, 2 * tall)) { p in
        let half = Point(shown / 2, tall)
        let q = p - left - half
        return (color, clamp(min(half.x - abs(q.x), half.y - abs(q.y)) * edge + 0.5))
      }
      x += width
      width *= 0.84
    }
    let corner = middle + Point(reach * 1.05, reach * 0.35)
    canvas.paint(from: corner - Point(reach, reach), to: corner + Point(reach, reach)) { p in
      let q = p - corner
      let inside = min(q.y + reach * 0.3, reach * 0.5 - q.y * 0.55 - abs(q.x))
      return (colors[3], clamp(inside * edge + 0.5) * 0.94)
    }
    for ring in 0..<9 {
      let radius = reach * (0.1 + 0.055 * Float(ring))
      let center = middle + Point(-reach * 1.1, reach * 0.62)
      canvas.paint(
        from: center - Point(radius, radius) * 1.1, to: center + Point(radius, radius) * 1.1
      ) { p in
        let distance = abs(length(p - center) - radius)
        return (colors[4], clamp((0.0035 - distance) * edge + 0.5))
      }
    }
    for row in 0..<8 {
      for column in 0..<8 {
        let grid = Point(0.55 + 0.09 * Float(column), 0.09 * Float(row) - 0.95)
        let place = middle + grid * reach
        canvas.disc(place, reach * (0.008 + 0.0042 * Float(row + column) / 1.6), colors[4])
      }
    }
  }
}
