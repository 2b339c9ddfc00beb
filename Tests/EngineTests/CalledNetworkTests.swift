// Networks that exist already as parts of others: same numbers, shared or frozen parameters, taps.

import AtelierEngine
import AtelierKernels
import TestSupport
import Testing

@Suite("Called networks")
struct CalledNetworkTests {
  /// [N, 4, 4, 1] → convolution → normalization → relu → pool → dense [N, 3].
  private static func network(batch: Int = 1) throws -> Graph {
    try Graph.trace { builder in
      var x = builder.input("input", [batch, 4, 4, 1])
      x = Convolution2D(filters: 2, kernel: 3, name: "conv")(x)
      x = Activate(.relu, name: "relu")(BatchNormalization(name: "norm")(x))
      x = Flatten()(MaxPool2D(name: "pool")(x))
      builder.output("output", Dense(units: 3, name: "dense")(x))
    }
  }

  private func run(_ graph: Graph, _ input: Tensor, prefix: String = "") throws -> Program {
    var tensors: [String: Tensor] = [:]
    for (index, parameter) in graph.parameters.enumerated() where parameter.role != .constant {
      let name = String(parameter.name.dropFirst(prefix.count))
      var tensor = Tensor.random(parameter.shape, seed: UInt64(name.count + index % 5), scale: 0.5)
      if name.hasSuffix("variance") { tensor.elements = tensor.elements.map { 1 + abs($0) } }
      tensors[parameter.name] = tensor
    }
    let store = try ParameterStore(for: [graph], seed: 1, startingFrom: tensors)
    let program = try Program(graph, parameters: store)
    try program.setInput("input", input)
    try program.run()
    return program
  }

  @Test("gives what it gives by itself, under its prefix, at another batch size")
  func sameNumbers() throws {
    let network = try Self.network()
    let input = Tensor.random([3, 4, 4, 1], seed: 3)
    let alone = try network.reshaped(["input": [3, 4, 4, 1]]).specialized(for: .infer)
    let called = try Graph.trace { builder in
      let input = builder.input("input", [3, 4, 4, 1])
      let result = builder.call(network, ["input": input], prefix: "victim/")
      if let output = result["output"] { builder.output("output", output) }
    }.specialized(for: .infer)
    try called.validate()
    #expect(called.parameters.map(\.name) == network.parameters.map { "victim/" + $0.name })
    let expected = try run(alone, input).output("output")
    #expect(try run(called, input, prefix: "victim/").output("output") == expected)
    #expect(expected.elements.contains { abs($0) > 0.01 })
  }

  @Test("two calls share parameters; frozen ones have no gradient, their input has")
  func sharedAndFrozen() throws {
    let network = try Self.network()
    let graph = try Graph.trace { builder in
      let first = builder.input("input", [1, 4, 4, 1])
      let second = 2 * first
      let results = [first, second].compactMap {
        builder.call(network, ["input": $0], isTrainable: false)["output"]
      }
      builder.output("loss", (results[0] * results[1]).mean())
    }.specialized(for: .train)
    #expect(graph.parameters.map(\.name) == network.parameters.map(\.name))
    #expect(graph.trainableParameterCount == 0)
    let frozen = try graph.differentiated(withRespectToInputs: ["input"])
    #expect(frozen.parameterGradients.isEmpty)
    let kinds = Plan(frozen).graph.nodes.map { type(of: $0.operation).kind }
    #expect(!kinds.contains(ConvolutionWeightGradient.kind))
    #expect(!kinds.contains(ChannelSum.kind))
    let free = try graph.settingTrainable { _ in true }
      .differentiated(withRespectToInputs: ["input"])
    #expect(free.parameterGradients.count == 6)
  }

  @Test("a tap sees every layer and may put something else in its place")
  func tap() throws {
    let network = try Self.network()
    var names: [String] = []
    let graph = try Graph.trace { builder in
      let input = builder.input("input", [1, 4, 4, 1])
      let result = builder.call(network, ["input": input]) { name, value in
        names.append(name)
        return name == "pool" ? 0 * value : value
      }
      if let output = result["output"] { builder.output("output", output) }
    }.specialized(for: .infer)
    #expect(names == ["conv", "norm", "relu", "pool", "flatten", "dense"])
    let program = try run(graph, .random([1, 4, 4, 1], seed: 4))
    let bias = program.parameters["dense/bias"]
    #expect(try program.output("output").elements == bias?.elements)
  }

  @Test("what is missing or does not fit is named") func errors() throws {
    let network = try Self.network()
    let missing = #expect(throws: ShapeError.self) {
      try Graph.trace { builder in _ = builder.call(network, [:]) }
    }
    #expect(
      missing?.description
        == "the network that is called has an input input, for which nothing was given")
    let size = #expect(throws: ShapeError.self) {
      try Graph.trace { builder in
        let input = builder.input("input", [1, 6, 6, 1])
        _ = builder.call(network, ["input": input], prefix: "victim/")
      }
    }
    #expect(size?.description.hasPrefix("layer victim/dense: ") == true)
  }
}
