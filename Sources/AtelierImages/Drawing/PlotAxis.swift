// The numbers along a plot's axis: where ticks stand and what is written at them.

import Foundation

/// A range of numbers laid along an axis, linear or logarithmic.
struct PlotAxis {
  let isLogarithmic: Bool
  /// The range in axis units: the numbers themselves or their decimal logarithms.
  let low: Double
  let high: Double
  /// Places with their labels, in numbers.
  let ticks: [(value: Double, label: String)]

  /// An axis over the finite values given, on a logarithmic axis the positive ones, with about
  /// `tickCount` ticks; a tight one ends at the values, another at ticks.
  init(_ values: [Double], isLogarithmic: Bool, tickCount: Int, isTight: Bool) {
    self.isLogarithmic = isLogarithmic
    let usable = values.filter { Self.isUsable($0, isLogarithmic) }
    let units = isLogarithmic ? usable.map { log10($0) } : usable
    var low = units.min() ?? 0
    var high = units.max() ?? 1
    // Differences that doubles cannot divide into ticks count as none.
    let least = max(1e-90, max(abs(low), abs(high)) * 1e-9)
    if high - low < least {
      let margin = isLogarithmic ? 0.5 : max(abs(low) * 0.1, 0.5)
      (low, high) = (low - margin, high + margin)
    }
    if isLogarithmic {
      let margin = (high - low) * 0.04
      (self.low, self.high) = (low - margin, high + margin)
      ticks = Self.logarithmicTicks(self.low, self.high, tickCount)
    } else {
      let step = Self.roundStep((high - low) / Double(max(1, tickCount)))
      let first = (low / step).rounded(isTight ? .up : .down)
      let last = (high / step).rounded(isTight ? .down : .up)
      self.low = isTight ? low : first * step
      self.high = isTight ? high : last * step
      // Rounding to the step's own digits keeps 0.30000000000000004 off the axis.
      let digits = max(0, -Int(log10(step).rounded(.down)))
      ticks = stride(from: first, through: last, by: 1).map {
        ($0 * step, Self.label($0 * step, digits: digits, largest: max(abs(low), abs(high))))
      }
    }
  }

  /// Where a number stands, 0 (low end) to 1; nil when it cannot be shown.
  func position(_ value: Double) -> Double? {
    guard Self.isUsable(value, isLogarithmic) else { return nil }
    return ((isLogarithmic ? log10(value) : value) - low) / (high - low)
  }

  /// Whether a number can be shown; those whose differences or ratios would overflow cannot.
  private static func isUsable(_ value: Double, _ isLogarithmic: Bool) -> Bool {
    abs(value) < 1e100 && (!isLogarithmic || value > 1e-100)
  }

  /// The next of 1, 2, 5, 10 … times a power of ten.
  private static func roundStep(_ step: Double) -> Double {
    let power = pow(10, log10(step).rounded(.down))
    let part = step / power
    return (part <= 1 ? 1 : part <= 2 ? 2 : part <= 5 ? 5 : 10) * power
  }

  private static func logarithmicTicks(
    _ low: Double, _ high: Double, _ count: Int
  ) -> [(value: Double, label: String)] {
    let multiples: [Double] =
      high - low > 2.5
      ? [1] : high - low > 0.6 ? [1, 2, 5] : [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9]
    let decades = Int(low.rounded(.down))...Int(high.rounded(.up))
    let every = multiples.count == 1 ? max(1, decades.count / (count + 1)) : 1
    var ticks: [(value: Double, label: String)] = []
    for decade in decades where decade % every == 0 {
      for multiple in multiples {
        let value = multiple * pow(10, Double(decade))
        guard low...high ~= log10(value) else { continue }
        ticks.append((value, plain(value)))
      }
    }
    return ticks
  }

  private static func label(_ value: Double, digits: Int, largest: Double) -> String {
    if value == 0 { return "0" }
    if largest >= 1e7 || largest < 1e-3 { return plain(value) }
    if largest >= 1e4, value.truncatingRemainder(dividingBy: 100) == 0 {
      return trimmed(String(format: "%.1f", value / 1000)) + "k"
    }
    return String(format: "%.\(digits)f", value)
  }

  /// A number in few characters.
  static func plain(_ value: Double) -> String {
    let size = abs(value)
    if size != 0, size >= 1e5 || size < 1e-3 {
      let power = Int(log10(size).rounded(.down))
      let mantissa = trimmed(String(format: "%.2f", value / pow(10, Double(power))))
      return "\(mantissa)e\(power)"
    }
    return String(format: "%.4g", value)
  }

  private static func trimmed(_ text: String) -> String {
    guard text.contains(".") else { return text }
    var text = text
    while text.hasSuffix("0") { text.removeLast() }
    if text.hasSuffix(".") { text.removeLast() }
    return text
  }
}
