// What a layer is: a value that is called on symbolic tensors, and the sequential model of layers in a row.

/// A layer: hyper-parameters as a value; calling it on a symbolic tensor appends its operations to the graph.
///
/// Calling the same value (or a copy of it) twice shares its parameters; a newly made layer has its own.
public protocol Layer: Sendable {
  /// Appends the layer's operations and returns its result; errors wait in the builder until tracing ends.
  func callAsFunction(_ input: SymbolicTensor) -> SymbolicTensor
}

/// Layers one after the other, with the shape of what goes in.
public struct Sequential: Layer {
  /// The layers in order.
  public let layers: [any Layer]
  /// The input for one image or vector, when the model is used by itself.
  public let input: InputShape?
  /// Whether its parameters may move.
  public var isTrainable = true

  /// What goes into a model.
  public enum InputShape: Sendable, Hashable {
    /// An image.
    case image(height: Int, width: Int, channels: Int)
    /// A vector of features.
    case vector(Int)

    /// The shape of a batch.
    public func shape(batch: Int = 1) -> Shape {
      switch self {
      case .image(let height, let width, let channels): [batch, height, width, channels]
      case .vector(let count): [batch, count]
      }
    }
  }

  /// Makes a model from layers in a row; `input` may be left out for a part of a larger model.
  public init(input: InputShape? = nil, @LayerBuilder layers: () -> [any Layer]) {
    self.input = input
    self.layers = layers()
  }

  /// Calls all layers in order.
  public func callAsFunction(_ input: SymbolicTensor) -> SymbolicTensor {
    layers.reduce(input) { $1($0) }
  }

  /// The graph with input `input` and output `output`.
  ///
  /// - Throws: `ShapeError` with the layer's name; also when the input's shape was left out.
  public func graph(batch: Int = 1) throws(ShapeError) -> Graph {
    guard let input else {
      throw ShapeError("a sequential model needs its input's shape to be traced by itself")
    }
    return try Graph.trace { builder in
      builder.output("output", self(builder.input("input", input.shape(batch: batch))))
    }
  }

  /// The summary table.
  ///
  /// - Throws: `ShapeError` when the layers do not fit together.
  public func summary(title: String = "sequential") throws(ShapeError) -> String {
    try graph().summary(title: title)
  }
}

/// Collects layers; `if`, `else`, `for` and nested lists all keep every layer.
@resultBuilder
public enum LayerBuilder {
  /// One layer.
  public static func buildExpression(_ layer: any Layer) -> [any Layer] { [layer] }
  /// A list of layers.
  public static func buildExpression(_ layers: [any Layer]) -> [any Layer] { layers }
  /// Layers in a row.
  public static func buildBlock(_ parts: [any Layer]...) -> [any Layer] { parts.flatMap { $0 } }
  /// `if` without `else`.
  public static func buildOptional(_ part: [any Layer]?) -> [any Layer] { part ?? [] }
  /// `if`.
  public static func buildEither(first: [any Layer]) -> [any Layer] { first }
  /// `else`.
  public static func buildEither(second: [any Layer]) -> [any Layer] { second }
  /// `for`.
  public static func buildArray(_ parts: [[any Layer]]) -> [any Layer] { parts.flatMap { $0 } }
}
