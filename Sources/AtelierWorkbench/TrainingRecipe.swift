// What every training is told alike: optimizer, rate, limits, intervals, averaging, seed, start.

import AtelierEngine
import AtelierFiles
import AtelierInterchange
import AtelierKernels
import AtelierTraining

/// How a training goes, whatever it trains.
public struct TrainingRecipe: FlatPart, Sendable, Hashable {
  static let partKey = "recipe"

  /// How the learning rate falls.
  public enum Decay: String, Sendable, Hashable, Codable, ChoiceValue {
    /// Not at all.
    case constant
    /// Half a cosine over the training.
    case cosine
  }

  /// Examples a step.
  public var batch = 16
  /// The small batches that each batch is cut into, whose gradients are summed in a fixed
  /// order, here or on several machines.
  public var shards = 1
  /// How gradients are summed over shards and go from machine to machine.
  public var gradientPrecision = GradientPrecision.float32
  /// The rule that moves the weights.
  public var optimizer: OptimizerKind = .adam()
  /// The base learning rate.
  public var learningRate = 1e-3
  /// How the learning rate falls.
  public var decay = Decay.cosine
  /// Steps of the straight line up to the base rate.
  public var warmUp = 0
  /// The largest gradient norm; nil for no limit.
  public var gradientLimit: Double?
  /// The decay of the moving average of the weights, which is what is saved; nil for none.
  public var averageDecay: Double?
  /// Epochs to make; nil when steps or minutes limit the training.
  public var epochs: Int?
  /// Steps to make; nil for no such limit.
  public var steps: Int?
  /// Minutes to train; nil for no such limit.
  public var minutes: Double?
  /// How many validations without a better metric stop the training; nil never stops it.
  public var patience: Int?
  /// Steps between validations; nil for one an epoch.
  public var validationInterval: Int?
  /// Steps between previews; nil for one with each validation.
  public var previewInterval: Int?
  /// Steps between saves; nil for one an epoch.
  public var saveInterval: Int?
  /// The seed of weights, orders and random changes.
  public var seed: UInt64 = 1
  /// The model that the training starts with where names and shapes agree; nil starts at random.
  public var startFrom: String?
  /// Prefixes of the names of parameters that stay as they start.
  public var frozen: [String] = []

  /// The recipe of the house.
  public init() {}

  /// The examples of a step in words, for model files: here and in what a shard is told.
  package var batchText: String {
    shards == 1 ? String(batch) : "\(batch * shards) in \(shards) shards"
  }

  /// The properties that a resume may change.
  static let changeable: Set = [
    "epochs", "steps", "minutes", "patience", "validationInterval", "previewInterval",
    "saveInterval",
  ]

  /// The optimizer with its schedule, whose cosine ends at the base rate divided by `floor`.
  package func optimizer(floor: Double = 1000, decaysOnlyMatrices: Bool = false) -> Optimizer {
    let falling: Schedule =
      switch decay {
      case .constant: .constant
      case .cosine: .progressCosine(minimum: learningRate / floor)
      }
    return Optimizer(
      optimizer, learningRate: learningRate,
      schedule: warmUp > 0 || decay == .cosine ? .warmUp(steps: warmUp, then: falling) : falling,
      normLimit: gradientLimit, decaysOnlyMatrices: decaysOnlyMatrices)
  }

  /// Whether gradients may be handed over one by one, which saves their memory: nothing needs all of
  /// them at once.
  package var handsGradientsOver: Bool {
    gradientLimit == nil && shards == 1 && Ranks.current == nil
  }

  /// The store of a training's parameters: at random by the seed, or as in the model that it starts
  /// from.
  ///
  /// Throws `SafetensorsError` when the model cannot be read, `StudioError` when nothing of it
  /// fits, `FieldError` when a frozen prefix begins no parameter's name.
  public func store(for graphs: [Graph], isResuming: Bool = false) throws -> ParameterStore {
    let names = graphs.flatMap(\.parameters).map(\.name)
    for prefix in frozen where !names.contains(where: { $0.hasPrefix(prefix) }) {
      throw FieldError(
        "--freeze \(prefix): no parameter's name begins so; there are \(Self.listed(names))")
    }
    guard let startFrom, !isResuming else { return try ParameterStore(for: graphs, seed: seed) }
    let model = try ModelFile.read(from: ShippedModels.file(of: startFrom))
    let shapes = Dictionary(
      graphs.flatMap(\.parameters).map { ($0.name, $0.shape) }, uniquingKeysWith: { $1 })
    let fitting = model.parameters.filter { shapes[$0.key] == $0.value.shape }
    try StudioError.unless(
      !fitting.isEmpty, .data, "\(startFrom): none of its parameters fits this network")
    return try ParameterStore(for: graphs, seed: seed, startingFrom: fitting)
  }

  /// What the start leaves out: parameters of the model that do not fit, and those of the network
  /// that begin at random.
  func remarks(on entries: [ParameterStore.Entry]) throws -> [String] {
    guard let startFrom else { return [] }
    let model = try ModelFile.read(from: ShippedModels.file(of: startFrom))
    let names = Set(entries.map(\.name))
    let other = entries.filter { model.parameters[$0.name]?.shape != $0.shape }.map(\.name)
    let unused = model.parameters.keys.filter { !names.contains($0) }.sorted()
    guard !(other.isEmpty && unused.isEmpty) else { return [] }
    var parts = ["\(entries.count - other.count) of \(entries.count) parameters come from it"]
    if !other.isEmpty { parts.append("at random begin \(Self.listed(other))") }
    if !unused.isEmpty { parts.append("left out are its \(Self.listed(unused))") }
    return ["--start-from \(startFrom): " + parts.joined(separator: "; ")]
  }

  /// Some names of a list, and how many more there are.
  private static func listed(_ names: [String]) -> String {
    let some = names.prefix(4).joined(separator: ", ")
    return names.count > 4 ? "\(some) and \(names.count - 4) more" : some
  }

  /// A program with the recipe's optimizer, which leaves alone what is frozen.
  public func step(
    _ program: Program, name: String = "train", floor: Double = 1000,
    decaysOnlyMatrices: Bool = false, kernels: Kernels
  ) throws -> TrainingStep {
    try TrainingStep(
      name: name, program: program,
      optimizer: optimizer(floor: floor, decaysOnlyMatrices: decaysOnlyMatrices), kernels: kernels,
      moving: { entry in !frozen.contains { entry.name.hasPrefix($0) } })
  }

  /// The decay of the moving average; 0 for none.
  package var averageDecayOrNone: Double {
    get { averageDecay ?? 0 }
    set { averageDecay = newValue == 0 ? nil : newValue }
  }

  /// The weight decay of AdamW; nil where another rule moves the weights.
  package var weightDecay: Double? {
    guard case .adamW(_, _, _, let decay) = optimizer else { return nil }
    return decay
  }

  /// Throws where a weight decay is given beside an optimizer that has none of this kind.
  package static func checkWeightDecay(_ words: FieldWords) throws {
    if words["weight-decay"] != nil, let optimizer = words["optimizer"]?.last, optimizer != "adamw"
    {
      throw FieldError("--weight-decay is for --optimizer adamw alone")
    }
  }

  /// The settings of the loop; intervals that were not given take an epoch's steps.
  func configuration(epoch: Int?, monitor: Monitor?) -> TrainingConfiguration {
    let validation = monitor == nil ? nil : validationInterval ?? epoch
    return TrainingConfiguration(
      steps: steps, epochs: epochs, minutes: minutes, validationInterval: validation,
      previewInterval: monitor == nil ? nil : previewInterval ?? validation,
      saveInterval: saveInterval ?? epoch, averageDecay: averageDecay,
      monitor: monitor.map {
        Monitor($0.metric, $0.mode, minimumDelta: $0.minimumDelta, patience: patience)
      }, shards: shards, gradientPrecision: gradientPrecision, seed: seed)
  }
}

/// What a training is told; its recipe's properties are its own, and stand among its own in JSON.
@dynamicMemberLookup public protocol TrainingRequest: JobRequest {
  /// The part that all trainings have.
  var recipe: TrainingRecipe { get set }
  /// The names of its own stored properties that a resume may change, besides the recipe's.
  static var changeable: Set<String> { get }
  /// What a training without a limit is told; nil where it ends by itself.
  static var limitLine: String? { get }
}

extension TrainingRequest {
  public static var changeable: Set<String> { [] }
  /// Every training needs a limit.
  public static var limitLine: String? { "a training needs a limit: give --steps or --minutes" }

  /// A property of the recipe.
  public subscript<Value>(dynamicMember path: WritableKeyPath<TrainingRecipe, Value>) -> Value {
    get { recipe[keyPath: path] }
    set { recipe[keyPath: path] = newValue }
  }

  /// A given limit replaces all limits.
  mutating func replaceLimits(for words: FieldWords) {
    if ["epochs", "steps", "minutes"].contains(where: { words[$0] != nil }) {
      (recipe.epochs, recipe.steps, recipe.minutes) = (nil, nil, nil)
    }
  }

  /// What the programs and the batches of one shard are made of: the request with the shard's share
  /// of the batch.
  ///
  /// Throws `StudioError` where the batch has no whole shares.
  package func perShard() throws -> Self {
    guard recipe.shards > 1 else { return self }
    try StudioError.unless(
      recipe.batch % recipe.shards == 0, .usage,
      "--shards \(recipe.shards): expected a number that divides --batch \(recipe.batch)")
    var share = self
    share.recipe.batch /= recipe.shards
    return share
  }

  /// Throws where a training would never end.
  package func expectLimit() throws {
    if let line = Self.limitLine, recipe.epochs == nil, recipe.steps == nil, recipe.minutes == nil {
      throw StudioError(.usage, line)
    }
  }
}

extension Field where Request: TrainingRequest {
  /// Examples a step.
  public static func batch(_ help: String, most: Double? = nil) -> Self {
    Self("batch", \.recipe.batch, help, value: "n", most.map { .from(1, to: $0) } ?? .from(1))
  }

  /// The base learning rate.
  public static func learningRate(_ help: String = "The base learning rate") -> Self {
    Self("learning-rate", \.recipe.learningRate, help, value: "rate", .positive)
  }

  /// Steps up to the base rate.
  public static var warmUp: Self {
    Self("warm-up", \.recipe.warmUp, "Steps up to the base rate", value: "steps", .from(0))
  }

  /// The rule that moves the weights.
  public static var optimizer: Self {
    Self(
      "optimizer", \.recipe.optimizer,
      "sgd, adagrad, adadelta, rmsprop, adam, adamw, nadam or ftrl", value: "name",
      kind: .choice(OptimizerKind.defaults.map(\.name)))
  }

  /// The weight decay of AdamW, which it makes the optimizer.
  public static func weightDecay(
    _ help: String, byDefault: String, _ range: NumberRange = .notNegative, value: String = "rate"
  ) -> Self {
    Self(
      "weight-decay", help, value: value, kind: .number, range: range,
      words: { $0.recipe.weightDecay.map { [$0.word] } ?? [] },
      put: { request, words in
        let decay: Double = try Self.read(words.last ?? "", "weight-decay", range)
        request.recipe.optimizer = .adamW(weightDecay: decay)
      }
    ).byDefault(byDefault)
  }

  /// The largest norm of the gradients.
  public static var gradientLimit: Self {
    Self(
      "clip", \.recipe.gradientLimit, "Shorten all gradients together to at most this norm",
      value: "norm", .positive
    ).byDefault("no limit")
  }

  /// The decay of the moving average.
  public static func averageDecay(
    _ help: String = "Save a moving average of the weights with this decay, such as 0.99"
  ) -> Self { Self("average-decay", \.recipe.averageDecay, help, value: "decay", .partialShare) }

  /// The decay of the moving average, where 0 is for none.
  package static func averageDecayOrNone(_ help: String) -> Self {
    Self(
      "average-decay", \.recipe.averageDecayOrNone, help + "; 0 for none", value: "decay",
      .partialShare)
  }

  /// The epochs after which it ends.
  public static var epochs: Self {
    Self("epochs", \.recipe.epochs, "Stop after so many epochs", value: "n", .from(0)).changeable
  }

  /// The other two limits.
  public static var limits: [Self] {
    [
      Self("steps", \.recipe.steps, "Stop at this step", value: "n", .from(0)).changeable,
      Self(
        "minutes", \.recipe.minutes, "Stop after so many minutes of training", value: "minutes",
        .notNegative
      ).changeable,
    ]
  }

  /// The small batches of a step, and how their gradients are summed.
  public static var sharding: [Self] {
    [
      Self(
        "shards", \.recipe.shards,
        "Cut each batch into so many, one after the other or on several machines; the same bits",
        value: "n", .from(1, to: 4096)),
      Self(
        "gradients", \.recipe.gradientPrecision,
        "Sum gradients of shards in float32, or in bfloat16, which is half of it to send",
        value: "kind"),
    ]
  }

  /// Validations without an improvement.
  public static func patience(_ metric: String) -> Self {
    Self(
      "patience", \.recipe.patience,
      "Stop after so many validations without a better \(metric)", value: "validations", .from(1)
    ).byDefault("never").changeable
  }

  /// Steps between validations.
  public static func validateEvery(_ what: String = "validations", byDefault: String? = nil) -> Self
  {
    interval("validate-every", \.recipe.validationInterval, what, byDefault)
  }

  /// Steps between previews.
  public static func previewEvery(byDefault: String? = nil) -> Self {
    interval("preview-every", \.recipe.previewInterval, "previews", byDefault)
  }

  /// Steps between saves.
  public static func saveEvery(byDefault: String? = nil) -> Self {
    interval("save-every", \.recipe.saveInterval, "saves", byDefault)
  }

  private static func interval(
    _ name: String, _ path: FieldPath<Request, Int?>, _ what: String, _ byDefault: String?
  ) -> Self {
    let field = Self(name, path, "Steps between \(what)", value: "steps", .from(1)).changeable
    return byDefault.map { field.byDefault($0) } ?? field
  }

  /// The model that the training starts from.
  public static var startFrom: Self {
    Self(
      "start-from", \.recipe.startFrom,
      "Start with the weights of this model where names and sizes agree", value: "model",
      kind: .file(["safetensors"])
    ).lenient
  }

  /// What stays as it starts.
  public static var freeze: Self {
    Self(
      commas: "freeze", \.recipe.frozen, "Leave parameters alone whose names begin so, with commas",
      value: "list")
  }

  /// The seed.
  public static func seed(_ what: String) -> Self {
    Self("seed", \.recipe.seed, "The seed of \(what)", value: "seed")
  }
}

extension OptimizerKind: FieldValue {
  public static var fieldKind: FieldKind { .choice(defaults.map(\.name)) }
  public init(word: String) throws {
    guard let kind = OptimizerKind(named: word) else {
      let names = OptimizerKind.defaults.map(\.name).joined(separator: ", ")
      throw FieldError("expected one of \(names); received '\(word)'")
    }
    self = kind
  }
  public var word: String { name }
}

extension GradientPrecision: ChoiceValue {}
