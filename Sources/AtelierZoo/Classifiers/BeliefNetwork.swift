// A deep belief network: machines stacked on pictures, and as a classifier their way up.
//
// Hinton, Osindero, Teh: A Fast Learning Algorithm for Deep Belief Nets (2006); Hinton,
// Salakhutdinov: Reducing the Dimensionality of Data with Neural Networks (2006).

import AtelierEngine
import AtelierKernels

/// Boltzmann machines on top of each other: the hidden units of one are the visible ones of the next.
public struct BeliefNetwork: Layer, Hashable, Codable {
  /// The machines from the pictures up.
  public var levels: [BoltzmannLevel]
  /// The outputs of the classifier.
  public var classes: Int
  /// Dropout of the pictures' samples and of hidden units, while a classifier learns.
  public var visibleDropout: Float
  /// See `visibleDropout`.
  public var hiddenDropout: Float

  /// The network of the papers for digits: 500, 500 and 2000 hidden units.
  public static let standardWidths = [500, 500, 2000]

  /// Describes a stack for vectors of so many samples; only the lowest machine may be Gaussian.
  public init(
    visible: Int, widths: [Int] = standardWidths, isGaussian: Bool = false, classes: Int = 10,
    visibleDropout: Float = 0, hiddenDropout: Float = 0
  ) {
    levels = zip([visible] + widths, widths).enumerated().map { index, sizes in
      BoltzmannLevel(
        name: "level\(index + 1)", visible: sizes.0, hidden: sizes.1,
        isGaussian: isGaussian && index == 0)
    }
    self.classes = classes
    (self.visibleDropout, self.hiddenDropout) = (visibleDropout, hiddenDropout)
  }

  /// The way up with a dense layer on top: [N, H, W, C] or [N, visible] gives logits [N, classes].
  public func callAsFunction(_ input: SymbolicTensor) -> SymbolicTensor {
    var x = input.shape.rank == 2 ? input : Flatten()(input)
    if visibleDropout > 0 { x = Dropout(visibleDropout)(x) }
    for level in levels {
      x = level.hiddenMean(x)
      if hiddenDropout > 0 { x = Dropout(hiddenDropout)(x) }
    }
    return Dense(units: classes, name: "output")(x)
  }

  /// The graph of the stack's model file for pictures of a shape [N, H, W, C]: `input` to
  /// `hidden`, the means of the topmost units, `output`, the pictures that those draw on the way
  /// down by means, and `free_energy` [N, 1], that of the topmost machine.
  ///
  /// - Throws: `ShapeError` when the pictures have another number of samples.
  public func stack(_ pictures: Shape) throws(ShapeError) -> Graph {
    try Graph.trace { builder in
      let input = builder.input("input", pictures)
      let flat = Flatten()(input)
      let below = levels.dropLast().reduce(flat) { $1.hiddenMean($0) }
      guard let top = levels.last else { return builder.fail("a stack has at least one machine") }
      let hidden = top.hiddenMean(below)
      let drawn = levels.reversed().reduce(hidden) { $1.visibleMean($0) }
      builder.output("hidden", hidden)
      builder.output("output", Reshape(Array(pictures.dimensions.dropFirst()))(drawn))
      builder.output("free_energy", top.freeEnergy(below))
    }
  }
}
