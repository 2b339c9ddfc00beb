// Training of a classifier: what is asked for, its form, and the mathematics.

import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierKernels
import AtelierTraining
import AtelierWorkbench
import AtelierZoo
import Foundation

/// What a classifier is trained on and how; stored as the run's configuration.
public struct ClassificationTrainingRequest: TrainingRequest, Hashable {
  public var data = ""
  public var validation: String?
  public var holdOut: Int?
  public var network = ClassifierNetwork.course
  public var features = FeatureForm()
  public var form = PictureForm()
  public var classNames: [String] = []
  public var augmentation = PictureAugmentation()
  public var smoothing: Float = 0
  public var transfer = TransferForm()
  public var ensemble = EnsembleForm()
  /// Whether pictures get the size of `form`; else those of a model that is taken over have its.
  public var hasOwnSize = false
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

  public mutating func prepare(for words: FieldWords) throws {
    // Through many steps gradients may grow with each.
    if ["lstm", "gru"].contains(words["network"]?.last) { recipe.gradientLimit = 1 }
    guard words["from"] != nil else { return }
    // Few pictures, and layers that are to change little.
    recipe.learningRate = TransferForm.learningRate
    recipe.batch = 32
    recipe.warmUp = 0
  }

  public mutating func complete(with words: FieldWords) throws {
    hasOwnSize = words["size"] != nil
    if features.kind == .hog, words["network"] == nil { network = .shallow }
    if words["network"] == nil, let first = ensemble.networks.first { network = first }
    try StudioError.unless(
      words["from"] != nil || words["network"] != nil || features.kind != .pixels
        || !ensemble.networks.isEmpty, .usage,
      "a training needs a network: give --network, one of " + Catalogue.names(for: .classify)
        + ", or --from with a model to take layers over from")
  }

  public static var form: Form<Self> {
    Form(Self(), fields: []).section(
      "TRAINING OPTIONS",
      dataFields + FeatureForm.fields.map { $0.within(\.features) }
        + TransferForm.fields.map { $0.within(\.transfer) }
        + EnsembleForm.fields.map { $0.within(\.ensemble) }
        + (Field.movements + Field.coverings).map { $0.within(\.augmentation) } + [
          .batch("Pictures a step"), .learningRate(), .warmUp, .optimizer,
          .weightDecay("Decoupled weight decay of adamw", byDefault: "0.01"), .averageDecay(),
          .gradientLimit.byDefault("1 for recurrent networks, else none"),
          Field(
            "smoothing", \.smoothing, "Spread this much of each target over all classes",
            value: "fraction", .partialShare
          ).byDefault(nil),
          .startFrom, .freeze,
          .epochs.byDefault("10, unless steps or minutes are given"),
        ] + Field.limits + Field.sharding + [
          .patience("accuracy"), .validateEvery(byDefault: "an epoch"),
          .saveEvery(byDefault: "an epoch"), .seed("weights, orders and changes"),
        ]
    ).section("BELIEF OPTIONS", beliefFields)
  }

  /// The fields of a deep belief network, which takes over where `--network dbn` is given: here they
  /// are only read.
  private static var beliefFields: [Field<Self>] {
    BeliefTrainingRequest.beliefFields.map {
      $0.readOnly(in: Self.self) { BeliefTrainingRequest() }
    }
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
      Field("network", \.network, "The network; see above", value: "name").byDefault(nil),
      Field("size", \.form.pixels, "The size of pictures from class folders", value: "HxW"),
      Field(flag: "gray", \.form.isGray, "Take pictures from class folders in gray"),
      Field(
        commas: "class-names", \.classNames, "Names for the classes, with commas", value: "list"
      ).byDefault("the data's own"),
    ]
  }

  public static func check(_ words: FieldWords) throws {
    try TrainingRecipe.checkWeightDecay(words)
    // Then another job takes over, which checks its own.
    if words["network"]?.last == ClassifierNetwork.dbn.rawValue { return }
    try FeatureForm.check(words)
    try EnsembleForm.check(words)
    let belief = beliefFields.map(\.name).filter { words[$0] != nil }.map { "--" + $0 }
    guard belief.isEmpty else {
      throw FieldError("\(belief.joined(separator: ", ")) belong to --network dbn")
    }
    if words["from"] != nil {
      for other in ["network", "features", "start-from", "gray"] where words[other] != nil {
        throw FieldError("--\(other) is not for --from, which takes over a model's own layers")
      }
    } else {
      for other in ["mode", "head"] where words[other] != nil {
        throw FieldError("--\(other) is for --from, the model whose layers are taken over")
      }
    }
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

    TRANSFER LEARNING
    --from takes over the layers of a model, such as one of model import, up to its last picture \
    of features, and puts a new head behind them. Layers that rest keep their statistics; what \
    they make of the pictures is computed once and kept on disk. The head learns ten times as \
    fast as what was taken over. The best weights are those with the least validation loss.

    FEATURES
    --features hog gives the network no pixels but histograms of oriented gradients, the classic \
    rival on digits; without --network they go into one hidden layer. The model file makes them \
    itself: it takes pictures as any other does.

    ENSEMBLES
    --ensemble trains several classifiers with seeds of their own, each in a folder below the run's, \
    and prints what the mean of their probabilities gains over them. With --bagging each draws its \
    own pictures; --networks lets architectures take turns.

    DEEP BELIEF NETWORKS
    --network dbn trains Boltzmann machines on top of each other without labels, each in a folder \
    level-1, level-2 … of the run, then all layers by labels.

    NETWORKS
    \(Catalogue.list(for: .classify))

    EXAMPLES
      atelier classify train --data fashion-mnist --network course --run mine
      atelier classify train --data animals --size 64x64 --network resnet-20 \\
        --flip --shift 6 --run animals --epochs 40
      atelier classify train --data mnist --features hog --run hog
      atelier classify train --data mnist --network lstm --run rows
      atelier classify train --data mnist --network lenet-5 --ensemble 5 \\
        --bagging --test mnist --run five
      atelier classify train --data cats-dogs --from mobilenet.safetensors \\
        --mode features --run pets
      atelier classify train --run mine --resume --epochs 20
    """

  public static func task(
    _ request: ClassificationTrainingRequest, isResuming: Bool, kernels: Kernels
  ) throws -> ClassificationTask {
    try ClassificationTask(request, isResuming: isResuming, kernels: kernels)
  }

  /// Several classifiers are a job of their own, and so is a training of machines first (`--network
  /// dbn`); a run folder of one means it, too.
  public static func handOver(
    _ words: FieldWords, in run: RunPlace
  ) throws -> (job: any Job.Type, words: FieldWords)? {
    let isBelief =
      run.resume
      ? AboutRun(ofRun: run.url)?.job == BeliefTraining.path
      : words["network"]?.last == ClassifierNetwork.dbn.rawValue
    guard isBelief else {
      let isEnsemble =
        run.resume
        ? AboutRun(ofRun: run.url)?.job == ClassifyEnsemble.path : words["ensemble"] != nil
      return isEnsemble ? (ClassifyEnsemble.self, words) : nil
    }
    try StudioError.unless(
      words["ensemble"] == nil, .usage, "--ensemble is not for --network dbn")
    var own = words
    own["network"] = nil
    try BeliefTraining.Request.form.expectOwn(own, of: Request.form, "dbn")
    if run.resume { try BeliefTraining.Request.form.expectChangeable(own) }
    return (BeliefTraining.self, own)
  }
}
