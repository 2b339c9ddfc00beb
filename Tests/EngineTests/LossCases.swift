// The losses among the layer cases: every loss in several configurations.

import AtelierEngine
import TestSupport

/// Every loss of the engine at work.
enum LossCases {
  private static let shape: Shape = [3, 4, 2, 3]
  private static let prediction = Tensor.random(shape, seed: 21)
  private static let logits = Tensor.random([4, 5], seed: 22)
  private static let labels = Tensor([4, 1], [0, 4, 2, 1])

  /// A target at least 0.1 and at most 2 away from the prediction, never near Huber's joint at 1.
  private static let target: Tensor = {
    let small = Tensor.uniform(shape, in: 0.1...0.8, seed: 23).signed(seed: 24)
    return Tensor(
      shape,
      zip(prediction.elements, small.elements).enumerated().map { index, pair in
        pair.0 + (index % 3 == 0 ? 2.4 * pair.1 + (pair.1 < 0 ? -1 : 1) : pair.1)
      })
  }()

  private static let distribution: Tensor = {
    var tensor = Tensor.uniform([4, 5], in: 0.1...1, seed: 25)
    for row in 0..<4 {
      let sum = tensor.elements[row * 5..<row * 5 + 5].reduce(0, +)
      for column in 0..<5 { tensor.elements[row * 5 + column] /= sum }
    }
    return tensor
  }()

  /// All cases.
  static let all: [LayerCase] = [
    LayerCase("squared error", prediction, target: target, .squaredError),
    LayerCase("absolute error", prediction, target: target, .absoluteError),
    LayerCase("Huber", prediction, target: target, .huber(delta: 1)),
    LayerCase("Charbonnier", prediction, target: target, .charbonnier(epsilon: 0.1)),
    LayerCase(
      "binary cross-entropy", prediction, target: .uniform(shape, in: 0...1, seed: 26),
      .binaryCrossEntropy),
    LayerCase("cross-entropy", logits, target: labels, .crossEntropy()),
    LayerCase(
      "cross-entropy of pixels", .random([1, 3, 2, 4], seed: 27),
      target: Tensor([1, 3, 2, 1], [0, 1, 2, 3, 3, 2]), .crossEntropy()),
    LayerCase(
      "cross-entropy weighted, with a label that does not count", logits,
      target: Tensor([4, 1], [0, 255, 2, 1]),
      .crossEntropy(ignoreLabel: 255, classWeights: [1, 2, 0.5, 3, 1])),
    LayerCase("focal", logits, target: labels, .focal(gamma: 2)),
    LayerCase(
      "focal with a label that does not count", logits, target: Tensor([4, 1], [0, 4, 2, -1]),
      .focal(gamma: 1.5, ignoreLabel: -1)),
    LayerCase("categorical cross-entropy", logits, target: distribution, .categoricalCrossEntropy),
    LayerCase(
      "Dice", .uniform(shape, in: 0.1...0.9, seed: 28),
      target: Tensor(shape, (0..<72).map { $0 % 4 == 0 ? 1 : 0 }), .dice(smooth: 1)),
    LayerCase("Dice of labels", logits, target: labels, .sparseDice(smooth: 1)),
    LayerCase(
      "Dice of labels with one that does not count", .random([1, 3, 2, 4], seed: 33),
      target: Tensor([1, 3, 2], [0, 255, 2, 3, 3, 2]), .sparseDice(smooth: 0.5, ignoreLabel: 255)),
    LayerCase(
      "margin", .distinct([4, 5], seed: 29, spacing: 0.2), target: labels,
      .margin(isTargeted: false, kappa: 5)),
    LayerCase(
      "margin to a class", .distinct([4, 5], seed: 30, spacing: 0.2), target: labels,
      .margin(isTargeted: true, kappa: 5)),
    LayerCase(
      "structural similarity", .uniform([1, 13, 12, 2], in: 0...1, seed: 31),
      target: .uniform([1, 13, 12, 2], in: 0...1, seed: 32), .structuralSimilarity
    ).with { $0.tolerance = 1e-2 },
    LayerCase(
      "sum of losses", prediction, target: target,
      .sum([
        .init(weight: 0.5, loss: .squaredError), .init(weight: 2, loss: .charbonnier(epsilon: 0.1)),
      ])),
    LayerCase("squared error to both sides", [prediction, target]) {
      Loss.squaredError($0[0], $0[1])
    },
    LayerCase("Huber to both sides", [prediction, target]) { Loss.huber(delta: 1)($0[0], $0[1]) },
  ]
}
