// The mathematics of a classifier's training: sets, program, what is measured and shown, the model.

import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierTraining
import AtelierWorkbench
import AtelierZoo
import Foundation

/// What a training of a classifier works with, from scratch or on layers of another model.
struct ClassificationParts {
  let steps: [TrainingStep]
  let source: any BatchSource
  /// The store's present weights as the model that a file gets.
  let model: RunningModel
  /// The training pictures and those to validate on.
  let training: LabeledImages
  let validation: LabeledImages?
  /// Measures the store's present weights on the validation pictures.
  let measure: (LabeledImages) throws -> ClassificationReport
  /// What is said before the first step.
  var remarks: [String] = []
}

/// The mathematics of one classification training.
public final class ClassificationTask: TrainingTask {
  public let request: ClassificationTrainingRequest
  public let metricNames = ["accuracy", "validation_loss"]
  private let parts: ClassificationParts

  public var steps: [TrainingStep] { parts.steps }
  public var source: any BatchSource { parts.source }

  /// The classes and how many pictures there are of each, what was left out, and what is said of a
  /// transfer.
  public var remarks: [String] {
    parts.training.remarks(with: parts.validation) + parts.remarks
  }

  /// Prepares a training; throws one line of `StudioError`, `ShapeError` or `DatasetError` before
  /// anything is written.
  init(_ request: ClassificationTrainingRequest, isResuming: Bool, kernels: Kernels) throws {
    self.request = request
    let smoothing = request.smoothing
    guard (0..<1).contains(smoothing) else {
      throw StudioError(.usage, "a smoothing is at least 0 and below 1; received \(smoothing)")
    }
    parts =
      try request.transfer.model == nil
      ? ClassificationParts(fromScratch: request, isResuming: isResuming, kernels: kernels)
      : ClassificationParts(transferring: request, kernels: kernels)
  }

  /// Few pictures are held out of the small sets that layers are taken over for: many weights have
  /// the same accuracy on them, so the loss decides.
  public var monitor: Monitor? {
    guard parts.validation != nil else { return nil }
    return request.transfer.model == nil
      ? Monitor("accuracy", .maximum) : Monitor("validation_loss", .minimum)
  }

  public func validate(step: Int) throws -> Validation {
    guard let validation = parts.validation else {
      throw StudioError(.usage, "there is nothing to validate on")
    }
    let report = try parts.measure(validation)
    return Validation(["accuracy": report.accuracy, "validation_loss": report.loss]) {
      let title = String(format: "validation accuracy %.2f %%", 100 * report.accuracy)
      return PreviewSheet(ConfusionPicture.draw(report, title: title), title: "confusion matrix")
    }
  }

  public func model(step: Int, metrics: [String: Double]) throws -> Model {
    let training = parts.training
    var card = [
      "data": "\(training.name), \(training.count) pictures", "steps": String(step),
      "batch": request.recipe.batchText, "seed": String(request.seed),
      "validation": parts.validation.map { "\($0.name), \($0.count) pictures" } ?? "none",
      "loss": request.smoothing > 0
        ? "cross-entropy, targets smoothed by \(request.smoothing)" : "cross-entropy",
    ]
    if let model = request.transfer.model {
      card["transfer"] =
        "layers of \(URL(fileURLWithPath: model).lastPathComponent), mode "
        + "\(request.transfer.mode.word), head \(request.transfer.head.word)"
    }
    return try parts.model.card(card, metrics.filter { $0.key != "training_loss" })
  }
}

extension ClassificationParts {
  /// A network that begins at random, or as the recipe says.
  fileprivate init(
    fromScratch request: ClassificationTrainingRequest, isResuming: Bool, kernels: Kernels
  ) throws {
    let (training, validation) = try Self.sets(request, request.form)
    var architecture = ClassifierArchitecture(request.network, for: training)
    architecture.histograms = request.features.histograms
    let differentiated = try request.training(
      architecture.graph(batch: request.batch), classes: training.classNames.count)
    let store = try request.recipe.store(for: [differentiated], isResuming: isResuming)
    let program = try Program(
      differentiated, parameters: store, kernels: kernels, seed: request.seed,
      handsGradientsOver: request.recipe.handsGradientsOver)
    let model = RunningModel(
      graph: try architecture.graph(),
      information: ModelInformation(
        task: Classifier.task, architecture: request.network.rawValue,
        preprocessing: architecture.preprocessing, classNames: training.classNames),
      store: store, kernels: kernels)
    let classifier = try Classifier([model])
    self.init(
      steps: [try request.recipe.step(program, decaysOnlyMatrices: true, kernels: kernels)],
      source: try request.batches(training), model: model, training: training,
      validation: validation, measure: { try ClassificationEvaluation.run(classifier, on: $0) })
  }

  /// The training pictures and those to validate on.
  static func sets(
    _ request: ClassificationTrainingRequest, _ form: PictureForm
  ) throws -> (training: LabeledImages, validation: LabeledImages?) {
    var all = try LabeledImages.read(
      URL(fileURLWithPath: request.data), part: .training, form: form)
    if !request.classNames.isEmpty { all = try all.naming(request.classNames) }
    if let path = request.validation {
      let other = try LabeledImages.read(URL(fileURLWithPath: path), part: .test, form: form)
      let ordered = try other.ordered(as: all.classNames)
      return (try request.ensemble.member?.bag.map { try all.drawn(seed: $0) } ?? all, ordered)
    }
    let member = request.ensemble.member
    let parts = try all.holdingOut(
      request.holdOut ?? min(5000, all.count / 10), seed: member?.split ?? request.seed)
    return (try member?.bag.map { try parts.rest.drawn(seed: $0) } ?? parts.rest, parts.held)
  }
}

extension ClassificationTrainingRequest {
  /// The graph that trains a classifier's graph.
  func training(_ graph: Graph, classes: Int) throws(ShapeError) -> Graph {
    try graph.training(
      loss: smoothing > 0 ? .categoricalCrossEntropy : .crossEntropy(),
      target: smoothing > 0 ? [recipe.batch, classes] : [recipe.batch])
  }

  /// The batches of a set.
  func batches(_ images: LabeledImages) throws(DatasetError) -> LabeledBatches {
    try LabeledBatches(
      images, batchSize: recipe.batch, augmentation: augmentation, smoothing: smoothing,
      seed: recipe.seed)
  }
}
