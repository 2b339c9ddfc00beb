// A trained Mask R-CNN as a file: what stands in its metadata, and how it is checked when it is read.

import AtelierEngine
import AtelierFiles
import AtelierInterchange
import AtelierKernels
import AtelierWorkbench
import AtelierZoo
import Foundation

/// A trained Mask R-CNN.
///
/// The file is a model file whose graph runs everything on one picture; the metadata names the network's sizes, so that
/// proposals, boxes and masks can be planned apart for pictures of any size.
public struct MaskRCNNModel: Sendable {
  /// The task in the metadata of model files.
  public static let task = NetworkTask.objects.rawValue
  /// The architecture in the metadata of model files.
  public static let architecture = MaskRCNN.name
  /// The graph, the weights and what is known of the training.
  public let model: Model
  /// The network's sizes.
  public let network: MaskRCNN
  /// How pictures are prepared for the network.
  let reading: PictureReading

  public var classNames: [String] { model.information.classNames }

  /// Reads a model file; throws `SafetensorsError` when it cannot be read, `StudioError` that names
  /// the file when it is a model of something else.
  public init(contentsOf url: URL) throws {
    try self.init(try ModelFile.read(from: url), name: url.relativePath)
  }

  /// Takes a model that is in memory, and what messages call it; throws `StudioError` when it is no
  /// Mask R-CNN.
  public init(_ model: Model, name: String) throws {
    let information = model.information
    guard information.task == Self.task, information.architecture == Self.architecture else {
      throw StudioError(
        .data,
        "\(name): expected a model of the task \(Self.task) (\(Self.architecture)); received one "
          + "of the task \(information.task) (\(information.architecture))")
    }
    guard let text = information.training["network"],
      let network = try? JSONDecoder().decode(MaskRCNN.self, from: Data(text.utf8))
    else {
      throw StudioError(.data, "\(name): expected the network's sizes as JSON in the metadata")
    }
    guard information.classNames.count == network.classes else {
      throw StudioError(
        .data,
        "\(name): expected \(network.classes) class names; received "
          + "\(information.classNames.count)")
    }
    let unit = 16
    let graph = try network.graph(
      height: max(unit, network.granularity), width: max(unit, network.granularity))
    try model.expectParameters(of: graph, name: name)
    self.model = model
    self.network = network
    let enlargement = information.training["enlargement"].flatMap(Float.init) ?? 1
    guard enlargement > 0, enlargement <= 16 else {
      throw StudioError(
        .data, "\(name): expected an enlargement above 0 and up to 16; received \(enlargement)")
    }
    reading = PictureReading(information.preprocessing, enlargement: enlargement)
  }

  /// What the metadata says of a network, for `init(_:name:)` to read.
  static func entries(
    _ network: MaskRCNN, _ request: MaskRCNNTrainingRequest
  ) throws -> [String: String] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    return [
      "network": String(decoding: try encoder.encode(network), as: UTF8.self),
      "design": request.design.rawValue, "enlargement": "\(request.enlargement)",
      "anchors": network.anchors.map { level in
        "stride \(level.stride): sizes \(level.sizes), ratios \(level.ratios)"
      }.joined(separator: "; "),
    ]
  }

  /// The network, its weights in a store of its own, ready to run.
  func detector(kernels: Kernels) throws -> MaskRCNNDetector {
    let graph = try network.graph(height: network.granularity, width: network.granularity)
    let names = Set(graph.parameters.map(\.name))
    let store = try ParameterStore(
      for: [graph], seed: 0, startingFrom: model.parameters.filter { names.contains($0.key) })
    return MaskRCNNDetector(
      network,
      RunningModel(
        graph: graph, information: model.information, store: store,
        capacity: MaskRCNNDetector.keptPrograms, kernels: kernels))
  }
}
