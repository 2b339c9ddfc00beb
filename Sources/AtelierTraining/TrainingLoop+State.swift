// What keeps a training safe: validation and the best weights, recovery, saving, resuming.

import AtelierEngine
import AtelierFiles
import AtelierInterchange
import AtelierKernels
import Foundation

extension TrainingLoop {
  // MARK: - Validation

  /// The validation after the last step, unless it was just made.
  func validateAtEnd() throws {
    guard counters.validatedStep != counters.step, counters.step > 0,
      validate != nil || configuration.monitor != nil
    else { return }
    try runValidation()
  }

  func runValidation() throws {
    let begin = clock()
    try withAverage {
      var metrics = try measure()
      if metrics["training_loss"] == nil { metrics["training_loss"] = counters.smoothedLoss }
      counters.lastMetrics = metrics
      counters.validatedStep = counters.step
      try tell(
        .validated(
          ValidationReport(
            step: counters.step, metrics: metrics, monitored: configuration.monitor?.metric,
            duration: clock() - begin)))
      if let monitor = configuration.monitor { try judge(metrics, by: monitor) }
    }
  }

  /// Decides whether the weights in the store are the best so far; tells the plateau rules.
  private func judge(_ metrics: [String: Double], by monitor: Monitor) throws {
    guard let value = metrics[monitor.metric] else {
      throw TrainingError(
        "the validation was to give \(monitor.metric); received \(metrics.keys.sorted())")
    }
    for optimizer in optimizers {
      if let rate = optimizer.observe(value, mode: monitor.mode) {
        try tell(
          .warning(
            step: counters.step,
            "\(monitor.metric) is on a plateau: learning rate reduced to \(rate)"))
      }
    }
    guard monitor.isImprovement(value, on: counters.best) else {
      counters.badValidations += 1
      return
    }
    let former = counters.best
    counters.best = value
    counters.bestStep = counters.step
    counters.badValidations = 0
    if monitor.restoresBest { bestWeights = store.snapshot() }
    try tell(
      .improved(
        Improvement(step: counters.step, metric: monitor.metric, value: value, former: former)))
    try write(.best)
  }

  // MARK: - Recovery

  func snapshot() -> TrainingSnapshot {
    TrainingSnapshot(
      step: counters.step, parameters: store.snapshot(),
      optimizers: optimizers.map { $0.snapshot() }, average: average?.values(),
      averageUpdates: average?.updates ?? 0)
  }

  func restore(_ snapshot: TrainingSnapshot) {
    store.restore(snapshot.parameters)
    for (optimizer, state) in zip(optimizers, snapshot.optimizers) { optimizer.restore(state) }
    if let values = snapshot.average { average?.restore(values, updates: snapshot.averageUpdates) }
  }

  /// Goes back to the last good state with half the learning rate; the step's batch is left out.
  func recover(from cause: String) throws {
    counters.faults += 1
    counters.lastFaultStep = counters.step
    counters.learningRateScale /= 2
    guard let lastGood else { return }
    restore(lastGood)
    let rate = counters.learningRateScale
    let isLast = counters.faults >= configuration.faultLimit
    let plan =
      isLast
      ? "giving up after \(counters.faults) such faults, with the weights of step \(lastGood.step)"
      : "going on from the weights of step \(lastGood.step) at \(rate) of the learning rate"
    try tell(.warning(step: counters.step, "\(cause) at step \(counters.step); \(plan)"))
  }

  // MARK: - Saving

  /// Saves the state, then the model; without a folder nothing.
  func save() throws {
    guard let folder, let lastGood, isFirst else { return }
    var checkpoints: [String: String] = [:]
    for listener in listeners {
      checkpoints[listener.identifier] = try ask(listener) { try listener.checkpoint() } ?? nil
    }
    let state = TrainingState(
      layout: layout, counters: counters, plateaus: optimizers.map(\.plateau),
      current: snapshot(), lastGood: lastGood, best: bestWeights, listeners: checkpoints)
    try state.file().sealed.write(to: folder.stateURL)
    try tell(
      .saved(SavedFile(kind: .state, path: folder.stateURL.relativePath, step: counters.step)))
    try withAverage { try write(.last) }
  }

  /// Writes a model file of the weights that are in the store; one that does not count also where
  /// another rank writes those of the run.
  private func write(_ kind: SavedFile.Kind, counts: Bool = true) throws {
    guard let folder, let writeModel, isFirst || !counts else { return }
    let url = kind == .best ? folder.bestModelURL : folder.lastModelURL
    let file = SavedFile(kind: kind, path: url.relativePath, step: counters.step)
    try writeModel(store, file, counters.lastMetrics ?? [:])
    try tell(.saved(file))
  }

  private var layout: TrainingState.Layout {
    TrainingState.Layout(
      parameters: store.entries.map { .init(name: $0.name, shape: $0.shape) },
      optimizers: optimizers.map(\.optimizer.kind))
  }

  // MARK: - Resuming

  /// What a rank that does not write leaves for the parts of its job that read the model.
  func leaveModel() throws {
    if !isFirst { try withAverage { try write(.last, counts: false) } }
  }

  /// Takes the state of the run folder over, when it has one, and prepares the listeners.
  func resume() throws {
    var checkpoints: [String: String] = [:]
    if let folder, folder.hasState {
      let state = try TrainingState(readingFrom: folder.stateURL)
      try expect(state, in: folder.stateURL.relativePath)
      counters = state.counters
      // A run that gave up may be told to go on: the faults are history then.
      if counters.faults >= configuration.faultLimit { counters.faults = 0 }
      restore(state.current)
      lastGood = state.lastGood
      bestWeights = state.best
      for (optimizer, plateau) in zip(optimizers, state.plateaus) { optimizer.plateau = plateau }
      checkpoints = state.listeners
    }
    if let folder, !folder.hasState { try folder.expectNothingSaved() }
    for listener in listeners { try prepare(listener, checkpoints[listener.identifier]) }
  }

  /// Throws unless the state belongs to this training.
  private func expect(_ state: TrainingState, in path: String) throws {
    let layout = layout
    guard state.layout.parameters == layout.parameters else {
      let stored = Set(state.layout.parameters)
      let missing = layout.parameters.first { !stored.contains($0) }
      let what = missing.map { "no parameter \($0.name) of shape \($0.shape)" }
      throw TrainingError(
        "\(path): the state is of another network: it has "
          + (what ?? "more parameters, or another order"), .data)
    }
    guard state.layout.optimizers == layout.optimizers else {
      throw TrainingError(
        "\(path): the state was made by \(state.layout.optimizers.map(\.name)); received "
          + "\(layout.optimizers.map(\.name)) or other settings of them", .data)
    }
    guard state.counters.seed == configuration.seed else {
      throw TrainingError(
        "\(path): the run has the seed \(state.counters.seed); received \(configuration.seed)",
        .data)
    }
    let (shards, wanted) = (state.counters.shards ?? 1, configuration.shards)
    guard shards == wanted else {
      throw TrainingError("\(path): the run has \(shards) shards; received \(wanted)", .data)
    }
    guard (state.current.average != nil) == (average != nil) else {
      let has = state.current.average == nil ? "no moving average" : "a moving average"
      let wanted = average == nil ? "none" : "one"
      throw TrainingError("\(path): the run has \(has); received \(wanted)", .data)
    }
    for snapshot in [state.current, state.lastGood] {
      var sizes = [(snapshot.parameters.count, store.count)]
      sizes += snapshot.average.map { [($0.count, store.count)] } ?? []
      for (saved, optimizer) in zip(snapshot.optimizers, optimizers) {
        sizes += saved.arrays.map { ($0.count, optimizer.stateCount) }
      }
      if let best = state.best { sizes.append((best.count, store.count)) }
      for (received, expected) in sizes where received != expected {
        throw TrainingError(
          "\(path): expected arrays of \(expected) floats; received \(received)", .data)
      }
    }
  }
}
