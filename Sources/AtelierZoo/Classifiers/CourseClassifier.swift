// The course's classifier: three convolutions and three dense layers, also the frozen classifier of
// the benchmark's noise generator.

import AtelierEngine
import AtelierKernels

/// Convolutions of 16, 32 and 64 filters with two max pools, dense layers of 512, 512 and
/// `classes`: 1,897,226 parameters for 28×28 gray images and ten classes.
public struct CourseClassifier: Layer {
  /// The outputs.
  public var classes: Int
  /// Whether training moves the parameters.
  public var isTrainable: Bool

  /// Describes the network.
  public init(classes: Int, isTrainable: Bool = true) {
    self.classes = classes
    self.isTrainable = isTrainable
  }

  /// [N, H, W, C] gives logits [N, classes].
  public func callAsFunction(_ image: SymbolicTensor) -> SymbolicTensor {
    var x = image
    for (index, filters) in [16, 32, 64].enumerated() {
      if index > 0 { x = MaxPool2D(name: "pool\(index)")(x) }
      x = Convolution2D(
        filters: filters, kernel: 3, activation: .relu, isTrainable: isTrainable,
        name: "conv\(index + 1)")(x)
    }
    x = Flatten()(x)
    for (index, units) in [512, 512, classes].enumerated() {
      x = Dense(
        units: units, activation: index < 2 ? .relu : .identity, isTrainable: isTrainable,
        name: "dense\(index + 1)")(x)
    }
    return x
  }
}
