// A trained face swap as a file, and at work: crops of one person in, the other person out.

import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierInterchange
import AtelierKernels
import AtelierWorkbench
import AtelierZoo
import Foundation

/// A trained face swap: one encoder and the decoders of both people.
///
/// The file is a model file whose graph draws each input by both decoders; the metadata names the
/// design, so that a conversion plans the one decoder that it needs.
public struct FaceSwapModel: Sendable {
  /// The task in the metadata of model files.
  public static let task = NetworkTask.swap.rawValue

  /// The graph, the weights and what is known of the training.
  public let model: Model
  /// The design, the side of a face in pixels, and whether the decoders draw a mask.
  public let network: FaceSwapNetwork
  /// Whether swaps map the other person's codes to those of the person that is drawn.
  public let matchesCodes: Bool
  /// How the faces of its training lay in their crops, and so must those that it is given.
  public let layout: FaceLayout

  /// The key of the layout among the facts of the training.
  package static let layoutKey = "layout"

  /// Reads a model file; throws `StudioError` that names the file when it is a model of something
  /// else.
  public init(contentsOf url: URL) throws {
    try self.init(try ModelFile.read(from: url), name: url.relativePath)
  }

  /// Takes a model that messages call `name`; throws `StudioError` when it is no face swap.
  public init(_ model: Model, name: String) throws {
    try StudioError.unless(
      model.information.task == Self.task, .data,
      "\(name): expected a model of the task \(Self.task); received one of the task "
        + "\(model.information.task) (\(model.information.architecture))")
    let network = try Self.network(of: model, name: name)
    let matchesCodes = model.graph.output(named: "swap_a") != nil
    let graph = try network.previewGraph(batch: 1, matchesCodes: matchesCodes)
    for parameter in graph.parameters
    where model.parameters[parameter.name]?.shape != parameter.shape {
      let received = model.parameters[parameter.name].map { "shape \($0.shape)" } ?? "none"
      throw StudioError(
        .data,
        "\(name): expected the parameter \(parameter.name) of shape \(parameter.shape), as "
          + "\(model.information.architecture) has it; received \(received)")
    }
    self.model = model
    self.network = network
    self.matchesCodes = matchesCodes
    layout = try Self.layout(of: model, name: name)
  }

  /// The layout that a model's metadata names; that of the original where it names none.
  private static func layout(of model: Model, name: String) throws -> FaceLayout {
    guard let text = model.information.training[layoutKey] else { return FaceLayout() }
    let layout: FaceLayout
    do { layout = try JSONDecoder().decode(FaceLayout.self, from: Data(text.utf8)) } catch let error
      as DecodingError
    {
      throw StudioError(
        .data, "\(name): expected the layout of faces as JSON; received \(error.place)")
    }
    try StudioError.unless(
      FaceAlignments.cropSizes.contains(layout.cropSize), .data,
      "\(name): expected faces in crops of \(FaceAlignments.cropSizes) pixels; received "
        + "\(layout.cropSize)")
    return layout
  }

  /// The network that a model's metadata and graph name.
  private static func network(of model: Model, name: String) throws -> FaceSwapNetwork {
    let architecture = model.information.architecture
    guard let design = FaceSwapNetwork.Design(rawValue: architecture) else {
      let known = Catalogue.names(for: .swap)
      throw StudioError(
        .data, "\(name): expected a network, one of \(known); received \(architecture)")
    }
    guard let input = model.graph.input(named: "input"), model.graph.values[input].shape.rank == 4
    else { throw StudioError(.data, "\(name): expected a model with an input of pictures") }
    let side = model.graph.values[input].shape.height
    try StudioError.unless(
      design.sides.contains(side), .data,
      "\(name): expected faces of \(design.sides) pixels; received \(side)")
    let hasMask = SwapFace.allCases.contains {
      model.graph.output(named: "mask_\($0.rawValue)") != nil
    }
    return FaceSwapNetwork(design, side: side, hasMask: hasMask)
  }

  /// Plans the way to one person, `batch` crops at once, of `source`; nil stands for the other
  /// person.
  ///
  /// The converter has weights of its own. Throws `ShapeError` when there is no memory for so many
  /// crops.
  public func converter(
    to face: SwapFace, of source: SwapFace? = nil, batch: Int = 1, threads: ThreadPool = .shared
  ) throws -> FaceSwapConverter {
    try StudioError.unless(
      batch > 0, .usage, "a conversion needs at least one crop at once; received \(batch)")
    // The one decoder that it needs, with the encoder.
    let graph = try network.conversionGraph(
      batch: batch, to: face, matchesCodes: matchesCodes && source != face)
    return try converter(
      to: face, of: source, batch: batch,
      by: running(graph, capacity: 1, kernels: Kernels(pool: threads)))
  }

  /// The same by weights that converters share.
  func converter(
    to face: SwapFace, of source: SwapFace? = nil, batch: Int, by running: RunningModel
  ) throws -> FaceSwapConverter {
    let isMatched = matchesCodes && source != face
    let program = try running.program(key: ["\(face)", "\(isMatched)", "\(batch)"]) {
      try network.conversionGraph(batch: batch, to: face, matchesCodes: isMatched)
        .specialized(for: .infer)
    }
    return FaceSwapConverter(network: network, program: program)
  }

  /// The model's weights at work in a graph; what it has and the model has not starts at random.
  func running(_ graph: Graph, capacity: Int = 4, kernels: Kernels) throws -> RunningModel {
    let names = Set(graph.parameters.map(\.name))
    let store = try ParameterStore(
      for: [graph], seed: 0, startingFrom: model.parameters.filter { names.contains($0.key) })
    return RunningModel(
      graph: graph, information: model.information, store: store, capacity: capacity,
      kernels: kernels)
  }
}

/// What a decoder drew of some crops.
public struct DecodedFaces: Sendable {
  /// The faces, [crops, side, side, 3], values in [0, 1].
  public let pictures: Tensor
  /// The learned masks, [crops, side, side, 1], 1 inside the face; nil without a mask head.
  public let masks: Tensor?
}

/// Encoder and one decoder, planned and ready; used by one thread at a time.
public final class FaceSwapConverter {
  /// The design, the side of a face, whether there is a mask.
  public let network: FaceSwapNetwork
  private let program: Program

  /// Takes a program with the input `input` and the outputs `output` and, with a mask, `mask`.
  init(network: FaceSwapNetwork, program: Program) {
    self.network = network
    self.program = program
  }

  /// The crops that run at once.
  public var batch: Int { program.inputs.first?.shape.batch ?? 1 }

  /// Draws crops of anyone as this converter's person: [n, side, side, 3], values in [0, 1], any n.
  public func decode(_ crops: Tensor) throws -> DecodedFaces {
    let side = network.side
    let expected = Shape.image(batch: crops.shape.batch, height: side, width: side, channels: 3)
    guard crops.shape == expected else {
      throw ShapeError("a face swap takes crops of shape \(expected); received \(crops.shape)")
    }
    let count = crops.shape.batch
    let area = side * side
    var pictures: [Float] = []
    var masks: [Float] = []
    pictures.reserveCapacity(count * area * 3)
    try program.run(crops.elements, of: count) { present in
      try program.withOutput("output") { pictures += $0.prefix(present * area * 3) }
      if network.hasMask {
        try program.withOutput("mask") { masks += $0.prefix(present * area) }
      }
    }
    return DecodedFaces(
      pictures: Tensor(expected, pictures),
      masks: network.hasMask
        ? Tensor(.image(batch: count, height: side, width: side, channels: 1), masks) : nil)
  }
}
