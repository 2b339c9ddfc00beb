// Training of a noise generator against a frozen classifier: pictures and a victim in, a run folder
// with a generator out.

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

/// What a generator is trained on and how; stored as the run's configuration.
public struct NoiseTrainingRequest: NoiseGameRequest, Hashable {
  public var data = ""
  public var victim = ""
  public var network = NoiseNetwork.encoderDecoder
  public var budget = NoiseBudget.infinity(0.3)
  public var goal = AttackGoal.untargeted
  public var loss = AttackLoss.margin(kappa: 5)
  public var isUniversal = false
  /// The weight of a discriminator that wants pictures to look clean (AdvGAN, Xiao and others 2018);
  /// nil for none.
  public var discriminator: Float?
  public var denoiser: String?
  public var denoiserSigma: Float = 25
  public var holdOut: Int?
  public var augmentation = PictureAugmentation()
  /// Rate, limits, intervals and the seed, which the universal noise's source has, too.
  public var recipe = TrainingRecipe()

  public init(data: String, victim: String) {
    self.init()
    self.data = data
    self.victim = victim
  }

  public init() {
    recipe.batch = 128
    recipe.epochs = 4
  }

  public static var form: Form<Self> {
    Form(
      Self(),
      fields: Field.game(
        victim: .victim(\.victim), network: \.network,
        holdOut: Field(
          "hold-out", \.holdOut,
          "Hold out this many training pictures to validate on; 0 for none", value: "n", .from(0)
        ).byDefault("a tenth, at most 2000"), epochs: "4",
        goal: [
          .target(\.goal.target, "Make everything look like this class number"),
          Field(
            flag: "least-likely", \.goal.isLeastLikely,
            "Go for the class that is least likely for each picture"),
          Field(flag: "universal", \.isUniversal, "Learn one noise for all pictures"),
        ],
        beside: [
          Field(
            "discriminator", \.discriminator,
            "Weight of a discriminator that wants clean-looking pictures", value: "weight",
            .positive
          ).byDefault("none"),
          Field(
            "denoiser", \.denoiser, "A denoiser in front of the victim, a model file or shipped",
            value: "file", kind: .file(["safetensors"])
          ).besides("shipped").byDefault("none"),
          Field(
            "denoiser-sigma", \.denoiserSigma,
            "The noise's deviation that it is told, of 255", value: "sigma", .from(0, to: 255)),
        ])
    ).section("DUEL OPTIONS", duelFields)
  }

  /// The fields of a duel, which takes over where `--antagonist` is given: here they are only read.
  private static var duelFields: [Field<Self>] {
    [
      Field(
        "antagonist", "Let the classifier learn, too, against the generator: a duel", kind: .flag
      ) { _, _ in }
    ]
      + DuelRequest.ownFields.map { $0.readOnly(in: Self.self) { DuelRequest() } }
  }

  public static func check(_ words: FieldWords) throws {
    try checkNoise(words)
    func isGiven(_ names: [String]) -> Bool { names.contains { words[$0] != nil } }
    guard words["antagonist"] != nil else {
      let given = duelFields.map(\.name).filter { words[$0] != nil }.map { "--" + $0 }
      guard given.isEmpty else {
        throw FieldError("\(given.joined(separator: ", ")) belong to --antagonist")
      }
      return
    }
    if isGiven(["universal", "target", "least-likely"]) {
      throw FieldError("a duel's noise is untargeted and drawn for each picture")
    }
    if isGiven(["discriminator", "denoiser"]) {
      throw FieldError("--discriminator and --denoiser are for a frozen classifier")
    }
  }

  public mutating func complete(with words: FieldWords) throws {
    guard !victim.isEmpty, !data.isEmpty else {
      throw StudioError(
        .usage, "a training needs a classifier and pictures: give --victim and --data")
    }
    guard let word = denoiser else { return }
    denoiser = try ShippedModels.denoiserFile(
      word, isGray: word == "shipped" && Self.channels(ofVictim: victim) == 1
    ).path
  }

  private static func channels(ofVictim path: String) throws -> Int {
    try Classifier.inputShape(ModelFile.read(from: URL(fileURLWithPath: path))).channels
  }

  /// What the generator learns for.
  package var objective: NoiseObjective {
    NoiseObjective(
      budget: budget, loss: loss, isTargeted: goal.isTargeted, isUniversal: isUniversal,
      discriminator: discriminator)
  }
}

/// Trains noise generators against frozen classifiers; hands duels over.
public enum NoiseTraining: TrainingJob {
  public static let workshop = "attack"
  public static let name = "train"
  public static let summary = "Train a generator whose noise makes a classifier fail."
  public static let guide = """
    The victim stays as it is; gradients go through it to the generator. The noise stays within \
    --epsilon exactly, also after rounding to 8 bits. Ctrl-C saves; --resume goes on.

    With --antagonist the classifier learns at the same time to withstand the noise: last and \
    best are the hardened classifier then, generator.safetensors the generator, curves.png its \
    accuracy on held-out pictures, clean and under each attack.

    NETWORKS
    \(Catalogue.list(for: .attack))

    EXAMPLES
      atelier attack train --victim m.safetensors --data mnist --run noise
      atelier attack train --victim m.safetensors --data mnist --epsilon 0.2 \\
        --loss margin:20 --epochs 8 --run noise
      atelier attack train --victim m.safetensors --data mnist --universal --run u
      atelier attack train --antagonist --classifier strided --data fashion-mnist \\
        --epsilon 0.1 --pgd-share 0.8 --run duel
    """

  public static func task(
    _ request: NoiseTrainingRequest, isResuming: Bool, kernels: Kernels
  ) throws -> NoiseTask { try NoiseTask(request, kernels: kernels) }

  /// `--antagonist` means the duel, and so does a run folder of one.
  public static func handOver(
    _ words: FieldWords, in run: RunPlace
  ) throws -> (job: any Job.Type, words: FieldWords)? {
    guard run.resume ? DuelTraining.isDuel(run.url) : words["antagonist"] != nil else { return nil }
    var own = words
    own["antagonist"] = nil
    if run.resume { try Request.form.expectChangeable(own) }
    return (DuelTraining.self, own)
  }
}
