// What the catalogue says of a network: its name, what it is for, its hyper-parameters and its
// graph.

import AtelierEngine

/// What a network is for; the raw value is the task in the metadata of its model files.
public enum NetworkTask: String, Sendable, Hashable, Codable, CaseIterable {
  /// Gives pictures without their noise.
  case denoise
  /// Gives a picture one of several classes.
  case classify
  /// Gives every pixel a class.
  case segment
  /// Gives every object a class, a box and a mask.
  case objects = "segment-objects"
  /// Draws one person in another's pose.
  case swap = "face-swap"
  /// Draws noise that a classifier falls for.
  case attack
  /// Draws pictures from random numbers.
  case generate
}

/// The hyper-parameters that can be chosen by name; a network has those that it `takes`.
public enum NetworkSetting: Sendable, Hashable, CaseIterable {
  /// Pictures at once.
  case batch
  /// Channels of a picture.
  case channels
  /// The classes that it tells apart.
  case classes
  /// The filters of its levels; where the defaults have one number, it is the first level's.
  case widths
  /// How its decoder enlarges.
  case unpooling
}

/// The numbers that a graph of the catalogue is built for.
public struct NetworkSettings: Sendable, Hashable {
  /// Pictures at once.
  public var batch = 1
  /// Rows of a picture.
  public var height = 96
  /// Columns of a picture.
  public var width = 96
  /// Channels of a picture: 1 gray, 3 RGB.
  public var channels = 1
  /// The classes of a classifier or a segmentation.
  public var classes = 0
  /// The filters of its levels.
  public var widths: [Int] = []
  /// How the decoder enlarges.
  public var unpooling = Unpooling.max
}

/// One network of the catalogue.
public struct CataloguedNetwork: Sendable {
  /// The name among the networks of its task.
  public let name: String
  /// The name among all networks: the same unless another task has one of that name.
  public let fullName: String
  /// What it is for.
  public let task: NetworkTask
  /// One line for help texts.
  public let summary: String
  /// The hyper-parameters unless said otherwise.
  public let defaults: NetworkSettings
  /// Which of the hyper-parameters it has, besides the size of pictures.
  public let takes: Set<NetworkSetting>
  /// The numbers of which heights and widths must be multiples, by the hyper-parameters.
  public let granularity: @Sendable (NetworkSettings) -> Int
  /// The graph that the network works with once it is trained.
  ///
  /// It throws a `ShapeError` when the hyper-parameters do not fit together.
  public let graph: @Sendable (NetworkSettings) throws -> Graph
  /// How it takes weights of other libraries; nil where it takes none.
  public internal(set) var foreignForm: ForeignForm?

  /// Describes a network; its full name is the name unless told otherwise.
  init(
    _ name: String, fullName: String? = nil, _ task: NetworkTask, _ summary: String,
    takes: Set<NetworkSetting>, defaults: NetworkSettings,
    granularity: @escaping @Sendable (NetworkSettings) -> Int,
    graph: @escaping @Sendable (NetworkSettings) throws -> Graph
  ) {
    self.name = name
    self.fullName = fullName ?? name
    self.task = task
    self.summary = summary
    self.takes = takes
    self.defaults = defaults
    self.granularity = granularity
    self.graph = graph
  }
}
