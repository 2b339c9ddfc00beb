// A trained star network as a file and at work: what stands in its metadata, how it is checked, and
// what it finds in pictures.

import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierWorkbench
import AtelierZoo
import Foundation

/// A trained network of star-convex objects.
public struct StarModel: Sendable {
  /// The task in the metadata of model files.
  public static let task = NetworkTask.objects.rawValue
  /// The architecture in the metadata of model files.
  public static let architecture = StarNetwork.name
  /// The entry of the metadata with the network's sizes.
  static let networkEntry = "network"
  /// The entry with the least score of an object that is reported unless told otherwise.
  static let scoreEntry = "score"

  /// The graph, the weights and what is known of the training.
  public let model: Model
  /// The network's sizes.
  public let network: StarNetwork
  /// How pictures are prepared for the network.
  let reading: PictureReading
  /// The least score of an object that is reported unless told otherwise.
  let usualScore: Float

  public var classNames: [String] { model.information.classNames }

  /// Takes a model and what messages call it; throws `StudioError` when it is no star network.
  public init(_ model: Model, name: String) throws {
    let information = model.information
    guard information.task == Self.task, information.architecture == Self.architecture else {
      throw StudioError(
        .data,
        "\(name): expected a model of the task \(Self.task) (\(Self.architecture)); received one "
          + "of the task \(information.task) (\(information.architecture))")
    }
    guard let text = information.training[Self.networkEntry],
      let network = try? JSONDecoder().decode(StarNetwork.self, from: Data(text.utf8))
    else {
      throw StudioError(.data, "\(name): expected the network's sizes as JSON in the metadata")
    }
    guard information.classNames.count == network.classes else {
      throw StudioError(
        .data,
        "\(name): expected \(network.classes) class names; received "
          + "\(information.classNames.count)")
    }
    let score = information.training[Self.scoreEntry].flatMap(Float.init) ?? 0.5
    guard (0...1).contains(score) else {
      throw StudioError(.data, "\(name): expected a score from 0 to 1; received \(score)")
    }
    let unit = network.granularity
    let graph = try network.graph(height: unit, width: unit)
    try model.expectParameters(of: graph, name: name)
    self.model = model
    self.network = network
    reading = PictureReading(information.preprocessing)
    usualScore = score
  }

  /// What the metadata says of a network, for `init(_:name:)` to read.
  static func entries(_ network: StarNetwork, score: Float) throws -> [String: String] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    return [
      networkEntry: String(decoding: try encoder.encode(network), as: UTF8.self),
      scoreEntry: "\(score)",
    ]
  }
}

/// A star network, ready for pictures of any size; used by one thread at a time.
public final class StarSegmenter: ObjectSegmenter {
  public let classNames: [String]
  public let usualScore: Float
  private let reading: PictureReading
  package let detector: StarDetector
  private let selection: StarSelection

  /// Takes a model; throws `ShapeError` when there is no memory for its weights.
  public convenience init(_ model: StarModel, kernels: Kernels = Kernels()) throws {
    let unit = model.network.granularity
    let graph = try model.network.graph(height: unit, width: unit)
    let names = Set(graph.parameters.map(\.name))
    let store = try ParameterStore(
      for: [graph], seed: 0, startingFrom: model.model.parameters.filter { names.contains($0.key) })
    let running = RunningModel(
      graph: graph, information: model.model.information, store: store,
      capacity: StarDetector.keptSizes, kernels: kernels)
    self.init(
      running, model.network, reading: model.reading, score: model.usualScore)
  }

  /// Takes a model at work, such as one over the parameters of a training.
  init(
    _ model: RunningModel, _ network: StarNetwork, reading: PictureReading, score: Float,
    selection: StarSelection = StarSelection()
  ) {
    classNames = model.information.classNames
    usualScore = score
    self.reading = reading
    self.selection = selection
    detector = StarDetector(network, model)
  }

  public var stretchesContrast: Bool { reading.stretchesContrast }

  /// What the network says of a picture before objects are chosen, from a least score on.
  package func field(of picture: ByteImage, score: Float) throws -> StarField {
    try detector.field(of: reading.prepared(picture).withChannels(3), score: score)
  }
  public var methodName: String { "Star-convex objects" }

  /// Finds the objects of a picture of any size and channels, surest first; throws `ShapeError` when
  /// there is no memory for it.
  public func objects(in picture: ByteImage, _ look: ObjectLook) throws -> [EncodedObject] {
    let prepared = reading.prepared(picture).withChannels(3)
    let field = try detector.field(
      of: prepared, score: look.selection.score, tileSize: look.tileSize,
      isFlipAveraged: look.isFlipAveraged, scales: look.scales)
    var selection = selection
    selection.score = look.selection.score
    selection.limit = look.selection.limit
    return StarObjects.found(in: field, detector.network, selection)
  }
}
