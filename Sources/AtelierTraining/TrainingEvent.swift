// What a training tells while it runs: typed events, which printers, logs and windows listen to.

/// Something that happened in a training.
public enum TrainingEvent: Sendable, Hashable {
  /// It begins, or goes on from a saved state.
  case started(StartReport)
  /// A step was made.
  case step(StepReport)
  /// The model was validated.
  case validated(ValidationReport)
  /// The monitored metric is the best so far.
  case improved(Improvement)
  /// It is time for a preview; where weights are averaged, the average is in the store meanwhile.
  case previewDue(step: Int)
  /// A preview was drawn and written.
  case preview(PreviewReport)
  /// Something is on disk.
  case saved(SavedFile)
  /// Something that the user should know, but that does not end the training.
  case warning(step: Int, String)
  /// It ended.
  case stopped(StopReport)
}

/// How a training begins.
public struct StartReport: Sendable, Hashable {
  /// The steps that were made before: 0, or those of the saved state.
  public var step: Int
  /// The steps at which it ends; nil when time alone limits it.
  public var totalSteps: Int?
  /// The seconds of training before.
  public var seconds: Double
  /// The number of weights that it moves.
  public var trainedParameters: Int

  /// Makes a report.
  public init(step: Int, totalSteps: Int?, seconds: Double, trainedParameters: Int) {
    self.step = step
    self.totalSteps = totalSteps
    self.seconds = seconds
    self.trainedParameters = trainedParameters
  }
}

/// One step of a training.
public struct StepReport: Sendable, Hashable {
  /// The steps made so far, this one included.
  public var step: Int
  /// The steps at which the training ends; nil when time alone limits it.
  public var totalSteps: Int?
  /// The loss; of several programs their sum.
  public var loss: Double
  /// An exponential average of the loss over about the last fifty steps.
  public var smoothedLoss: Double
  /// Every scalar output of every program; `PROGRAM/OUTPUT` where there are several programs.
  public var values: [String: Double]
  /// The learning rate of the first optimizer.
  public var learningRate: Double
  /// The Euclidean norm of all gradients before clipping.
  public var gradientNorm: Double
  /// Images per second, averaged over the last steps.
  public var imagesPerSecond: Double
  /// The seconds of training so far, those before a resume included.
  public var seconds: Double
  /// How much is done, in 0...1; nil when nothing limits the training.
  public var progress: Double?
  /// The seconds that are probably left; nil when nothing limits the training.
  public var remainingSeconds: Double?

  /// Makes a report.
  public init(
    step: Int, totalSteps: Int? = nil, loss: Double, smoothedLoss: Double,
    values: [String: Double] = [:], learningRate: Double, gradientNorm: Double,
    imagesPerSecond: Double, seconds: Double, progress: Double? = nil,
    remainingSeconds: Double? = nil
  ) {
    self.step = step
    self.totalSteps = totalSteps
    self.loss = loss
    self.smoothedLoss = smoothedLoss
    self.values = values
    self.learningRate = learningRate
    self.gradientNorm = gradientNorm
    self.imagesPerSecond = imagesPerSecond
    self.seconds = seconds
    self.progress = progress
    self.remainingSeconds = remainingSeconds
  }
}

/// A validation.
public struct ValidationReport: Sendable, Hashable {
  /// The steps made so far.
  public var step: Int
  /// What was measured, by name.
  public var metrics: [String: Double]
  /// The name of the metric that decides what is best; nil when none does.
  public var monitored: String?
  /// The seconds that the validation took.
  public var duration: Double

  /// Makes a report.
  public init(step: Int, metrics: [String: Double], monitored: String?, duration: Double) {
    self.step = step
    self.metrics = metrics
    self.monitored = monitored
    self.duration = duration
  }
}

/// A new best value of the monitored metric.
public struct Improvement: Sendable, Hashable {
  /// The steps made so far.
  public var step: Int
  /// The metric's name.
  public var metric: String
  /// The new best value.
  public var value: Double
  /// The best value before, nil for the first.
  public var former: Double?

  /// Makes a report.
  public init(step: Int, metric: String, value: Double, former: Double?) {
    self.step = step
    self.metric = metric
    self.value = value
    self.former = former
  }
}

/// A file that a training wrote.
public struct SavedFile: Sendable, Hashable {
  /// What the file holds.
  public enum Kind: String, Sendable, Hashable, Codable {
    /// All that a resume needs.
    case state
    /// The model as it is now.
    case last
    /// The model with the best metric.
    case best
  }

  /// What it holds.
  public var kind: Kind
  /// Where it lies.
  public var path: String
  /// The steps made so far.
  public var step: Int

  /// Makes a report.
  public init(kind: Kind, path: String, step: Int) {
    self.kind = kind
    self.path = path
    self.step = step
  }
}

/// How a training ended.
public struct StopReport: Sendable, Hashable {
  /// Why a training ended.
  public enum Reason: String, Sendable, Hashable, Codable {
    /// All steps were made.
    case finished
    /// The time was up.
    case timeUp
    /// The metric had not improved for too long.
    case earlyStopping
    /// The user or the system asked for it.
    case interrupted
    /// Loss or gradient were not finite again and again.
    case notFinite
  }

  /// Why.
  public var reason: Reason
  /// The steps made.
  public var step: Int
  /// The seconds of training, those before a resume included.
  public var seconds: Double
  /// The best value of the monitored metric, nil when there is none.
  public var best: Double?
  /// The step of the best value, nil when there is none.
  public var bestStep: Int?

  /// Makes a report.
  public init(reason: Reason, step: Int, seconds: Double, best: Double?, bestStep: Int?) {
    self.reason = reason
    self.step = step
    self.seconds = seconds
    self.best = best
    self.bestStep = bestStep
  }
}
