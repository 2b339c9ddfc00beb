// The plain loop of every training: batch, programs, optimizers, events.

import AtelierEngine
import AtelierKernels
import Dispatch
import Foundation

/// Trains: a list of programs over one parameter store, with the optimizers that each one feeds.
///
/// Each step takes a batch, runs the programs one after the other, moves the parameters, and tells
/// the listeners. With a run folder the whole state is saved at intervals and at the end, and a
/// loop that is made with a folder that holds a state goes on from there, bit for bit as if it had
/// never stopped. Used from one thread.
public final class TrainingLoop {
  /// Writes a model file: gets the store (averaged weights where there are any) and the place.
  public typealias ModelWriter =
    (ParameterStore, SavedFile, _ metrics: [String: Double]) throws -> Void

  /// The programs and their optimizers, in order.
  public let steps: [TrainingStep]
  /// The parameters.
  public let store: ParameterStore
  /// The data.
  public let source: any BatchSource
  /// The settings.
  public let configuration: TrainingConfiguration
  /// Where state and models are saved; nil for nowhere.
  public let folder: RunFolder?
  /// The average of the weights, when the configuration asks for one.
  public let average: MovingAverage?
  /// Who is told.
  public var listeners: [any TrainingListener] = []
  /// Measures the model in the store; averaged weights are in it meanwhile.
  public var validate: ((ParameterStore) throws -> [String: Double])?
  /// Computes further inputs of a batch by its number from it and the weights as they are, such as
  /// pictures that the network itself drew; of several shards step n begins with n × shards.
  ///
  /// It runs on the training's thread and must depend on number, batch and weights alone.
  public var derivedInputs: ((_ number: Int, _ batch: [String: Tensor]) throws -> [String: Tensor])?
  /// Writes model files into the run folder; called for `last` and `best`.
  public var writeModel: ModelWriter?
  /// Asks the loop to save and stop.
  public var interrupt = InterruptFlag()
  /// Seconds from any fixed moment.
  public var clock: () -> Double = { Double(DispatchTime.now().uptimeNanoseconds) / 1e9 }

  /// All optimizers, each once.
  let optimizers: [OptimizerState]
  let kernels: Kernels
  let totalSteps: Int?
  /// The processes that make the steps together; nil for one alone.
  let group: (any RankGroup)?
  /// The sums over shards of each step; empty where there is one shard and one process.
  let sums: [GradientSum]
  /// The shards of a step that are made here.
  let own: Range<Int>
  /// How much is done as rank 0 says it.
  var decidedProgress: Double?
  /// What went wrong in this step before its programs ran.
  var failure: (any Error)?
  var counters = TrainingCounters()
  var lastGood: TrainingSnapshot?
  var bestWeights: [Float]?
  /// The clock's reading at which a training of the same length would have begun.
  var startTime = 0.0
  private var secondsPerStep: Double?
  /// What listeners beside the training had trouble with and is not said yet; each says it once.
  private var troubles: [String] = []
  private var troubled: Set<ObjectIdentifier> = []

  /// Puts a training together; where the folder has a state, the training goes on from it.
  ///
  /// There must be at least one step, each with a name of its own, all with the same store. The
  /// source gives the batches of shards: those of step n are numbered from n × shards on. A group
  /// makes each step together, with the bits of one process.
  /// - Throws: `TrainingError` when the parts do not fit together.
  public init(
    _ steps: [TrainingStep], source: any BatchSource, configuration: TrainingConfiguration,
    folder: RunFolder? = nil, kernels: Kernels = Kernels(), group: (any RankGroup)? = nil
  ) throws(TrainingError) {
    guard let store = steps.first?.program.parameters else {
      throw TrainingError("a training needs at least one program")
    }
    try configuration.validate()
    var optimizers: [OptimizerState] = []
    var names: Set<String> = []
    for step in steps {
      guard step.program.parameters === store else {
        throw TrainingError("training step \(step.name): all steps must share one store")
      }
      guard names.insert(step.name).inserted, !step.name.contains("/") else {
        throw TrainingError(
          "training step \(step.name): expected a name of its own without a slash")
      }
      for optimizer in step.optimizers where !optimizers.contains(where: { $0 === optimizer }) {
        optimizers.append(optimizer)
      }
    }
    guard !optimizers.isEmpty else {
      throw TrainingError("a training needs at least one optimizer")
    }
    if configuration.monitor == nil,
      optimizers.contains(where: { $0.optimizer.schedule.plateau != nil })
    {
      throw TrainingError("the plateau schedule needs a monitored metric")
    }
    self.steps = steps
    self.store = store
    self.source = source
    self.configuration = configuration
    self.folder = folder
    self.optimizers = optimizers
    self.kernels = kernels
    totalSteps = try configuration.totalSteps(
      stepsPerEpoch: source.stepsPerEpoch.map { max(1, $0 / configuration.shards) })
    let group = (group?.count ?? 1) > 1 ? group : nil
    self.group = group
    for step in steps where step.program.handsGradientsOver {
      guard group == nil, configuration.shards == 1,
        step.optimizers.allSatisfy(\.takesGradientsSingly)
      else {
        throw TrainingError(
          "training step \(step.name): its program hands gradients over one by one; shards, ranks "
            + "and a norm limit need all of them at once")
      }
    }
    (sums, own) = try Self.sums(steps, configuration, group, kernels)
    average =
      if let decay = configuration.averageDecay {
        try MovingAverage(
          of: store, entries: optimizers.flatMap(\.entries), decay: decay, kernels: kernels)
      } else { nil }
    counters.seed = configuration.seed
    counters.shards = configuration.shards == 1 ? nil : configuration.shards
  }

  /// The steps made so far.
  public var step: Int { counters.step }

  /// Trains until a limit, early stopping, an interrupt, or values that stay not finite.
  ///
  /// - Throws: The first error of data, programs, listeners, validation or files; after an error of
  ///   the data the state so far is saved.
  @discardableResult
  public func run() throws -> StopReport {
    guard let group else { return try runHere() }
    do { return try runHere() } catch {
      group.abandon(RankFailure.described(error))
      throw error
    }
  }

  private func runHere() throws -> StopReport {
    try begin()
    startTime = clock() - counters.seconds
    if lastGood == nil { lastGood = snapshot() }
    let trained = Dictionary(
      optimizers.flatMap(\.entries).map { ($0.name, $0.shape.count) }, uniquingKeysWith: max)
    try tell(
      .started(
        StartReport(
          step: counters.step, totalSteps: totalSteps, seconds: counters.seconds,
          trainedParameters: trained.values.reduce(0, +))))
    let reason = try makeSteps()
    if reason == .finished || reason == .timeUp { try validateAtEnd() }
    counters.seconds = elapsed
    try save()
    try leaveModel()
    if reason != .interrupted, configuration.monitor?.restoresBest == true, let bestWeights {
      store.restore(bestWeights)
    }
    let report = StopReport(
      reason: reason, step: counters.step, seconds: counters.seconds, best: counters.best,
      bestStep: counters.bestStep)
    try tell(.stopped(report))
    return report
  }

  /// Makes steps until there is a reason to stop.
  private func makeSteps() throws -> StopReport.Reason {
    if let reason = reasonToStop() { return reason }
    let pipeline = try BatchPipeline(
      source, shards: configuration.shards, own: own, from: counters.step, before: totalSteps,
      depth: configuration.prefetchDepth)
    defer { pipeline.stop() }
    while true {
      let batches: [[String: Tensor]]
      do {
        let next = Result { try pipeline.next() }
        if let reason = try decide(next) { return reason }
        batches = try next.get()
      } catch {
        counters.seconds = elapsed
        try save()
        throw error
      }
      if let report = try makeStep(batches) {
        try tell(.step(report))
      } else if counters.faults >= configuration.faultLimit {
        return .notFinite
      }
      try doWhatIsDue()
      if let reason = reasonToStop() { return reason }
    }
  }

  private func reasonToStop() -> StopReport.Reason? {
    if counters.faults >= configuration.faultLimit { return .notFinite }
    if let patience = configuration.monitor?.patience, counters.badValidations >= patience {
      return .earlyStopping
    }
    if let totalSteps, counters.step >= totalSteps { return .finished }
    return group == nil ? ownReasonToStop() : nil
  }

  /// What only this process knows: its clock, and its user's wish.
  func ownReasonToStop() -> StopReport.Reason? {
    if let minutes = configuration.minutes, elapsed >= 60 * minutes { return .timeUp }
    return interrupt.isRaised ? .interrupted : nil
  }

  /// What comes at intervals, in an order that a resume repeats.
  private func doWhatIsDue() throws {
    func isDue(_ interval: Int?) -> Bool { interval.map { counters.step % $0 == 0 } ?? false }
    if isDue(configuration.validationInterval) { try runValidation() }
    if isDue(configuration.previewInterval) {
      try withAverage { try tell(.previewDue(step: counters.step)) }
    }
    if isDue(configuration.snapshotInterval) { lastGood = snapshot() }
    if isDue(configuration.saveInterval) {
      counters.seconds = elapsed
      try save()
    }
  }

  // MARK: - One step

  /// Makes one step; nil when values were not finite and the last good state was put back.
  private func makeStep(_ batches: [[String: Tensor]]) throws -> StepReport? {
    let begin = clock()
    let index = counters.step
    let progress = (group == nil ? self.progress : decidedProgress) ?? 0
    counters.step += 1
    let batches = try deriveInputs(of: batches, step: index)
    var values: [String: Double] = [:]
    var loss = 0.0
    var squares = 0.0
    var firstRate: Double?
    for (place, step) in steps.enumerated() {
      let rates = step.optimizers.map {
        $0.learningRate(step: index, progress: progress) * counters.learningRateScale
      }
      let mover = step.program.handsGradientsOver ? GradientMover(step, rates: rates) : nil
      let scalars = try runShards(of: place, on: batches, step: index)
      let own = scalars["loss"] ?? .nan
      guard own.isFinite else {
        try recover(from: "the loss\(suffix(step)) is \(own)")
        return nil
      }
      loss += own
      for (name, value) in scalars {
        values[steps.count > 1 ? "\(step.name)/\(name)" : name] = value
      }
      for (number, optimizer) in step.optimizers.enumerated() {
        let norm =
          mover?.squares[number].squareRoot() ?? optimizer.gradientNorm(step.program.gradients)
        guard norm.isFinite else {
          try recover(from: "the gradient\(suffix(step)) is not finite")
          return nil
        }
        if mover == nil {
          optimizer.step(
            gradients: step.program.gradients, learningRate: rates[number], norm: norm)
        }
        guard optimizer.movesFiniteParameters else {
          try recover(from: "a parameter\(suffix(step)) is not finite")
          return nil
        }
        squares += norm * norm
        firstRate = firstRate ?? rates[number]
      }
    }
    average?.update()
    counters.smooth(loss)
    if counters.step - counters.lastFaultStep >= configuration.snapshotInterval {
      counters.faults = 0
    }
    return report(
      loss: loss, values: values, rate: firstRate ?? 0, norm: squares.squareRoot(), begin: begin)
  }

  private func report(
    loss: Double, values: [String: Double], rate: Double, norm: Double, begin: Double
  ) -> StepReport {
    let duration = max(clock() - begin, 1e-9)
    let mean = secondsPerStep.map { 0.9 * $0 + 0.1 * duration } ?? duration
    secondsPerStep = mean
    let batch = steps[0].program.inputs.first?.shape.batch ?? 1
    let byTime = configuration.minutes.map { max(60 * $0 - elapsed, 0) }
    let bySteps = totalSteps.map { Double($0 - counters.step) * mean }
    return StepReport(
      step: counters.step, totalSteps: totalSteps, loss: loss,
      smoothedLoss: counters.smoothedLoss, values: values, learningRate: rate, gradientNorm: norm,
      imagesPerSecond: Double(batch * configuration.shards) / mean, seconds: elapsed,
      progress: progress,
      remainingSeconds: [byTime, bySteps].compactMap { $0 }.min())
  }

  /// The name of a step for messages, empty where there is just one.
  private func suffix(_ step: TrainingStep) -> String {
    steps.count > 1 ? " of \(step.name)" : ""
  }

  func setInputs(of step: TrainingStep, from batch: [String: Tensor]) throws {
    for input in step.program.inputs {
      guard let tensor = batch["\(step.name)/\(input.name)"] ?? batch[input.name] else {
        throw TrainingError(
          "training step \(step.name) needs a batch with \(input.name); "
            + "received \(batch.keys.sorted())")
      }
      do {
        try step.program.setInput(input.name, tensor)
      } catch {
        throw TrainingError("training step \(step.name): \(error)")
      }
    }
  }

  // MARK: - Time and events

  /// The seconds of training so far.
  var elapsed: Double { max(clock() - startTime, 0) }

  /// How much is done, in 0...1; nil when nothing limits the training.
  var progress: Double? {
    let bySteps = totalSteps.map { $0 > 0 ? Double(counters.step) / Double($0) : 1 }
    let byTime = configuration.minutes.map { $0 > 0 ? elapsed / (60 * $0) : 1 }
    return [bySteps, byTime].compactMap { $0 }.max().map { min($0, 1) }
  }

  /// Tells all listeners of something that one of them did, such as a preview that it drew.
  ///
  /// **Throws:** what a listener throws.
  public func tell(_ event: TrainingEvent) throws {
    for listener in listeners { try ask(listener) { try listener.handle(event) } }
    guard !troubles.isEmpty else { return }
    let texts = troubles
    troubles = []
    for text in texts { try tell(.warning(step: counters.step, text)) }
  }

  /// Asks a listener for something; what one beside the training throws is said once, with the next
  /// event, and gives nil.
  func ask<Result>(
    _ listener: any TrainingListener, _ body: () throws -> Result
  ) throws -> Result? {
    do { return try body() } catch  where listener.isBeside {
      if troubled.insert(ObjectIdentifier(listener)).inserted {
        troubles.append("\(error); the training goes on without it")
      }
      return nil
    }
  }

  /// Prepares a listener, one beside the training without its checkpoint where that no longer fits.
  func prepare(_ listener: any TrainingListener, _ checkpoint: String?) throws {
    do {
      try listener.prepare(step: counters.step, checkpoint: checkpoint)
    } catch  where listener.isBeside && checkpoint != nil {
      troubles.append("\(error); it goes on with what is there")
      _ = try ask(listener) { try listener.prepare(step: counters.step, checkpoint: nil) }
    } catch  where listener.isBeside {
      _ = try ask(listener) { throw error }
    }
  }

  /// Runs `body` while averaged weights, where there are any, are in the store.
  public func withAverage<Result>(_ body: () throws -> Result) rethrows -> Result {
    guard let average else { return try body() }
    return try average.withAverage(body)
  }
}
