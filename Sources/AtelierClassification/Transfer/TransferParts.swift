// A training on layers of another model: features of resting layers, two rates, what is measured.

import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierTraining
import AtelierWorkbench
import Foundation

extension ClassificationParts {
  /// Takes over layers of the request's model and puts a head behind them.
  init(transferring request: ClassificationTrainingRequest, kernels: Kernels) throws {
    let name = request.transfer.model ?? ""
    let file = ShippedModels.file(of: name)
    try StudioError.unless(
      FileManager.default.fileExists(atPath: file.path), .missingInput,
      "\(name): no such file or folder")
    let source = try ModelFile.read(from: file)
    let own = try Classifier.pictureShape(source, name)
    // The pictures are the model's own unless they were given a size.
    var form = request.form
    form.mode = own.channels == 1 ? .gray : .color
    if !request.hasOwnSize { (form.width, form.height) = (own.width, own.height) }
    let (training, validation) = try Self.sets(request, form)
    let classes = training.classNames.count
    let network = try TransferNetwork(
      source, request.transfer, classes: classes, picture: training.pictureShape, name: name)
    let store = try ParameterStore(
      for: [network.whole], seed: request.seed, startingFrom: network.parameters)
    let sample = network.learning.input(named: "input").map { network.learning.values[$0].shape }
    let batch = (sample ?? training.pictureShape).withBatch(request.batch)
    let differentiated = try request.training(
      network.learning.reshaped(["input": batch]), classes: classes)
    let program = try Program(
      differentiated, parameters: store, kernels: kernels, seed: request.seed)
    var remarks = ["\(name): " + network.counts]
    let model = RunningModel(
      graph: network.whole,
      information: ModelInformation(
        task: Classifier.task, architecture: source.information.architecture,
        preprocessing: source.information.preprocessing, classNames: training.classNames),
      store: store, kernels: kernels)
    let batches = try request.batches(training)
    guard let resting = network.resting else {
      let classifier = try Classifier([model])
      self.init(
        steps: [try Self.step(request, program, kernels)], source: batches, model: model,
        training: training, validation: validation,
        measure: { try ClassificationEvaluation.run(classifier, on: $0) }, remarks: remarks)
      return
    }
    if let text = request.augmentation.leftOutOfFeatures { remarks.append(text) }
    let digest = FileDigest.sha256(try Data(contentsOf: file))
    let cache = FeatureCache(
      resting: resting, store: store, kernels: kernels,
      identity: "\(digest) \(resting.nodes.last?.name ?? "") \(resting.nodes.count)")
    let isMirrored = request.augmentation.isFlipped
    let features = try cache.features(of: training, mirrored: isMirrored) { remarks.append($0) }
    let measured = try validation.map { set in
      try FeatureClassifier(
        network.learning, store,
        cache.features(of: set, mirrored: false) { remarks.append($0) }, names: set.classNames,
        kernels)
    }
    self.init(
      steps: [try Self.step(request, program, kernels)],
      source: FeatureBatches(features, order: batches), model: model, training: training,
      validation: validation,
      measure: { _ in
        guard let measured else { throw StudioError(.usage, "there is nothing to validate on") }
        return try measured.report()
      }, remarks: remarks)
  }

  /// A step with the recipe's rate for what was taken over and ten times it for the head.
  private static func step(
    _ request: ClassificationTrainingRequest, _ program: Program, _ kernels: Kernels
  ) throws -> TrainingStep {
    let entries = program.trainedEntries.filter { entry in
      !request.recipe.frozen.contains { entry.name.hasPrefix($0) }
    }
    var states: [OptimizerState] = []
    for isHead in [false, true] {
      let moved = entries.filter { $0.name.hasPrefix(TransferNetwork.headPrefix) == isHead }
      guard !moved.isEmpty else { continue }
      var recipe = request.recipe
      if isHead { recipe.learningRate *= TransferForm.headFactor }
      states.append(
        try OptimizerState(
          recipe.optimizer(decaysOnlyMatrices: true), store: program.parameters, entries: moved,
          kernels: kernels))
    }
    return try TrainingStep(name: "train", program: program, optimizers: states)
  }
}

extension Classifier {
  /// The shape [1, height, width, channels] of the pictures that a model takes; throws
  /// `StudioError` when it takes none.
  static func pictureShape(_ model: Model, _ name: String) throws -> Shape {
    guard let input = model.graph.input(named: "input"),
      case let shape = model.graph.values[input].shape, shape.rank == 4,
      shape.channels == 1 || shape.channels == 3
    else {
      throw StudioError(
        .data, "\(name): expected a model that takes gray or RGB images, received another")
    }
    return shape.withBatch(1)
  }
}

extension PictureAugmentation {
  /// What is said of changes that features which were computed once cannot have; nil without any.
  fileprivate var leftOutOfFeatures: String? {
    var still = self
    still.isFlipped = false
    if still != .init() {
      return "features are computed once: pictures are not moved, turned, zoomed, lit or covered"
        + (isFlipped ? "; --flip takes both sides" : "")
    }
    return isFlipped ? "features are computed once, of both sides of each picture" : nil
  }
}

/// The layers that learn, measured on features that rest.
private struct FeatureClassifier {
  private let program: Program
  private let features: PictureFeatures
  private let names: [String]
  private let batch: Int

  init(
    _ learning: Graph, _ store: ParameterStore, _ features: PictureFeatures, names: [String],
    _ kernels: Kernels
  ) throws {
    let whole = features.sides[0].shape
    batch = min(64, whole.batch)
    let graph = try learning.reshaped(["input": whole.withBatch(batch)]).specialized(for: .infer)
      .extended { builder, symbols in
        guard let logits = symbols["output"] else { return }
        builder.output("probabilities", Softmax(name: "probabilities")(logits))
      }
    program = try Program(graph, parameters: store, kernels: kernels)
    self.features = features
    self.names = names
  }

  func report() throws -> ClassificationReport {
    var tally = ClassificationTally(names: names, top: 5)
    let all = features.sides[0]
    let length = all.count / all.shape.batch
    for first in stride(from: 0, to: all.shape.batch, by: batch) {
      let used = min(batch, all.shape.batch - first)
      try program.withInput("input") { target in
        for index in 0..<used * length { target[index] = all.elements[first * length + index] }
        for index in used * length..<batch * length { target[index] = 0 }
      }
      try program.run()
      let probabilities = try program.output("probabilities")
      tally.add(probabilities, labels: features.labels[first..<first + used])
    }
    return tally.report
  }
}
