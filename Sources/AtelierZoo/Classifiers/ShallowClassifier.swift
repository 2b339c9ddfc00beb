// Classifiers without convolutions: one linear map, and one hidden layer, for pixels or features.

import AtelierEngine
import AtelierKernels

/// One dense layer on all pixels or features, or a hidden one before it (Rumelhart, Hinton and
/// Williams 1986).
public struct ShallowClassifier: Layer {
  /// The outputs.
  public var classes: Int
  /// Units of the hidden layer; nil for none.
  public var units: Int?

  /// [N, H, W, C] gives logits [N, classes].
  public func callAsFunction(_ image: SymbolicTensor) -> SymbolicTensor {
    var x = Flatten()(image)
    if let units {
      x = Dense(units: units, activation: .relu, name: "hidden")(x)
      x = Dropout(0.3, name: "dropout")(x)
    }
    return Dense(units: classes, name: "output")(x)
  }
}
