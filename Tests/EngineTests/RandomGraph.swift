// Random networks for plan tests: seeded, small, with skips, views, pools and their mirrors.

import AtelierEngine
import AtelierKernels
import TestSupport

/// Draws a random network.
struct RandomGraph {
  private var generator: RandomGenerator
  /// Values by shape that a next layer may read.
  private var values: [SymbolicTensor] = []
  private var pools = 0

  /// A network of `layers` layers with a scalar `loss`; with `keepsAll` every value is an output, so that none may be overwritten.
  static func network(seed: UInt64, layers: Int, keepsAll: Bool = false) throws -> Graph {
    try Graph.trace { builder in
      var drawing = RandomGraph(generator: RandomGenerator(seed: seed))
      let x = builder.input("x", [2, 8, 8, 4])
      drawing.values = [x]
      for _ in 0..<layers { drawing.values.append(drawing.layer(builder)) }
      if keepsAll {
        for (index, value) in drawing.values.enumerated() { builder.output("v\(index)", value) }
      }
      // The loss hangs on the last few values, so most of the network matters.
      let ends = drawing.values.suffix(3).map { Activate(.tanh)($0).mean() }
      builder.output("loss", ends.dropFirst().reduce(ends[0]) { $0 + $1 })
    }
  }

  private mutating func any() -> SymbolicTensor {
    // Mostly recent values, at times old ones: short and long lives.
    let recent = generator.index(below: 3) > 0
    let first = recent ? max(0, values.count - 3) : 0
    return values[first + generator.index(below: values.count - first)]
  }

  private mutating func layer(_ builder: GraphBuilder) -> SymbolicTensor {
    let x = any()
    switch generator.index(below: 12) {
    case 0: return Convolution2D(filters: 4, kernel: 3, activation: .relu)(x)
    case 1: return Convolution2D(filters: 4, kernel: 3)(x)
    case 2: return Activate(.relu)(x)
    case 3: return Activate(.silu)(x)
    case 4: return (0.5 * x) + 0.25
    case 5:
      let other = any()
      return other.shape == x.shape ? x + other : Activate(.tanh)(x)
    case 6:
      let other = any()
      return other.shape == x.shape ? x * other : x * x
    case 7: return Reshape(Array(x.shape.dimensions.dropFirst()))(Flatten()(x))
    case 8: return BatchNormalization()(x)
    case 9:
      let other = any()
      let wide = concatenate(x, other.shape == x.shape ? other : x)
      return Convolution2D(filters: 4, kernel: 1, activation: .leakyReLU(slope: 0.2))(wide)
    case 10:
      pools += 1
      let pooled = MaxPool2D(name: "pool\(pools)")(x)
      return MaxUnpool2D(mirroring: "pool\(pools)")(Activate(.sigmoid)(pooled))
    default: return Dropout(0.2)(x)
    }
  }
}
