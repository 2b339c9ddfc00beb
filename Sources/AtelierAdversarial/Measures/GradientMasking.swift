// Signs that a classifier hides its gradients instead of being hard to fool.
//
// Athalye, Carlini, Wagner: Obfuscated Gradients Give a False Sense of Security (2018); the flags of
// AutoAttack, Croce and Hein (2020).

import AtelierClassification
import AtelierDatasets
import AtelierEngine
import AtelierWorkbench

/// What a look for masked gradients found; encodes to the JSON that `--json` prints.
public struct MaskingReport: Sendable, Hashable, Codable {
  /// How the figures came about.
  public var `protocol`: String
  /// The share of pictures that stay right under PGD from one random start.
  public var oneStart: Double
  /// The same from several starts, of which the best counts.
  public var manyStarts: Double
  /// The same with smoothed gradients, which lead over plateaus.
  public var smoothed: Double
  /// The share of pictures that stay right under Square, which sees answers alone.
  public var blackBox: Double
  /// The share of clean pictures whose gradient is zero in every sample.
  public var zeroGradients: Double
  /// One line for each sign that was found.
  public var warnings: [String]

  enum CodingKeys: String, CodingKey {
    case `protocol`, warnings
    case smoothed = "pgd_smooth"
    case oneStart = "pgd"
    case manyStarts = "pgd_restarts"
    case blackBox = "square"
    case zeroGradients = "zero_gradients"
  }
}

/// Looks for masked gradients.
public enum GradientMasking {
  /// What accuracies may differ by before it says something: three points.
  private static let tolerance = 0.03

  /// Attacks a classifier in the ways that tell, within an L∞ limit; throws `StudioError` when
  /// victim and pictures do not fit together or the limit is another.
  public static func run(
    _ victim: Classifier, on images: LabeledImages, budget: NoiseBudget, steps: Int = 20,
    restarts: Int = 10, queries: Int = 1000, seed: UInt64 = 1
  ) throws -> MaskingReport {
    let attacker = try Attacker(victim, budget: budget, goal: .untargeted)
    func accuracy(_ attack: Attack) throws -> Double {
      try AttackEvaluation.run(attack, by: attacker, victim: victim, on: images, seed: seed)
        .attackedAccuracy
    }
    let oneStart = try accuracy(.pgd(steps: steps, restarts: 1))
    let manyStarts = try accuracy(.pgd(steps: steps, restarts: restarts))
    let smoothed = try accuracy(.pgd(steps: steps, restarts: restarts, isSmoothed: true))
    let blackBox = try accuracy(.square(queries: queries))
    var report = MaskingReport(
      protocol: "\(images.name), \(images.count) pictures, \(budget.text); accuracy under "
        + "PGD-\(steps), under the best of \(restarts) starts of it, under as many with smoothed "
        + "gradients, under Square with \(queries) queries; zero gradients of the cross-entropy at "
        + "clean pictures",
      oneStart: oneStart, manyStarts: manyStarts, smoothed: smoothed, blackBox: blackBox,
      zeroGradients: try zeroGradients(by: attacker, on: images), warnings: [])
    report.warnings = warnings(report)
    return report
  }

  /// The share of clean pictures whose gradient is zero in every sample.
  static func zeroGradients(by attacker: Attacker, on images: LabeledImages) throws -> Double {
    try attacker.classifier.expect(images)
    let set = try images.ordered(as: attacker.classifier.classNames)
    let gradient = try attacker.gradient(.unlimited)
    var zeros = 0
    for first in stride(from: 0, to: set.count, by: gradient.batch) {
      let range = first..<min(first + gradient.batch, set.count)
      let slopes = try gradient(set.tensor(range), Array(set.labels[range])).gradient.elements
      let length = set.pictureLength
      zeros += range.indices.count { index in
        let row = index - first
        return slopes[row * length..<(row + 1) * length].allSatisfy { $0 == 0 }
      }
    }
    return Double(zeros) / Double(set.count)
  }

  /// What the figures of a look say.
  static func warnings(_ report: MaskingReport) -> [String] {
    var lines = zeroLines(report.zeroGradients)
    if report.oneStart - report.manyStarts > tolerance {
      lines.append(
        "random restarts help PGD much (\(percent(report.oneStart)) to "
          + "\(percent(report.manyStarts)) %): gradients may be masked")
    }
    if report.manyStarts - report.smoothed > tolerance / 3 {
      lines.append(
        "smoothed gradients help PGD (\(percent(report.manyStarts)) to \(percent(report.smoothed)) "
          + "%): gradients may be masked")
    }
    if report.manyStarts - report.blackBox > tolerance / 3 {
      lines.append(
        "Square, which sees answers alone, beats PGD (\(percent(report.blackBox)) against "
          + "\(percent(report.manyStarts)) %): gradients may be masked")
    }
    return lines
  }

  /// What the curves of a duel say at one point.
  package static func warnings(curves metrics: [String: Double]) -> [String] {
    var lines = zeroLines(metrics["zero_gradients"] ?? 0)
    guard let searched = metrics["pgd_20"] else { return lines }
    for (metric, name) in [("fgsm", "one step (FGSM)"), ("generator", "the generator")] {
      if let other = metrics[metric], searched - other > tolerance {
        lines.append(
          "\(name) beats PGD-20 (\(percent(other)) against \(percent(searched)) %): gradients may "
            + "be masked")
      }
    }
    return lines
  }

  private static func zeroLines(_ share: Double) -> [String] {
    share > 0.01
      ? ["the gradient of \(percent(share)) % of the pictures is zero: gradients are masked"] : []
  }

  private static func percent(_ share: Double) -> String { String((1000 * share).rounded() / 10) }
}
