// Drawing one of several by logits.

import AtelierEngine
import Foundation

/// Draws places by chances.
enum Sampling {
  /// A place by the chances that logits give at a temperature: below 1 the likely ones are likelier,
  /// at 0 the likeliest is taken.
  static func place(
    of logits: some Collection<Float>, temperature: Float = 1,
    using generator: inout RandomGenerator
  ) -> Int {
    let values = Array(logits)
    guard temperature > 0, let peak = values.max() else { return values.largestPlace }
    let weights = values.map { exp(($0 - peak) / temperature) }
    var rest = generator.uniform() * weights.reduce(0, +)
    for (place, weight) in weights.enumerated() {
      rest -= weight
      if rest < 0 { return place }
    }
    return values.largestPlace
  }
}
