// The contract that every layer and every loss passes; the list of cases is in LayerCases.swift.

import AtelierEngine
import AtelierKernels
import Foundation
import TestSupport
import Testing

// Serialized: a pool whose threads serve another test runs a job on one thread, which would make the
// comparison of thread counts empty.
@Suite("Layer contract", .serialized)
struct LayerContractTests {
  private static let pools = [1, 2, 3, 8].map { ThreadPool(threads: $0) }

  @Test("names are unique") func names() {
    #expect(Set(LayerCases.all.map(\.name)).count == LayerCases.all.count)
    #expect(LayerCases.all.count >= 100)
  }

  @Test("planned shape = run shape, finite, nothing beyond", arguments: LayerCases.all)
  func shapes(_ layerCase: LayerCase) throws {
    let traced = try TracedCase(layerCase)
    let store = try traced.store()
    let before = store.snapshot()
    let program = try traced.program(store)
    try program.run()
    let result = try CaseResult(program, layerCase)
    let output = try #require(result.tensors["output"])
    #expect(output.shape == traced.shape)
    for (name, tensor) in result.tensors {
      #expect(tensor.elements.allSatisfy { $0.isFinite }, "\(name) is not finite")
    }
    for input in layerCase.inputs where input.isDifferentiated {
      #expect(result.tensors["d\(input.name)"]?.shape == input.tensor.shape)
    }
    // Inputs and guards are whole, and so are the gaps between parameters and between gradients.
    for (name, tensor) in traced.inputs {
      var numbers: [Float] = []
      try program.withInput(name) { numbers = Array($0) }
      #expect(numbers == tensor.elements, "\(name) was written")
    }
    var isData = [Bool](repeating: false, count: store.count)
    for entry in store.entries {
      for index in entry.range { isData[index] = true }
      if entry.role != .statistic {
        #expect(store[entry.name]?.elements == Array(before[entry.range]), "\(entry.name)")
      }
    }
    let after = store.snapshot()
    for index in isData.indices where !isData[index] {
      #expect(after[index] == 0, "the store's gap at \(index) was written")
      if !program.trainedEntries.isEmpty {
        #expect(program.gradients[index] == 0, "the gradients' gap at \(index) was written")
      }
    }
  }

  @Test("gradient = central differences", arguments: LayerCases.all)
  func gradients(_ layerCase: LayerCase) throws {
    let traced = try TracedCase(layerCase)
    let store = try traced.store()
    let program = try traced.program(store)
    try program.run(step: 5)
    let result = try CaseResult(program, layerCase)
    var check = try GradientCheck(traced, store)
    for input in layerCase.inputs where input.isDifferentiated {
      try check.compare(input: input.name, try #require(result.tensors["d\(input.name)"]))
    }
    for entry in program.trainedEntries {
      try check.compare(parameter: entry, try #require(result.tensors["d\(entry.name)"]))
    }
    #expect(check.comparisons > 0)
  }

  @Test("same bits on 1, 2, 3 and 8 threads", arguments: LayerCases.all)
  func threads(_ layerCase: LayerCase) throws {
    let traced = try TracedCase(layerCase)
    for set in InstructionSet.available {
      let results = try Self.pools.map {
        try traced.result(kernels: Kernels(pool: $0, instructionSet: set))
      }
      for (pool, result) in zip(Self.pools, results).dropFirst() {
        #expect(result.hasBits(of: results[0]), "\(pool.threads) threads, \(set)")
      }
    }
  }

  @Test("save → load → same bits", arguments: LayerCases.all)
  func saving(_ layerCase: LayerCase) throws {
    let traced = try TracedCase(layerCase)
    let first = try traced.result()
    let data = try JSONEncoder().encode(traced.graph)
    let graph = try JSONDecoder().decode(Graph.self, from: data)
    #expect(graph == traced.graph)
    try graph.validate()
    let store = try ParameterStore(for: [graph], seed: 77)
    store.restore(try traced.store().snapshot())
    let program = try Program(graph, parameters: store)
    for (name, tensor) in traced.inputs { try program.setInput(name, tensor) }
    try program.run(step: 5)
    let second = try CaseResult(program, layerCase)
    #expect(second.hasBits(of: first))
  }

  @Test("fused = unfused", arguments: LayerCases.all)
  func fusion(_ layerCase: LayerCase) throws {
    let traced = try TracedCase(layerCase)
    expectSame(try traced.result(isFused: true), try traced.result(isFused: false), "fused")
  }

  @Test("every instruction set agrees", arguments: LayerCases.all)
  func instructionSets(_ layerCase: LayerCase) throws {
    let traced = try TracedCase(layerCase)
    let base = try traced.result(kernels: Kernels(instructionSet: .baseline))
    for set in InstructionSet.available.dropFirst() {
      expectSame(try traced.result(kernels: Kernels(instructionSet: set)), base, set.rawValue)
    }
  }

  @Test("one training step lowers the loss", arguments: LayerCases.all)
  func learning(_ layerCase: LayerCase) throws {
    // The loss of a layer is the squared error to something near its output, which a step can approach.
    let traced = try TracedCase(layerCase)
    let start = try #require(traced.result().tensors["output"])
    let goal = Tensor(
      start.shape,
      zip(start.elements, Tensor.random(start.shape, seed: 41).elements).map { $0 + $1 })
    let names = layerCase.inputs.filter(\.isDifferentiated).map(\.name)
    let graph = try traced.forward.extended { builder, symbols in
      guard let output = symbols["output"] else { return }
      let isLoss = output.shape.rank == 0 && layerCase.inputs.contains { !$0.isDifferentiated }
      let goal = builder.input("goal", goal.shape)
      builder.output("loss", isLoss ? 1 * output : Loss.squaredError(output, goal))
    }.differentiated(withRespectToInputs: names)
    let store = try traced.store()
    let program = try Program(graph, parameters: store)
    var inputs = traced.inputs
    inputs["goal"] = goal
    for (name, tensor) in inputs { try program.setInput(name, tensor) }
    try program.run(step: 5)
    let before = try program.scalar("loss")
    try descend(program, names, inputs, from: before)
    try program.run(step: 5)
    let after = try program.scalar("loss")
    #expect(after < before)
  }

  /// Plain gradient descent on parameters and inputs, as far as should lower the loss by 2/10,000.
  private func descend(
    _ program: Program, _ names: [String], _ inputs: [String: Tensor], from loss: Float
  ) throws {
    var gradients: [String: Tensor] = [:]
    for name in names { gradients[name] = try program.output("gradient of \(name)") }
    var squares = gradients.values.reduce(0) { $0 + innerProduct($1.elements, $1.elements) }
    for entry in program.trainedEntries {
      let gradient = try #require(program.gradient(of: entry.name)).elements
      squares += innerProduct(gradient, gradient)
    }
    #expect(squares > 0)
    let rate = Float(2e-4 * Double(abs(loss)) / squares)
    for (name, gradient) in gradients {
      var tensor = try #require(inputs[name])
      for index in 0..<tensor.count { tensor.elements[index] -= rate * gradient.elements[index] }
      try program.setInput(name, tensor)
    }
    for entry in program.trainedEntries {
      for index in entry.range {
        program.parameters.pointer[index] -= rate * program.gradients[index]
      }
      program.parameters.touch([entry.name])
    }
  }

  private func expectSame(_ received: CaseResult, _ expected: CaseResult, _ comment: String) {
    #expect(received.tensors.keys.sorted() == expected.tensors.keys.sorted())
    for (name, tensor) in expected.tensors {
      let other = received.tensors[name] ?? Tensor([1])
      // Where a gradient is zero but for rounding, the norm of the output is the measure.
      let size = tensor.elements.map(abs).max() ?? 0
      if size < 1e-6 {
        #expect(other.elements.allSatisfy { abs($0) < 1e-5 }, "\(comment): \(name)")
      } else {
        expectClose(other, tensor, tolerance: 1e-5, "\(comment): \(name)")
      }
    }
    expectClose(received.parameters, expected.parameters, tolerance: 1e-5, comment)
  }
}

/// Compares gradients with central differences at some seeded elements.
private struct GradientCheck {
  private let traced: TracedCase
  private let store: ParameterStore
  private let program: Program
  private let projection: [Float]
  private var generator = RandomGenerator(seed: 51)
  private(set) var comparisons = 0

  init(_ traced: TracedCase, _ store: ParameterStore) throws {
    self.traced = traced
    self.store = store
    program = try Program(traced.forward, parameters: store)
    for (name, tensor) in traced.inputs { try program.setInput(name, tensor) }
    projection = try #require(traced.inputs["projection"]).elements
  }

  /// Σ output · projection, summed in Double from the output, which has more digits than the loss.
  private func value() throws -> Double {
    try program.run(step: 5)
    return try program.withOutput("output") { innerProduct(Array($0), projection) }
  }

  mutating func compare(input name: String, _ gradient: Tensor) throws {
    let program = program
    try compare(name, gradient) { index, shift in
      try program.withInput(name) { $0[index] += shift }
    }
  }

  mutating func compare(parameter entry: ParameterStore.Entry, _ gradient: Tensor) throws {
    let store = store
    try compare(entry.name, gradient) { index, shift in
      store.pointer[entry.offset + index] += shift
      store.touch([entry.name])
    }
  }

  /// Central differences of fourth order: their error is of order step⁴.
  private mutating func compare(
    _ name: String, _ gradient: Tensor, move: (Int, Float) throws -> Void
  ) throws {
    let squares = innerProduct(gradient.elements, gradient.elements)
    let size = Float((squares / Double(gradient.count)).squareRoot())
    let step = traced.layerCase.step
    for index in generator.permutation(gradient.count).prefix(12) {
      try move(index, 2 * step)
      let farAbove = try value()
      try move(index, -step)
      let above = try value()
      try move(index, -2 * step)
      let below = try value()
      try move(index, -step)
      let farBelow = try value()
      try move(index, 2 * step)
      let slope = (8 * (above - below) - (farAbove - farBelow)) / (12 * Double(step))
      let error = abs(gradient.elements[index] - Float(slope))
      let allowed = traced.layerCase.tolerance * (size + abs(Float(slope))) + 1e-5
      #expect(
        error <= allowed,
        "d\(name)[\(index)] = \(gradient.elements[index]), differences say \(slope)")
      comparisons += 1
    }
  }
}
