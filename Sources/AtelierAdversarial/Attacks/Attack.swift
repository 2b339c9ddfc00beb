// The attacks that a noise generator is compared with: random noise, FGSM, PGD, Carlini–Wagner L2,
// Square.

import AtelierClassification
import AtelierEngine
import AtelierFiles
import AtelierWorkbench

/// An attack with its settings.
public enum Attack: Sendable, Hashable, Codable {
  /// Every sample moves by plus or minus the whole limit, by lot.
  case random
  /// One step along the gradient's signs (Goodfellow, Shlens and Szegedy 2014).
  case fgsm
  /// Projected gradient steps of twice the limit over their number, from random starts (Madry and
  /// others 2017), which are uniform there. Every second restart follows the margin instead of the
  /// cross-entropy, whose gradients vanish where a victim is very sure. A smoothed one follows
  /// gradients taken beside where it stands and summed over the steps, which masking does not stop.
  case pgd(steps: Int, restarts: Int, start: SearchStart = .uniform, isSmoothed: Bool = false)
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
    case .pgd(let steps, let restarts, let start, let isSmoothed):
      "PGD-\(steps)" + (restarts > 1 ? " x \(restarts)" : "")
        + (start == .uniform ? "" : ", \(start.rawValue)") + (isSmoothed ? ", smooth" : "")
    case .carliniWagner(let searches, let steps): "CW-L2 \(searches) x \(steps)"
    case .square(let queries): "Square \(queries)"
    }
  }
}

/// Runs attacks on one victim; used by one thread at a time.
final class Attacker {
  let classifier: Classifier
  let budget: NoiseBudget
  let goal: AttackGoal
  private var gradients: [AttackLoss: VictimGradient] = [:]
  private static let batch = 250

  /// - Throws: `StudioError` for an ensemble, which has no gradient of its own.
  init(_ classifier: Classifier, budget: NoiseBudget, goal: AttackGoal) throws {
    guard classifier.models.count == 1 else {
      throw StudioError(.usage, "an attack is made on one model, not on an ensemble")
    }
    self.classifier = classifier
    self.budget = budget
    self.goal = goal
  }

  /// Attacks pictures [N, height, width, channels] of whole bytes over 255, the first of which has
  /// the number `first` in its set, which the seed is mixed with; what comes back is within the
  /// limit before rounding.
  func run(
    _ pictures: Tensor, _ labels: [Int], _ attack: Attack, seed: UInt64, first: Int = 0
  ) throws -> Tensor {
    let wanted = try goal.labels(labels) { try classifier.logits(pictures) }
    if case .pgd = attack {
      return try projectedGradient(pictures, wanted, attack, seed: seed, first: first)
    }
    var result = pictures
    let length = pictures.count / labels.count
    for start in stride(from: 0, to: labels.count, by: Self.batch) {
      let rows = Array(start..<min(start + Self.batch, labels.count))
      let part = pictures.rows(rows)
      var generator = RandomGenerator(seed: seed, UInt64(first + start))
      let noisy = try run(part, rows.map { wanted[$0] }, attack, &generator)
      result.elements.replaceSubrange(
        start * length..<(start + rows.count) * length, with: noisy.elements)
    }
    return result
  }

  /// One batch of any attack but PGD.
  private func run(
    _ part: Tensor, _ wanted: [Int], _ attack: Attack, _ generator: inout RandomGenerator
  ) throws -> Tensor {
    switch attack {
    case .random: return randomNoise(part, &generator)
    case .fgsm, .pgd:
      var noisy = part
      try gradient(.unlimited).descend(
        &noisy, around: part, wanted, budget, steps: 1, size: budget.radius)
      return noisy
    case .carliniWagner(let searches, let steps):
      return try CarliniWagnerAttack(
        gradient: gradient(.unlimitedMargin), isTargeted: goal.isTargeted, searches: searches,
        steps: steps
      ).run(part, wanted)
    case .square(let queries):
      return try SquareAttack(classifier, budget, isTargeted: goal.isTargeted, queries: queries)
        .run(part, wanted, &generator)
    }
  }

  /// The gradient of a loss through the victim, planned when first asked for.
  func gradient(_ loss: AttackLoss) throws -> VictimGradient {
    if let known = gradients[loss] { return known }
    let made = try VictimGradient(
      classifier.models[0], loss: loss, isTargeted: goal.isTargeted, batch: Self.batch)
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

  /// PGD; pictures that are turned, as their files would hold them, take no further part.
  private func projectedGradient(
    _ clean: Tensor, _ labels: [Int], _ attack: Attack, seed: UInt64, first: Int
  ) throws -> Tensor {
    guard case .pgd(let steps, let restarts, let kind, let isSmoothed) = attack else {
      return clean
    }
    var best = clean
    var standing = Array(labels.indices)
    let length = clean.count / labels.count
    // From any start the far side of the limit can be reached.
    let size = 2 * budget.radius / Float(max(steps, 1))
    for restart in 0..<max(restarts, 1) where !standing.isEmpty {
      var left: [Int] = []
      for start in stride(from: 0, to: standing.count, by: Self.batch) {
        let rows = Array(standing[start..<min(start + Self.batch, standing.count)])
        let part = clean.rows(rows)
        let wanted = rows.map { labels[$0] }
        var noisy = part
        var generators = rows.map {
          RandomGenerator(seed: seed, UInt64(first + $0), UInt64(restart))
        }
        for place in rows.indices {
          kind.addNoise(
            to: &noisy, around: part, row: place, radius: budget.radius, &generators[place])
        }
        budget.project(&noisy, around: part)
        try gradient(restart.isMultiple(of: 2) ? .unlimited : .unlimitedMargin).descend(
          &noisy, around: part, wanted, budget, steps: steps, size: size,
          smoothing: isSmoothed
            ? GradientSmoothing(count: noisy.count, generators: generators) : nil)
        let answers = try classifier.logits(budget.stored(noisy, around: part))
        for (place, row) in rows.enumerated() {
          best.elements.replaceSubrange(
            row * length..<(row + 1) * length,
            with: noisy.elements[place * length..<(place + 1) * length])
          if !Self.isTurned(answers, place, wanted[place], isTargeted: goal.isTargeted) {
            left.append(row)
          }
        }
      }
      standing = left
    }
    return best
  }

  /// Whether a picture's likeliest class is the one to reach, or no longer the one to leave.
  static func isTurned(_ logits: Tensor, _ row: Int, _ label: Int, isTargeted: Bool) -> Bool {
    (Classifier.ranked(logits.answers(row))[0] == label) == isTargeted
  }
}

extension AttackLoss {
  /// Cross-entropy without a limit that could flatten it.
  static let unlimited = AttackLoss.crossEntropy(limit: 1e9)
  /// The margin without a confidence at which it would be flat.
  static let unlimitedMargin = AttackLoss.margin(kappa: 1e4)
}
