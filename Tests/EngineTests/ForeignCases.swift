// The layer cases of operations that other frameworks' networks brought: arrangement of axes,
// arithmetic of repeated tensors, resizing of every kind.

import AtelierEngine
import AtelierKernels
import TestSupport

extension LayerCases {
  private static func normal(_ shape: Shape, _ seed: UInt64 = 21) -> Tensor {
    .random(shape, seed: seed)
  }

  private static func distinct(_ shape: Shape) -> Tensor {
    .distinct(shape, seed: 22, spacing: 0.2)
  }

  /// All of them.
  static let foreign: [LayerCase] =
    arrangements + repetitions + resizings + slopes + recurrences

  private static let arrangements: [LayerCase] = [
    LayerCase("transpose", [normal([2, 3, 4, 5])]) {
      $0[0].applying(TransposeOperation(order: [0, 3, 1, 2]))
    },
    LayerCase("transpose of the batch", [normal([2, 3, 4])]) {
      $0[0].applying(TransposeOperation(order: [2, 0, 1]))
    },
    LayerCase("regroup", [normal([2, 3, 4])]) { $0[0].applying(RegroupOperation([6, 4])) },
    LayerCase("expand", [normal([2, 1, 3, 1])]) {
      $0[0].applying(ExpandOperation([2, 4, 3, 2]))
    },
    LayerCase("gather", [normal([2, 5, 3])]) {
      $0[0].applying(GatherOperation(axis: 1, places: [4, 0, 0, 2]))
    },
    LayerCase("scatter sum", [normal([2, 4, 3])]) {
      $0[0].applying(ScatterSum(axis: 1, places: [4, 0, 0, 2], size: 6))
    },
    LayerCase("reduce sum", [normal([2, 3, 4, 5])]) {
      $0[0].applying(ReduceOperation(.sum, axes: [1, 3]))
    },
    LayerCase("reduce mean", [normal([2, 3, 4])]) {
      $0[0].applying(ReduceOperation(.mean, axes: [0, 2]))
    },
    LayerCase("reduce maximum", [distinct([2, 3, 4])]) {
      $0[0].applying(ReduceOperation(.maximum, axes: [1]))
    },
    LayerCase("max pool rounding up", [distinct([1, 6, 8, 2])]) {
      $0[0].applying(
        MaxPoolOperation(PoolAttributes(window: 3, stride: 2, roundsUp: true)))
    },
    LayerCase("average pool rounding up", [normal([1, 6, 7, 2])]) {
      $0[0].applying(
        AveragePoolOperation(
          PoolAttributes(window: 3, stride: 2, padding: .symmetric(1), roundsUp: true),
          countsPadding: false))
    },
  ]

  private static let repetitions: [LayerCase] =
    [BinaryOperator.add, .subtract, .multiply, .divide].map { binary in
      LayerCase(
        "repeated \(binary.rawValue)",
        [
          normal([2, 3, 1, 4]), .uniform([1, 3, 5, 1], in: 1...2, seed: 23).signed(seed: 24),
        ]
      ) { $0[0].applying(BroadcastBinaryOperation(binary), with: [$0[1]]) }
    } + [
      LayerCase(
        "repeated maximum", [distinct([2, 3, 4]), .random([1, 1, 4], seed: 2, scale: 0.01)]
      ) { $0[0].applying(BroadcastBinaryOperation(.maximum), with: [$0[1]]) },
      LayerCase("matrix product", [normal([2, 3, 4], 1), normal([2, 4, 5], 2)]) {
        $0[0].applying(MatrixProductOperation(), with: [$0[1]])
      },
    ]

  private static let resizings: [LayerCase] = [
    LayerCase("resize cubic", [normal([1, 4, 5, 2])]) {
      $0[0].applying(
        ResizeOperation(.scale(height: 2, width: 1.6), method: .cubic(coefficient: -0.75)))
    },
    LayerCase("resize with corners on corners", [normal([2, 3, 4, 3])]) {
      $0[0].applying(ResizeOperation(.size(Extent(7, 5)), coordinates: .alignCorners))
    },
    LayerCase("resize nearest", [normal([1, 5, 6, 2])]) {
      $0[0].applying(
        ResizeOperation(
          .size(Extent(3, 8)), method: .nearest(.halfUp), coordinates: .asymmetric))
    },
    LayerCase("resize smoothed", [normal([1, 9, 8, 2])]) {
      $0[0].applying(
        ResizeOperation(.size(Extent(4, 3)), isSmoothed: true, excludesOutside: true))
    },
    // The histograms have no gradient; what they are multiplied by has.
    LayerCase("oriented gradients", normal([2, 2, 3, 4]), fixed: normal([2, 6, 9, 2])) {
      let numbers = OrientedGradients(orientations: 4, cell: 3, block: 1)
      return $0[0] * GradientHistograms(numbers)($0[1])
    },
    LayerCase("local response", [normal([2, 2, 3, 6])]) {
      $0[0].applying(LocalResponseOperation(LocalResponse(size: 4, alpha: 0.5)))
    },
  ]

  private static let recurrences: [LayerCase] = [
    LayerCase("simple rnn", normal([3, 4, 5]), Recurrent(.tanh, units: 4)),
    LayerCase("relu rnn", normal([2, 3, 4]), Recurrent(.relu, units: 3)).with {
      $0.hasFarBiases = true
    },
    LayerCase("lstm", normal([3, 4, 5]), Recurrent(.lstm, units: 3)),
    LayerCase(
      "lstm both ways", normal([2, 4, 3, 2]),
      Recurrent(.lstm, units: 5, returnsSequence: true, isBidirectional: true)),
    LayerCase("gru", normal([3, 4, 5]), Recurrent(.gru, units: 3)),
    LayerCase(
      "gru both ways", normal([5, 3, 4]), Recurrent(.gru, units: 18, isBidirectional: true)),
  ]

  private static let slopes: [LayerCase] = [
    LayerCase("parametric relu", [distinct([2, 3, 4]), normal([4])]) {
      $0[0].applying(ParametricReLUOperation(), with: [$0[1]])
    },
    LayerCase("hard swish", normal([1, 3, 4, 2]), Activate(.hardSwish)),
    LayerCase("gelu by tanh", normal([1, 3, 4, 2]), Activate(.tanhGELU)),
    LayerCase("softplus", normal([3, 5]), Activate(.softplus)),
    LayerCase("exponential", normal([3, 5]), Activate(.exponential)),
    LayerCase("square root", .uniform([3, 5], in: 0.5...3, seed: 25), Activate(.squareRoot)),
    LayerCase("logarithm", .uniform([3, 5], in: 0.5...3, seed: 26), Activate(.logarithm)),
    LayerCase("absolute", distinct([3, 5]), Activate(.absolute)),
    LayerCase("error function", normal([3, 5]), Activate(.errorFunction)),
  ]
}
