// Learning-rate schedules: functions of step and progress, and the one that reacts to a metric.

import Foundation

/// How the learning rate changes while a training runs; defaults and forms are PyTorch's.
public indirect enum Schedule: Sendable, Hashable, Codable {
  /// The base rate throughout.
  case constant
  /// The base rate times `gamma` to the number of whole `size`s of steps.
  case step(size: Int, gamma: Double)
  /// The base rate times `gamma` to the number of steps.
  case exponential(gamma: Double)
  /// Half a cosine from the base rate to `minimum` over `total` steps, `minimum` after (Loshchilov
  /// and Hutter 2016).
  case cosine(total: Int, minimum: Double = 0)
  /// Half a cosine over the training's progress, for trainings that minutes limit.
  case progressCosine(minimum: Double = 0)
  /// A straight line up to the base rate over `steps`, then another schedule that counts its steps
  /// from there.
  ///
  /// Step t of n has the factor (t + 1) / n, or start + (1 − start) · t / n where `start` is given.
  case warmUp(steps: Int, start: Double? = nil, then: Schedule)
  /// The rate times `factor` whenever the metric has not improved for more than `patience`
  /// validations.
  ///
  /// An improvement is one by more than the fraction `threshold`; after a reduction, `cooldown`
  /// validations do not count.
  case reduceOnPlateau(
    factor: Double = 0.1, patience: Int = 10, threshold: Double = 1e-4, cooldown: Int = 0,
    minimum: Double = 0)

  /// The learning rate after `step` steps, `progress` in 0...1 through the training.
  ///
  /// `plateauRate` is what the plateau rule has come to, nil before it first reduced.
  public func learningRate(
    base: Double, step: Int, progress: Double = 0, plateauRate: Double? = nil
  ) -> Double {
    switch self {
    case .constant: return base
    case .step(let size, let gamma): return base * pow(gamma, Double(step / max(size, 1)))
    case .exponential(let gamma): return base * pow(gamma, Double(step))
    case .cosine(let total, let minimum):
      return Self.cosine(base, minimum, Double(min(step, total)) / Double(max(total, 1)))
    case .progressCosine(let minimum):
      return Self.cosine(base, minimum, min(max(progress, 0), 1))
    case .warmUp(let steps, let start, let rest):
      guard step < steps else {
        return rest.learningRate(
          base: base, step: step - steps, progress: progress, plateauRate: plateauRate)
      }
      if let start { return base * (start + (1 - start) * Double(step) / Double(steps)) }
      return base * Double(step + 1) / Double(steps)
    case .reduceOnPlateau: return plateauRate ?? base
    }
  }

  private static func cosine(_ base: Double, _ minimum: Double, _ progress: Double) -> Double {
    minimum + (base - minimum) * (1 + cos(.pi * progress)) / 2
  }

  /// The plateau rule in this schedule, behind a warm-up too; nil when there is none.
  var plateau: PlateauRule? {
    switch self {
    case .reduceOnPlateau(let factor, let patience, let threshold, let cooldown, let minimum):
      PlateauRule(
        factor: factor, patience: patience, threshold: threshold, cooldown: cooldown,
        minimum: minimum)
    case .warmUp(_, _, let rest): rest.plateau
    default: nil
    }
  }

  /// Throws unless every number makes sense.
  func validate() throws(TrainingError) {
    func expect(_ isRight: Bool, _ text: String) throws(TrainingError) {
      if !isRight { throw TrainingError("schedule: expected \(text)") }
    }
    switch self {
    case .constant: break
    case .step(let size, let gamma):
      try expect(size > 0, "a step size of at least 1; received \(size)")
      try expect(gamma > 0 && gamma.isFinite, "a gamma above 0; received \(gamma)")
    case .exponential(let gamma):
      try expect(gamma > 0 && gamma.isFinite, "a gamma above 0; received \(gamma)")
    case .cosine(let total, let minimum):
      try expect(total > 0, "a cosine over at least 1 step; received \(total)")
      try expect(minimum >= 0, "a minimum of at least 0; received \(minimum)")
    case .progressCosine(let minimum):
      try expect(minimum >= 0, "a minimum of at least 0; received \(minimum)")
    case .warmUp(let steps, let start, let rest):
      try expect(steps >= 0, "a warm-up of at least 0 steps; received \(steps)")
      if let start { try expect((0...1).contains(start), "a start in 0...1; received \(start)") }
      try rest.validate()
    case .reduceOnPlateau(let factor, let patience, let threshold, let cooldown, let minimum):
      try expect(factor > 0 && factor < 1, "a factor between 0 and 1; received \(factor)")
      try expect(patience >= 0, "a patience of at least 0; received \(patience)")
      try expect(threshold >= 0, "a threshold of at least 0; received \(threshold)")
      try expect(cooldown >= 0, "a cooldown of at least 0; received \(cooldown)")
      try expect(minimum >= 0, "a minimum of at least 0; received \(minimum)")
    }
  }
}

/// The numbers of `Schedule.reduceOnPlateau`.
struct PlateauRule {
  let factor: Double
  let patience: Int
  let threshold: Double
  let cooldown: Int
  let minimum: Double
}

/// What the plateau rule remembers between validations; belongs to the saved state.
public struct PlateauState: Sendable, Hashable, Codable {
  /// The rate that it has come to; nil before it first reduced.
  public private(set) var rate: Double?
  private var best: Double?
  private var badCount = 0
  private var cooldownLeft = 0

  /// The state before the first validation.
  public init() {}

  /// What no rule could have come to.
  var faults: [String] {
    let counts = 0...1 << 48
    return (rate.map { $0 >= 0 && $0.isFinite } ?? true ? [] : ["expected a rate of at least 0"])
      + ([badCount, cooldownLeft].allSatisfy(counts.contains)
        ? [] : ["expected counts of validations of at least 0"])
  }

  /// Takes in a metric and gives the new rate when it was reduced, else nil.
  ///
  /// A metric that is not finite is no improvement; without a rule in the schedule nothing happens.
  @discardableResult
  public mutating func observe(
    _ metric: Double, mode: Monitor.Mode, schedule: Schedule, base: Double
  ) -> Double? {
    guard let rule = schedule.plateau else { return nil }
    if isBetter(metric, mode: mode, threshold: rule.threshold) {
      best = metric
      badCount = 0
    } else {
      badCount += 1
    }
    if cooldownLeft > 0 {
      cooldownLeft -= 1
      badCount = 0
    }
    guard badCount > rule.patience else { return nil }
    badCount = 0
    cooldownLeft = rule.cooldown
    let former = rate ?? base
    let reduced = max(former * rule.factor, rule.minimum)
    // PyTorch leaves reductions below 1e-8 out, so that the rate comes to rest.
    guard former - reduced > 1e-8 else { return nil }
    rate = reduced
    return reduced
  }

  private func isBetter(_ metric: Double, mode: Monitor.Mode, threshold: Double) -> Bool {
    guard metric.isFinite else { return false }
    guard let best else { return true }
    switch mode {
    case .minimum: return metric < best * (1 - threshold)
    case .maximum: return metric > best * (1 + threshold)
    }
  }
}
