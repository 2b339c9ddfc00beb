// A generator at work on single pictures: noise within the limit, judged as files hold it.

import AtelierClassification
import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierWorkbench

/// What became of one picture.
public struct AttackedPicture: Sendable {
  /// The picture as the victim takes it.
  public var clean: ByteImage
  /// The picture with noise, as it was judged.
  public var attacked: ByteImage
  /// All classes of the clean picture, the likeliest first.
  public var before: [Prediction]
  /// All classes of the attacked picture, the likeliest first.
  public var after: [Prediction]
  /// The right class, nil when nobody said it.
  public var label: Int?
  /// Whether the attack reached its goal; nil where the victim was wrong before or saw the class to
  /// reach already: the picture does not count.
  public var isFooled: Bool?
  /// The largest change of a sample, in byte steps.
  public var largestSteps: Int
  /// The noise's length, in fractions of full white.
  public var length: Double
  /// The PSNR to the clean picture in dB; infinite when nothing changed.
  public var psnr: Double
}

/// Attacks pictures of any size with a trained generator; used by one thread at a time.
public final class PictureAttack {
  /// The limit in force.
  public let budget: NoiseBudget
  public let victim: Classifier
  private let generator: NoiseAttacker

  /// Puts a generator and a victim together, by another number for the limit where one is given;
  /// throws `StudioError` when their pictures or classes do not fit together.
  public init(_ generator: NoiseAttacker, victim: Classifier, radius: Float? = nil) throws {
    self.generator = generator
    self.victim = victim
    budget = radius.map { generator.budget.scaled(to: $0) } ?? generator.budget
    let shape = generator.shape
    guard shape.height == victim.size.height, shape.width == victim.size.width,
      shape.channels == victim.channels
    else {
      throw StudioError(
        .data,
        "the generator draws noise for \(shape.width)x\(shape.height) with \(shape.channels) "
          + "channels; the victim takes \(victim.size) with \(victim.channels)")
    }
    if case .targeted(let index) = generator.goal, index >= victim.classNames.count {
      throw StudioError(
        .data, "the generator goes for class \(index); the victim has \(victim.classNames.count)")
    }
  }

  /// What counts as success, for protocols.
  public var definition: String {
    "success: \(generator.goal.success), judged on the file read back; a picture without a known "
      + "class counts as what the victim took the clean one for; pictures that were wrong before "
      + "do not count; \(budget.text)"
  }

  /// A picture of any size and 1 to 4 channels, fitted to the victim, and the same with noise,
  /// bytes within the limit.
  public func attack(_ image: ByteImage) throws -> (clean: ByteImage, attacked: ByteImage) {
    let clean = image.fitted(to: victim.size, channels: victim.channels)
    let tensor = Tensor(generator.shape, clean.floats.samples)
    let noisy = try generator.attack(tensor, budget: budget)
    let bytes = budget.bytes(clean: clean.samples[...], noisy: noisy.elements[...])
    return (
      clean,
      ByteImage(width: clean.width, height: clean.height, channels: clean.channels, samples: bytes)
    )
  }

  /// Judges an attacked picture, best one that was read back from its file, beside what `attack`
  /// gave; throws `StudioError` or `ImageError` when the pictures have different shapes.
  public func judge(
    _ attacked: ByteImage, clean: ByteImage, label: Int? = nil
  ) throws -> AttackedPicture {
    guard attacked.size == clean.size, attacked.channels == clean.channels else {
      throw StudioError(
        .data,
        "expected an attacked picture of \(clean.size) with \(clean.channels) channels, received "
          + "\(attacked.size) with \(attacked.channels)")
    }
    let before = try victim.classify(clean, top: .max)
    let after = try victim.classify(attacked, top: .max)
    let changes = zip(clean.samples, attacked.samples).map { abs(Int($0) - Int($1)) }
    let squares = changes.reduce(0) { $0 + $1 * $1 }
    return AttackedPicture(
      clean: clean, attacked: attacked, before: before, after: after, label: label,
      isFooled: try isFooled(clean, before[0].index, after[0].index, label),
      largestSteps: changes.max() ?? 0, length: Double(squares).squareRoot() / 255,
      psnr: try Metrics.psnr(clean, attacked))
  }

  private func isFooled(
    _ clean: ByteImage, _ before: Int, _ after: Int, _ label: Int?
  ) throws -> Bool? {
    if let label, label != before { return nil }
    let tensor = Tensor(generator.shape, clean.floats.samples)
    let goal = try generator.goal.labels([before]) { try victim.logits(tensor) }[0]
    guard generator.goal.isTargeted else { return after != before }
    return goal == before ? nil : after == goal
  }
}
