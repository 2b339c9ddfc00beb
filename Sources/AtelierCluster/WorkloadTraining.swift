// A benchmark workload as a training over shards, on a batch in memory, and the times of its parts.

import AtelierEngine
import AtelierKernels
import AtelierStudio
import AtelierTraining
import AtelierWorkbench
import Foundation

/// A workload whose batch is a shard's, trained by Adam.
final class WorkloadTraining {
  let workload: Workload
  let step: TrainingStep
  private let kernels: Kernels
  private let batch: [String: Tensor]

  /// Plans it; throws `ShapeError` where there is no memory.
  init(_ workload: Workload, kernels: Kernels) throws {
    self.workload = workload
    self.kernels = kernels
    let graph = try workload.trainingGraph()
    let store = try ParameterStore(for: [graph], seed: 0)
    let program = try Program(graph, parameters: store, kernels: kernels)
    step = try TrainingStep(
      program: program, optimizer: .adam(learningRate: 1e-4), kernels: kernels)
    var generator = RandomGenerator(seed: 1)
    var batch: [String: Tensor] = [:]
    for (name, shape) in program.inputs {
      let classes = name == "target" ? workload.classes : nil
      var tensor = Tensor(shape)
      for index in tensor.elements.indices {
        tensor.elements[index] =
          classes.map { Float(generator.index(below: $0)) } ?? generator.uniform()
      }
      batch[name] = tensor
    }
    self.batch = batch
  }

  /// The seconds of each of so many steps over shards, on all ranks of a group.
  func times(
    steps: Int, shards: Int, precision: GradientPrecision, group: (any RankGroup)?
  ) throws -> [Double] {
    let loop = try TrainingLoop(
      [step], source: ClosureBatchSource { [batch] _ in batch },
      configuration: TrainingConfiguration(
        steps: steps, snapshotInterval: steps + 1, shards: shards, gradientPrecision: precision),
      kernels: kernels, group: group)
    let clock = ContinuousClock()
    var last = clock.now
    var times: [Double] = []
    loop.listeners = [
      ClosureListener { event in
        if case .started = event { last = clock.now }
        guard case .step = event else { return }
        let now = clock.now
        times.append((now - last).seconds)
        last = now
      }
    ]
    try loop.run()
    return times
  }

  /// Measures what a forecast needs, in so many steps.
  func forecast(steps: Int, precision: GradientPrecision) throws -> StepForecast {
    let program = step.program
    for (name, tensor) in batch { try program.setInput(name, tensor) }
    let clock = ContinuousClock()
    var starts: [[Double]] = []
    var shards: [Double] = []
    var rests: [Double] = []
    let layout = GradientLayout(
      gradients: program.gradientSteps, statistics: program.movedEntries, limit: 1 << 20)
    for index in 0..<steps + 2 {
      let begin = clock.now
      var ready = [Double](repeating: -1, count: layout.buckets.count)
      program.onStep = { step in
        let time = (clock.now - begin).seconds
        for (place, bucket) in layout.buckets.enumerated() where ready[place] < 0 {
          guard let made = bucket.readyStep, made <= step else { break }
          ready[place] = time
        }
      }
      try program.run()
      program.onStep = nil
      let ran = clock.now
      for optimizer in step.optimizers {
        let norm = optimizer.gradientNorm(program.gradients)
        optimizer.step(gradients: program.gradients, learningRate: 1e-4, norm: norm)
        _ = optimizer.movesFiniteParameters
      }
      guard index >= 2 else { continue }
      let whole = (ran - begin).seconds
      starts.append(ready.map { $0 < 0 ? whole : $0 })
      shards.append(whole)
      rests.append((clock.now - ran).seconds)
    }
    let half = precision == .bfloat16
    let buckets = layout.buckets.enumerated().map { place, bucket in
      StepForecast.Bucket(
        ready: Self.middle(starts.map { $0[place] }),
        bytes: Double(bucket.range.count) * (half && !bucket.isStatistic ? 2 : 4))
    }
    return StepForecast(
      shard: Self.middle(shards), rest: Self.middle(rests), adding: Self.adding(),
      buckets: buckets)
  }

  /// Seconds to add up a byte of gradients on one core.
  private static func adding() -> Double {
    let count = 1 << 20
    var sum = [Float](repeating: 1, count: count)
    let values = sum
    let clock = ContinuousClock()
    var times: [Double] = []
    for _ in 0..<9 {
      let begin = clock.now
      for index in 0..<count { sum[index] += values[index] }
      times.append((clock.now - begin).seconds / Double(4 * count))
    }
    return middle(times)
  }

  /// The median.
  static func middle(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    return sorted.isEmpty ? 0 : sorted[sorted.count / 2]
  }
}

extension Duration {
  fileprivate var seconds: Double {
    Double(components.seconds) + Double(components.attoseconds) / 1e18
  }
}
