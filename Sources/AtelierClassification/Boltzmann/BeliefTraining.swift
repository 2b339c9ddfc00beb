// `classify train --network dbn`: machines learn level by level without labels, then all by them.
//
// Hinton, Osindero, Teh: A Fast Learning Algorithm for Deep Belief Nets (2006).

import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierInterchange
import AtelierKernels
import AtelierTraining
import AtelierWorkbench
import AtelierZoo
import Foundation

/// What a deep belief network is trained on and how; stored as the run's configuration.
public struct BeliefTrainingRequest: TrainingRequest, Hashable {
  public var data = ""
  public var validation: String?
  public var holdOut: Int?
  public var widths = BeliefNetwork.standardWidths
  public var machineEpochs = 15
  public var machineRate = 0.05
  public var machine = BoltzmannForm()
  public var visibleDropout: Float = 0.2
  public var hiddenDropout: Float = 0.4
  public var smoothing: Float = 0
  public var form = PictureForm(width: 28, height: 28, mode: .gray)
  public var recipe = TrainingRecipe()

  public init(data: String) {
    self.init()
    self.data = data
  }

  public init() {
    recipe.batch = 100
    recipe.learningRate = 1e-3
    recipe.epochs = 30
  }

  public static var limitLine: String? { nil }

  public static var form: Form<Self> {
    Form(
      Self(),
      fields: [
        Field("data", \.data, "The folder or file of the training set", value: "dir", kind: .source)
          .demanded("a training needs pictures with classes: give --data"),
        Field("validation", \.validation, "A set to validate on", value: "dir", kind: .source),
        Field(
          "hold-out", \.holdOut,
          "Hold out this many training pictures to validate on; 0 for none", value: "n", .from(0)),
        .batch("Pictures a step"), .learningRate(), .averageDecay(),
        Field(
          "smoothing", \.smoothing, "Spread this much of each target over all classes",
          value: "fraction", .partialShare),
        .epochs,
      ] + Field.limits + Field.sharding + [
        .patience("accuracy"), .validateEvery(byDefault: "an epoch"),
        .saveEvery(byDefault: "an epoch"), .seed("weights, orders and bits"),
      ]
    ).section("BELIEF OPTIONS", beliefFields)
  }

  /// What a deep belief network is told that other classifiers are not.
  static var beliefFields: [Field<Self>] {
    [
      Field("widths", \.widths, "Hidden units of each machine, from below", value: "list"),
      Field(
        "machine-epochs", \.machineEpochs, "Epochs of each machine, without labels", value: "n",
        .from(0)),
      Field(
        "machine-rate", \.machineRate, "The machines' learning rate", value: "rate", .positive),
    ] + BoltzmannForm.fields.map { $0.within(\.machine) } + [
      Field(
        "visible-dropout", \.visibleDropout, "Dropout of the pictures' samples by labels",
        value: "share", .partialShare),
      Field(
        "hidden-dropout", \.hiddenDropout, "Dropout of hidden units by labels", value: "share",
        .partialShare),
    ]
  }

  /// The training of a machine by the level's index.
  func machineRequest(_ level: Int, below: URL?) -> BoltzmannTrainingRequest {
    var request = BoltzmannTrainingRequest(data: data)
    request.hidden = widths[level]
    request.machine = machine
    if level > 0 { request.machine.isGaussian = false }
    request.below = below?.path
    request.picturesForm = form
    request.recipe.batch = recipe.batch
    request.recipe.shards = recipe.shards
    request.recipe.gradientPrecision = recipe.gradientPrecision
    request.recipe.learningRate =
      level == 0 && machine.isGaussian ? min(machineRate, 1e-3) : machineRate
    request.recipe.optimizer = .sgd(momentum: machine.momentum)
    request.recipe.epochs = machineEpochs
    request.recipe.seed = recipe.seed &+ UInt64(level)
    return request
  }
}

/// Trains deep belief networks.
public enum BeliefTraining: TrainingJob {
  public static let workshop = ClassificationTraining.workshop
  public static let name = ClassificationTraining.name + " --network dbn"
  public static let summary = "Train a deep belief network: machines first, then a classifier."

  /// The run folder of a level's machine in that of the network.
  static func machineFolder(_ level: Int, in run: URL) -> URL {
    run.appending(path: "level-\(level + 1)")
  }

  public static func task(
    _ request: BeliefTrainingRequest, isResuming: Bool, kernels: Kernels
  ) throws -> BeliefTask { try BeliefTask(request, start: [:], kernels: kernels) }

  /// Trains the machines that are not done yet in folders of their own, then the classifier.
  public static func run(_ request: BeliefTrainingRequest, in place: JobPlace) throws -> Report {
    guard let run = place.run else { throw StudioError(.usage, "a training needs a run folder") }
    // What is wrong with the request is said before anything is written.
    let trial = try BeliefTask(request.perShard(), start: [:], kernels: place.kernels)
    for text in trial.remarks { place.remark(text) }
    let folder = try request.folder(
      at: run.url, isResuming: run.resume, about: AboutRun(job: path, arguments: place.arguments))
    var start: [String: Tensor] = [:]
    if !folder.hasState, request.machineEpochs > 0 {
      guard let stack = try machines(request, in: run.url, place) else {
        return try TrainingEnd(
          job: path, run: run,
          stop: StopReport(
            reason: .interrupted, step: 0, seconds: 0, best: nil, bestStep: nil)
        ).report()
      }
      start = try ModelFile.read(from: stack).parameters.filter {
        !$0.key.hasSuffix("visible_bias")
      }
    }
    let task = try BeliefTask(request.perShard(), start: start, kernels: place.kernels)
    let stop = try train(
      task, in: folder, listeners: [place.listener], interrupt: place.interrupt,
      kernels: place.kernels)
    return try TrainingEnd(job: path, run: run, stop: stop).report()
  }

  /// The model file of the whole stack, nil where the training of a machine was interrupted.
  private static func machines(
    _ request: BeliefTrainingRequest, in run: URL, _ place: JobPlace
  ) throws -> URL? {
    var below: URL?
    for level in request.widths.indices {
      let folder = machineFolder(level, in: run)
      let isThere = FileManager.default.fileExists(
        atPath: folder.appending(path: "configuration.json").path)
      place.remark(
        "machine \(level + 1) of \(request.widths.count): \(request.widths[level]) hidden units, "
          + "without labels")
      let stop = try BoltzmannTraining.run(
        request.machineRequest(level, below: below), in: folder, isResuming: isThere,
        listeners: [place.listener], interrupt: place.interrupt, kernels: place.kernels)
      if stop.reason == .interrupted { return nil }
      below = folder.appending(path: "last.safetensors")
    }
    return below
  }
}

/// The mathematics of the training by labels.
public final class BeliefTask: TrainingTask {
  public let request: BeliefTrainingRequest
  public let steps: [TrainingStep]
  public let source: any BatchSource
  public let metricNames = ["accuracy", "validation_loss"]
  public let startsAsTheRecipeSays = false
  public var remarks: [String] { training.remarks(with: held) }
  private let training: LabeledImages
  private let held: LabeledImages?
  private let running: RunningModel
  private let classifier: Classifier

  /// Prepares a training whose levels begin at `start`; throws one line of `StudioError`,
  /// `ShapeError` or `DatasetError` before anything is written.
  init(_ request: BeliefTrainingRequest, start: [String: Tensor], kernels: Kernels) throws {
    self.request = request
    var sets = ClassificationTrainingRequest(data: request.data, network: .dbn)
    (sets.validation, sets.holdOut) = (request.validation, request.holdOut)
    (sets.smoothing, sets.recipe) = (request.smoothing, request.recipe)
    let parts = try ClassificationParts.sets(sets, request.form)
    (training, held) = (parts.training, parts.validation)
    let classes = training.classNames.count
    let network = BeliefNetwork(
      visible: training.pictureLength, widths: request.widths,
      isGaussian: request.machine.isGaussian, classes: classes,
      visibleDropout: request.visibleDropout, hiddenDropout: request.hiddenDropout)
    let shape = training.pictureShape
    func graph(_ batch: Int) throws(ShapeError) -> Graph {
      try Graph.trace { builder in
        builder.output("output", network(builder.input("input", shape.withBatch(batch))))
      }
    }
    let differentiated = try sets.training(graph(request.recipe.batch), classes: classes)
    let store = try ParameterStore(
      for: [differentiated], seed: request.seed, startingFrom: start)
    let program = try Program(
      differentiated, parameters: store, kernels: kernels, seed: request.seed)
    steps = [try request.recipe.step(program, decaysOnlyMatrices: true, kernels: kernels)]
    source = try sets.batches(training)
    running = RunningModel(
      graph: try graph(1),
      information: ModelInformation(
        task: Classifier.task, architecture: ClassifierNetwork.dbn.rawValue,
        preprocessing: "pixel / 255", classNames: training.classNames),
      store: store, kernels: kernels)
    classifier = try Classifier([running])
  }

  public var monitor: Monitor? { held == nil ? nil : Monitor("accuracy", .maximum) }

  public func validate(step: Int) throws -> Validation {
    guard let held else { return Validation([:]) }
    let report = try ClassificationEvaluation.run(classifier, on: held)
    return Validation(["accuracy": report.accuracy, "validation_loss": report.loss]) {
      let title = String(format: "validation accuracy %.2f %%", 100 * report.accuracy)
      return PreviewSheet(ConfusionPicture.draw(report, title: title), title: "confusion matrix")
    }
  }

  public func model(step: Int, metrics: [String: Double]) throws -> Model {
    let card = [
      "data": "\(training.name), \(training.count) pictures", "steps": String(step),
      "batch": request.recipe.batchText, "seed": String(request.seed),
      "validation": held.map { "\($0.name), \($0.count) pictures" } ?? "none",
      "loss": "cross-entropy, dropout \(request.visibleDropout) and \(request.hiddenDropout)",
      "machines": "\(request.machineEpochs) epochs each of contrastive divergence, "
        + "\(request.machine.gibbsSteps) Gibbs steps"
        + (request.machine.isPersistent ? ", persistent" : ""),
    ]
    return try running.card(card, metrics.filter { $0.key != "training_loss" })
  }
}
