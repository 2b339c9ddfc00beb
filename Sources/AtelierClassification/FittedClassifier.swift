// Keras's way with a classifier: compile a network, fit, evaluate, predict, plot.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierTraining
import AtelierWorkbench
import Foundation

extension Sequential {
  /// The network with a loss and an optimizer, ready to fit labelled pictures.
  ///
  /// Its input is an image, its output the logits of the classes.
  /// - Throws: `ShapeError` when the layers do not fit together.
  public func compiled(
    optimizer: Optimizer = .adam(), loss: Loss = .crossEntropy(), seed: UInt64 = 0,
    kernels: Kernels = Kernels()
  ) throws -> FittedClassifier {
    let training = try Training(
      self, loss: loss, optimizer: optimizer, seed: seed, kernels: kernels)
    return FittedClassifier(training, seed: seed, kernels: kernels)
  }
}

/// A classifier that is being fitted; used by one thread at a time.
public final class FittedClassifier {
  /// Graph, parameters, loss and optimizer.
  public let training: Training
  /// The names of the classes of the pictures that it was fitted on; numbers before.
  public private(set) var classNames: [String] = []
  private let seed: UInt64
  private let kernels: Kernels

  init(_ training: Training, seed: UInt64, kernels: Kernels) {
    self.training = training
    self.seed = seed
    self.kernels = kernels
  }

  /// Trains for a number of epochs on batches in a seeded order, and measures after each.
  ///
  /// - Parameters:
  ///   - images: The pictures.
  ///   - epochs: How often each is seen.
  ///   - batch: Pictures a step.
  ///   - validation: What is measured after each epoch; nil for nothing.
  ///   - report: Hears a line an epoch; prints it unless told otherwise.
  /// - Returns: The curves.
  /// - Throws: `DatasetError`, `ShapeError` or `TrainingError` for pictures that do not fit.
  @discardableResult public func fit(
    _ images: LabeledImages, epochs: Int, batch: Int = 32, validation: LabeledImages? = nil,
    report: @escaping (String) -> Void = { print($0) }
  ) throws -> FitHistory {
    classNames = images.classNames
    let source = try LabeledBatches(images, batchSize: batch, seed: seed)
    let steps = images.count / batch
    let loop = try training.loop(
      on: source, TrainingConfiguration(epochs: epochs, validationInterval: steps, seed: seed))
    var history = FitHistory()
    var (sum, count) = (0.0, 0)
    let start = Date()
    loop.validate = { [unowned self] _ in
      try validation.map {
        let found = try evaluate($0)
        return ["accuracy": found.accuracy, "validation_loss": found.loss]
      } ?? [:]
    }
    loop.listeners = [
      ClosureListener { event in
        switch event {
        case .step(let step):
          sum += step.loss
          count += 1
        case .validated(let found):
          let epoch = FitHistory.Epoch(
            loss: sum / Double(max(count, 1)), validationLoss: found.metrics["validation_loss"],
            validationAccuracy: found.metrics["accuracy"],
            seconds: Date().timeIntervalSince(start))
          (sum, count) = (0, 0)
          history.epochs.append(epoch)
          report("epoch \(history.epochs.count)/\(epochs)  \(epoch.text)")
        default: break
        }
      }
    ]
    try loop.run()
    return history
  }

  /// The mean loss (cross-entropy) and the share of pictures whose likeliest class is right.
  /// - Throws: `StudioError` when the pictures do not fit the network.
  public func evaluate(_ images: LabeledImages) throws -> (loss: Double, accuracy: Double) {
    let report = try ClassificationEvaluation.run(classifier(images.classNames), on: images)
    return (report.loss, report.accuracy)
  }

  /// The probability of every class [N, classes] for pictures [N, height, width, channels] in
  /// [0, 1].
  /// - Throws: `StudioError` when the pictures do not fit the network.
  public func predict(_ images: Tensor) throws -> Tensor {
    try classifier(classNames).probabilities(images)
  }

  /// The model, for a file: `ModelFile.write`.
  public func model() throws -> Model {
    try Model(
      graph: training.graph, store: training.parameters, information: information(classNames))
  }

  private func information(_ names: [String]) -> ModelInformation {
    ModelInformation(task: Classifier.task, architecture: "sequential", classNames: names)
  }

  private func classifier(_ names: [String]) throws -> Classifier {
    let outputs = training.graph.output(named: "output").map {
      training.graph.values[$0].shape.channels
    }
    let numbers = (0..<(outputs ?? 0)).map(String.init)
    return try Classifier([
      RunningModel(
        graph: training.graph, information: information(names.isEmpty ? numbers : names),
        store: training.parameters, kernels: kernels)
    ])
  }
}

/// What a fit measured, epoch by epoch.
public struct FitHistory: Sendable, Hashable, Codable {
  /// One epoch.
  public struct Epoch: Sendable, Hashable, Codable {
    /// The mean loss of its steps.
    public var loss: Double
    /// The loss on the validation pictures after it; nil without any.
    public var validationLoss: Double?
    /// The share of validation pictures that are right after it; nil without any.
    public var validationAccuracy: Double?
    /// Seconds since the fit began.
    public var seconds: Double

    /// The epoch in a line.
    var text: String {
      let parts: [(String, Double?, Int)] = [
        ("loss", loss, 4), ("validation loss", validationLoss, 4),
        ("validation accuracy", validationAccuracy, 4), ("seconds", seconds, 1),
      ]
      return parts.compactMap { name, value, digits in
        value.map { "\(name) \(NumberText.fixed($0, digits))" }
      }.joined(separator: "  ")
    }
  }

  /// The epochs in order.
  public var epochs: [Epoch] = []

  /// The curves of losses and accuracy over epochs.
  public func plot(title: String = "") -> ByteImage {
    func curve(_ name: String, _ value: (Epoch) -> Double?) -> LinePlot.Series? {
      let points = epochs.enumerated().compactMap { index, epoch in
        value(epoch).map { SIMD2(Double(index + 1), $0) }
      }
      return points.isEmpty ? nil : LinePlot.Series(name, points: points)
    }
    let series = [
      curve("loss", \.loss), curve("validation loss", \.validationLoss),
      curve("validation accuracy", \.validationAccuracy),
    ]
    return LinePlot(title: title, xLabel: "epoch", series: series.compactMap(\.self)).render()
  }
}
