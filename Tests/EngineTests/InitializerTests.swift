// How parameters start: the spread that each initialiser promises, and the generator behind them.

import AtelierEngine
import AtelierKernels
import Foundation
import TestSupport
import Testing

@Suite("Initialisers and randomness")
struct InitializerTests {
  /// Weights [3, 3, 16, 32]: 144 values feed an output, an input feeds 288.
  private static let shape: Shape = [3, 3, 16, 32]

  private func values(_ initializer: Initializer, _ shape: Shape = shape, seed: UInt64 = 1)
    -> [Float]
  {
    var generator = RandomGenerator(seed: seed)
    return initializer.values(shape: shape, using: &generator)
  }

  /// The mean, the variance and the largest magnitude.
  private func moments(_ values: [Float]) -> (mean: Double, variance: Double, largest: Double) {
    let count = Double(values.count)
    let mean = values.reduce(0) { $0 + Double($1) } / count
    let variance = values.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / count
    return (mean, variance, Double(values.map(abs).max() ?? 0))
  }

  @Test(
    "variance",
    arguments: [
      (.glorotUniform, 2 / 432), (.glorotNormal, 2 / 432), (.heUniform, 2 / 144),
      (.heNormal, 2 / 144), (.lecunUniform, 1 / 144), (.lecunNormal, 1 / 144),
      (.scaledUniform(gain: 1 / 3), 1 / 432), (.uniform(bound: 0.3), 0.03),
      (.normal(deviation: 0.2), 0.04),
    ] as [(Initializer, Double)])
  func variance(_ initializer: Initializer, _ expected: Double) {
    let found = moments(values(initializer))
    // 4608 numbers: the variance is known to about 2 %, four deviations are 9 %.
    #expect(abs(found.variance / expected - 1) < 0.09)
    #expect(abs(found.mean) < 4 * (expected / 4608).squareRoot())
    switch initializer {
    case .glorotUniform, .heUniform, .lecunUniform, .scaledUniform, .uniform:
      let bound = (3 * expected).squareRoot()
      #expect(found.largest <= bound * 1.000_001 && found.largest > 0.99 * bound)
    default: #expect(found.largest > 3 * expected.squareRoot())
    }
  }

  @Test("fans of dense weights are their sides") func dense() {
    let found = moments(values(.heNormal, [500, 10]))
    #expect(abs(found.variance * 250 - 1) < 0.09)
  }

  @Test("zeros, ones, given values") func fixed() {
    #expect(values(.zeros, [2, 2]) == [0, 0, 0, 0])
    #expect(values(.ones, [2]) == [1, 1])
    #expect(values(.values([3, 1, 2]), [3]) == [3, 1, 2])
  }

  @Test(
    "orthogonal: the shorter side's vectors are orthogonal and as long as the gain",
    arguments: [[40, 12], [12, 40], [3, 3, 4, 8], [7, 7]] as [Shape])
  func orthogonal(_ shape: Shape) {
    let matrix = values(.orthogonal(gain: 1.5), shape)
    let columns = shape.channels
    let rows = shape.count / columns
    let isTall = rows >= columns
    for a in 0..<min(rows, columns) {
      for b in 0...a {
        var product = 0.0
        for index in 0..<max(rows, columns) {
          let left = isTall ? matrix[index * columns + a] : matrix[a * columns + index]
          let right = isTall ? matrix[index * columns + b] : matrix[b * columns + index]
          product += Double(left) * Double(right)
        }
        #expect(abs(product - (a == b ? 2.25 : 0)) < 1e-5)
      }
    }
  }

  @Test("layers start with He's for ReLUs and Glorot's else") func standard() throws {
    let graph = try Graph.trace { builder in
      var x = builder.input("x", [1, 8])
      x = Dense(units: 8, activation: .relu, name: "relu")(x)
      x = Dense(units: 8, activation: .tanh, name: "tanh")(x)
      builder.output("y", Dense(units: 8, initializer: .ones, name: "given")(x))
    }
    #expect(
      graph.parameters.map(\.initializer) == [
        .heNormal, .zeros, .glorotUniform, .zeros, .ones, .zeros,
      ])
  }

  @Test("the same seed gives the same numbers, another seed or path others") func seeds() {
    #expect(values(.heNormal, seed: 3) == values(.heNormal, seed: 3))
    #expect(values(.heNormal, seed: 3) != values(.heNormal, seed: 4))
    var starts = Set<UInt64>()
    for first in UInt64(0)..<20 {
      for second in UInt64(0)..<20 {
        var generator = RandomGenerator(seed: 7, first, second)
        starts.insert(generator.next())
      }
    }
    #expect(starts.count == 400)
  }

  @Test("a generator's state goes on where it was saved") func state() throws {
    var generator = RandomGenerator(seed: 5)
    for _ in 0..<10 { _ = generator.normal() }
    let saved = try JSONEncoder().encode(generator)
    let expected = (0..<10).map { _ in generator.next() }
    var restored = try JSONDecoder().decode(RandomGenerator.self, from: saved)
    #expect((0..<10).map { _ in restored.next() } == expected)
  }

  @Test("uniform, normal, index, permutation") func draws() {
    var generator = RandomGenerator(seed: 6)
    let uniform = (0..<4000).map { _ in generator.uniform() }
    #expect(uniform.allSatisfy { $0 >= 0 && $0 < 1 })
    let spread = moments(uniform)
    #expect(abs(spread.mean - 0.5) < 0.02 && abs(spread.variance * 12 - 1) < 0.06)
    let normal = moments((0..<4000).map { _ in generator.normal() })
    #expect(abs(normal.mean) < 0.07 && abs(normal.variance - 1) < 0.1)
    #expect((0..<200).allSatisfy { _ in (0..<7).contains(generator.index(below: 7)) })
    let order = generator.permutation(100)
    #expect(order.sorted() == Array(0..<100))
    #expect(order != Array(0..<100))
  }
}
