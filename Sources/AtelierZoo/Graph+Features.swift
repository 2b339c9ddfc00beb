// Where a network's features end, for what is built on them: heads of classifiers, ways down of
// U-Nets.

import AtelierEngine

extension Graph {
  /// The name of the last layer that gives a picture of features: what comes before means or a
  /// flattening; nil where there is none.
  public var lastPictureLayer: String? {
    nodes.last { values[$0.outputs[0]].shape.rank == 4 }?.name
  }
}
