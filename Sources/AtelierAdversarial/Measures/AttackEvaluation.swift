// The measure of attacks: success among correctly classified pictures, judged on bytes as files hold
// them.

import AtelierClassification
import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierWorkbench
import Foundation

/// What an evaluation found; encodes to the JSON that `--json` prints.
public struct AttackReport: Sendable, Hashable, Codable {
  /// One class's figures.
  public struct Row: Sendable, Hashable, Codable {
    public var name: String
    /// Its pictures that the victim classified correctly and that count.
    public var count: Int
    /// Those that were turned.
    public var turned: Int
  }

  /// How the figures came about.
  public var `protocol`: String
  public var attack: String
  public var count: Int
  /// The share of clean pictures that the victim gets right.
  public var cleanAccuracy: Double
  /// The share of attacked pictures that the victim gets right.
  public var attackedAccuracy: Double
  /// The share that was turned among the correctly classified ones (targeted: that are not of the
  /// class already).
  public var success: Double
  /// The largest change of any sample, in byte steps.
  public var largestSteps: Int
  /// The mean length of the noise, in fractions of full white.
  public var meanL2: Double
  /// The mean PSNR of attacked pictures, in dB; of pictures that did not change there is none.
  public var meanPSNR: Double
  /// Seconds a picture, reading and judging apart.
  public var secondsPerImage: Double
  /// The classes in the order of the outputs.
  public var classes: [Row]

  enum CodingKeys: String, CodingKey {
    case `protocol`, attack, count, success, classes
    case cleanAccuracy = "clean_accuracy"
    case attackedAccuracy = "attacked_accuracy"
    case largestSteps = "largest_steps"
    case meanL2 = "mean_l2"
    case meanPSNR = "mean_psnr"
    case secondsPerImage = "seconds_per_image"
  }
}

/// Measures attacks.
public enum AttackEvaluation {
  /// Measures a generator on pictures of the victim's size, not necessarily the victim that it was
  /// trained on; another limit scales the noise; throws `StudioError` when they do not fit
  /// together.
  public static func run(
    _ attacker: NoiseAttacker, victim: Classifier, on images: LabeledImages,
    budget: NoiseBudget? = nil, progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws -> AttackReport {
    let name = "generator" + (attacker.isUniversal ? " (universal)" : "")
    return try measure(
      name, victim, images, budget: budget ?? attacker.budget, goal: attacker.goal, progress
    ) { pictures, _, _ in try attacker.attack(pictures, budget: budget) }
  }

  /// Measures an attack that needs no training, made on the victim or on another `source` of the
  /// same classes, to see what carries over; throws `StudioError` when they do not fit together.
  public static func run(
    _ attack: Attack, victim: Classifier, source: Classifier? = nil, on images: LabeledImages,
    budget: NoiseBudget, goal: AttackGoal = .untargeted, seed: UInt64 = 1,
    progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws -> AttackReport {
    try run(
      attack, by: Attacker(source ?? victim, budget: budget, goal: goal), victim: victim,
      on: images, seed: seed, progress: progress)
  }

  /// The same by someone who has attacked before and knows the programs.
  static func run(
    _ attack: Attack, by attacker: Attacker, victim: Classifier, on images: LabeledImages,
    seed: UInt64 = 1, progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws -> AttackReport {
    let source = attacker.classifier
    guard source.classNames == victim.classNames, source.size == victim.size,
      source.channels == victim.channels
    else {
      throw StudioError(
        .data, "an attack carries over between classifiers of the same pictures and classes")
    }
    return try measure(
      attack.name, victim, images, budget: attacker.budget, goal: attacker.goal, progress
    ) { try attacker.run($0, $1, attack, seed: seed, first: $2) }
  }

  private static func measure(
    _ name: String, _ classifier: Classifier, _ images: LabeledImages, budget: NoiseBudget,
    goal: AttackGoal, _ progress: (Int, Int) -> Void,
    _ attack: (_ pictures: Tensor, _ labels: [Int], _ first: Int) throws -> Tensor
  ) throws -> AttackReport {
    try classifier.expect(images)
    let set = try images.ordered(as: classifier.classNames)
    var tally = AttackTally(names: classifier.classNames)
    var seconds = 0.0
    for first in stride(from: 0, to: set.count, by: 1000) {
      let range = first..<min(first + 1000, set.count)
      let (clean, labels) = (set.tensor(range), Array(set.labels[range]))
      let logits = try classifier.logits(clean)
      let goals = goal.labels(labels) { logits }
      let start = Date()
      let noisy = try attack(clean, labels, first)
      seconds += Date().timeIntervalSince(start)
      let bytes = labels.indices.flatMap { row in
        let length = set.pictureLength
        let place = (first + row) * length
        return budget.bytes(
          clean: set.pixels[place..<place + length],
          noisy: noisy.elements[row * length..<(row + 1) * length])
      }
      // Judged on the bytes, as they would be read back from a file.
      let stored = Tensor(clean.shape, bytes.map { Float($0) / 255 })
      tally.add(
        logits, try classifier.logits(stored), labels: labels, goals: goals,
        isTargeted: goal.isTargeted)
      tally.add(
        clean: set.pixels, from: range.lowerBound * set.pictureLength, noisy: bytes,
        pictures: labels.count)
      progress(range.upperBound, set.count)
    }
    var report = tally.report
    report.attack = name
    report.secondsPerImage = seconds / Double(set.count)
    report.protocol =
      "\(set.name), all \(set.count) pictures; success: \(goal.success), among those that the "
      + "victim classifies correctly"
      + (goal.isTargeted ? " and that are not of that class" : "") + "; \(budget.text), "
      + "kept exactly after rounding to 8 bits; judged on the rounded picture"
    return report
  }
}

extension NoiseBudget {
  /// The limit for protocols.
  var text: String {
    switch self {
    case .infinity(let epsilon): "L-infinity \(epsilon), which is \(Self.byteSteps(epsilon)) of 255"
    case .two(let radius): "L2 \(radius)"
    }
  }
}

/// Counts while attacked pictures come in.
private struct AttackTally {
  private var rows: [AttackReport.Row]
  private var count = 0
  private var cleanRight = 0
  private var attackedRight = 0
  private var largest = 0
  private var lengths = 0.0
  private var psnr = (sum: 0.0, count: 0)

  init(names: [String]) { rows = names.map { AttackReport.Row(name: $0, count: 0, turned: 0) } }

  /// Takes in the victim's answers.
  mutating func add(
    _ clean: Tensor, _ attacked: Tensor, labels: [Int], goals: [Int], isTargeted: Bool
  ) {
    for (row, label) in labels.enumerated() {
      let isRight = Attacker.isTurned(clean, row, label, isTargeted: true)
      let isStillRight = Attacker.isTurned(attacked, row, label, isTargeted: true)
      count += 1
      if isRight { cleanRight += 1 }
      if isStillRight { attackedRight += 1 }
      guard isRight, !isTargeted || goals[row] != label else { continue }
      rows[label].count += 1
      if Attacker.isTurned(attacked, row, goals[row], isTargeted: isTargeted) {
        rows[label].turned += 1
      }
    }
  }

  /// Takes in the noise of pictures.
  mutating func add(clean: [UInt8], from start: Int, noisy: [UInt8], pictures: Int) {
    let length = noisy.count / pictures
    for picture in 0..<pictures {
      var squares = 0
      for index in picture * length..<(picture + 1) * length {
        let change = abs(Int(noisy[index]) - Int(clean[start + index]))
        largest = max(largest, change)
        squares += change * change
      }
      lengths += Double(squares).squareRoot() / 255
      if squares > 0 {
        psnr.sum += 10 * log10(255 * 255 * Double(length) / Double(squares))
        psnr.count += 1
      }
    }
  }

  var report: AttackReport {
    let counted = rows.reduce(0) { $0 + $1.count }
    let turned = rows.reduce(0) { $0 + $1.turned }
    let whole = Double(max(count, 1))
    return AttackReport(
      protocol: "", attack: "", count: count, cleanAccuracy: Double(cleanRight) / whole,
      attackedAccuracy: Double(attackedRight) / whole,
      success: share(turned, counted), largestSteps: largest,
      meanL2: lengths / whole, meanPSNR: psnr.count > 0 ? psnr.sum / Double(psnr.count) : .infinity,
      secondsPerImage: 0, classes: rows)
  }
}
