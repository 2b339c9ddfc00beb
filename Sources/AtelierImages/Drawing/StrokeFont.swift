// A small typeface: letters are dots on a grid, drawn as strokes through neighbouring dots.

/// The glyphs of printable ASCII and sigma on a grid 5 wide and 8 high.
///
/// The baseline is in row 6, tails reach to row 7.
/// A glyph is drawn by joining dots that touch, so it is smooth at any size and thickness.
enum StrokeFont {
  /// Rows above and on the baseline: the height of a capital.
  static let capitalHeight = 7.0
  /// Rows from the top of a capital to the end of a tail.
  static let lineHeight = 8.0

  /// A stroke between two dots, in grid units; a lone dot starts and ends in one place.
  struct Stroke {
    let start: SIMD2<Double>
    let end: SIMD2<Double>
  }

  /// A glyph with its advance to the next one.
  struct Glyph {
    let strokes: [Stroke]
    let advance: Double
  }

  /// The glyph of a character; dashes take their ASCII cousin, what is unknown a question mark.
  static func glyph(_ character: Character) -> Glyph {
    if character == "\u{3c3}" { return glyphs[95] }
    let cousins: [Character: Character] = [
      "\u{2013}": "-", "\u{2014}": "-", "\u{2212}": "-", "\u{d7}": "x", "\u{b7}": ".",
      "\u{2019}": "'",
    ]
    let code = Int((cousins[character] ?? character).asciiValue ?? 63)
    return glyphs[32...126 ~= code ? code - 32 : 31]
  }

  /// The width of a line of text in grid units.
  static func width(_ text: String) -> Double {
    max(0, text.reduce(0) { $0 + glyph($1).advance } - 1)
  }

  private static let glyphs: [Glyph] = columns.enumerated().map { index, columns in
    let isDigit = 16...25 ~= index
    let bytes = (0..<5).map { UInt8(truncatingIfNeeded: columns >> (32 - 8 * $0)) }
    if index == 0 { return Glyph(strokes: [], advance: 4) }
    let first = isDigit ? 0 : bytes.firstIndex { $0 != 0 } ?? 0
    let last = isDigit ? 4 : bytes.lastIndex { $0 != 0 } ?? 4
    let kept = Array(bytes[first...last])
    return Glyph(strokes: strokes(kept), advance: Double(kept.count) + 1)
  }

  private static func strokes(_ columns: [UInt8]) -> [Stroke] {
    func isSet(_ x: Int, _ y: Int) -> Bool {
      x >= 0 && x < columns.count && 0..<8 ~= y && columns[x] >> y & 1 == 1
    }
    func dot(_ x: Int, _ y: Int) -> SIMD2<Double> { SIMD2(Double(x), Double(y)) }
    var result: [Stroke] = []
    for x in 0..<columns.count {
      for y in 0..<8 where isSet(x, y) {
        var isAlone = true
        for (dx, dy) in [(1, 0), (0, 1), (1, 1), (1, -1), (-1, 0), (0, -1), (-1, -1), (-1, 1)] {
          guard isSet(x + dx, y + dy) else { continue }
          // Dots that already meet around a corner are not joined across it.
          if dx != 0, dy != 0, isSet(x + dx, y) || isSet(x, y + dy) { continue }
          isAlone = false
          if dx > 0 || (dx == 0 && dy > 0) {
            result.append(Stroke(start: dot(x, y), end: dot(x + dx, y + dy)))
          }
        }
        if isAlone { result.append(Stroke(start: dot(x, y), end: dot(x, y))) }
      }
    }
    return result
  }

  /// Five columns a glyph, left first, top row in the lowest bit; space to tilde, then sigma.
  private static let columns: [UInt64] = [
    0x00_0000_0000, 0x00_005f_0000, 0x00_0700_0700, 0x14_7f14_7f14, 0x24_2a7f_2a12, 0x23_1308_6462,
    0x36_4955_2250, 0x00_0007_0000, 0x00_3e41_0000, 0x00_413e_0000, 0x2a_1c3e_1c2a, 0x08_083e_0808,
    0x00_8060_0000, 0x08_0808_0808, 0x00_0040_0000, 0x60_1008_0403, 0x3e_4141_413e, 0x00_427f_4000,
    0x62_5149_4946, 0x22_4149_4936, 0x18_1412_7f10, 0x27_4545_4539, 0x3c_4a49_4930, 0x01_7109_0503,
    0x36_4949_4936, 0x06_4949_291e, 0x00_0024_0000, 0x00_8064_0000, 0x08_1422_4100, 0x14_1414_1414,
    0x41_2214_0800, 0x02_0151_0906, 0x3e_415d_551e, 0x7c_1211_127c, 0x7f_4949_4936, 0x3e_4141_4122,
    0x7f_4141_221c, 0x7f_4949_4941, 0x7f_0909_0901, 0x3e_4149_497a, 0x7f_0808_087f, 0x00_417f_4100,
    0x20_4040_403f, 0x7f_0814_2241, 0x7f_4040_4040, 0x7f_020c_027f, 0x7f_0408_107f, 0x3e_4141_413e,
    0x7f_0909_0906, 0x3e_4151_215e, 0x7f_0919_2946, 0x26_4949_4932, 0x01_017f_0101, 0x3f_4040_403f,
    0x1f_2040_201f, 0x3f_4038_403f, 0x63_1408_1463, 0x03_0478_0403, 0x61_5149_4543, 0x00_7f41_4100,
    0x03_0408_1060, 0x00_4141_7f00, 0x04_0201_0204, 0x80_8080_8080, 0x00_0102_0400, 0x20_5454_5478,
    0x7f_4844_4438, 0x38_4444_4428, 0x38_4444_487f, 0x38_5454_5418, 0x00_087e_0901, 0x18_a4a4_a47c,
    0x7f_0804_0478, 0x00_007d_0000, 0x00_8084_7d00, 0x7f_1028_4400, 0x00_013f_4000, 0x7c_0478_0478,
    0x7c_0804_0478, 0x38_4444_4438, 0xfc_2424_2418, 0x18_2424_24fc, 0x7c_0804_0400, 0x48_5454_5424,
    0x00_043f_4400, 0x3c_4040_207c, 0x1c_2040_201c, 0x3c_4030_403c, 0x44_2810_2844, 0x1c_a0a0_a07c,
    0x44_6454_4c44, 0x00_0836_4100, 0x00_007f_0000, 0x00_4136_0800, 0x08_0408_1008, 0x38_4444_3c04,
  ]
}
