// The free energy of a Boltzmann machine against a sum over all hidden states, and its gradient.

import AtelierEngine
import AtelierKernels
import Foundation
import TestSupport
import Testing

@Suite("Boltzmann level")
struct BoltzmannLevelTests {
  private static func store(_ graph: Graph) throws -> ParameterStore {
    let store = try ParameterStore(for: [graph], seed: 1)
    for entry in store.entries {
      try store.set(entry.name, .random(entry.shape, seed: UInt64(entry.name.count), scale: 0.7))
    }
    return store
  }

  @Test("is minus the logarithm of the sum over hidden states", arguments: [false, true])
  func freeEnergy(isGaussian: Bool) throws {
    let level = BoltzmannLevel(name: "m", visible: 4, hidden: 3, isGaussian: isGaussian)
    let graph = try Graph.trace { builder in
      builder.output("output", level.freeEnergy(builder.input("input", [2, 4])))
    }
    let store = try Self.store(graph)
    let visible: [[Float]] =
      isGaussian ? [[0.3, -1, 2, 0.5], [0, 0, 0, 0]] : [[1, 0, 1, 1], [0, 0, 0, 0]]
    let program = try Program(graph, parameters: store)
    try program.setInput("input", Tensor([2, 4], visible.flatMap { $0 }))
    try program.run()
    let weights = try #require(store["m/weight"]).elements
    let below = try #require(store["m/visible_bias"]).elements
    let above = try #require(store["m/hidden_bias"]).elements
    for (row, state) in visible.enumerated() {
      var sum = 0.0
      for hidden in 0..<8 {
        let bits = (0..<3).map { Float(hidden >> $0 & 1) }
        var energy: Float = 0
        for i in 0..<4 {
          energy +=
            isGaussian ? 0.5 * (state[i] - below[i]) * (state[i] - below[i]) : -state[i] * below[i]
          for j in 0..<3 { energy -= state[i] * weights[3 * i + j] * bits[j] }
        }
        for j in 0..<3 { energy -= above[j] * bits[j] }
        sum += exp(-Double(energy))
      }
      expectClose(
        [try program.output("output").elements[row]], [Float(-log(sum))], tolerance: 1e-5)
    }
  }

  @Test("the gradient of what is seen less what is drawn is contrastive divergence's")
  func gradient() throws {
    let level = BoltzmannLevel(name: "m", visible: 4, hidden: 3)
    let graph = try Graph.trace { builder in
      let seen = builder.input("seen", [1, 4])
      let drawn = builder.input("drawn", [1, 4])
      builder.output(
        "loss", level.freeEnergy(seen).mean() - level.freeEnergy(drawn).mean())
      builder.output("p", level.hiddenMean(seen))
      builder.output("q", level.hiddenMean(drawn))
    }.differentiated()
    let program = try Program(graph, parameters: Self.store(graph))
    let (seen, drawn): ([Float], [Float]) = ([1, 0, 1, 1], [0, 1, 0.5, 1])
    try program.setInput("seen", Tensor([1, 4], seen))
    try program.setInput("drawn", Tensor([1, 4], drawn))
    try program.run()
    let (p, q) = (try program.output("p").elements, try program.output("q").elements)
    let expected = (0..<12).map { index -> Float in
      let (below, above) = (index / 3, index % 3)
      let fall: Float = seen[below] * p[above]
      return drawn[below] * q[above] - fall
    }
    expectClose(try #require(program.gradient(of: "m/weight")).elements, expected, tolerance: 1e-5)
    expectClose(
      try #require(program.gradient(of: "m/visible_bias")).elements,
      zip(drawn, seen).map { $0 - $1 }, tolerance: 1e-5)
    expectClose(
      try #require(program.gradient(of: "m/hidden_bias")).elements, zip(q, p).map { $0 - $1 },
      tolerance: 1e-5)
  }
}
