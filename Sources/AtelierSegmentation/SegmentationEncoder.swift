// Another model's layers as the way down of a U-Net: their graph, their weights, their rate.

import AtelierEngine
import AtelierFiles
import AtelierInterchange
import AtelierKernels
import AtelierTraining
import AtelierWorkbench
import AtelierZoo
import Foundation

/// The layers of a model up to its last picture of features.
struct SegmentationEncoder {
  private let layers: Graph
  /// The weights by the names that they have in the U-Net.
  let parameters: [String: Tensor]
  /// How much slower what was taken over learns.
  private static let rateFactor = 0.1

  /// Reads a model; throws `StudioError` when it is not there or has no pictures of features.
  init(_ name: String) throws {
    let file = ShippedModels.file(of: name)
    try StudioError.unless(
      FileManager.default.fileExists(atPath: file.path), .missingInput,
      "\(name): no such file or folder")
    let model = try ModelFile.read(from: file)
    guard let last = model.graph.lastPictureLayer, model.graph.input(named: "input") != nil else {
      throw StudioError(
        .data, "\(name): expected a network from pictures to features, received another")
    }
    let layers = try model.graph.cut(after: last)
    self.layers = layers
    var tensors: [String: Tensor] = [:]
    for parameter in layers.parameters where parameter.role != .constant {
      tensors[EncoderUNet.encoderPrefix + parameter.name] = model.parameters[parameter.name]
    }
    parameters = tensors
  }

  /// The U-Net for classes.
  func network(classes: Int, width: Int?) -> EncoderUNet {
    EncoderUNet(
      encoder: layers, classes: classes,
      width: width ?? SegmentationNetwork.unet.standardWidth)
  }

  var granularity: Int { network(classes: 2, width: nil).granularity }
  var receptiveRadius: Int { network(classes: 2, width: nil).receptiveRadius }

  /// A step that moves what was taken over at a tenth of the recipe's rate.
  func step(
    _ recipe: TrainingRecipe, _ program: Program, _ kernels: Kernels
  ) throws -> TrainingStep {
    let states = try [true, false].compactMap { isEncoder -> OptimizerState? in
      let moved = program.trainedEntries.filter {
        $0.name.hasPrefix(EncoderUNet.encoderPrefix) == isEncoder
      }
      guard !moved.isEmpty else { return nil }
      var recipe = recipe
      if isEncoder { recipe.learningRate *= Self.rateFactor }
      return try OptimizerState(
        recipe.optimizer(decaysOnlyMatrices: true), store: program.parameters, entries: moved,
        kernels: kernels)
    }
    return try TrainingStep(name: "train", program: program, optimizers: states)
  }
}
