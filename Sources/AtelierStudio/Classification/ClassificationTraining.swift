// Training of a classifier: a set with classes in, a run folder with a model out.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierTraining
import AtelierZoo
import Foundation

/// What a classifier is trained on and how; stored as the run's configuration.
public struct ClassificationTrainingRequest: TrainingRequest, Hashable {
  public static let changeable: Set = [
    "epochs", "steps", "minutes", "patience", "validationInterval", "saveInterval",
  ]

  /// A folder or file of pictures with classes; of a set with parts the training part is taken.
  public var data: String
  /// A set to validate on; nil holds training pictures out.
  public var validation: String?
  /// How many training pictures are held out to validate on; nil takes a tenth, at most 5,000.
  public var holdOut: Int?
  /// The network.
  public var network: ClassifierNetwork
  /// The size and colours of pictures from class folders.
  public var form = PictureForm()
  /// Names for the classes in place of those of the data; empty keeps them.
  public var classNames: [String] = []
  /// The random changes of training pictures.
  public var augmentation = PictureAugmentation()
  /// Pictures a step.
  public var batch = 128
  /// The rule that moves the weights.
  public var optimizer: OptimizerKind = .adam()
  /// The base learning rate; half a cosine over the training ends at a thousandth of it.
  public var learningRate = 1e-3
  /// Steps of the straight line up to the base rate.
  public var warmUp = 100
  /// The decay of the moving average of the weights, which is what is saved; nil for none.
  public var averageDecay: Double?
  /// How much of each target is spread evenly over all classes, in 0..<1.
  public var smoothing: Float = 0
  /// Epochs to make; nil when steps or minutes limit the training.
  public var epochs: Int? = 10
  /// Steps to make; nil for no such limit.
  public var steps: Int?
  /// Minutes to train; nil for no such limit.
  public var minutes: Double?
  /// How many validations in a row may pass without a better accuracy before the training stops;
  /// nil never stops it.
  public var patience: Int?
  /// Steps between validations; nil for one an epoch.
  public var validationInterval: Int?
  /// Steps between saves; nil for one an epoch.
  public var saveInterval: Int?
  /// The seed of weights, orders, changes and of what is held out.
  public var seed: UInt64 = 1

  /// Describes a training with the defaults of the house.
  public init(data: String, network: ClassifierNetwork) {
    self.data = data
    self.network = network
  }
}

/// Trains classifiers.
public enum ClassificationTraining {
  /// Trains in a run folder, or goes on there.
  ///
  /// - Parameters:
  ///   - request: What to train; must equal the stored one when resuming, but for its limits.
  ///   - run: The run folder.
  ///   - isResuming: Whether the folder holds a run to go on with.
  ///   - listeners: Who is told, besides the run folder's own logs.
  ///   - interrupt: Asks to save and stop.
  ///   - kernels: Instruction set and threads.
  /// - Returns: Why it ended and what was reached.
  /// - Throws: `StudioError`, `TrainingError`, `DatasetError`, each with one clear line.
  public static func run(
    _ request: ClassificationTrainingRequest, in run: URL, isResuming: Bool,
    listeners: [any TrainingListener] = [], interrupt: InterruptFlag = InterruptFlag(),
    kernels: Kernels = Kernels()
  ) throws -> StopReport {
    let session = try ClassificationSession(request, kernels: kernels)
    let folder = try request.folder(at: run, isResuming: isResuming)
    let loop = try session.loop(in: folder)
    loop.interrupt = interrupt
    loop.listeners = folder.logs(["accuracy", "validation_loss"]) + listeners
    if session.validation != nil {
      loop.listeners.append(folder.previews { _ in try session.preview() })
    }
    return try loop.run()
  }

  /// Reads the request of a run folder.
  ///
  /// - Throws: `TrainingError` when the folder holds no run of a classifier.
  public static func request(of run: URL) throws -> ClassificationTrainingRequest {
    try ClassificationTrainingRequest(ofRun: run)
  }
}

extension ClassifierArchitecture {
  /// What becomes of a picture before the network's first layer, for model files.
  var preprocessing: String {
    "cut at the middle and resized to \(PixelSize(width: width, height: height)), pixel / 255; the "
      + "network takes mean \(mean) away and divides by deviation \(deviation)"
  }
}

/// The parts of one classification training.
final class ClassificationSession {
  let request: ClassificationTrainingRequest
  let store: ParameterStore
  /// The graph for one picture.
  let graph: Graph
  /// What is validated on; nil for nothing.
  let validation: LabeledImages?
  private let training: LabeledImages
  private let architecture: ClassifierArchitecture
  private let kernels: Kernels
  private let program: Program
  private let batches: LabeledBatches

  /// Prepares a training.
  ///
  /// - Throws: `StudioError`, `ShapeError` or `DatasetError`, one line each, before anything is
  ///   written.
  init(_ request: ClassificationTrainingRequest, kernels: Kernels) throws {
    self.request = request
    self.kernels = kernels
    guard (0..<1).contains(request.smoothing) else {
      throw StudioError(
        .usage, "a smoothing is at least 0 and below 1; received \(request.smoothing)")
    }
    (training, validation) = try Self.sets(request)
    batches = try LabeledBatches(
      training, batchSize: request.batch, augmentation: request.augmentation,
      smoothing: request.smoothing, seed: request.seed)
    let statistics = training.statistics
    architecture = ClassifierArchitecture(
      request.network, classes: training.classNames.count, height: training.size.height,
      width: training.size.width, channels: training.channels, mean: statistics.mean,
      deviation: statistics.deviation)
    graph = try architecture.graph()
    let smoothed = request.smoothing > 0
    let differentiated = try architecture.graph(batch: request.batch).training(
      loss: smoothed ? .categoricalCrossEntropy : .crossEntropy(),
      target: smoothed ? [request.batch, training.classNames.count] : [request.batch])
    store = try ParameterStore(for: [differentiated], seed: request.seed)
    program = try Program(
      differentiated, parameters: store, kernels: kernels, seed: request.seed)
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
    let held = request.holdOut ?? min(5000, all.count / 10)
    guard held != 0 else { return (all, nil) }
    let parts = try all.split(holdingOut: held, seed: request.seed)
    return (parts.rest, parts.held)
  }

  /// The loop of this training.
  func loop(in folder: RunFolder?) throws -> TrainingLoop {
    let optimizer = Optimizer(
      request.optimizer, learningRate: request.learningRate,
      schedule: .warmUp(
        steps: request.warmUp, then: .progressCosine(minimum: request.learningRate / 1000)),
      decaysOnlyMatrices: true)
    let epoch = batches.stepsPerEpoch
    let configuration = TrainingConfiguration(
      steps: request.steps, epochs: request.epochs, minutes: request.minutes,
      validationInterval: validation == nil ? nil : request.validationInterval ?? epoch,
      previewInterval: validation == nil ? nil : request.validationInterval ?? epoch,
      saveInterval: request.saveInterval ?? epoch, averageDecay: request.averageDecay,
      monitor: validation == nil
        ? nil : Monitor("accuracy", .maximum, patience: request.patience), seed: request.seed)
    let loop = try TrainingLoop(
      [TrainingStep(program: program, optimizer: optimizer, kernels: kernels)], source: batches,
      configuration: configuration, folder: folder, kernels: kernels)
    if validation != nil {
      loop.validate = { [unowned self] _ in
        let report = try validationReport()
        return ["accuracy": report.accuracy, "validation_loss": report.loss]
      }
    }
    loop.writeModel = { [unowned self] _, file, metrics in
      try ModelFile.write(
        model(step: file.step, metrics: metrics), to: URL(fileURLWithPath: file.path))
    }
    return loop
  }

  /// The model with the store's present weights.
  func model(step: Int, metrics: [String: Double]) throws -> Model {
    var figures = metrics
    figures.removeValue(forKey: "training_loss")
    let information = ModelInformation(
      task: "classify", architecture: request.network.rawValue,
      preprocessing: architecture.preprocessing,
      classNames: training.classNames,
      training: [
        "data": "\(training.name), \(training.count) pictures", "steps": String(step),
        "batch": String(request.batch), "seed": String(request.seed),
        "validation": validation.map { "\($0.name), \($0.count) pictures" } ?? "none",
        "loss": request.smoothing > 0
          ? "cross-entropy, targets smoothed by \(request.smoothing)" : "cross-entropy",
      ], figures: figures)
    return try Model(graph: graph, store: store, information: information)
  }

  /// What the store's present weights do on the validation pictures.
  private func validationReport() throws -> ClassificationReport {
    let classifier = try Classifier([model(step: 0, metrics: [:])], kernels: kernels)
    guard let validation else { throw StudioError(.usage, "there is nothing to validate on") }
    return try ClassificationEvaluation.run(classifier, on: validation)
  }

  /// The confusion matrix of the validation pictures.
  func preview() throws -> ByteImage {
    let report = try validationReport()
    return ConfusionPicture.draw(
      report, title: String(format: "validation accuracy %.2f %%", 100 * report.accuracy))
  }
}
