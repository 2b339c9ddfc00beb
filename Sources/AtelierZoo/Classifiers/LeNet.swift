// The network of handwritten digits of 1990, with its own table of connections.
//
// LeCun, Boser, Denker, Henderson, Howard, Hubbard, Jackel: Handwritten Digit Recognition with a
// Back-Propagation Network (1990).

import AtelierEngine
import AtelierKernels

/// Two convolutions with averages between them and one dense layer: 2,578 parameters for 28×28 gray
/// images and ten classes, as in the paper.
public struct LeNet: Layer {
  /// The outputs.
  public var classes: Int

  /// The first maps that the second maps read, run by run in the order of the paper's table 1: in
  /// each half the first and the fourth read one map, the others both.
  private static let groups: [(start: Int, count: Int, maps: Int)] = [
    (0, 1, 1), (0, 2, 2), (1, 1, 1), (0, 2, 2), (2, 1, 1), (2, 2, 2), (3, 1, 1), (2, 2, 2),
  ]

  /// [N, H, W, C] gives logits [N, classes].
  public func callAsFunction(_ image: SymbolicTensor) -> SymbolicTensor {
    var x = Convolution2D(filters: 4, kernel: 5, padding: .valid, name: "h1")(image)
    x = ScaledAverage(name: "h2")(squashed(x))
    let parts = Self.groups.enumerated().map { index, group in
      let maps = x.applying(
        ChannelSlice(start: group.start, count: group.count), name: "h3/slice\(index + 1)")
      return Convolution2D(
        filters: group.maps, kernel: 5, padding: .valid, name: "h3/part\(index + 1)")(maps)
    }
    x = ScaledAverage(name: "h4")(squashed(concatenate(parts, name: "h3")))
    return Dense(units: classes, name: "output")(Flatten()(x))
  }
}

/// Framework form of the network of 1998: 61,706 parameters for 28×28 gray images and ten classes.
///
/// LeCun, Bottou, Bengio, Haffner: Gradient-Based Learning Applied to Document Recognition (1998).
/// As today's frameworks have it, C3 reads all maps and the output is a dense layer.
public struct LeNet5: Layer {
  /// The outputs.
  public var classes: Int

  /// [N, H, W, C] gives logits [N, classes].
  public func callAsFunction(_ image: SymbolicTensor) -> SymbolicTensor {
    var x = Convolution2D(
      filters: 6, kernel: 5, padding: .symmetric(2), activation: .tanh, name: "c1")(image)
    x = AveragePool2D(name: "s2")(x)
    x = Convolution2D(filters: 16, kernel: 5, padding: .valid, activation: .tanh, name: "c3")(x)
    x = Flatten()(AveragePool2D(name: "s4")(x))
    x = Dense(units: 120, activation: .tanh, name: "c5")(x)
    x = Dense(units: 84, activation: .tanh, name: "f6")(x)
    return Dense(units: classes, name: "output")(x)
  }
}

/// The squashing function of both papers, 1.7159 · tanh(2x / 3), whose slope near ±1 is about 1.
private func squashed(_ x: SymbolicTensor) -> SymbolicTensor {
  1.7159 * Activate(.tanh)(Float(2.0 / 3) * x)
}

/// The papers' subsampling: the mean of 2×2, times a coefficient, plus a bias, both learnt per map.
private struct ScaledAverage: Layer {
  var name: String

  func callAsFunction(_ x: SymbolicTensor) -> SymbolicTensor {
    let mean = AveragePool2D(name: "\(name)/mean")(x)
    return squashed(
      Convolution2D(
        filters: x.shape.channels, kernel: 1, groups: x.shape.channels, initializer: .ones,
        name: name)(mean))
  }
}
