// A network's speed and delay as words: 10Gb, 125MB, 50us.

import AtelierTraining
import AtelierWorkbench

/// Bits or bytes a second as people write them.
struct NetworkSpeed: FieldValue, Sendable, Hashable, Codable {
  static let fieldKind = FieldKind.text
  let word: String
  let bytesPerSecond: Double

  private static let units: [(String, Double)] = [
    ("Kb", 1e3 / 8), ("Mb", 1e6 / 8), ("Gb", 1e9 / 8), ("Tb", 1e12 / 8), ("KB", 1e3), ("MB", 1e6),
    ("GB", 1e9),
  ]

  init(word: String) throws {
    guard let unit = Self.units.first(where: { word.hasSuffix($0.0) }),
      let number = Double(word.dropLast(2)), number > 0, number.isFinite
    else {
      throw FieldError(
        "expected bits or bytes a second, such as 10Gb or 125MB; received '\(word)'")
    }
    self.word = word
    bytesPerSecond = number * unit.1
  }

  /// Ten gigabits a second.
  static let usual = NetworkSpeed(word: "10Gb", bytesPerSecond: 1.25e9)

  private init(word: String, bytesPerSecond: Double) {
    self.word = word
    self.bytesPerSecond = bytesPerSecond
  }
}

/// A delay as people write it.
struct NetworkDelay: FieldValue, Sendable, Hashable, Codable {
  static let fieldKind = FieldKind.text
  let word: String
  let seconds: Double

  init(word: String) throws {
    let units: [(String, Double)] = [("us", 1e-6), ("ms", 1e-3)]
    guard let unit = units.first(where: { word.hasSuffix($0.0) }),
      let number = Double(word.dropLast(2)), number >= 0, number.isFinite
    else { throw FieldError("expected a delay such as 30us or 0.5ms; received '\(word)'") }
    self.word = word
    seconds = number * unit.1
  }

  private init(word: String, seconds: Double) {
    self.word = word
    self.seconds = seconds
  }

  /// That of a switch between two machines.
  static let usual = NetworkDelay(word: "30us", seconds: 30e-6)
}
