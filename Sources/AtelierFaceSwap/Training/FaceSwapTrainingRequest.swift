// What a face swap is trained on and how: a value with its form, stored as the run's configuration.

import AtelierDatasets
import AtelierFiles
import AtelierTraining
import AtelierWorkbench
import AtelierZoo

/// What a face swap is trained on and how; stored as the run's configuration.
public struct FaceSwapTrainingRequest: TrainingRequest, Hashable {
  /// In which order encoder and decoders learn.
  public enum Mode: String, Codable, ChoiceValue {
    /// Both people at once, each through the shared encoder and a decoder of their own.
    case joint
    /// Encoder and decoder on A; then the encoder is frozen and a new decoder learns B.
    case sequential
  }

  public var a: [String] = []
  public var b: [String] = []
  public var validationA: [String] = []
  public var validationB: [String] = []
  public var characterPoses: Int?
  public var network = FaceSwapNetwork(.slim)
  public var mode = Mode.joint
  public var augmentation = FaceAugmentation.standard
  public var loss = FaceSwapLoss.absolute
  public var maskWeight: Float = 0.5
  public var eyesMouthPriority: Float = 1
  public var cycleWeight: Float = 0
  public var cycleStart = 500
  /// Adam's decay of the gradient's mean, whatever the recipe's optimizer says.
  public var beta1 = 0.9 { didSet { recipe.optimizer = .adam(beta1: beta1) } }
  public var encoderFrom: String?
  public var freezesEncoder = false
  public var goal = 0.02
  public var timelapseFaces = 4
  public var recipe = TrainingRecipe()

  /// Describes a training on folders or files of aligned crops with a network's usual recipe.
  public init(a: [String], b: [String], network: FaceSwapNetwork) {
    self.init()
    self.a = a
    self.b = b
    self.network = network
    takeRecipe(of: network.design)
  }

  public init() {
    recipe.validationInterval = 250
    recipe.previewInterval = 250
    recipe.saveInterval = 250
    takeRecipe(of: .slim)
  }

  /// Takes the usual recipe of a design.
  ///
  /// That of `original` and `half` is the one of 2017: Adam with 5e-5 throughout and β1 0.5. `slim`
  /// learns twenty times faster, with a cosine and averaged weights.
  private mutating func takeRecipe(of design: FaceSwapNetwork.Design) {
    let isSlim = design == .slim
    beta1 = isSlim ? 0.9 : 0.5
    recipe.learningRate = isSlim ? 1e-3 : 5e-5
    recipe.decay = isSlim ? .cosine : .constant
    recipe.warmUp = isSlim ? 100 : 0
    recipe.gradientLimit = isSlim ? 1 : nil
    recipe.averageDecay = isSlim ? 0.998 : nil
  }

  public static var form: Form<Self> {
    Form().section(
      "TRAINING OPTIONS",
      [
        .crops("a", \.a, "Folders of aligned crops of A (PNG, JPEG, TIFF, WebP)"),
        .crops("b", \.b, "The same of B"),
        .crops("validation-a", \.validationA, "Crops of A to measure with")
          .byDefault("some of the training's"),
        .crops("validation-b", \.validationB, "The same of B"),
        Field(
          "characters", \.characterPoses,
          "Draw so many poses of each of the two fictional characters instead", value: "poses",
          .from(1, to: 100_000)),
        Field("network", \.network.design, "original, half or slim", value: "name"),
        Field("side", \.network.side, "A face's side: 64, or 128 for slim", value: "pixels")
          .byDefault(nil),
        Field(flag: "mask", \.network.hasMask, "Let the decoders learn a mask, too"),
        Field(
          "mode", \.mode, "joint, or sequential: A first, then B with the encoder frozen",
          value: "mode"),
        Field("loss", \.loss, "mae, dssim or mixed", value: "loss"),
        Field(
          "eyes-mouth-priority", \.eyesMouthPriority,
          "How many times errors of eyes and mouth count, for a sharper gaze and speech",
          value: "times", .from(1, to: 100)),
        Field(
          "cycle", \.cycleWeight, "Weight of the cycle: a swap swapped back must be the face",
          value: "weight", .from(0, to: 100)),
        Field(
          "cycle-start", \.cycleStart, "Steps before the cycle begins", value: "steps", .from(0)),
        .batch("Crops of each person a step", most: 1024),
        .learningRate("Adam's learning rate").byDefault("5e-5; slim 1e-3"),
        Field("decay", \.recipe.decay, "constant or cosine", value: "kind")
          .byDefault("constant; slim cosine"),
        Field("beta1", \.beta1, "Adam's beta1", value: "beta", .partialShare)
          .byDefault("0.5; slim 0.9"),
        Field(
          "start-from", \.recipe.startFrom, "Start with the weights of this model", value: "file"),
        Field("encoder-from", \.encoderFrom, "Start with the encoder of this model", value: "file"),
        Field(flag: "freeze-encoder", \.freezesEncoder, "Leave the encoder as it starts"),
        Field("goal", \.goal, "The error that the forecast looks for", value: "mae", .positive),
        Field(
          "timelapse", \.timelapseFaces, "Fixed faces in the timelapse; 0 for none", value: "n",
          .from(0, to: 32)),
        .validateEvery("measurements"), .previewEvery(), .saveEvery(),
      ] + Field.limits + Field.sharding + [.seed("weights, choices and poses")]
    ).section("AUGMENTATION", (Field.switches + Field.amounts).map { $0.within(\.augmentation) })
  }

  public mutating func prepare(for words: FieldWords) throws {
    if let name = words["network"]?.last { takeRecipe(of: try .init(word: name)) }
  }

  public mutating func complete(with words: FieldWords) throws {
    try StudioError.unless(
      words["characters"] != nil || words["a"] != nil && words["b"] != nil, .usage,
      "a training needs faces of two people: give --a and --b, or --characters")
    // What is switched off stays off whatever amount is given beside.
    for field in Field.switches where words[field.name] != nil { try field.put(&augmentation, []) }
  }

  /// Throws where parts of the request do not go together.
  func validate() throws {
    try StudioError.unless(
      cycleWeight == 0 || mode == .joint, .usage,
      "the cycle needs both decoders at once: --cycle is for joint mode alone")
    try StudioError.unless(
      cycleWeight == 0 || augmentation.alignment == .centered, .usage,
      "the cycle needs drawings that lie where their inputs do: leave out --original-alignment")
    try StudioError.unless(
      (1...100).contains(eyesMouthPriority), .usage,
      "the priority of eyes and mouth must be in 1...100; received \(eyesMouthPriority)")
    try augmentation.validate()
  }
}

extension FaceSwapNetwork.Design: ChoiceValue {}

extension FaceSwapLoss: FieldValue {
  public static var fieldKind: FieldKind { .choice(allCases.map(\.word)) }
  public init(word: String) throws {
    guard let loss = Self.allCases.first(where: { $0.word == word }) else {
      throw FieldError("expected mae, dssim or mixed; received '\(word)'")
    }
    self = loss
  }
  public var word: String {
    switch self {
    case .absolute: "mae"
    case .dissimilarity: "dssim"
    case .mixed: "mixed"
    }
  }
}

extension FaceAugmentation {
  /// Whether input and target are sampled as the code of 2017 does.
  fileprivate var isOriginal: Bool {
    get { alignment == .original }
    set { alignment = newValue ? .original : .centered }
  }
}

extension Field where Request == FaceAugmentation {
  /// A switch that makes amounts 0.
  private static func off(
    _ name: String, _ help: String, _ paths: [FieldPath<FaceAugmentation, Double>]
  ) -> Self {
    Self(
      name, help, kind: .flag,
      words: { changes in paths.allSatisfy { changes[keyPath: $0] == 0 } ? [""] : [] },
      put: { changes, _ in for path in paths { changes[keyPath: path] = 0 } })
  }

  /// What leaves out random changes of crops.
  fileprivate static let switches: [Self] = [
    off("no-warp", "No random warp", [\.warp]),
    off("no-flip", "No flip of left and right", [\.flipProbability]),
    off("no-color", "No change of colours", [\.lightness, \.chroma]),
    off("no-transform", "No rotation, zoom and shift", [\.rotation, \.zoom, \.shift]),
  ]

  /// How large the random changes of crops are.
  fileprivate static let amounts: [Self] = [
    Self("rotation", \.rotation, "The largest rotation, in degrees", value: "degrees"),
    Self("zoom", \.zoom, "The largest zoom", value: "part"),
    Self("shift", \.shift, "The largest shift", value: "part"),
    Self("flip", \.flipProbability, "How often crops are flipped", value: "share"),
    Self("warp", \.warp, "The deviation of the warp's grid, in pixels of 256", value: "pixels"),
    Self("lightness", \.lightness, "The largest change of lightness", value: "part"),
    Self("chroma", \.chroma, "The largest change of chroma", value: "part"),
    Self(
      flag: "recolor-input", \.recolorsTarget,
      "Change the input's colours alone: the decoders learn true colours, the encoder shapes",
      sets: false),
    Self(
      flag: "original-alignment", \.isOriginal,
      "Sample as the code of 2017 does, the target half a pixel off"),
    Self(
      "coverage", \.coverage,
      "The middle part of a crop's width that the network sees, 0.25 to 1", value: "part",
      .from(FaceAugmentation.coverages.lowerBound, to: FaceAugmentation.coverages.upperBound)
    ).byDefault(
      "0.625 as in 2017, brow to lips; 0.8 shows the chin, too, and long faces whole; 1 also hair"),
  ]
}

/// One stage of a training: whose autoencoders learn, and for how long.
struct FaceSwapStage {
  let faces: [SwapFace]
  let isEncoderFrozen: Bool
  let steps: Int?
  let minutes: Double?
  /// What progress and metadata call it.
  let name: String
}

extension FaceSwapTrainingRequest {
  /// The stages in their order: one in joint mode, two in sequential mode, which share the limits.
  var stages: [FaceSwapStage] {
    let (steps, minutes) = (recipe.steps, recipe.minutes)
    switch mode {
    case .joint:
      return [
        FaceSwapStage(
          faces: SwapFace.allCases, isEncoderFrozen: freezesEncoder, steps: steps,
          minutes: minutes, name: "a and b")
      ]
    case .sequential:
      // The first stage takes the odd step.
      return [
        FaceSwapStage(
          faces: [.a], isEncoderFrozen: freezesEncoder, steps: steps.map { $0 - $0 / 2 },
          minutes: minutes.map { $0 / 2 }, name: "a"),
        FaceSwapStage(
          faces: [.b], isEncoderFrozen: true, steps: steps.map { $0 / 2 },
          minutes: minutes.map { $0 / 2 }, name: "b, encoder frozen"),
      ]
    }
  }
}
