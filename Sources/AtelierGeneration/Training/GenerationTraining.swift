// Training of a generator: what is asked for, its form, and the job.

import AtelierAdversarial
import AtelierClassification
import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierKernels
import AtelierTraining
import AtelierWorkbench
import AtelierZoo
import Foundation

extension GeneratorNetwork: ChoiceValue { public static var noun: String? { "a network" } }
extension CriticNormalization: ChoiceValue { public static var noun: String? { "a normalization" } }
extension AdversarialGame: ChoiceValue { public static var noun: String? { "a game" } }

/// What a generator is trained on and how; stored as the run's configuration.
public struct GenerationTrainingRequest: TrainingRequest, Hashable {
  public var data = ""
  public var form = PictureForm()
  public var isFlipped = false
  public var network = GeneratorNetwork.dcgan
  public var isConditional = false
  public var latent = 100
  public var filters = 64
  public var game = AdversarialGame.nonSaturating
  /// What keeps the critic in bounds; nil leaves that to the game.
  public var normalization: CriticNormalization?
  public var criticSteps = 1
  public var criticRate: Double?
  public var smoothing: Float = 0
  /// The weight of the slope penalty; nil for 10 in Wasserstein's game and none in others.
  public var slopePenalty: Float?
  public var realPenalty: Float = 0
  public var changes: [PictureChange] = []
  public var momentum = 0.5
  /// The classifier whose features pictures are compared by; nil for coarse pixels.
  public var classifier: String?
  public var watched = 2000
  public var recipe = TrainingRecipe()

  public init(data: String) {
    self.init()
    self.data = data
    completeRecipe()
  }

  public init() {
    recipe.batch = 64
    recipe.learningRate = 2e-4
    recipe.decay = .constant
    recipe.averageDecay = 0.999
    recipe.epochs = 20
  }

  public static var limitLine: String? { nil }

  public mutating func prepare(for words: FieldWords) throws {
    guard words["network"]?.last == GeneratorNetwork.vae.rawValue else { return }
    // There is no opponent to keep in step with.
    (recipe.learningRate, momentum) = (1e-3, 0.9)
  }

  public mutating func complete(with words: FieldWords) throws { completeRecipe() }

  private mutating func completeRecipe() { recipe.optimizer = .adam(beta1: momentum) }

  public static func check(_ words: FieldWords) throws {
    // Then another job takes over, which checks its own.
    if words["network"]?.last == GeneratorNetwork.rbm.rawValue { return }
    let machine = machineFields.map(\.name).filter { words[$0] != nil }.map { "--" + $0 }
    guard machine.isEmpty else {
      throw FieldError("\(machine.joined(separator: ", ")) belong to --network rbm")
    }
    guard words["network"]?.last == GeneratorNetwork.vae.rawValue else { return }
    let given = gameFields.map(\.name).filter { words[$0] != nil }.map { "--" + $0 }
    guard given.isEmpty else {
      throw FieldError("\(given.joined(separator: ", ")): for a game, which vae does not play")
    }
  }

  public static var form: Form<Self> {
    Form(
      Self(),
      fields: [
        Field("data", \.data, "The pictures to learn from", value: "dir", kind: .source)
          .demanded("a training needs pictures: give --data"),
        Field("network", \.network, "The network; see above", value: "name"),
        Field("size", \.form.pixels, "The size of pictures from folders", value: "HxW"),
        Field(flag: "gray", \.form.isGray, "Take pictures from folders in gray"),
        Field(flag: "flip", \.isFlipped, "Mirror half of the pictures left to right"),
        Field(
          flag: "conditional", \.isConditional,
          "Learn to draw pictures of a class that is asked for"
        ),
        Field(
          "latent", \.latent, "Random numbers that a picture is drawn from", value: "n",
          .from(1, to: 4096)),
        Field(
          "filters", \.filters, "Filters of the level at half size", value: "n", .from(1, to: 512)),
      ]
    ).section("GAME OPTIONS", gameFields).section(
      "TRAINING OPTIONS",
      [
        .batch("Pictures a step", most: 4096), .learningRate("The generator's learning rate"),
        Field("momentum", \.momentum, "Adam's first decay", value: "decay", .partialShare)
          .byDefault("0.5, of vae 0.9"),
        .averageDecayOrNone("Save and show a moving average of the weights with this decay"),
        Field(
          "classifier", \.classifier,
          "A model whose features pictures are compared by while training", value: "model",
          kind: .file(["safetensors"])
        ).lenient.byDefault("coarse pixels"),
        Field(
          "watch", \.watched, "Pictures that are drawn and compared in each validation",
          value: "n", .from(2, to: 50_000)),
        .startFrom,
        .epochs.byDefault("20, unless steps or minutes are given"),
      ] + Field.limits + Field.sharding + [
        .validateEvery(byDefault: "an epoch"), .previewEvery(byDefault: "with each validation"),
        .saveEvery(byDefault: "an epoch"), .seed("weights, orders and random numbers"),
      ]
    ).section("MACHINE OPTIONS", machineFields)
  }

  /// The fields of a Boltzmann machine, which takes over where `--network rbm` is given: here they
  /// are only read.
  private static var machineFields: [Field<Self>] {
    BoltzmannTrainingRequest.machineFields.map {
      $0.readOnly(in: Self.self) { BoltzmannTrainingRequest() }
    }
  }

  /// What a game is told.
  private static var gameFields: [Field<Self>] {
    [
      Field("game", \.game, "What generator and critic play for", value: "name"),
      Field(
        "critic-normalization", \.normalization, "What keeps the critic in bounds", value: "name"
      )
      .byDefault("none with a penalty, spectral with hinge and residual, else batch"),
      Field(
        "critic-steps", \.criticSteps, "Steps of the critic for one of the generator", value: "n",
        .from(1, to: 100)),
      Field("critic-rate", \.criticRate, "The critic's learning rate", value: "rate", .positive)
        .byDefault("--learning-rate"),
      Field(
        "smoothing", \.smoothing, "Take this much off the critic's target of real pictures",
        value: "fraction", .partialShare
      ).byDefault(nil),
      Field(
        "gradient-penalty", \.slopePenalty,
        "Weight of the penalty on slopes unlike 1 between real and drawn pictures",
        value: "weight", .notNegative
      ).byDefault("10 with wasserstein, else 0"),
      Field(
        "r1", \.realPenalty, "Weight of the penalty on the critic's slope at real pictures",
        value: "weight", .notNegative
      ).byDefault(nil),
      Field(
        choices: "augment", \.changes,
        "Change what the critic sees, for few pictures: color, translation, cutout or all",
        value: "changes"
      ).byDefault(nil),
    ]
  }

  /// The network for pictures.
  func architecture(for images: LabeledImages) -> GeneratorArchitecture {
    GeneratorArchitecture(
      network, height: images.size.height, width: images.size.width, channels: images.channels,
      latent: latent, filters: filters, classes: isConditional ? images.classNames.count : 0)
  }

  /// The game of a network's halves.
  func pictureGame(_ architecture: GeneratorArchitecture) -> PictureGame {
    let slope = slopePenalty ?? (game == .wasserstein ? 10 : 0)
    let isPenalized = slope > 0 || realPenalty > 0
    let usual: CriticNormalization =
      isPenalized ? .none : game == .hinge || network == .residual ? .spectral : .batch
    var result = PictureGame(
      architecture, game, normalization: normalization ?? usual, batch: recipe.batch)
    result.smoothing = smoothing
    (result.slopePenalty, result.realPenalty) = (slope, realPenalty)
    result.changes = changes
    return result
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

/// Trains generators.
public enum GenerationTraining: TrainingJob {
  public static let workshop = "generate"
  public static let name = "train"
  public static let summary = "Train a network that draws pictures like those it is shown."
  public static let guide = """
    The data: a folder of IDX files, of CIFAR's binary files, of class folders, or of any \
    pictures. A generator and a critic learn against each other; the previews draw the same \
    random numbers again and again, so that they can be walked through. The distance of drawn to \
    real pictures is Frechet's, of the features of --classifier or of coarse pixels: smaller is \
    better, and the best weights are those with the least. A machine (rbm) learns by contrastive \
    divergence instead. Ctrl-C saves; --resume goes on.

    NETWORKS
    \(Catalogue.list(for: .generate))

    GAMES
      non-saturating: the original one (Goodfellow 2014)
      least-squares: verdicts 1 and 0 (Mao 2017)
      hinge: verdicts beyond 1 and -1, with spectral normalization (Miyato 2018)
      wasserstein: distance of the means, with a slope penalty (Gulrajani 2017)

    EXAMPLES
      atelier generate train --data fashion-mnist --classifier classify-fashion \\
        --run shirts
      atelier generate train --data fashion-mnist --conditional --run wardrobe
      atelier generate train --data faces --size 64x64 --flip --game hinge \\
        --augment all --run faces --epochs 500
      atelier generate train --data mnist --network vae --run digits
      atelier generate train --data mnist --network rbm --hidden 500 --run machine
      atelier generate train --data mnist --network rbm --run upper \\
        --stack-on machine/last.safetensors
    """

  public static func task(
    _ request: GenerationTrainingRequest, isResuming: Bool, kernels: Kernels
  ) throws -> GenerationTask {
    try GenerationTask(request, isResuming: isResuming, kernels: kernels)
  }

  /// `--network rbm` means a machine's own training, and so does a run folder of one.
  public static func handOver(
    _ words: FieldWords, in run: RunPlace
  ) throws -> (job: any Job.Type, words: FieldWords)? {
    let isMachine =
      run.resume
      ? BoltzmannTraining.isJob(ofRun: run.url)
      : words["network"]?.last == GeneratorNetwork.rbm.rawValue
    guard isMachine else { return nil }
    var own = words
    own["network"] = nil
    try BoltzmannTraining.Request.form.expectOwn(own, of: Request.form, "rbm")
    if run.resume { try BoltzmannTraining.Request.form.expectChangeable(own) }
    return (BoltzmannTraining.self, own)
  }
}
