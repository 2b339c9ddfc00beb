// A program that is timed, as a whole and node by node.

import AtelierEngine
import AtelierKernels
import AtelierTraining
import AtelierWorkbench

/// A graph planned and ready to be timed; one that trains has Adam behind it.
final class ProgramTiming {
  let program: Program
  private let optimizer: OptimizerState?

  /// Plans a specialized or differentiated graph over the parameters of a store.
  init(_ graph: Graph, store: ParameterStore, trains: Bool, kernels: Kernels) throws {
    // As trainings without a norm limit run it: each parameter is moved when its gradient is there.
    program = try Program(
      graph, parameters: store, kernels: kernels, handsGradientsOver: trains)
    optimizer =
      trains
      ? try OptimizerState(
        .adam(learningRate: 1e-4), store: store, entries: program.trainedEntries,
        kernels: kernels) : nil
  }

  /// One step.
  func step() throws {
    guard let optimizer else { return try program.run() }
    // No norm limit is set, so the norm is not computed; the peers' optimizer does not either.
    let numbers = optimizer.beginStep(learningRate: 1e-4)
    program.onGradient = { entry, gradient in
      _ = optimizer.move(entry, by: gradient, in: numbers, isMeasured: false)
    }
    try program.run()
  }

  /// The median times of every node in running order, then of the optimizer, after two steps to
  /// warm up.
  func profile(steps: Int = 7) throws -> [BenchProfileRow] {
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
    defer { (program.onStep, program.onGradient) = (nil, nil) }
    for index in 0..<steps + 2 {
      isTimed = index >= 2
      last = clock.now
      guard let optimizer else {
        try program.run()
        continue
      }
      let numbers = optimizer.beginStep(learningRate: 1e-4)
      var spent = Duration.zero
      program.onGradient = { entry, gradient in
        let time = clock.measure {
          _ = optimizer.move(entry, by: gradient, in: numbers, isMeasured: false)
        }
        spent += time
        // The next node's time begins when the parameter was moved.
        last += time
      }
      try program.run()
      if isTimed { times[nodes.count].append(spent.milliseconds) }
    }
    let medians = times.map(Medians.of)
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
}

/// Medians of times.
enum Medians {
  /// The median time of runs in milliseconds.
  static func time(
    seconds: Double, warmUp: Int = 2, least: Int = 5, _ body: () throws -> Void
  ) rethrows -> Double {
    for _ in 0..<warmUp { try body() }
    let clock = ContinuousClock()
    let end = clock.now + .seconds(seconds)
    var times: [Double] = []
    while times.count < max(least, 1) || clock.now < end {
      times.append(try clock.measure(body).milliseconds)
    }
    return of(times)
  }

  /// The middle of sorted values, the mean of both middles of an even number; 0 of none.
  static func of(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return 0 }
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }
}

extension Report {
  /// A table of what each node took, and the sum.
  mutating func say(nodes rows: [BenchProfileRow]) {
    var table = Table(
      ["node", "operation", "output", "ms", "GFLOP/s", "GB/s", "share"], leftColumns: 3)
    for row in rows where row.ms > 0 {
      table.append([
        row.node, row.operation, row.shape, NumberText.fixed(row.ms, 3),
        NumberText.rate(row.gigaflops), NumberText.rate(row.gigabytes),
        NumberText.percent(row.share),
      ])
    }
    say(table)
    say("total \(NumberText.fixed(rows.reduce(0) { $0 + $1.ms }, 2)) ms\n")
  }
}

extension NumberText {
  /// A share, 0 to 1, in percent.
  static func percent(_ share: Double) -> String { fixed(share * 100, 1) + " %" }

  /// A rate; nothing where none was counted.
  static func rate(_ value: Double) -> String { value > 0 ? fixed(value, 1) : "" }
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
