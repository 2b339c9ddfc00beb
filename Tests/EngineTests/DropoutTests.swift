// Dropout: a mask that is a function of seed, step and layer, and nothing at inference.

import AtelierEngine
import TestSupport
import Testing

@Suite("Dropout")
struct DropoutTests {
  private static let ones = Tensor([4, 500], repeating: 1)

  private func network() throws -> Graph {
    try Graph.trace { builder in
      let x = builder.input("x", [4, 500])
      builder.output("first", Dropout(0.25)(x))
      builder.output("second", Dropout(0.25)(x))
    }
  }

  private func run(
    _ graph: Graph, seed: UInt64 = 1, step: UInt64 = 0
  ) throws -> (first: Tensor, second: Tensor) {
    let store = try ParameterStore(for: [graph], seed: 0)
    let program = try Program(graph, parameters: store, seed: seed)
    try program.setInput("x", Self.ones)
    try program.run(step: step)
    return (try program.output("first"), try program.output("second"))
  }

  @Test("the mask is that of seed, step and layer") func masks() throws {
    let training = try network().specialized(for: .train)
    let base = try run(training)
    #expect(try run(training) == base)
    #expect(try run(training, step: 1).first != base.first)
    #expect(try run(training, seed: 2).first != base.first)
    #expect(base.first != base.second)
  }

  @Test("what stays is divided by 1 − rate, so the mean stays") func scale() throws {
    let result = try run(try network().specialized(for: .train)).first
    #expect(result.elements.allSatisfy { $0 == 0 || abs($0 - 4 / 3) < 1e-6 })
    let share = Double(result.elements.filter { $0 == 0 }.count) / Double(result.count)
    // 2000 draws: five deviations are 0.048.
    #expect(abs(share - 0.25) < 0.048)
  }

  @Test("inference is the identity and costs no step") func inference() throws {
    let graph = try network().specialized(for: .infer)
    let result = try run(graph, step: 3)
    #expect(result.first == Self.ones && result.second == Self.ones)
    // A model's graph is in inference form already.
    #expect(try network() == graph)
  }

  @Test("the gradient draws the same mask again") func gradient() throws {
    let graph = try Graph.trace { builder in
      let y = Dropout(0.25)(builder.input("x", [4, 500]))
      builder.output("y", y)
      builder.output("loss", 2000 * y.mean())
    }.specialized(for: .train).differentiated(withRespectToInputs: ["x"])
    let store = try ParameterStore(for: [graph], seed: 0)
    let program = try Program(graph, parameters: store, seed: 8)
    try program.setInput("x", Self.ones)
    for step in UInt64(0)..<3 {
      try program.run(step: step)
      expectClose(
        try program.output("gradient of x"), try program.output("y"), tolerance: 1e-6)
    }
  }
}
