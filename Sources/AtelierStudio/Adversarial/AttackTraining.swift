// `attack train`: noise learnt against a frozen classifier, or in a duel with one that learns, too.

import AtelierDatasets
import AtelierInterchange
import AtelierTraining
import AtelierZoo
import Foundation

/// What both trainings of noise are told.
protocol NoiseGameRequest: TrainingRequest {
  /// The folder or file of pictures with classes.
  var data: String { get set }
  /// The limit on the noise.
  var budget: NoiseBudget { get set }
  /// What the generator makes small.
  var loss: AttackLoss { get set }
  /// The random changes of training pictures.
  var augmentation: PictureAugmentation { get set }
}

extension NoiseGameRequest {
  public static var limitLine: String? { nil }

  /// A length is at most 2 unless told otherwise.
  public mutating func prepare(for words: FieldWords) throws {
    if words["l2"] != nil { budget = .two(2) }
  }

  public static func check(_ words: FieldWords) throws {
    try AttackGoal.check(words)
    guard let word = words["epsilon"]?.last else { return }
    _ = try NoiseBudget.radii(word, "--epsilon", most: words["l2"] != nil ? 1000 : 1)
  }
}

extension Field where Request: NoiseGameRequest {
  /// The fields of both trainings, with what one has alone where people look for it.
  ///
  /// - Parameters:
  ///   - victim: The classifier's field.
  ///   - network: The generator.
  ///   - holdOut: The field of pictures held out.
  ///   - epochs: The words for its default.
  ///   - goal: What stands behind the limit.
  ///   - beside: What stands behind the loss.
  /// - Returns: The fields in order.
  static func game(
    victim: Self, network: FieldPath<Request, NoiseNetwork>, holdOut: Self, epochs: String,
    goal: [Self] = [], beside: [Self] = []
  ) -> [Self] {
    [
      victim, Self("data", \.data, "The training set, with classes", value: "dir", kind: .source),
      Self("network", network, "The generator; see above", value: "name"),
      .radii(
        "epsilon", "The limit, a fraction of white, such as 0.3 or 8/255",
        get: { [$0.budget.radius] }, set: { $0.budget = $0.budget.scaled(to: $1[0]) }),
      Self(flag: "l2", \.budget.isL2, "Limit the noise's length (L2) instead of each sample"),
    ] + goal + [Self("loss", \.loss, "margin:KAPPA or ce:LIMIT", value: "loss")] + beside
      + Field<PictureAugmentation>.movements(of: "training pictures").map {
        $0.within(\.augmentation)
      } + [
        .batch("Pictures a step"), .learningRate(), holdOut,
        .epochs.byDefault("\(epochs), unless steps or minutes are given"),
      ] + limits + [.seed("weights and orders")]
  }

  /// The model file of a classifier.
  static func victim(_ path: FieldPath<Request, String>) -> Self {
    Self(
      "victim", path, "The model file of the classifier", value: "file",
      kind: .file(["safetensors"]))
  }
}

extension LabeledImages {
  /// The training part of a set as a victim takes it.
  ///
  /// - Parameters:
  ///   - path: The folder or file.
  ///   - victim: Says size, channels and the order of classes; nil takes them as they are.
  /// - Returns: The pictures.
  /// - Throws: `DatasetError`, or `StudioError` when the pictures do not fit the victim.
  static func training(_ path: String, for victim: Classifier?) throws -> LabeledImages {
    let all = try read(
      URL(fileURLWithPath: path), part: .training, form: victim?.form ?? PictureForm())
    guard let victim else { return all }
    let ordered = try all.ordered(as: victim.classNames)
    try victim.expect(ordered)
    return ordered
  }
}

/// One training of noise or the other: what is told to both of them has one field.
public struct AttackTrainingRequest: JobRequest {
  /// Whether the classifier learns, too.
  public var isDuel = false
  /// What counts unless it is a duel.
  public var noise = NoiseTrainingRequest()
  /// What counts in a duel.
  public var duel = DuelRequest()

  /// A frozen classifier, with the defaults of the house.
  public init() {}

  public static var form: Form<Self> {
    let duel = DuelRequest.form
    let own = NoiseTrainingRequest.form.fields
    let further = duel.fields.filter { field in !own.contains { $0.name == field.name } }
    return Form(
      Self(),
      fields: own.map { noise in
        duel.field(noise.name).map { both(noise, $0) } ?? noise.within(\.noise)
      }
    ).section(
      "DUEL OPTIONS",
      [
        Field(
          flag: "antagonist", \.isDuel,
          "Let the classifier learn, too, against the generator: a duel"
        ).changeable
      ] + further.map { $0.within(\.duel) })
  }

  /// A field of both trainings.
  private static func both(
    _ noise: Field<NoiseTrainingRequest>, _ duel: Field<DuelRequest>
  ) -> Field<Self> {
    noise.carried(
      words: { $0.isDuel ? duel.words($0.duel) : noise.words($0.noise) },
      put: {
        try noise.put(&$0.noise, $1)
        try duel.put(&$0.duel, $1)
      })
  }

  public static func check(_ words: FieldWords) throws {
    try NoiseTrainingRequest.check(words)
    func isGiven(_ names: [String]) -> Bool { names.contains { words[$0] != nil } }
    guard words["antagonist"] != nil else {
      let given = form.sections[1].fields.filter { words[$0.name] != nil }.map { "--\($0.name)" }
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

  public func json() throws -> String { isDuel ? try duel.json() : try noise.json() }
}

/// Trains noise, against a frozen classifier or in a duel.
public enum AttackTraining: Job {
  public static let workshop = "attack"
  public static let name = "train"
  public static let trains = true
  public static let summary = "Train a generator whose noise makes a classifier fail."
  public static let guide = """
    The victim stays as it is; gradients go through it to the generator. The noise stays within \
    --epsilon exactly, also after rounding to 8 bits. Ctrl-C saves; --resume goes on.

    With --antagonist the classifier learns at the same time to withstand the noise: last and \
    best are the hardened classifier then, generator.safetensors the generator, curves.png its \
    accuracy on held-out pictures, clean and under each attack.

    NETWORKS
    \(NetworkList.text(NoiseNetwork.allCases.map { ($0.rawValue, $0.summary) }))

    EXAMPLES
      atelier attack train --victim m.safetensors --data mnist --run noise
      atelier attack train --victim m.safetensors --data mnist --epsilon 0.2 \\
        --loss margin:20 --epochs 8 --run noise
      atelier attack train --victim m.safetensors --data mnist --universal --run u
      atelier attack train --antagonist --classifier strided --data fashion-mnist \\
        --epsilon 0.1 --pgd-share 0.8 --run duel
    """

  public static func request(
    _ words: FieldWords, in run: RunPlace
  ) throws -> AttackTrainingRequest {
    var request = AttackTrainingRequest()
    request.isDuel = words["antagonist"] != nil
    if run.resume {
      try AttackTrainingRequest.form.expectChangeable(words)
      try StudioFiles.expectPresent([run.run])
      let isDuel = try isDuel(run.url)
      guard isDuel || !request.isDuel else {
        throw StudioError(.usage, "\(run.run): the run is no duel; leave out --antagonist")
      }
      request.isDuel = isDuel
    }
    if request.isDuel {
      request.duel = try .trainingRequest(words, in: run, job: path)
    } else {
      request.noise = try .trainingRequest(words, in: run, job: path)
    }
    return request
  }

  public static func run(_ request: AttackTrainingRequest, in place: JobPlace) throws -> Report {
    request.isDuel
      ? try DuelTraining.run(request.duel, in: place)
      : try NoiseTraining.run(request.noise, in: place)
  }

  /// Whether a run is a duel: it says so, or, when an older version made it, has a duel's settings.
  static func isDuel(_ run: URL) throws -> Bool {
    let folder = try RunFolder.open(at: run)
    guard folder.hasAbout else {
      return try folder.configuration { data in
        let stored = try JSONSerialization.jsonObject(with: data) as? [String: Any]
        return stored?["balance"] != nil
      }
    }
    let about = try JSONDecoder().decode(AboutRun.self, from: Data(contentsOf: folder.aboutURL))
    return about.arguments["antagonist"] != nil
  }
}
