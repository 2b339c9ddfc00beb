// Recurrent classifiers, which read a picture row by row.

import AtelierEngine
import AtelierKernels

/// Recurrent layers of 128 units over the rows of a picture, the last state into a dense layer.
///
/// Hochreiter and Schmidhuber: Long Short-Term Memory (1997); Cho and others: Learning Phrase
/// Representations using RNN Encoder–Decoder (2014).
public struct RowClassifier: Layer {
  /// The outputs.
  public var classes: Int
  /// What a step does.
  public var cell: RecurrentCell
  /// Layers on top of each other.
  public var depth = 2

  /// [N, H, W, C] gives logits [N, classes].
  public func callAsFunction(_ image: SymbolicTensor) -> SymbolicTensor {
    var x = image
    for index in 1...max(depth, 1) {
      x = Recurrent(cell, units: 128, returnsSequence: index < depth, name: "rows\(index)")(x)
    }
    return Dense(units: classes, name: "output")(x)
  }
}
