// The words, numbers and little pictures of progress lines.

import Foundation

/// Text for progress lines: durations, numbers of few digits, bars and sparklines.
public enum ProgressText {
  private static let levels: [Character] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]
  private static let eighths: [Character] = [" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]

  /// A duration as `m:ss` or `h:mm:ss`; `–:––` when it is not known.
  public static func duration(_ seconds: Double?) -> String {
    guard let seconds, seconds.isFinite, seconds >= 0, seconds < 1e9 else { return "–:––" }
    let whole = Int(seconds.rounded())
    let rest = String(format: "%02d", whole % 60)
    guard whole >= 3600 else { return "\(whole / 60):\(rest)" }
    return "\(whole / 3600):" + String(format: "%02d", whole / 60 % 60) + ":\(rest)"
  }

  /// A number with at most `digits` significant digits, such as `0.01234` or `1.2e-07`.
  public static func number(_ value: Double, digits: Int = 4) -> String {
    if value.isNaN { return "nan" }
    return String(format: "%.\(max(digits, 1))g", value)
  }

  /// A bar of `width` characters, filled up to `fraction` in eighths of a character.
  public static func bar(_ fraction: Double, width: Int) -> String {
    let filled = Int((min(max(fraction, 0), 1) * Double(width * 8)).rounded(.down))
    var text = String(repeating: "█", count: filled / 8)
    if filled / 8 < width {
      text.append(eighths[filled % 8])
      text += String(repeating: " ", count: width - filled / 8 - 1)
    }
    return text
  }

  /// One character per value, the lowest `▁` and the highest `█`; a blank where a value is not
  /// finite.
  public static func sparkline(_ values: [Double]) -> String {
    let finite = values.filter(\.isFinite)
    guard let lowest = finite.min(), let highest = finite.max() else {
      return String(repeating: " ", count: values.count)
    }
    let range = highest - lowest
    return String(
      values.map { value in
        guard value.isFinite else { return " " }
        guard range > 0 else { return levels[0] }
        return levels[min(Int((value - lowest) / range * 8), 7)]
      })
  }
}

/// Values by step in a fixed number of places: when they are full, neighbours are joined to their
/// mean.
struct Sparkline {
  private(set) var values: [Double] = []
  private var stride = 1
  private var sum = 0.0
  private var count = 0
  private let capacity: Int

  /// Makes an empty line of at most `capacity` places, an even number.
  init(capacity: Int) { self.capacity = max(capacity / 2 * 2, 2) }

  mutating func append(_ value: Double) {
    sum += value
    count += 1
    guard count == stride else { return }
    values.append(sum / Double(count))
    sum = 0
    count = 0
    guard values.count == capacity else { return }
    values = Swift.stride(from: 0, to: capacity, by: 2).map { (place: Int) -> Double in
      let pair = values[place] + values[place + 1]
      return pair / 2
    }
    stride *= 2
  }
}
