// Training of a classifier: what is asked for, its form, and the mathematics.

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
  public var data = ""
  public var validation: String?
  public var holdOut: Int?
  public var network = ClassifierNetwork.course
  public var form = PictureForm()
  public var classNames: [String] = []
  public var augmentation = PictureAugmentation()
  public var smoothing: Float = 0
  public var recipe = TrainingRecipe()

  public init(data: String, network: ClassifierNetwork) {
    self.init()
    self.data = data
    self.network = network
  }

  public init() {
    recipe.batch = 128
    recipe.warmUp = 100
    recipe.epochs = 10
  }

  public static var limitLine: String? { nil }

  public static var form: Form<Self> {
    Form(Self(), fields: []).section(
      "TRAINING OPTIONS",
      dataFields + (Field.movements + Field.coverings).map { $0.within(\.augmentation) } + [
        .batch("Pictures a step"), .learningRate(), .warmUp, .optimizer,
        .weightDecay("Decoupled weight decay of adamw", byDefault: "0.01"), .averageDecay(),
        Field(
          "smoothing", \.smoothing, "Spread this much of each target over all classes",
          value: "fraction", .partialShare
        ).byDefault(nil),
        .startFrom, .freeze,
        .epochs.byDefault("10, unless steps or minutes are given"),
      ] + Field.limits + [
        .patience("accuracy"), .validateEvery(byDefault: "an epoch"),
        .saveEvery(byDefault: "an epoch"), .seed("weights, orders and changes"),
      ])
  }

  private static var dataFields: [Field<Self>] {
    [
      Field("data", \.data, "The folder or file of the training set", value: "dir", kind: .source)
        .demanded("a training needs pictures with classes: give --data"),
      Field("validation", \.validation, "A set to validate on", value: "dir", kind: .source)
        .byDefault("pictures held out of the training set"),
      Field(
        "hold-out", \.holdOut, "Hold out this many training pictures to validate on; 0 for none",
        value: "n", .from(0)
      ).byDefault("a tenth, at most 5000"),
      Field("network", \.network, "The network; see above", value: "name").demanded(
        "a training needs a network: give --network, one of " + Catalogue.names(for: .classify)),
      Field("size", \.form.pixels, "The size of pictures from class folders", value: "HxW"),
      Field(flag: "gray", \.form.isGray, "Take pictures from class folders in gray"),
      Field(
        commas: "class-names", \.classNames, "Names for the classes, with commas", value: "list"
      ).byDefault("the data's own"),
    ]
  }

  public static func check(_ words: FieldWords) throws {
    try TrainingRecipe.checkWeightDecay(words)
  }
}

extension PictureForm {
  fileprivate var pixels: PixelSize {
    get { size }
    set { (width, height) = (newValue.width, newValue.height) }
  }

  fileprivate var isGray: Bool {
    get { mode == .gray }
    set { mode = newValue ? .gray : .color }
  }
}

/// Trains classifiers.
public enum ClassificationTraining: TrainingJob {
  public static let workshop = "classify"
  public static let name = "train"
  public static let summary = "Train a classifier on pictures with classes."
  public static let guide = """
    The data: a folder of IDX files (.gz too), of CIFAR's binary files, or of one folder a \
    class; of a set with parts the training part. The model file keeps the class names and the \
    normalization. Ctrl-C saves; --resume goes on as if nothing had happened.

    NETWORKS
    \(Catalogue.list(for: .classify))

    EXAMPLES
      atelier classify train --data fashion-mnist --network course --run mine
      atelier classify train --data animals --size 64x64 --network resnet-20 \\
        --flip --shift 6 --run animals --epochs 40
      atelier classify train --run mine --resume --epochs 20
    """

  public static func task(
    _ request: ClassificationTrainingRequest, isResuming: Bool, kernels: Kernels
  ) throws -> ClassificationTask {
    try ClassificationTask(request, isResuming: isResuming, kernels: kernels)
  }
}

extension ClassifierArchitecture {
  /// What becomes of a picture before the network's first layer, for model files.
  var preprocessing: String {
    "cut at the middle and resized to \(PixelSize(width: width, height: height)), pixel / 255; the "
      + "network takes mean \(mean) away and divides by deviation \(deviation)"
  }
}

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
