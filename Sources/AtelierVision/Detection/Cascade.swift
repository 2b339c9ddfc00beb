// A cascade of boosted classifiers over the pixels of a small window, as OpenCV trains them.
//
// Viola, Jones: Rapid Object Detection Using a Boosted Cascade of Simple Features (2001).
// Lienhart, Maydt: An Extended Set of Haar-like Features (2002): the features turned by 45 degrees.
// Liao, Zhu, Lei, Zhang, Li: Learning Multi-scale Block Local Binary Patterns (2007).

/// A cascade: stages of weak classifiers, each a small tree whose nodes look at one feature.
///
/// A window is accepted when the sum of every stage reaches the stage's threshold. The rules that
/// the reader checks (`CascadeFile`) hold for every value: features lie inside of the window, and a
/// node's children stand behind it, so that every walk ends.
public struct Cascade: Sendable, Equatable {
  /// What a node looks at.
  public enum Feature: Sendable, Equatable {
    /// A weighted sum of up to three rectangles' sums, divided by the window's deviation.
    case haar([WeightedRectangle], isTilted: Bool)
    /// Which of the eight blocks around a block of this place and size are at least as bright.
    case binaryPattern(x: Int, y: Int, width: Int, height: Int)
  }

  /// A rectangle of a Haar feature, in pixels of the window.
  public struct WeightedRectangle: Sendable, Equatable {
    /// Its left edge, or its top corner's column when tilted.
    public var x: Int
    /// Its top edge, or its top corner's row when tilted.
    public var y: Int
    /// Its width, along the falling diagonal when tilted.
    public var width: Int
    /// Its height, along the other diagonal when tilted.
    public var height: Int
    /// What its sum is multiplied with.
    public var weight: Float
  }

  /// How a node decides.
  public enum Test: Sendable, Equatable {
    /// To the left when the feature's value is smaller.
    case threshold(Float)
    /// To the left when the pattern, 0...255, is in the set; bit p & 31 of word p / 32.
    case patterns([UInt32])
  }

  /// One node of a weak classifier.
  public struct Node: Sendable, Equatable {
    /// Index into `features`.
    public var feature: Int
    /// How it decides.
    public var test: Test
    /// Where to go to the left: a node of the same tree, or below 0 the leaf ~left of the tree.
    public var left: Int
    /// Where to go to the right, in the same way.
    public var right: Int
  }

  /// A weak classifier.
  public struct Tree: Sendable, Equatable {
    /// Its nodes, the root first.
    public var nodes: [Node]
    /// The values that it can give.
    public var leaves: [Float]
  }

  /// A stage.
  public struct Stage: Sendable, Equatable {
    /// The least sum of the trees' values that is accepted.
    public var threshold: Float
    /// Its weak classifiers.
    public var trees: [Tree]
  }

  /// The file's name without folder and extension, such as `haarcascade_eye`.
  public var name: String
  /// Columns of the window, in pixels.
  public var width: Int
  /// Rows of the window, in pixels.
  public var height: Int
  /// The stages in the order in which they are asked.
  public var stages: [Stage]
  /// The features that nodes refer to.
  public var features: [Feature]

  /// Whether it looks at local binary patterns; otherwise at Haar features.
  public var isBinaryPattern: Bool {
    if case .binaryPattern = features.first { return true }
    return false
  }

  /// Whether any of its features is turned by 45 degrees.
  public var hasTiltedFeatures: Bool {
    features.contains {
      if case .haar(_, isTilted: true) = $0 { return true }
      return false
    }
  }
}
