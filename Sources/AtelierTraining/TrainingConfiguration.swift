// The settings of a training loop: when it ends, validates and saves, and what counts as best.

/// What decides which weights are best, and when there is no more to be had.
public struct Monitor: Sendable, Hashable, Codable {
  /// Which values are better.
  public enum Mode: String, Sendable, Hashable, Codable {
    /// Smaller is better, as for losses.
    case minimum
    /// Larger is better, as for PSNR and accuracy.
    case maximum
  }

  /// The metric's name among those of the validation; `training_loss` is always there.
  public var metric: String
  /// Which values are better.
  public var mode: Mode
  /// By how much more than this a value must be better than the best to count.
  public var minimumDelta: Double
  /// How many validations in a row may pass without an improvement; nil never stops the training.
  public var patience: Int?
  /// Whether the best weights are put back into the store at the end.
  public var restoresBest: Bool

  /// Describes a monitor.
  public init(
    _ metric: String, _ mode: Mode, minimumDelta: Double = 0, patience: Int? = nil,
    restoresBest: Bool = false
  ) {
    self.metric = metric
    self.mode = mode
    self.minimumDelta = minimumDelta
    self.patience = patience
    self.restoresBest = restoresBest
  }

  /// Whether `value` is an improvement on `best`; what is not finite never is.
  public func isImprovement(_ value: Double, on best: Double?) -> Bool {
    guard value.isFinite else { return false }
    guard let best else { return true }
    switch mode {
    case .minimum: return value < best - minimumDelta
    case .maximum: return value > best + minimumDelta
    }
  }
}

/// The settings of a training loop.
public struct TrainingConfiguration: Sendable, Hashable, Codable {
  /// The steps after which it ends; nil for no such limit.
  public var steps: Int?
  /// The epochs after which it ends; needs a source that has epochs.
  public var epochs: Int?
  /// The minutes of training after which it ends, those before a resume included.
  public var minutes: Double?
  /// Steps between validations; nil for one at the end alone.
  public var validationInterval: Int?
  /// Steps between previews; nil for none.
  public var previewInterval: Int?
  /// Steps between saves into the run folder; nil for one at the end alone.
  public var saveInterval: Int?
  /// Steps between the snapshots in memory that it goes back to from values that are not finite.
  public var snapshotInterval: Int
  /// How many such faults, each within `snapshotInterval` steps of the last, make it give up.
  public var faultLimit: Int
  /// The decay of the moving average of the weights; nil for none.
  public var averageDecay: Double?
  /// What decides which weights are best; nil for none.
  public var monitor: Monitor?
  /// The small batches of each step, whose gradients are summed in an order of their own.
  public var shards: Int
  /// How gradients are summed over shards.
  public var gradientPrecision: GradientPrecision
  /// How many batches are prepared ahead.
  public var prefetchDepth: Int
  /// The seed that the caller gave to the store, the programs and the batches; a resume checks it.
  public var seed: UInt64

  /// Describes a training loop.
  public init(
    steps: Int? = nil, epochs: Int? = nil, minutes: Double? = nil, validationInterval: Int? = nil,
    previewInterval: Int? = nil, saveInterval: Int? = 500, snapshotInterval: Int = 100,
    faultLimit: Int = 5, averageDecay: Double? = nil, monitor: Monitor? = nil,
    shards: Int = 1, gradientPrecision: GradientPrecision = .float32, prefetchDepth: Int = 2,
    seed: UInt64 = 0
  ) {
    self.steps = steps
    self.epochs = epochs
    self.minutes = minutes
    self.validationInterval = validationInterval
    self.previewInterval = previewInterval
    self.saveInterval = saveInterval
    self.snapshotInterval = snapshotInterval
    self.faultLimit = faultLimit
    self.averageDecay = averageDecay
    self.monitor = monitor
    self.shards = shards
    self.gradientPrecision = gradientPrecision
    self.prefetchDepth = prefetchDepth
    self.seed = seed
  }

  /// Throws unless every number makes sense.
  func validate() throws(TrainingError) {
    let counts: [(String, Int?, Int)] = [
      ("steps", steps, 0), ("epochs", epochs, 0), ("a validation interval", validationInterval, 1),
      ("a preview interval", previewInterval, 1), ("a save interval", saveInterval, 1),
      ("a snapshot interval", snapshotInterval, 1), ("a fault limit", faultLimit, 1),
      ("shards", shards, 1), ("a prefetch depth", prefetchDepth, 1),
      ("a patience", monitor?.patience, 1),
    ]
    for (what, value, least) in counts {
      if let value, value < least {
        throw TrainingError("training: expected \(what) of at least \(least); received \(value)")
      }
    }
    if let minutes, !(minutes >= 0) {
      throw TrainingError("training: expected minutes of at least 0; received \(minutes)")
    }
    if let delta = monitor?.minimumDelta, !(delta >= 0) {
      throw TrainingError("training: expected a minimum delta of at least 0; received \(delta)")
    }
  }

  /// The steps at which the training ends; nil when only time, or nothing, limits it.
  ///
  /// **Throws:** when epochs are asked for and the source has none.
  func totalSteps(stepsPerEpoch: Int?) throws(TrainingError) -> Int? {
    guard let epochs else { return steps }
    guard let stepsPerEpoch, stepsPerEpoch > 0 else {
      throw TrainingError(
        "training: \(epochs) epochs were asked for, but the data has none; give steps or minutes")
    }
    let (product, overflows) = epochs.multipliedReportingOverflow(by: stepsPerEpoch)
    return min(steps ?? Int.max, overflows ? Int.max : product)
  }
}
