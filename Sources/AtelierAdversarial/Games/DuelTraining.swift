// The duel: a noise generator and a classifier learn at once, each against the other.
//
// Wang, Yu: A Direct Approach to Robust Deep Learning Using Adversarial Networks (2019); with
// examples of PGD mixed in, Madry, Makelov, Schmidt, Tsipras, Vladu: Towards Deep Learning Models
// Resistant to Adversarial Attacks (2017).

import AtelierClassification
import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierKernels
import AtelierWorkbench
import AtelierZoo
import Foundation

/// What a duel is fought with; stored as the run's configuration.
public struct DuelRequest: NoiseGameRequest, Hashable {
  public var data = ""
  public var victim: String?
  public var classifier = ClassifierNetwork.course
  public var generator = NoiseNetwork.encoderDecoder
  public var budget = NoiseBudget.infinity(0.3)
  public var loss = AttackLoss.margin(kappa: 5)
  public var balance = 0.5
  public var searchShare = 0.0
  public var searchSteps = 7
  public var searchStart = SearchStart.uniform
  public var isSearchSmoothed = false
  public var searchStep: Float?
  public var searchRadius: Float?
  public var ramp = 500
  public var augmentation = PictureAugmentation()
  public var classifierRate = 1e-3
  public var holdOut = 500
  /// The generator's rate and, for both, batch, averaging, limits, intervals and seed.
  public var recipe = TrainingRecipe()

  public init(data: String) {
    self.init()
    self.data = data
  }

  public init() {
    recipe.batch = 128
    recipe.warmUp = 100
    recipe.epochs = 10
  }

  public static var form: Form<Self> {
    Form(
      Self(),
      fields: Field.game(
        victim: .victim(\.victimFile), network: \.generator,
        holdOut: Field(
          "hold-out", \.holdOut, "Hold out this many training pictures to watch; 0 for none",
          value: "n", .from(0)), epochs: "10")
    ).section("DUEL OPTIONS", ownFields)
  }

  /// The fields that a duel has alone.
  static var ownFields: [Field<Self>] {
    [
      Field(
        "classifier", \.classifier,
        "Begin with a new classifier of this network in place of --victim", value: "name"
      ).byDefault(nil),
      Field(
        "balance", \.balance,
        "The weight of attacked pictures in the classifier's loss, 0 to 1", value: "share", .share),
      Field(
        "pgd-share", \.searchShare,
        "PGD attacks this share of the attacked pictures, the generator the rest", value: "share",
        .share),
      Field(
        "pgd-steps", \.searchSteps, "The steps of that PGD", value: "n", .from(1, to: 1_000_000)),
      Field(
        "pgd-start", \.searchStart,
        "Where it begins: uniform, squares (at the limit, as Square does) or mixed, one of both by "
          + "lot", value: "name"),
      Field(
        flag: "pgd-smooth", \.isSearchSmoothed,
        "Let it follow gradients taken beside where it stands and summed over its steps"),
      Field("pgd-step", \.searchStep, "How far each of its steps goes", value: "number", .positive)
        .byDefault("2.5 times the limit over their number"),
      .radii(
        "pgd-epsilon", "The limit of that PGD", get: { $0.searchRadius.map { [$0] } ?? [] },
        set: { $0.searchRadius = $1[0] }
      ).byDefault("--epsilon"),
      Field(
        "ramp", \.ramp, "Steps over which that limit grows from nothing", value: "steps",
        .from(0, to: 1_000_000)),
      Field(
        "classifier-rate", \.classifierRate, "The classifier's learning rate", value: "rate",
        .positive),
      .averageDecay("Save a moving average of both networks' weights with this decay"),
      .validateEvery("the points of the curves", byDefault: "an epoch"),
    ]
  }

  /// The classifier's file as a word, empty for none.
  private var victimFile: String {
    get { victim ?? "" }
    set { victim = newValue }
  }

  public mutating func complete(with words: FieldWords) throws {
    guard !data.isEmpty, (victim == nil) != (words["classifier"] == nil) else {
      throw StudioError(
        .usage,
        "a duel needs pictures and a classifier: give --data and either --victim or --classifier")
    }
  }

  /// Throws `StudioError` with one clear line unless the numbers make sense.
  func validate() throws {
    let shares = [("balance", balance), ("PGD share", searchShare)]
    for (name, share) in shares where !(0...1).contains(share) {
      throw StudioError(.usage, "a \(name) is 0 to 1; received \(share)")
    }
    for radius in [budget.radius, searchRadius ?? 1] where !(radius > 0 && radius.isFinite) {
      throw StudioError(.usage, "expected an epsilon above 0, received \(radius)")
    }
    guard searchSteps >= 1, ramp >= 0 else {
      throw StudioError(
        .usage,
        "PGD takes at least 1 step and a ramp of at least 0; received \(searchSteps), \(ramp)")
    }
  }

  /// The pictures of a batch that PGD attacks.
  var searched: Int { Int((searchShare * Double(recipe.batch)).rounded()) }

  /// The pictures of a batch, its last ones, that the generator learns from: those that it attacks,
  /// or a few when PGD has all.
  var drawn: Int { max(recipe.batch - searched, min(16, recipe.batch)) }

  /// The PGD's limit after a number of steps.
  func searchBudget(step: Int) -> NoiseBudget {
    let radius = searchRadius ?? budget.radius
    return budget.scaled(to: step < ramp ? radius * Float(step + 1) / Float(ramp + 1) : radius)
  }
}

/// Trains a generator and a classifier against each other.
public enum DuelTraining: TrainingJob {
  public static let workshop = NoiseTraining.workshop
  public static let name = NoiseTraining.name + " --antagonist"
  public static let summary = "Train a generator and a classifier against each other."

  /// The model file of the generator in a run folder, beside `last.safetensors`, the classifier.
  public static let generatorFile = "generator.safetensors"
  /// The picture of the curves in a run folder.
  public static let curvesFile = "curves.png"

  /// The curves: the metric and its name in the plot.
  static let curves = [
    ("clean", "clean"), ("generator", "under the generator"), ("fgsm", "under FGSM"),
    ("pgd_20", "under PGD-20"),
  ]

  public static func task(
    _ request: DuelRequest, isResuming: Bool, kernels: Kernels
  ) throws -> DuelTask { try DuelTask(request, kernels: kernels) }

  /// Whether a run is a duel: it says so, or, where an older version made it, has a duel's settings.
  static func isDuel(_ run: URL) -> Bool {
    if let about = AboutRun(ofRun: run) { return about.job == path }
    let data = try? InputFile.data(run.appending(path: "configuration.json"), limit: 1 << 24)
    let stored = data.flatMap { try? JSONSerialization.jsonObject(with: $0) } as? [String: Any]
    return stored?["balance"] != nil
  }

  /// The differentiated graph of the classifier's step, whose parameters get the prefix `victim/`;
  /// the generator is frozen in it.
  ///
  /// Inputs are `input`, `target` and, when PGD has a share, `searched` (the first pictures of the
  /// batch as PGD left them); outputs `loss`, and `clean_loss` and `attacked_loss` where they
  /// count. Throws `ShapeError` when the networks do not fit together.
  package static func classifierGraph(
    generator: Graph, classifier: Graph, _ request: DuelRequest
  ) throws(ShapeError) -> Graph {
    guard let place = classifier.input(named: "input") else {
      throw ShapeError("the classifier has no input of that name")
    }
    let (batch, searched) = (request.batch, request.searched)
    let shape = classifier.values[place].shape.withBatch(batch)
    let hasClean = request.balance < 1
    let all = shape.withBatch(hasClean ? 2 * batch : batch)
    let learner = try classifier.reshaped(["input": all]).specialized(for: .train)
    let drawer =
      try searched < batch
      ? generator.reshaped(["input": shape.withBatch(batch - searched)]).specialized(for: .infer)
      : nil
    return try Graph.trace { builder in
      let pictures = builder.input("input", shape)
      let labels = builder.input("target", [batch])
      var attacked: [SymbolicTensor] = []
      if searched > 0 { attacked.append(builder.input("searched", shape.withBatch(searched))) }
      if let drawer {
        let seen =
          searched > 0 ? pictures.splitBatch(sizes: [searched, batch - searched])[1] : pictures
        let drawn = builder.call(drawer, ["input": seen], isTrainable: false)
        guard let pattern = drawn["output"] else { return }
        attacked.append(request.budget.attacked(seen, pattern))
      }
      let parts = (hasClean ? [pictures] : []) + attacked
      let joined = parts.count > 1 ? joinBatches(parts) : parts[0]
      let answers = builder.call(learner, ["input": joined], prefix: "victim/", isTrainable: true)
      guard let logits = answers["output"] else { return }
      let halves = hasClean ? logits.splitBatch(sizes: [batch, batch]) : [logits]
      let attackedLoss = Loss.crossEntropy()(halves[halves.count - 1], labels)
      var loss = Float(request.balance) * attackedLoss
      builder.output("attacked_loss", attackedLoss)
      if hasClean {
        let cleanLoss = Loss.crossEntropy()(halves[0], labels)
        builder.output("clean_loss", cleanLoss)
        loss = loss + Float(1 - request.balance) * cleanLoss
      }
      builder.output("loss", loss)
    }.differentiated()
  }
}
