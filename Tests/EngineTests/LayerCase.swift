// What the layer contract is checked on: one layer (or loss) with its numbers, as a differentiated
// graph that can be run in many ways.

import AtelierEngine
import AtelierKernels
import TestSupport
import Testing

/// A layer or a loss at work on given numbers.
struct LayerCase: Sendable, CustomTestStringConvertible {
  /// An input with its numbers.
  struct Input: Sendable {
    let name: String
    let tensor: Tensor
    /// Whether the gradient to it is checked.
    var isDifferentiated = true
  }

  let name: String
  let inputs: [Input]
  var purpose = Purpose.train
  /// Whether biases are set far to either side of zero, so that no difference crosses a ReLU's kink.
  var hasFarBiases = false
  /// The step of the central differences.
  var step: Float = 0.02
  /// The tolerance of the gradient, relative to the size of the gradient's tensor.
  var tolerance: Float = 2e-3
  /// Whether a step on parameters and inputs must lower the squared error.
  var learns = true
  let build: @Sendable ([SymbolicTensor]) -> SymbolicTensor

  var testDescription: String { name }

  /// A layer on one tensor.
  init(_ name: String, _ tensor: Tensor, _ layer: any Layer) {
    self.name = name
    inputs = [Input(name: "x", tensor: tensor)]
    build = { layer($0[0]) }
  }

  /// A function of several tensors, all of them differentiated.
  init(
    _ name: String, _ tensors: [Tensor],
    _ build: @escaping @Sendable ([SymbolicTensor]) -> SymbolicTensor
  ) {
    self.name = name
    inputs = tensors.enumerated().map { Input(name: "x\($0.offset)", tensor: $0.element) }
    self.build = build
  }

  /// A function of a tensor, which is differentiated, and of another one, which is not.
  init(
    _ name: String, _ tensor: Tensor, fixed: Tensor,
    _ build: @escaping @Sendable ([SymbolicTensor]) -> SymbolicTensor
  ) {
    self.name = name
    inputs = [
      Input(name: "x", tensor: tensor),
      Input(name: "fixed", tensor: fixed, isDifferentiated: false),
    ]
    self.build = build
  }

  /// A loss of a prediction, which is differentiated, and a target, which is not.
  init(_ name: String, _ prediction: Tensor, target: Tensor, _ loss: Loss) {
    self.name = name
    inputs = [
      Input(name: "prediction", tensor: prediction),
      Input(name: "target", tensor: target, isDifferentiated: false),
    ]
    build = { loss($0[0], $0[1]) }
  }

  /// The case with something changed.
  func with(_ change: (inout LayerCase) -> Void) -> LayerCase {
    var result = self
    change(&result)
    return result
  }
}

/// A layer case traced and differentiated.
///
/// Outputs: `output`, and `loss` = Σ output · projection for a fixed random projection, so that every element of the output counts
/// by itself. Two more inputs that nobody reads stand guard in the arena.
struct TracedCase {
  let layerCase: LayerCase
  /// Forward only, specialized for the case's purpose.
  let forward: Graph
  /// With the gradients of parameters and inputs.
  let graph: Graph
  /// The shape that was planned for the output.
  let shape: Shape
  /// The numbers of all inputs.
  let inputs: [String: Tensor]

  init(_ layerCase: LayerCase) throws {
    self.layerCase = layerCase
    var numbers: [String: Tensor] = [:]
    for input in layerCase.inputs { numbers[input.name] = input.tensor }
    for guardian in ["first guard", "second guard"] {
      numbers[guardian] = Tensor.random([1, 19], seed: 99)
    }
    var planned = Shape.scalar
    forward = try Graph.trace { builder in
      _ = builder.input("first guard", [1, 19])
      let symbols = layerCase.inputs.map { builder.input($0.name, $0.tensor.shape) }
      _ = builder.input("second guard", [1, 19])
      let output = layerCase.build(symbols)
      planned = output.shape
      builder.output("output", output)
      let projection = builder.input("projection", output.shape)
      builder.output("loss", Float(output.shape.count) * (output * projection).mean())
    }.specialized(for: layerCase.purpose)
    shape = planned
    numbers["projection"] = Tensor.uniform(planned, in: 0.5...1.5, seed: 7).signed(seed: 8)
    inputs = numbers
    graph = try forward.differentiated(
      withRespectToInputs: layerCase.inputs.filter(\.isDifferentiated).map(\.name))
  }

  /// A store in which nothing is at its start's special value.
  func store() throws -> ParameterStore {
    let store = try ParameterStore(for: [graph], seed: 3)
    for (index, entry) in store.entries.enumerated() where entry.role != .constant {
      var tensor = try #require(store[entry.name])
      let noise = Tensor.uniform(entry.shape, in: -0.4...0.4, seed: UInt64(100 + index))
      let isFar = layerCase.hasFarBiases && entry.name.hasSuffix("/bias")
      for element in 0..<tensor.count {
        tensor.elements[element] += noise.elements[element]
        if isFar { tensor.elements[element] += element % 3 == 2 ? -8 : 8 }
      }
      try store.set(entry.name, tensor)
    }
    return store
  }

  /// A program of the differentiated graph with all inputs given.
  func program(
    _ store: ParameterStore, kernels: Kernels = Kernels(), isFused: Bool = true
  ) throws -> Program {
    let program = try Program(graph, parameters: store, kernels: kernels, isFused: isFused)
    for (name, tensor) in inputs { try program.setInput(name, tensor) }
    return program
  }

  /// All that a run leaves: the output, the gradients and the parameters with their statistics.
  func result(kernels: Kernels = Kernels(), isFused: Bool = true) throws -> CaseResult {
    let store = try store()
    let program = try program(store, kernels: kernels, isFused: isFused)
    try program.run(step: 5)
    return try CaseResult(program, layerCase)
  }
}

/// What a run of a case left.
struct CaseResult: Equatable {
  /// The output, then the gradients to inputs and parameters, by name.
  let tensors: [String: Tensor]
  /// The parameters after the run: running statistics have moved.
  let parameters: [Float]

  init(_ program: Program, _ layerCase: LayerCase) throws {
    var tensors = ["output": try program.output("output")]
    for input in layerCase.inputs where input.isDifferentiated {
      tensors["d\(input.name)"] = try program.output("gradient of \(input.name)")
    }
    for entry in program.trainedEntries {
      tensors["d\(entry.name)"] = program.gradient(of: entry.name)
    }
    self.tensors = tensors
    parameters = program.parameters.snapshot()
  }

  /// Whether all bits agree; NaN agrees with itself, 0 not with −0.
  func hasBits(of other: CaseResult) -> Bool {
    func bits(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }
    return tensors.mapValues { bits($0.elements) } == other.tensors.mapValues { bits($0.elements) }
      && bits(parameters) == bits(other.parameters)
  }
}

extension Tensor {
  /// The same sizes with seeded random signs.
  func signed(seed: UInt64) -> Tensor {
    var generator = RandomGenerator(seed: seed)
    return Tensor(shape, elements.map { generator.next() & 1 == 0 ? $0 : -$0 })
  }
}
