// Timing of the workloads: warm-up, medians over steps, and a profile by node.

import AtelierEngine
import AtelierKernels
import AtelierTraining
import AtelierWorkbench

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// One workload ready to be timed.
public final class Bench {
  /// What is timed.
  public let workload: Workload
  /// Training or inference.
  public let phase: BenchPhase
  private let program: Program
  private let optimizer: OptimizerState?
  private let parameters: Int
  private let precision: Precision
  /// Multiply-adds of the direct algorithms in a step, those of the optimizer apart.
  public let multiplyAdds: Int

  /// Builds the networks and fills the inputs, seeded; throws when the workload cannot be planned.
  public init(_ workload: Workload, phase: BenchPhase, kernels: Kernels = Kernels()) throws {
    self.workload = workload
    self.phase = phase
    parameters = try workload.parameterCount()
    precision = kernels.precision
    let graph =
      switch phase {
      case .train: try workload.trainingGraph()
      case .infer: try workload.inferenceGraph().specialized(for: .infer)
      }
    let store = try ParameterStore(for: [graph], seed: 0)
    program = try Program(graph, parameters: store, kernels: kernels)
    multiplyAdds = program.plan.graph.multiplyAdds
    optimizer =
      phase == .train
      ? try OptimizerState(
        .adam(learningRate: 1e-4), store: store, entries: program.trainedEntries,
        kernels: kernels) : nil
    var generator = RandomGenerator(seed: 1)
    for (name, _) in program.inputs {
      let classes = name == "target" ? workload.classes : nil
      try program.withInput(name) { values in
        for index in values.indices {
          values[index] = classes.map { Float(generator.index(below: $0)) } ?? generator.uniform()
        }
      }
    }
  }

  /// One step; the loss, nil when inferring.
  @discardableResult public func step() throws -> Float? {
    try program.run()
    guard let optimizer else { return nil }
    // No norm limit is set, so the norm is not computed; the peers' optimizer does not either.
    optimizer.step(gradients: program.gradients, learningRate: 1e-4, norm: 0)
    return try program.scalar("loss")
  }

  /// Times at least `least` steps for at least `seconds`; `peak` is what the machine does at most,
  /// in billions of operations per second.
  public func run(
    seconds: Double, warmUp: Int = 3, least: Int = 5, peak: Double? = nil
  ) throws -> BenchResult {
    let ms = try Self.median(seconds: seconds, warmUp: warmUp, least: least) { try step() }
    let gigaflops = 2 * Double(multiplyAdds) / ms / 1e6
    return BenchResult(
      workload: workload.rawValue, phase: phase.rawValue, ms: Self.rounded(ms, 1000),
      imagesPerSecond: Self.rounded(Double(workload.images) / ms * 1000, 10),
      peakMemory: Self.peakMemory(), parameters: parameters, gigaflops: Self.rounded(gigaflops, 10),
      peakShare: peak.map { Self.rounded(gigaflops / $0, 1000) }, precision: precision)
  }

  /// The median times of every node in running order, then of the optimizer, after two steps to
  /// warm up.
  public func profile(steps: Int = 7) throws -> [BenchProfileRow] {
    let nodes = program.plan.graph.nodes
    var times = [[Double]](repeating: [], count: nodes.count + 1)
    let clock = ContinuousClock()
    var last = clock.now
    var isTimed = false
    program.onStep = { index in
      let now = clock.now
      if isTimed { times[index].append((now - last).milliseconds) }
      last = now
    }
    defer { program.onStep = nil }
    for index in 0..<steps + 2 {
      isTimed = index >= 2
      last = clock.now
      try program.run()
      guard let optimizer else { continue }
      let time = clock.measure {
        _ = optimizer.step(gradients: program.gradients, learningRate: 1e-4, norm: 0)
      }
      if isTimed { times[nodes.count].append(time.milliseconds) }
    }
    let medians = times.map(Self.median)
    let total = max(medians.reduce(0, +), .leastNormalMagnitude)
    var rows = nodes.enumerated().map { index, node in
      let shapes = program.plan.graph.shapes(of: node)
      let ms = medians[index]
      func rate(_ count: Int) -> Double { ms > 0 ? Double(count) / ms / 1e6 : 0 }
      return BenchProfileRow(
        node: node.name, operation: type(of: node.operation).kind,
        shape: shapes.outputs.first.map { "\($0)" } ?? "", ms: ms,
        gigaflops: rate(2 * node.operation.multiplyAdds(shapes)), share: ms / total,
        gigabytes: rate(program.plan.bytes(of: node)))
    }
    if let optimizer {
      let count = optimizer.entries.reduce(0) { $0 + $1.shape.count }
      let ms = medians[nodes.count]
      // Adam reads parameters, gradients and both moments, and writes all but the gradients.
      rows.append(
        BenchProfileRow(
          node: "optimizer", operation: "adam", shape: "[\(count)]", ms: ms, gigaflops: 0,
          share: ms / total, gigabytes: ms > 0 ? 28 * Double(count) / ms / 1e6 : 0))
    }
    return rows
  }

  /// The median time of runs in milliseconds.
  static func median(
    seconds: Double, warmUp: Int = 2, least: Int = 5, _ body: () throws -> Void
  ) rethrows -> Double {
    for _ in 0..<warmUp { try body() }
    let clock = ContinuousClock()
    let end = clock.now + .seconds(seconds)
    var times: [Double] = []
    while times.count < max(least, 1) || clock.now < end {
      times.append(try clock.measure(body).milliseconds)
    }
    return median(times)
  }

  /// The middle of sorted values, the mean of both middles of an even number; 0 of none.
  static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return 0 }
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }

  private static func rounded(_ value: Double, _ parts: Double) -> Double {
    (value * parts).rounded() / parts
  }

  /// The largest resident memory of the process so far, in MiB.
  static func peakMemory() -> Int {
    var usage = rusage()
    #if canImport(Glibc)
    getrusage(Int32(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss / 1024
    #else
    getrusage(RUSAGE_SELF, &usage)
    return usage.ru_maxrss / 1_048_576
    #endif
  }
}

extension Graph {
  /// Multiply-adds of one run by the direct algorithms.
  var multiplyAdds: Int { nodes.reduce(0) { $0 + $1.operation.multiplyAdds(shapes(of: $1)) } }
}

extension Plan {
  /// The bytes that a node reads and writes, if it touches each element once: inputs of which only
  /// the shape counts, outputs that nobody reads, and scratch memory apart.
  func bytes(of node: Graph.Node) -> Int {
    if node.operation.isView { return 0 }
    let unread = Set(node.operation.shapeOnlyInputs)
    let inputs = node.inputs.enumerated().filter { !unread.contains($0.offset) }.map(\.element)
    let outputs = node.outputs.filter { locations[$0] != .none }
    return 4 * (inputs + outputs).reduce(0) { $0 + graph.values[$1].shape.count }
  }
}

extension Duration {
  var milliseconds: Double {
    Double(components.seconds) * 1e3 + Double(components.attoseconds) / 1e15
  }
}
