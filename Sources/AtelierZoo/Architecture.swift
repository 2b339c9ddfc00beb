// What an architecture is: hyper-parameters as a value that draws a graph for any image size.

import AtelierEngine

/// A network family with its hyper-parameters.
public protocol Architecture: Sendable, Hashable, Codable {
  /// The name on the command line.
  static var name: String { get }

  /// The graph for a batch of images with sides that are multiples of `granularity`.
  ///
  /// - Returns: A graph with input `input` [batch, height, width, channels], further inputs as the
  ///   architecture says, and output `output`.
  /// - Throws: `ShapeError` when the hyper-parameters do not fit together.
  func graph(batch: Int, height: Int, width: Int) throws(ShapeError) -> Graph

  /// The numbers of which heights and widths must be multiples.
  var granularity: Int { get }

  /// How many pixels away from an output pixel the input still matters; tiles overlap by as much.
  var receptiveRadius: Int { get }
}

/// How a decoder enlarges: the four ways that the course names.
public enum Unpooling: String, Sendable, Hashable, Codable, CaseIterable {
  /// Through the switches of the mirror max pool.
  case max
  /// Each value repeated over its window.
  case nearest
  /// Each value in the top-left of its window, zeros elsewhere.
  case nails
  /// Learnt: a transposed convolution of stride 2.
  case transposed

  /// The value enlarged by 2 without weights, through `pool<level>` where by switches; nil for the
  /// learnt way.
  func unpooled(_ x: SymbolicTensor, level: Int) -> SymbolicTensor? {
    switch self {
    case .max: MaxUnpool2D(mirroring: "pool\(level)", name: "unpool\(level)")(x)
    case .nearest: NearestUnpool2D(window: 2, name: "unpool\(level)")(x)
    case .nails: BedOfNailsUnpool2D(window: 2, name: "unpool\(level)")(x)
    case .transposed: nil
    }
  }
}
