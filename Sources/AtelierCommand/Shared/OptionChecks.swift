// Checks of numbers on the command line that several commands make, with one wording.

import ArgumentParser

/// Refuses numbers out of range, by the name of their option.
enum OptionCheck {
  /// Whole numbers in a range; one without an upper end ends at `Int.max`.
  static func counts(_ values: [(name: String, value: Int?, range: ClosedRange<Int>)]) throws {
    for (name, value, range) in values {
      guard let value, !range.contains(value) else { continue }
      let text =
        range.upperBound == .max
        ? "at least \(range.lowerBound)" : "\(range.lowerBound) to \(range.upperBound)"
      throw ValidationError("\(name) takes \(text); received \(value)")
    }
  }

  /// Finite numbers above 0.
  static func positive<Number: BinaryFloatingPoint & Sendable>(
    _ values: [(name: String, value: Number?)]
  ) throws {
    for case (let name, let value?) in values where !(value > 0 && value.isFinite) {
      throw ValidationError("\(name) takes a number above 0; received \(value)")
    }
  }

  /// Shares from 0 to 1.
  static func shares<Number: BinaryFloatingPoint & Sendable>(
    _ values: [(name: String, value: Number?)]
  ) throws {
    for case (let name, let value?) in values where !(0...1).contains(value) {
      throw ValidationError("\(name) takes 0 to 1; received \(value)")
    }
  }

  /// Shares from 0 to below 1.
  static func partialShares<Number: BinaryFloatingPoint & Sendable>(
    _ values: [(name: String, value: Number?)]
  ) throws {
    for case (let name, let value?) in values where !(0..<1).contains(value) {
      throw ValidationError("\(name) takes 0 to below 1; received \(value)")
    }
  }
}
