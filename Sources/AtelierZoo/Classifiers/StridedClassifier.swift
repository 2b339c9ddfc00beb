// A small classifier without pooling that is fast to attack, hence fast to harden.
//
// Wong, Kolter: Provable Defenses against Adversarial Examples via the Convex Outer Adversarial
// Polytope (2018), the network for digits.

import AtelierEngine
import AtelierKernels

/// Convolutions 4×4 with stride 2 of `width` and twice as many filters, dense layers of `units` and
/// `classes`: 166,406 parameters for 28×28 gray images and ten classes.
public struct StridedClassifier: Layer {
  /// The outputs.
  public var classes: Int
  /// The first convolution's filters.
  public var width: Int
  /// The first dense layer's outputs.
  public var units: Int

  /// Describes the network; the paper's has 16 filters and 100 units.
  public init(classes: Int, width: Int = 16, units: Int = 100) {
    (self.classes, self.width, self.units) = (classes, width, units)
  }

  /// [N, H, W, C] gives logits [N, classes].
  public func callAsFunction(_ image: SymbolicTensor) -> SymbolicTensor {
    var x = image
    for (index, filters) in [width, 2 * width].enumerated() {
      x = Convolution2D(
        filters: filters, kernel: 4, stride: 2, padding: .symmetric(1), activation: .relu,
        name: "conv\(index + 1)")(x)
    }
    x = Dense(units: units, activation: .relu, name: "dense1")(Flatten()(x))
    return Dense(units: classes, name: "dense2")(x)
  }
}
