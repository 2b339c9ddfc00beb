// Gradients of an attack taken beside where it stands and summed over its steps.
//
// Dong and others: Boosting Adversarial Attacks with Momentum (2018); Athalye, Carlini, Wagner:
// Obfuscated Gradients Give a False Sense of Security (2018), who average over random changes.

import AtelierClassification
import AtelierEngine
import AtelierWorkbench

/// What leads an attack over plateaus: a network that cuts its values off shows no slope, or a
/// misleading one, where it is; somewhere within the limit it shows the true one, which is steeper
/// and so prevails in the sum.
struct GradientSmoothing {
  /// The share of the samples that stand elsewhere when a gradient is taken.
  static let share: Float = 0.3
  /// What is left of the sum of gradients from one step to the next.
  static let decay: Float = 0.95

  /// The sum so far, as many numbers as the pictures have.
  private(set) var sum: [Float]
  private var generators: [RandomGenerator]

  /// Begins with no gradient of pictures of `count` numbers in all, with the lots of each.
  init(count: Int, generators: [RandomGenerator]) {
    sum = [Float](repeating: 0, count: count)
    self.generators = generators
  }

  /// The pictures with some samples moved by up to twice the limit and back into it, so that most
  /// of these stand at its ends.
  mutating func disturbed(_ noisy: Tensor, around clean: Tensor, _ budget: NoiseBudget) -> Tensor {
    var moved = noisy
    let (reach, length) = (2 * budget.radius, sum.count / generators.count)
    for row in generators.indices {
      for index in row * length..<(row + 1) * length where generators[row].uniform() < Self.share {
        moved.elements[index] += generators[row].uniform(-reach...reach)
      }
    }
    budget.project(&moved, around: clean)
    return moved
  }

  /// Adds gradients, each picture's shortened to a sum of magnitudes of one.
  mutating func add(_ gradient: UnsafeBufferPointer<Float>) {
    let length = sum.count / generators.count
    for row in generators.indices {
      let range = row * length..<(row + 1) * length
      let norm = range.reduce(Float(0)) { $0 + abs(gradient[$1]) }
      let factor = norm > 0 ? 1 / norm : 0
      for index in range { sum[index] = Self.decay * sum[index] + factor * gradient[index] }
    }
  }
}
