// The attacks that a noise generator is compared with: random noise, FGSM, PGD, Carlini–Wagner L2,
// Square.

import AtelierEngine
import AtelierInterchange
import AtelierKernels

/// An attack with its settings.
public enum Attack: Sendable, Hashable, Codable {
  /// Every sample moves by plus or minus the whole limit, by lot.
  case random
  /// One step along the gradient's signs (Goodfellow, Shlens and Szegedy 2014).
  case fgsm
  /// Projected gradient steps of twice the limit over their number, from random starts (Madry and
  /// others 2017).
  case pgd(steps: Int, restarts: Int)
  /// The least L2 noise by Adam and a search for the weight (Carlini and Wagner 2017); the limit
  /// only cuts what is too long.
  case carliniWagner(searches: Int, steps: Int)
  /// Random squares, seeing only the victim's answers (Andriushchenko and others 2020); L∞ alone.
  case square(queries: Int)

  /// The name in tables.
  public var name: String {
    switch self {
    case .random: "random noise"
    case .fgsm: "FGSM"
    case .pgd(let steps, let restarts): "PGD-\(steps)" + (restarts > 1 ? " x \(restarts)" : "")
    case .carliniWagner(let searches, let steps): "CW-L2 \(searches) x \(steps)"
    case .square(let queries): "Square \(queries)"
    }
  }
}

/// Runs attacks on one victim.
///
/// Used by one thread at a time.
final class Attacker {
  let victim: Model
  let budget: NoiseBudget
  let goal: AttackGoal
  private let classifier: Classifier
  private let kernels: Kernels
  private var gradients: [AttackLoss: VictimGradient] = [:]
  private static let batch = 250

  init(_ victim: Model, budget: NoiseBudget, goal: AttackGoal, kernels: Kernels) throws {
    self.victim = victim
    self.budget = budget
    self.goal = goal
    self.kernels = kernels
    classifier = try Classifier([victim], kernels: kernels)
  }

  /// Attacks pictures.
  ///
  /// - Parameters:
  ///   - pictures: [N, height, width, channels] in [0, 1].
  ///   - labels: The right classes.
  ///   - attack: Which attack.
  ///   - seed: The seed of starts and squares.
  /// - Returns: Pictures of the same shape within the limit (before rounding).
  /// - Throws: `StudioError` when the attack has no form for the kind of limit.
  func run(_ pictures: Tensor, _ labels: [Int], _ attack: Attack, seed: UInt64) throws -> Tensor {
    var result = Tensor(pictures.shape)
    let length = pictures.count / labels.count
    for first in stride(from: 0, to: labels.count, by: Self.batch) {
      let count = min(Self.batch, labels.count - first)
      let range = first * length..<(first + count) * length
      let part = Tensor(pictures.shape.withBatch(count), Array(pictures.elements[range]))
      let wanted = try goal.labels(Array(labels[first..<first + count])) {
        try classifier.logits(part)
      }
      var generator = RandomGenerator(seed: seed, UInt64(first))
      let noisy =
        switch attack {
        case .random: randomNoise(part, &generator)
        case .fgsm: try fastGradient(part, wanted)
        case .pgd(let steps, let restarts):
          try projectedGradient(part, wanted, steps: steps, restarts: restarts, &generator)
        case .carliniWagner(let searches, let steps):
          try CarliniWagnerAttack(
            gradient: gradient(.margin(kappa: 0)), isTargeted: goal.isTargeted,
            searches: searches, steps: steps
          ).run(part, wanted)
        case .square(let queries):
          try SquareAttack(classifier, budget, isTargeted: goal.isTargeted, queries: queries)
            .run(part, wanted, &generator)
        }
      result.elements.replaceSubrange(range, with: noisy.elements)
    }
    return result
  }

  private func gradient(_ loss: AttackLoss) throws -> VictimGradient {
    if let known = gradients[loss] { return known }
    let made = try VictimGradient(
      victim, loss: loss, isTargeted: goal.isTargeted, batch: Self.batch, kernels: kernels)
    gradients[loss] = made
    return made
  }

  private func randomNoise(_ clean: Tensor, _ generator: inout RandomGenerator) -> Tensor {
    var noisy = clean
    for index in noisy.elements.indices {
      noisy.elements[index] += generator.uniform() < 0.5 ? -budget.radius : budget.radius
    }
    budget.project(&noisy, around: clean)
    return noisy
  }

  /// Moves pictures against the gradient: by signs for L∞, along it for L2.
  private func step(_ noisy: inout Tensor, _ gradient: Tensor, by size: Float) {
    switch budget {
    case .infinity:
      for index in noisy.elements.indices {
        let slope = gradient.elements[index]
        noisy.elements[index] -= slope > 0 ? size : slope < 0 ? -size : 0
      }
    case .two:
      let length = noisy.count / noisy.shape.batch
      for row in 0..<noisy.shape.batch {
        let range = row * length..<(row + 1) * length
        let norm = range.reduce(Float(0)) {
          $0 + gradient.elements[$1] * gradient.elements[$1]
        }.squareRoot()
        guard norm > 0 else { continue }
        for index in range { noisy.elements[index] -= size * gradient.elements[index] / norm }
      }
    }
  }

  private func fastGradient(_ clean: Tensor, _ labels: [Int]) throws -> Tensor {
    var noisy = clean
    step(&noisy, try gradient(.unlimited)(clean, labels).gradient, by: budget.radius)
    budget.project(&noisy, around: clean)
    return noisy
  }

  private func projectedGradient(
    _ clean: Tensor, _ labels: [Int], steps: Int, restarts: Int,
    _ generator: inout RandomGenerator
  ) throws -> Tensor {
    var best = clean
    var isTurned = [Bool](repeating: false, count: labels.count)
    // From any start the far side of the limit can be reached.
    let size = 2 * budget.radius / Float(max(steps, 1))
    let length = clean.count / labels.count
    for _ in 0..<max(restarts, 1) where isTurned.contains(false) {
      var noisy = clean
      for index in noisy.elements.indices {
        noisy.elements[index] += generator.uniform(-budget.radius...budget.radius)
      }
      budget.project(&noisy, around: clean)
      for _ in 0..<steps {
        step(&noisy, try gradient(.unlimited)(noisy, labels).gradient, by: size)
        budget.project(&noisy, around: clean)
      }
      let logits = try classifier.logits(noisy)
      for row in labels.indices where !isTurned[row] {
        let range = row * length..<(row + 1) * length
        best.elements.replaceSubrange(range, with: noisy.elements[range])
        isTurned[row] = Self.isTurned(logits, row, labels[row], isTargeted: goal.isTargeted)
      }
    }
    return best
  }

  /// Whether a picture's likeliest class is the one to reach, or no longer the one to leave.
  static func isTurned(_ logits: Tensor, _ row: Int, _ label: Int, isTargeted: Bool) -> Bool {
    let classes = logits.shape.channels
    let values = logits.elements[row * classes..<(row + 1) * classes]
    return (Classifier.ranked(values)[0] == label) == isTargeted
  }
}

extension AttackLoss {
  /// Cross-entropy without a limit that could flatten it.
  static let unlimited = AttackLoss.crossEntropy(limit: 1e9)
}
