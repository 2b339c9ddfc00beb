// Graphs differentiated twice, as penalties on a critic's slope need it, and spectral normalization.

import AtelierEngine
import AtelierKernels
import TestSupport
import Testing

@Suite("Second derivatives")
struct SecondDerivativeTests {
  /// [N, 6, 6, 2] to verdicts [N, 1]; the last layers of `smooth` differ in their activation alone.
  private static func critic(_ activation: Activation, batch: Int = 3) throws -> Graph {
    try Graph.trace { builder in
      var x = builder.input("input", [batch, 6, 6, 2])
      x = Convolution2D(
        filters: 4, kernel: 4, stride: 2, padding: .symmetric(1), activation: activation, name: "a")(
          x)
      x = Convolution2D(filters: 5, kernel: 3, activation: activation, name: "b")(x)
      builder.output("output", Dense(units: 1, name: "verdict")(Flatten()(x)))
    }
  }

  /// The mean of (length of the slope − 1)² over samples, differentiated by the weights.
  private static func penalty(_ critic: Graph) throws -> Graph {
    let slope = try critic.extended { builder, symbols in
      guard let output = symbols["output"] else { return }
      builder.output("loss", Float(output.shape.batch) * output.mean())
    }.differentiated(withRespectToInputs: ["input"], areParametersMoved: false)
    return try Graph.trace { builder in
      let input = builder.input("input", [3, 6, 6, 2])
      guard let gradient = builder.call(slope, ["input": input])["gradient of input"] else {
        return
      }
      let squares = (gradient * gradient).applying(ReduceOperation(.sum, axes: [1, 2, 3]))
      let surplus = Activate(.squareRoot)(squares + 1e-12) + -1
      builder.output("loss", (surplus * surplus).mean())
    }.differentiated()
  }

  @Test("the gradient of a slope penalty is that of central differences", arguments: [true, false])
  func slopePenalty(isFused: Bool) throws {
    let graph = try Self.penalty(Self.critic(.leakyReLU(slope: 0.2)))
    try graph.validate()
    let store = try ParameterStore(for: [graph], seed: 4)
    // Far from zero no step crosses a kink, where the slope jumps.
    for (name, count) in [("a/bias", 4), ("b/bias", 5)] {
      try store.set(name, Tensor([count], (0..<count).map { $0 % 2 == 0 ? 9 : -9 }))
    }
    let program = try Program(graph, parameters: store, isFused: isFused)
    try program.setInput("input", .random([3, 6, 6, 2], seed: 5))
    try program.run()
    #expect(try program.scalar("loss") > 0.01)
    for name in ["a/weight", "b/weight", "verdict/weight"] {
      let gradient = try #require(program.gradient(of: name))
      let weights = try #require(store[name])
      var expected = Tensor(weights.shape)
      for index in stride(from: 0, to: weights.count, by: 7) {
        var values: [Float] = []
        for step in [Float(0.01), -0.01] {
          var moved = weights
          moved.elements[index] += step
          try store.set(name, moved)
          let other = try Program(graph, parameters: store, isFused: isFused)
          try other.setInput("input", .random([3, 6, 6, 2], seed: 5))
          try other.run()
          values.append(try other.scalar("loss"))
        }
        expected.elements[index] = (values[0] - values[1]) / 0.02
      }
      try store.set(name, weights)
      let chosen = stride(from: 0, to: weights.count, by: 7)
      expectClose(
        chosen.map { gradient.elements[$0] }, chosen.map { expected.elements[$0] }, tolerance: 0.02,
        name)
    }
    // A bias moves no slope but where a kink is crossed.
    #expect(program.gradient(of: "verdict/bias") == nil)
  }

  @Test("what has no second derivative says so")
  func refused() throws {
    #expect {
      _ = try Self.penalty(Self.critic(.silu))
    } throws: { error in
      "\(error)".contains("has no gradient to what it was taken at")
    }
  }
}

@Suite("Spectral normalization")
struct SpectralNormalizationTests {
  @Test("after some runs the largest singular value of the weights is 1, and sigma is the old one")
  func convergence() throws {
    let graph = try Graph.trace { builder in
      let dense = Dense(units: 5, hasBias: false, name: "dense").spectrallyNormalized()
      builder.output("output", dense(builder.input("input", [7, 7])))
    }
    let store = try ParameterStore(for: [graph], seed: 2)
    let training = try Program(graph.specialized(for: .train), parameters: store)
    // The identity shows the normalized weights.
    try training.setInput(
      "input", Tensor([7, 7], (0..<49).map { $0 % 8 == 0 ? 1 : 0 }))
    let start = try #require(store["dense/spectral_vector"])
    for _ in 0..<60 { try training.run() }
    #expect(try #require(store["dense/spectral_vector"]) != start)
    func largest(_ matrix: Tensor) -> Double {
      var square = [Double](repeating: 0, count: 25)
      for row in 0..<7 {
        for i in 0..<5 {
          for j in 0..<5 {
            square[5 * i + j] +=
              Double(matrix.elements[5 * row + i]) * Double(matrix.elements[5 * row + j])
          }
        }
      }
      return (SymmetricEigenvalues.of(square, size: 5).last ?? 0).squareRoot()
    }
    #expect(abs(largest(try training.output("output")) - 1) < 1e-4)
    let sigma = largest(try #require(store["dense/weight"]))
    let expected = try #require(store["dense/weight"]).elements.map { $0 / Float(sigma) }
    expectClose(try training.output("output").elements, expected, tolerance: 1e-4)
    // A model at work moves nothing.
    let kept = try #require(store["dense/spectral_vector"])
    let working = try Program(graph.specialized(for: .infer), parameters: store)
    try working.setInput("input", Tensor([7, 7], repeating: 1))
    try working.run()
    #expect(store["dense/spectral_vector"] == kept)
  }
}
