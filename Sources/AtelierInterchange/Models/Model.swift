// A model: a graph, its parameters, and what one must know to use it.

import AtelierEngine

/// What stands beside graph and parameters in a model file.
public struct ModelInformation: Sendable, Hashable, Codable {
  /// What the model does, for example `denoise`.
  public var task: String
  /// The architecture's name, for example `residual-unet`.
  public var architecture: String
  /// The numbers of which the input's height and width must be multiples.
  public var granularity: Int
  /// How far away from an output pixel the input still matters, in pixels.
  public var receptiveRadius: Int
  /// How pixels become inputs, for example `pixel / 255`.
  public var preprocessing: String
  /// The class names in the order of the outputs; empty when there are no classes.
  public var classNames: [String]
  /// Red, green and blue of each class in pictures; nil when there are none.
  public var classColors: [[UInt8]]?
  /// How it was trained: data, noise, losses, steps, one sentence each.
  public var training: [String: String]
  /// Measured figures with their protocol, for example `BSD68 sigma 25 PSNR`.
  public var figures: [String: Double]

  /// Describes a model.
  public init(
    task: String, architecture: String, granularity: Int = 1, receptiveRadius: Int = 0,
    preprocessing: String = "pixel / 255", classNames: [String] = [],
    classColors: [[UInt8]]? = nil, training: [String: String] = [:],
    figures: [String: Double] = [:]
  ) {
    self.task = task
    self.architecture = architecture
    self.granularity = granularity
    self.receptiveRadius = receptiveRadius
    self.preprocessing = preprocessing
    self.classNames = classNames
    self.classColors = classColors
    self.training = training
    self.figures = figures
  }
}

/// A trained network as a value: graph, parameters by name, and information.
public struct Model: Sendable {
  /// The network for inference; its input sizes are those of the tracing (see `Graph.reshaped`).
  public let graph: Graph
  /// One tensor per weight and statistic of the graph.
  public let parameters: [String: Tensor]
  /// What one must know to use it.
  public var information: ModelInformation
  /// The file that it was read from, which errors about it name; nil for one that was made.
  public var file: String?

  /// The beginning of an error about the model.
  package var beginning: String { file.map { "\($0): " } ?? "" }
}

extension Model {
  /// Makes a model of a graph for inference and parameters by name, such as those of another
  /// framework's file.
  ///
  /// - Throws: `ShapeError` when a parameter is missing or has another shape.
  public init(
    graph: Graph, numbers: [String: Tensor], information: ModelInformation
  ) throws(ShapeError) {
    for parameter in graph.parameters where parameter.role != .constant {
      guard numbers[parameter.name]?.shape == parameter.shape else {
        throw ShapeError("there is no parameter \(parameter.name) of shape \(parameter.shape)")
      }
    }
    self.init(graph: graph, parameters: numbers, information: information)
  }

  /// Makes a model of a graph for inference and the parameters of a store.
  ///
  /// - Throws: `ShapeError` when the store lacks a parameter or has it in another shape.
  public init(
    graph: Graph, store: ParameterStore, information: ModelInformation
  ) throws(ShapeError) {
    var parameters: [String: Tensor] = [:]
    for parameter in graph.parameters where parameter.role != .constant {
      guard let tensor = store[parameter.name], tensor.shape == parameter.shape else {
        throw ShapeError("the store has no parameter \(parameter.name) of shape \(parameter.shape)")
      }
      parameters[parameter.name] = tensor
    }
    self.init(graph: graph, parameters: parameters, information: information)
  }

  /// A store with the model's parameters, for programs.
  ///
  /// - Throws: `ShapeError` when graph and parameters do not fit, which reading has excluded.
  public func store() throws(ShapeError) -> ParameterStore {
    try ParameterStore(for: [graph], seed: 0, startingFrom: parameters)
  }
}
