// What the planner joins and what it leaves out: exact steps of small networks.

import AtelierEngine
import AtelierKernels
import TestSupport
import Testing

@Suite("Fusion and freezing")
struct FusionTests {
  private func plan(
    for purpose: Purpose = .infer, isFused: Bool = true, _ body: (GraphBuilder) -> Void
  ) throws -> Plan {
    Plan(try Graph.trace(body).specialized(for: purpose), isFused: isFused)
  }

  /// A plan for training whose loss is the mean of the network's squared result.
  private func trainingPlan(
    isFused: Bool = true, to inputs: [String] = [], _ network: (SymbolicTensor) -> SymbolicTensor
  ) throws -> Plan {
    let graph = try Graph.trace { builder in
      let y = network(builder.input("x", [2, 6, 6, 3]))
      builder.output("loss", Loss.squaredError(y, builder.input("target", y.shape)))
    }.specialized(for: .train).differentiated(withRespectToInputs: inputs)
    return Plan(graph, isFused: isFused)
  }

  private func kinds(_ plan: Plan) -> [String] {
    plan.graph.nodes.map { type(of: $0.operation).kind }
  }

  @Test("convolution, bias and activation are one step", arguments: [true, false])
  func activation(isTransposed: Bool) throws {
    let layer: any Layer =
      isTransposed
      ? TransposedConvolution2D(filters: 4, kernel: 2, stride: 2, activation: .relu)
      : Convolution2D(filters: 4, kernel: 3, activation: .gelu)
    func body(_ builder: GraphBuilder) {
      builder.output("y", layer(builder.input("x", [1, 5, 5, 3])))
    }
    let fused = try plan(body).graph
    #expect(fused.nodes.count == 1)
    let plain = try plan(isFused: false, body).graph
    #expect(plain.nodes.count == 2)
    let operation = try #require(fused.nodes.first?.operation)
    let epilogue =
      (operation as? PlannedConvolution<ConvolutionOperation>)?.operation.epilogue
      ?? (operation as? PlannedConvolution<TransposedConvolutionOperation>)?.operation.epilogue
    #expect(epilogue?.hasBias == true)
    #expect(epilogue?.activation == (isTransposed ? .relu : .gelu))
  }

  @Test("a clamp from 0 is a convolution's own ending, the same values; another clamp is not")
  func clamping() throws {
    func graph(_ lower: Float) throws -> Graph {
      try Graph.trace { builder in
        let x = Convolution2D(filters: 20, kernel: 3)(builder.input("x", [1, 9, 9, 4]))
        builder.output("y", x.applying(ClampOperation(lower: lower, upper: 0.3), name: "clamp"))
      }.specialized(for: .infer)
    }
    #expect(kinds(Plan(try graph(0))) == ["convolution-2d"])
    #expect(kinds(Plan(try graph(-1))) == ["convolution-2d", "clamp"])
    let store = try ParameterStore(for: [try graph(0)], seed: 3)
    let results = try [true, false].map { isFused in
      let program = try Program(try graph(0), parameters: store, isFused: isFused)
      try program.setInput("x", Tensor.random([1, 9, 9, 4], seed: 4))
      try program.run()
      return try program.output("y")
    }
    #expect(results[0] == results[1])
    #expect(results[0].elements.max() == 0.3 && results[0].elements.min() == 0)
  }

  @Test("a residual block is two steps") func residual() throws {
    let plan = try plan { builder in
      let x = builder.input("x", [1, 5, 5, 4])
      let inner = Convolution2D(filters: 4, kernel: 3, activation: .relu)(x)
      builder.output("y", Activate(.relu)(x + Convolution2D(filters: 4, kernel: 3)(inner)))
    }
    #expect(kinds(plan) == ["convolution-2d", "convolution-2d"])
    let second = try #require(
      plan.graph.nodes.last?.operation as? PlannedConvolution<ConvolutionOperation>
    ).operation
    #expect(second.epilogue.hasAddend)
    #expect(second.epilogue.activation == .relu)
  }

  @Test("normalization folds into the convolution before it, at inference only") func folding()
    throws
  {
    func body(_ builder: GraphBuilder) {
      let x = Convolution2D(filters: 4, kernel: 3)(builder.input("x", [2, 5, 5, 3]))
      builder.output("y", Activate(.relu)(BatchNormalization(epsilon: 1e-3)(x)))
    }
    let folded = try plan(for: .infer, body)
    #expect(kinds(folded) == ["convolution-2d"])
    let operation = try #require(
      folded.graph.nodes.first?.operation as? PlannedConvolution<ConvolutionOperation>
    ).operation
    #expect(operation.foldedNormalization == 1e-3)
    #expect(operation.epilogue.activation == .relu)
    // In training form the statistics are the batch's: only the ReLU joins.
    let training = try plan(for: .train, body)
    #expect(kinds(training) == ["convolution-2d", "batch-normalization"])
    let last = try #require(training.graph.nodes.last?.operation as? BatchNormalizationOperation)
    #expect(last.activation == .relu)
  }

  @Test("folded = unfolded, also after the statistics moved", arguments: [true, false])
  func foldedValues(isTransposed: Bool) throws {
    let layer: any Layer =
      isTransposed
      ? TransposedConvolution2D(filters: 6, kernel: 3, stride: 2, groups: 2)
      : Convolution2D(filters: 6, kernel: 3, stride: 2, groups: 2)
    let graph = try Graph.trace { builder in
      let x = layer(builder.input("x", [2, 6, 5, 4]))
      builder.output("y", BatchNormalization(name: "norm")(x))
    }
    let store = try ParameterStore(for: [graph], seed: 1)
    let x = Tensor.random([2, 6, 5, 4], seed: 2)
    let programs = try [true, false].map {
      try Program(graph.specialized(for: .infer), parameters: store, isFused: $0)
    }
    #expect(programs[0].plan.graph.nodes.count == 1)
    for round in UInt64(0)..<3 {
      try store.set("norm/gamma", .uniform([6], in: 0.5...2, seed: round))
      try store.set("norm/running_mean", .random([6], seed: 10 + round))
      try store.set("norm/running_variance", .uniform([6], in: 0.5...2, seed: 20 + round))
      for program in programs {
        try program.setInput("x", x)
        try program.run()
      }
      expectClose(try programs[0].output("y"), try programs[1].output("y"), tolerance: 1e-5)
    }
  }

  @Test("what somebody else reads is not fused away") func otherReaders() throws {
    let plan = try plan { builder in
      let x = Convolution2D(filters: 4, kernel: 3)(builder.input("x", [1, 5, 5, 3]))
      builder.output("before", x)
      builder.output("y", Activate(.relu)(x))
    }
    #expect(kinds(plan) == ["convolution-2d", "activation"])
  }

  @Test("the gradient of a ReLU joins the input gradient before it") func mask() throws {
    func network(_ x: SymbolicTensor) -> SymbolicTensor {
      let inner = Convolution2D(filters: 5, kernel: 3, activation: .leakyReLU(slope: 0.2))(x)
      return Convolution2D(filters: 2, kernel: 3)(inner)
    }
    let fused = try trainingPlan(network)
    #expect(
      kinds(fused) == [
        "convolution-2d", "convolution-2d", "pointwise-loss", "fill", "pointwise-loss-gradient",
        "convolution-weight-gradient", "transposed-convolution-2d", "convolution-weight-gradient",
      ])
    let operation = try #require(
      fused.graph.nodes[6].operation as? PlannedConvolution<TransposedConvolutionOperation>
    ).operation
    #expect(operation.epilogue.maskSlope == 0.2)
    #expect(kinds(try trainingPlan(isFused: false, network)).count == 10)
  }

  @Test("an activation whose gradient needs its input is not fused in training") func silu() throws
  {
    let network = { (x: SymbolicTensor) in
      Convolution2D(filters: 2, kernel: 3)(
        Convolution2D(filters: 5, kernel: 3, activation: .silu)(x))
    }
    #expect(kinds(try trainingPlan(network)).filter { $0.hasPrefix("activation") }.count == 2)
  }

  @Test("normalization and ReLU are one step forward and one backward") func normalization() throws
  {
    let plan = try trainingPlan { x in
      let inner = Convolution2D(filters: 4, kernel: 3, hasBias: false)(x)
      return Activate(.relu)(BatchNormalization()(inner))
    }
    #expect(
      kinds(plan) == [
        "convolution-2d", "batch-normalization", "pointwise-loss", "fill",
        "pointwise-loss-gradient", "batch-normalization-gradient", "convolution-weight-gradient",
      ])
    let gradient = try #require(plan.graph.nodes[5].operation as? BatchNormalizationGradient)
    #expect(gradient.activation == .relu)
  }

  // MARK: Freezing

  /// Two convolutions of which some are frozen.
  private func frozen(_ isTrainable: (Bool, Bool), to inputs: [String] = []) throws -> Plan {
    try trainingPlan(isFused: false, to: inputs) { x in
      let first = Convolution2D(filters: 5, kernel: 3, isTrainable: isTrainable.0, name: "first")
      let second = Convolution2D(filters: 2, kernel: 3, isTrainable: isTrainable.1, name: "second")
      return second(first(x))
    }
  }

  @Test("a frozen part plans no gradients") func frozenParts() throws {
    let forward = ["convolution-2d", "convolution-2d", "pointwise-loss"]
    let loss = ["fill", "pointwise-loss-gradient"]
    let (weights, input) = ("convolution-weight-gradient", "transposed-convolution-2d")
    #expect(kinds(try frozen((true, true))) == forward + loss + [weights, input, weights])
    // With the encoder frozen the sweep ends at the decoder's weights.
    #expect(kinds(try frozen((false, true))) == forward + loss + [weights])
    // Through a frozen decoder only the input gradient passes.
    #expect(kinds(try frozen((true, false))) == forward + loss + [input, weights])
    // All frozen: nothing but the forward pass; an attack still gets its gradient to the input.
    #expect(kinds(try frozen((false, false))) == forward)
    #expect(kinds(try frozen((false, false), to: ["x"])) == forward + loss + [input, input])
    #expect(try frozen((false, true)).graph.parameterGradients.map(\.parameter) == [2, 3])
  }

  @Test("parameters are frozen by name too") func settingTrainable() throws {
    let graph = try Sequential(input: .vector(3)) {
      Dense(units: 4, name: "a")
      BatchNormalization(name: "b")
    }.graph()
    #expect(graph.trainableParameterCount == 24)
    let frozen = graph.settingTrainable { $0.hasPrefix("b/") }
    #expect(frozen.parameterCount == graph.parameterCount)
    #expect(frozen.trainableParameterCount == 8)
    #expect(frozen.parameters.filter(\.isTrainable).map(\.name) == ["b/gamma", "b/beta"])
    #expect(graph.settingTrainable { _ in true } == graph)
  }

  @Test("a frozen normalization keeps to its statistics while the rest trains")
  func frozenNormalization() throws {
    for isTrainable in [true, false] {
      let graph = try Graph.trace { builder in
        let x = Dense(units: 3, name: "dense")(builder.input("x", [4, 2]))
        let y = BatchNormalization(isTrainable: isTrainable, name: "norm")(x)
        builder.output("y", y)
        builder.output("loss", Loss.squaredError(y, builder.input("target", [4, 3])))
      }.specialized(for: .train).differentiated()
      let store = try ParameterStore(for: [graph], seed: 1)
      let program = try Program(graph, parameters: store)
      try program.setInput("x", .random([4, 2], seed: 2))
      try program.run()
      let mean = try #require(store["norm/running_mean"])
      #expect((mean.elements == [0, 0, 0]) == !isTrainable)
      #expect((program.gradient(of: "norm/gamma") == nil) == !isTrainable)
      #expect(program.gradient(of: "dense/weight") != nil)
      #expect(program.trainedEntries.count == (isTrainable ? 4 : 2))
    }
  }
}
