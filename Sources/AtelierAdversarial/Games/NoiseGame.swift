// What the training of noise against a frozen classifier and the duel share: fields, checks, pictures.

import AtelierClassification
import AtelierDatasets
import AtelierWorkbench
import AtelierZoo
import Foundation

/// What both trainings of noise are told.
protocol NoiseGameRequest: TrainingRequest {
  var data: String { get set }
  var budget: NoiseBudget { get set }
  var loss: AttackLoss { get set }
  var augmentation: PictureAugmentation { get set }
}

extension NoiseGameRequest {
  public static var limitLine: String? { nil }

  /// A length is at most 2 unless told otherwise.
  public mutating func prepare(for words: FieldWords) throws {
    if words["l2"] != nil { budget = .two(2) }
  }

  public static func check(_ words: FieldWords) throws { try checkNoise(words) }

  /// Refuses two goals and too much noise.
  static func checkNoise(_ words: FieldWords) throws {
    try AttackGoal.check(words)
    guard let word = words["epsilon"]?.last else { return }
    _ = try NoiseBudget.radii(word, "--epsilon", most: words["l2"] != nil ? 1000 : 1)
  }
}

extension Field where Request: NoiseGameRequest {
  /// The fields of both trainings, with what one has alone where people look for it: `goal` behind
  /// the limit, `beside` behind the loss.
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
      ] + limits + sharding + [.seed("weights and orders")]
  }
}

extension LabeledImages {
  /// The training part of a set as a victim takes it, or as it is; throws `DatasetError`, or
  /// `StudioError` when the pictures do not fit the victim.
  static func training(_ path: String, for victim: Classifier?) throws -> LabeledImages {
    let all = try read(
      URL(fileURLWithPath: path), part: .training, form: victim?.form ?? PictureForm())
    guard let victim else { return all }
    let ordered = try all.ordered(as: victim.classNames)
    try victim.expect(ordered)
    return ordered
  }
}
