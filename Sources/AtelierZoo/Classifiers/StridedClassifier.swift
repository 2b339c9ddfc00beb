// Small classifiers without pooling that are fast to attack, hence fast to harden.
//
// Wong, Kolter: Provable Defenses against Adversarial Examples via the Convex Outer Adversarial
// Polytope (2018), the network for digits. Its form with thresholds gives every pixel what hardened
// networks for digits learn by themselves: Madry, Makelov, Schmidt, Tsipras, Vladu: Towards Deep
// Learning Models Resistant to Adversarial Attacks (2017), appendix C.

import AtelierEngine
import AtelierKernels

/// Convolutions 4×4 with stride 2 of `width` and twice as many filters, dense layers of `units` and
/// `classes`: 166,406 parameters for 28×28 gray images and ten classes.
///
/// With `thresholds`, every pixel first becomes so many ramps of its own value: a 1×1 convolution
/// and a ReLU. The paper's network has 16 filters and 100 units.
public struct StridedClassifier: Layer {
  /// The outputs.
  public var classes: Int
  /// The first convolution's filters.
  public var width = 16
  /// The first dense layer's outputs.
  public var units = 100
  /// The ramps of each pixel; 0 for none.
  public var thresholds = 0

  /// [N, H, W, C] gives logits [N, classes].
  public func callAsFunction(_ image: SymbolicTensor) -> SymbolicTensor {
    var x = image
    if thresholds > 0 {
      x = Convolution2D(
        filters: thresholds, kernel: 1, activation: .relu, name: "thresholds")(x)
    }
    for (index, filters) in [width, 2 * width].enumerated() {
      x = Convolution2D(
        filters: filters, kernel: 4, stride: 2, padding: .symmetric(1), activation: .relu,
        name: "conv\(index + 1)")(x)
    }
    x = Dense(units: units, activation: .relu, name: "dense1")(Flatten()(x))
    return Dense(units: classes, name: "dense2")(x)
  }
}
