// What is watched while a generator learns: distance to real pictures, variety, sides that are dead.

import AtelierAdversarial
import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierKernels
import AtelierTraining
import AtelierWorkbench
import Foundation

/// Compares drawn with real pictures, always with the same ones.
final class GenerationWatch {
  /// What pictures are compared by.
  let features: PictureFeatures
  /// Pictures of each kind.
  let count: Int
  /// The classes of the real pictures.
  let labels: [Int]
  private let real: FeatureStatistics
  private let realDistance: Double
  private let kernels: Kernels
  /// Pictures whose distances to each other are measured.
  private static let compared = 256

  /// Chooses `count` real pictures, at least two, by the seed.
  init(
    _ images: LabeledImages, features: PictureFeatures, count: Int, seed: UInt64,
    kernels: Kernels = Kernels()
  ) throws {
    try StudioError.unless(
      count >= 2, .data, "\(images.name): expected at least two pictures, received \(count)")
    self.features = features
    self.count = count
    self.kernels = kernels
    var generator = RandomGenerator(seed: seed, LatentStream.watched)
    let chosen = Array(generator.permutation(images.count).prefix(count))
    labels = chosen.map { images.labels[$0] }
    let vectors = try features(images.tensor(chosen))
    real = FeatureStatistics(vectors, kernels: kernels)
    realDistance = meanDistance(vectors.first(Self.compared))
  }

  /// The codes that are drawn from, the same in every validation.
  func codes(latent: Int, seed: UInt64) -> Tensor {
    var generator = RandomGenerator(seed: seed, LatentStream.watched, 1)
    return Tensor([count, latent], (0..<count * latent).map { _ in generator.normal() })
  }

  /// `distance`, Fréchet's to the real pictures, and `diversity`, the mean distance of drawn
  /// pictures to each other as a share of the real ones'.
  func measure(_ drawn: Tensor) throws -> [String: Double] {
    let vectors = try features(drawn)
    let own = meanDistance(vectors.first(Self.compared))
    return [
      "distance": FeatureStatistics(vectors, kernels: kernels).frechetDistance(to: real),
      "diversity": realDistance > 0 ? own / realDistance : 1,
    ]
  }
}

extension Tensor {
  /// The first rows of [N, …].
  fileprivate func first(_ rows: Int) -> Tensor {
    let rows = min(rows, shape.batch)
    return Tensor(shape.withBatch(rows), Array(elements.prefix(rows * count / shape.batch)))
  }
}

/// Warns of samples that are all alike and of a side that learns nothing any more.
final class GenerationWarnings: TrainingListener {
  /// Below this share of the real pictures' variety samples count as collapsed.
  static let leastDiversity = 0.5
  /// In the first steps networks that know nothing look collapsed and dead.
  static let firstStep = 500

  private let game: AdversarialGame?
  private let smoothing: Double
  private let warn: (Int, String) throws -> Void
  private var state = State()

  private struct State: Codable {
    /// The critic's loss, averaged over about a hundred steps; nil before the first.
    var loss: Double?
    /// What was said last, so that it is not said at every validation.
    var said: Set<String> = []
  }

  /// Hears of a game, or of none; `warn` gets the step and a line.
  init(
    game: AdversarialGame?, smoothing: Float, warn: @escaping (Int, String) throws -> Void
  ) {
    self.game = game
    self.smoothing = Double(smoothing)
    self.warn = warn
  }

  func prepare(step: Int, checkpoint: String?) throws {
    state =
      try checkpoint.map { try JSONDecoder().decode(State.self, from: Data($0.utf8)) } ?? State()
  }

  func checkpoint() throws -> String? {
    String(decoding: try JSONEncoder().encode(state), as: UTF8.self)
  }

  func handle(_ event: TrainingEvent) throws {
    switch event {
    case .step(let report):
      guard let loss = report.values["critic/loss"] else { return }
      state.loss = state.loss.map { 0.99 * $0 + 0.01 * loss } ?? loss
    case .validated(let report) where report.step >= Self.firstStep:
      try say(
        "collapse", report.metrics["diversity"].map { $0 < Self.leastDiversity } ?? false,
        step: report.step,
        "mode collapse: drawn pictures differ from each other by "
          + "\(NumberText.fixed(100 * (report.metrics["diversity"] ?? 0), 0)) % of what real ones do"
      )
      guard let loss = state.loss, let bounds = game?.bounds(smoothing: smoothing) else { return }
      try say(
        "generator", loss < bounds.lowerBound, step: report.step,
        "the critic tells everything apart (loss \(NumberText.fixed(loss, 4))): the generator "
          + "learns little; smoothing, a penalty or spectral normalization may help")
      try say(
        "critic", loss > bounds.upperBound, step: report.step,
        "the critic tells nothing apart (loss \(NumberText.fixed(loss, 4)), chance): it learns "
          + "little; a higher --critic-rate may help")
    default: break
    }
  }

  /// Says a line when it begins to hold, once until it held no more.
  private func say(_ key: String, _ holds: Bool, step: Int, _ text: String) throws {
    guard holds else {
      state.said.remove(key)
      return
    }
    if state.said.insert(key).inserted { try warn(step, text) }
  }
}

extension AdversarialGame {
  /// The critic's losses between which both sides learn: above a fiftieth of what chance gives, and
  /// below nearly all of it; nil where a loss has no such scale.
  fileprivate func bounds(smoothing: Double) -> ClosedRange<Double>? {
    switch self {
    case .nonSaturating:
      // The least loss against a smoothed target is its entropy.
      let entropy =
        smoothing > 0
        ? -smoothing * log(smoothing) - (1 - smoothing) * log(1 - smoothing) : 0
      let chance = 2 * log(2.0)
      return entropy + 0.02 * (chance - entropy)...0.998 * chance
    case .leastSquares: return 0.005...0.249
    case .hinge: return 0.04...1.996
    case .wasserstein: return nil
    }
  }
}
