// The mathematics of a noise generator's training against a frozen classifier.

import AtelierClassification
import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierInterchange
import AtelierKernels
import AtelierTraining
import AtelierWorkbench
import AtelierZoo
import Foundation

/// The mathematics of one training of a generator.
public final class NoiseTask: TrainingTask {
  public let request: NoiseTrainingRequest
  public let steps: [TrainingStep]
  public let source: any BatchSource
  public let metricNames = ["success"]
  public var remarks: [String] { images.remarks(with: validation) }
  private let victim: Classifier
  private let images: LabeledImages
  private let validation: LabeledImages?
  private let graph: Graph
  private let store: ParameterStore
  /// The generator over the training's own parameters.
  private let attacker: NoiseAttacker

  /// Prepares a training; throws one line of `StudioError`, `ShapeError`, `DatasetError` or
  /// `SafetensorsError` before anything is written.
  init(_ request: NoiseTrainingRequest, kernels: Kernels) throws {
    self.request = request
    let model = try Self.victim(request)
    victim = try Classifier([model], kernels: kernels)
    guard request.budget.radius > 0, request.budget.radius.isFinite else {
      throw StudioError(.usage, "expected an epsilon above 0, received \(request.budget.radius)")
    }
    if case .targeted(let index) = request.goal, index >= victim.classNames.count {
      throw StudioError(
        .usage, "there is no class \(index); the victim has \(victim.classNames.count)")
    }
    let all = try LabeledImages.training(request.data, for: victim)
    let held = request.holdOut ?? min(2000, all.count / 10)
    (images, validation) = try all.holdingOut(max(held, 0), seed: request.seed)
    let shape = images.pictureShape
    source = try Self.source(request, images, victim, shape)
    graph = try request.network.graph(shape)
    let batched = shape.withBatch(request.batch)
    let drawer = try request.network.graph(batched)
    let objective = request.objective
    var graphs = [
      try objective.trainingGraph(
        generator: drawer, victim: model.graph.reshaped(["input": batched]))
    ]
    if request.discriminator != nil {
      graphs.append(try objective.discriminatorGraph(generator: drawer))
    }
    let store = try ParameterStore(
      for: graphs, seed: request.seed,
      startingFrom: Dictionary(
        uniqueKeysWithValues: model.parameters.map { ("victim/" + $0.key, $0.value) }))
    self.store = store
    let names = graphs.count > 1 ? ["generator", "discriminator"] : ["train"]
    steps = try GameStep.steps(
      zip(names, graphs).map { GameStep($0, $1, request.recipe) }, over: store, kernels: kernels)
    attacker = try NoiseAttacker(
      graph, Self.information(request, victim, images), store, kernels: kernels)
  }

  /// The victim, behind its denoiser where there is one.
  private static func victim(_ request: NoiseTrainingRequest) throws -> Model {
    if let weight = request.discriminator, !(weight > 0 && weight.isFinite) {
      throw StudioError(.usage, "a discriminator's weight is above 0; received \(weight)")
    }
    let model = try ModelFile.read(from: ShippedModels.file(of: request.victim))
    guard let denoiser = request.denoiser else { return model }
    return try Defence.model(
      model, behind: ModelFile.read(from: URL(fileURLWithPath: denoiser)),
      sigma: request.denoiserSigma)
  }

  /// Pictures with the classes that the loss is to get; universal noise is drawn from a fixed image.
  private static func source(
    _ request: NoiseTrainingRequest, _ images: LabeledImages, _ victim: Classifier, _ shape: Shape
  ) throws -> any BatchSource {
    let batches = try LabeledBatches(
      images, batchSize: request.batch, augmentation: request.augmentation, seed: request.seed)
    let goals = try request.goal.labels(images.labels) {
      try victim.logits(images.tensor(0..<images.count))
    }
    let fixed = NoiseAttacker.source(shape, seed: request.seed).elements
    let repeated = Tensor(
      shape.withBatch(request.batch), (0..<request.batch).flatMap { _ in fixed })
    return ClosureBatchSource(stepsPerEpoch: batches.stepsPerEpoch) { step in
      let pictures = batches.pictures(step: step).images
      let targets = Tensor([request.batch], batches.indices(step: step).map { Float(goals[$0]) })
      return request.isUniversal
        ? ["input": repeated, "picture": pictures, "target": targets]
        : ["input": pictures, "target": targets]
    }
  }

  public var monitor: Monitor? { validation == nil ? nil : Monitor("success", .maximum) }

  public func validate(step: Int) throws -> Validation {
    guard let validation else { return Validation([:]) }
    let report = try AttackEvaluation.run(attacker, victim: victim, on: validation)
    return Validation(["success": report.success])
  }

  /// The generator with the store's present weights; the victim stays out of its file.
  public func model(step: Int, metrics: [String: Double]) throws -> Model {
    try Model(
      graph: graph, store: store,
      information: Self.information(request, victim, images, step: step, metrics))
  }

  private static func information(
    _ request: NoiseTrainingRequest, _ victim: Classifier, _ images: LabeledImages, step: Int = 0,
    _ metrics: [String: Double] = [:]
  ) -> ModelInformation {
    let description = NoiseDescription(
      budget: request.budget, goal: request.goal,
      universalSeed: request.isUniversal ? request.seed : nil)
    let texts = [
      "data": images.name, "steps": String(step), "batch": request.recipe.batchText,
      "seed": String(request.seed), "victim": victim.models[0].information.architecture,
      "loss": "\(request.loss)" + (request.discriminator.map { " + \($0) discriminator" } ?? ""),
    ]
    return ModelInformation(
      task: NoiseDescription.task, architecture: request.network.rawValue,
      granularity: request.network.granularity, classNames: victim.classNames,
      training: texts.merging(description.entries) { $1 },
      figures: metrics.filter { $0.key != "training_loss" })
  }
}
