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

/// The mathematics of one classification training.
public final class ClassificationTask: TrainingTask {
  public let request: ClassificationTrainingRequest
  public let steps: [TrainingStep]
  public let source: any BatchSource
  public let metricNames = ["accuracy", "validation_loss"]
  private let training: LabeledImages
  private let validation: LabeledImages?
  private let model: RunningModel
  /// The store's present weights at work.
  private let classifier: Classifier

  /// The classes and how many pictures there are of each, and what was left out.
  public var remarks: [String] { training.remarks(with: validation) }

  /// Prepares a training; throws one line of `StudioError`, `ShapeError` or `DatasetError` before
  /// anything is written.
  init(_ request: ClassificationTrainingRequest, isResuming: Bool, kernels: Kernels) throws {
    self.request = request
    let smoothing = request.smoothing
    guard (0..<1).contains(smoothing) else {
      throw StudioError(.usage, "a smoothing is at least 0 and below 1; received \(smoothing)")
    }
    (training, validation) = try Self.sets(request)
    let batches = try LabeledBatches(
      training, batchSize: request.batch, augmentation: request.augmentation,
      smoothing: smoothing, seed: request.seed)
    source = batches
    let classes = training.classNames.count
    let architecture = ClassifierArchitecture(request.network, for: training)
    let differentiated = try architecture.graph(batch: request.batch).training(
      loss: smoothing > 0 ? .categoricalCrossEntropy : .crossEntropy(),
      target: smoothing > 0 ? [request.batch, classes] : [request.batch])
    let store = try request.recipe.store(for: [differentiated], isResuming: isResuming)
    let program = try Program(
      differentiated, parameters: store, kernels: kernels, seed: request.seed)
    steps = [try request.recipe.step(program, decaysOnlyMatrices: true, kernels: kernels)]
    model = RunningModel(
      graph: try architecture.graph(),
      information: ModelInformation(
        task: Classifier.task, architecture: request.network.rawValue,
        preprocessing: architecture.preprocessing, classNames: training.classNames),
      store: store, kernels: kernels)
    classifier = try Classifier([model])
  }

  /// The training pictures and those to validate on.
  private static func sets(
    _ request: ClassificationTrainingRequest
  ) throws -> (training: LabeledImages, validation: LabeledImages?) {
    var all = try LabeledImages.read(
      URL(fileURLWithPath: request.data), part: .training, form: request.form)
    if !request.classNames.isEmpty { all = try all.naming(request.classNames) }
    if let path = request.validation {
      let other = try LabeledImages.read(
        URL(fileURLWithPath: path), part: .test, form: request.form)
      return (all, try other.ordered(as: all.classNames))
    }
    let parts = try all.holdingOut(request.holdOut ?? min(5000, all.count / 10), seed: request.seed)
    return (parts.rest, parts.held)
  }

  public var monitor: Monitor? { validation == nil ? nil : Monitor("accuracy", .maximum) }

  public func validate(step: Int) throws -> Validation {
    guard let validation else { throw StudioError(.usage, "there is nothing to validate on") }
    let report = try ClassificationEvaluation.run(classifier, on: validation)
    return Validation(["accuracy": report.accuracy, "validation_loss": report.loss]) {
      let title = String(format: "validation accuracy %.2f %%", 100 * report.accuracy)
      return PreviewSheet(ConfusionPicture.draw(report, title: title), title: "confusion matrix")
    }
  }

  public func model(step: Int, metrics: [String: Double]) throws -> Model {
    try model.card(
      [
        "data": "\(training.name), \(training.count) pictures", "steps": String(step),
        "batch": String(request.batch), "seed": String(request.seed),
        "validation": validation.map { "\($0.name), \($0.count) pictures" } ?? "none",
        "loss": request.smoothing > 0
          ? "cross-entropy, targets smoothed by \(request.smoothing)" : "cross-entropy",
      ], metrics.filter { $0.key != "training_loss" })
  }
}
