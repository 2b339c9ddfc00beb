// Concatenations, normalizations and statistics that move into the convolutions around them: which do, and that nothing changes.

import AtelierEngine
import AtelierKernels
import Foundation
import TestSupport
import Testing

@Suite("What convolutions do while they load and store")
struct LoadingTests {
  /// Two levels of a U-Net with batch normalization: `channels` wide at the top, sizes that leave tiles cut off.
  private func network(channels: Int, activation: Activation) throws -> Graph {
    try Graph.trace { builder in
      let x = builder.input("x", [7, 14, 9, 3])
      func block(_ x: SymbolicTensor, _ filters: Int, _ name: String) -> SymbolicTensor {
        Activate(activation)(
          BatchNormalization(name: "\(name)/norm")(
            Convolution2D(filters: filters, kernel: 3, name: name)(x)))
      }
      let skip = block(block(x, channels, "in"), channels, "skip")
      let other = block(skip, 16, "other")
      let joined = concatenate(skip, other)
      let last = block(block(joined, channels, "joined"), 32, "last")
      let y = Convolution2D(filters: 2, kernel: 1, name: "head")(last)
      builder.output("y", y)
      builder.output("loss", Loss.squaredError(y, builder.input("target", y.shape)))
    }.specialized(for: .train).differentiated()
  }

  private func kinds(_ plan: Plan) -> [String] {
    plan.graph.nodes.map { type(of: $0.operation).kind }
  }

  /// Runs one step and gives the loss, the output, all gradients and all running statistics.
  private func step(
    _ graph: Graph, _ set: InstructionSet, threads: Int, isFused: Bool
  ) throws -> [(name: String, tensor: Tensor)] {
    let store = try ParameterStore(for: [graph], seed: 3)
    let kernels = Kernels(pool: ThreadPool(threads: threads), instructionSet: set)
    let program = try Program(graph, parameters: store, kernels: kernels, isFused: isFused)
    try program.setInput("x", .random([7, 14, 9, 3], seed: 4))
    try program.setInput("target", .random([7, 14, 9, 2], seed: 5))
    try program.run()
    var results = try ["loss", "y"].map { ($0, try program.output($0)) }
    for entry in store.entries {
      if let gradient = program.gradient(of: entry.name) { results.append((entry.name, gradient)) }
      if entry.name.contains("running") {
        results.append((entry.name, try #require(store[entry.name])))
      }
    }
    return results
  }

  @Test("the concatenation, its cuts and three normalizations leave the plan") func plan() throws {
    let graph = try network(channels: 32, activation: .relu)
    let plain = kinds(Plan(graph, isFused: false))
    #expect(plain.filter { $0 == "concatenate" }.count == 1)
    #expect(plain.filter { $0 == "channel-slice" }.count == 2)
    #expect(plain.filter { $0 == "batch-normalization" }.count == 5)
    let plan = Plan(graph)
    let fused = kinds(plan)
    #expect(!fused.contains("concatenate"))
    #expect(!fused.contains("channel-slice"))
    // What the concatenation or a 1×1 convolution reads is written; what only 3×3 convolutions read is not.
    #expect(fused.filter { $0 == "batch-normalization" }.count == 3)
    #expect(fused.filter { $0 == "batch-statistics" }.count == 2)
    let convolutions = plan.graph.nodes.compactMap {
      $0.operation as? PlannedConvolution<ConvolutionOperation>
    }
    // The first convolution has 3 channels and the last one no normalization behind it.
    #expect(convolutions.map { $0.second == nil } == [true, false, false, false, false, true])
    #expect(convolutions.map { $0.loading?.restStart } == [nil, nil, nil, 32, nil, nil])
    #expect(convolutions.map { $0.loading?.normalizedSlope } == [nil, 0, nil, nil, 0, nil])
  }

  @Test(
    "results, gradients and running statistics are those of the plain plan",
    arguments: InstructionSet.available, [(32, Activation.relu), (16, .leakyReLU(slope: 0.2))])
  func results(_ set: InstructionSet, _ sizes: (Int, Activation)) throws {
    let graph = try network(channels: sizes.0, activation: sizes.1)
    let plain = try step(graph, set, threads: 2, isFused: false)
    let fused = try step(graph, set, threads: 2, isFused: true)
    #expect(plain.map(\.name) == fused.map(\.name))
    for (expected, received) in zip(plain, fused) {
      // A bias before a normalization has no gradient but rounding errors.
      if expected.name.hasSuffix("bias"), !expected.name.hasPrefix("head") { continue }
      expectClose(received.tensor, expected.tensor, tolerance: 2e-4, expected.name)
    }
  }

  @Test("any number of threads gives the same bits") func threads() throws {
    let graph = try network(channels: 32, activation: .relu)
    let one = try step(graph, .preferred, threads: 1, isFused: true)
    let three = try step(graph, .preferred, threads: 3, isFused: true)
    for (expected, received) in zip(one, three) {
      #expect(expected.tensor == received.tensor, "\(expected.name)")
    }
  }

  @Test("channels that no vector divides are normalized and told too") func oddChannels() throws {
    let graph = try network(channels: 20, activation: .relu)
    let kernels = Kernels(instructionSet: .baseline)
    #expect(kinds(Plan(graph, kernels: kernels)).contains("batch-statistics"))
    let plain = try step(graph, .preferred, threads: 1, isFused: false)
    let fused = try step(graph, .preferred, threads: 1, isFused: true)
    for (expected, received) in zip(plain, fused) where !expected.name.hasSuffix("bias") {
      expectClose(received.tensor, expected.tensor, tolerance: 2e-4, expected.name)
    }
  }

  @Test("statistics keep their digits when the mean is large") func largeMean() throws {
    let graph = try Graph.trace { builder in
      let x = builder.input("x", [8, 12, 12, 16])
      let y = BatchNormalization(momentum: 1, name: "norm")(
        Convolution2D(filters: 16, kernel: 3, hasBias: true, name: "before")(x))
      builder.output("y", Convolution2D(filters: 16, kernel: 3, name: "after")(y))
    }.specialized(for: .train)
    let store = try ParameterStore(for: [graph], seed: 6)
    try store.set("before/bias", Tensor([16], [Float](repeating: 1000, count: 16)))
    for isFused in [false, true] {
      let program = try Program(graph, parameters: store, isFused: isFused)
      #expect(kinds(program.plan).contains("batch-statistics") == isFused)
      try program.setInput("x", .random([8, 12, 12, 16], seed: 7))
      try program.run()
      let variance = try #require(store["norm/running_variance"])
      // The weights are Glorot's: each output has about the variance of the inputs.
      for value in variance.elements { #expect(value > 0.2 && value < 5) }
    }
  }

  /// A convolution whose result is pooled and read, one that is only pooled, and one of odd size.
  private func pooling(size: Int) throws -> Graph {
    try Graph.trace { builder in
      let x = builder.input("x", [3, size, size, 16])
      let skip = Activate(.relu)(
        BatchNormalization(name: "norm")(Convolution2D(filters: 40, kernel: 3, name: "both")(x)))
      let pooled = MaxPool2D(window: 2, name: "pool0")(skip)
      let below = MaxPool2D(window: 2, name: "pool1")(
        Convolution2D(filters: 24, kernel: 3, activation: .leakyReLU(slope: 0.1), name: "pooled")(
          pooled))
      builder.output("skip", skip)
      builder.output("y", below)
    }.specialized(for: .infer)
  }

  @Test("poolings move into the convolutions before them", arguments: InstructionSet.available)
  func pooled(_ set: InstructionSet) throws {
    for (size, left) in [(28, 0), (36, 0), (30, 1), (27, 2)] {
      let graph = try pooling(size: size)
      let kernels = Kernels(pool: ThreadPool(threads: 2), instructionSet: set)
      #expect(kinds(Plan(graph, kernels: kernels)).filter { $0 == "max-pool-2d" }.count == left)
      let store = try ParameterStore(for: [graph], seed: 8)
      let outputs = try [true, false].map { isFused in
        let program = try Program(graph, parameters: store, kernels: kernels, isFused: isFused)
        try program.setInput("x", .random([3, size, size, 16], seed: 9))
        try program.run()
        return try ["skip", "y"].map { try program.output($0) }
      }
      for (fused, plain) in zip(outputs[0], outputs[1]) {
        expectClose(fused, plain, tolerance: 1e-5, "\(size)")
      }
    }
  }

  @Test("model files hold none of it") func files() throws {
    let graph = try network(channels: 32, activation: .relu)
    let planned = Plan(graph).graph
    #expect(planned.nodes.contains { $0.operation is BatchStatistics })
    for (kind, node) in zip(kinds(Plan(graph)), planned.nodes)
    where node.operation is any PlannedOperation {
      let error = #expect(throws: ShapeError.self) { try JSONEncoder().encode(node) }
      #expect(error?.description == "a planned \(kind) is not written to files")
    }
  }

  @Test("the drawing names the algorithm that was chosen") func algorithms() throws {
    let lines = Plan(try network(channels: 32, activation: .relu)).description.split(
      separator: "\n")
    func line(_ name: String, _ kind: String) -> Bool {
      lines.contains { $0.contains("  \(name)  \(kind)  → ") }
    }
    #expect(line("in", "convolution-2d (rows)"))
    #expect(line("skip", "convolution-2d (Winograd)"))
    #expect(line("head", "convolution-2d (dot products)"))
    #expect(line("skip/gradient", "convolution-weight-gradient (Winograd)"))
  }
}
