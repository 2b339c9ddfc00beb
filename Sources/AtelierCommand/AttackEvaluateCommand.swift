// `atelier attack evaluate`: attacks on one or several victims, one protocol, a table.

import ArgumentParser
import Atelier
import Foundation

/// Measures attacks.
struct AttackEvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "Print how often attacks turn what classifiers say.",
    discussion: """
      Success is the share that is turned among the pictures that the victim classifies correctly, \
      judged on pictures rounded to 8 bits within the limit. Several victims make the table a \
      transfer matrix, several numbers of --epsilon a sweep.

      ATTACKS
        random, fgsm, pgd-STEPS, pgd-STEPSxRESTARTS, cw, cw-SEARCHESxSTEPS,
        square, square-QUERIES

      EXAMPLES
        atelier attack evaluate --victim m.safetensors --data mnist --attacks fgsm
        atelier attack evaluate --victim a.safetensors b.safetensors --data mnist \\
          --generator g.safetensors --attacks random,fgsm,pgd-20 --epsilon 0.1,0.2,0.3
      """)

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("The model files of the classifiers.", valueName: "file"))
  var victim: [String]

  @Option(help: ArgumentHelp("The test set.", valueName: "dir"))
  var data: String

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Model files of generators.", valueName: "file"))
  var generator: [String] = []

  @Option(
    help: ArgumentHelp("Attacks with commas; see above.", valueName: "list"),
    transform: Reading.attacks)
  var attacks: [Attack] = []

  @Option(
    help: ArgumentHelp(
      "Limits with commas, such as 0.1,0.3 or 8/255 (default: the generator's, or 0.3).",
      valueName: "list"))
  var epsilon: String?

  @Flag(name: .customLong("l2"), help: "The limits are lengths (L2), for attacks without training.")
  var isL2 = false

  @Option(help: ArgumentHelp("Attacks without training go for this class.", valueName: "class"))
  var target: Int?

  @Flag(help: "Attacks without training go for the least likely class.")
  var leastLikely = false

  @Option(help: ArgumentHelp("Take only the first pictures of the set.", valueName: "n"))
  var first: Int?

  @Flag(help: "Also print the table of classes.")
  var perClass = false

  @Option(help: ArgumentHelp("The seed of random starts.", valueName: "seed"))
  var seed: UInt64 = 1

  @OptionGroup(title: "GENERAL OPTIONS") var global: GlobalOptions

  func validate() throws {
    guard !victim.isEmpty else { throw ValidationError("--victim needs a file") }
    guard !generator.isEmpty || !attacks.isEmpty else {
      throw ValidationError("give --generator, --attacks or both")
    }
    if target != nil, leastLikely {
      throw ValidationError("--target and --least-likely contradict")
    }
    if let first, first < 1 { throw ValidationError("--first takes at least 1; received \(first)") }
    if let target, target < 0 {
      throw ValidationError("--target takes at least 0; received \(target)")
    }
    if let epsilon { _ = try Reading.epsilons(epsilon, most: 1000) }
  }

  /// One row as `--json` prints it.
  private struct Row: Encodable {
    let victim: String
    let epsilon: Float
    let generator: String?
    let report: AttackReport
  }

  func run() throws {
    let kernels = global.kernels
    let models = try victim.map { try ModelFile.read(from: URL(fileURLWithPath: $0)) }
    let generators = try generator.map {
      try NoiseAttacker(ModelFile.read(from: URL(fileURLWithPath: $0)), kernels: kernels)
    }
    try Reading.checkPresent([data])
    let radii = try epsilon.map { try Reading.epsilons($0, most: 1000) }
    var rows: [Row] = []
    for (path, model) in zip(victim, models) {
      let images = try pictures(for: Classifier([model], kernels: kernels))
      for (file, attacker) in zip(generator, generators) {
        for radius in radii ?? [attacker.budget.radius] {
          let report = try AttackEvaluation.run(
            attacker, victim: model, on: images, budget: attacker.budget.scaled(to: radius),
            kernels: kernels)
          rows.append(Row(victim: path, epsilon: radius, generator: file, report: report))
          say(rows[rows.count - 1])
        }
      }
      for attack in attacks {
        for radius in radii ?? [0.3] {
          let report = try AttackEvaluation.run(
            attack, victim: model, on: images,
            budget: isL2 ? .two(radius) : .infinity(radius),
            goal: Reading.goal(target: target, isLeastLikely: leastLikely), seed: seed,
            kernels: kernels)
          rows.append(Row(victim: path, epsilon: radius, generator: nil, report: report))
          say(rows[rows.count - 1])
        }
      }
    }
    guard !global.json else { return try Console.print(json: rows) }
    Console.print(Self.table(rows))
    if perClass {
      for row in rows { Console.print("\n\(row.report.attack):\n" + Self.classTable(row.report)) }
    }
    for text in Set(rows.map(\.report.protocol)).sorted() { Console.print("protocol: \(text)") }
  }

  /// The test pictures for a victim.
  private func pictures(for classifier: Classifier) throws -> LabeledImages {
    let all = try LabeledImages.read(
      URL(fileURLWithPath: data), part: .test, form: classifier.form)
    guard let first, first < all.count else { return all }
    return try all.selecting(Array(0..<first), suffix: ", the first \(first)")
  }

  /// A word while the slow ones run.
  private func say(_ row: Row) {
    global.remark(
      "\(row.report.attack) at \(row.epsilon): \(NumberText.fixed(100 * row.report.success, 2)) %")
  }

  private static func table(_ rows: [Row]) -> String {
    var table = TextTable(
      [
        "victim", "attack", "epsilon", "clean %", "attacked %", "success %", "steps", "L2",
        "PSNR dB", "images/s",
      ], leftColumns: 2)
    for row in rows {
      let report = row.report
      table.append(
        [row.victim, report.attack, NumberText.fixed(Double(row.epsilon), 4)]
          + [report.cleanAccuracy, report.attackedAccuracy, report.success].map {
            NumberText.fixed(100 * $0, 2)
          } + [
            "\(report.largestSteps)", NumberText.fixed(report.meanL2, 2),
            NumberText.fixed(report.meanPSNR, 1),
            NumberText.fixed(1 / max(report.secondsPerImage, 1e-9), 0),
          ])
    }
    return table.text
  }

  private static func classTable(_ report: AttackReport) -> String {
    var table = TextTable(["class", "pictures", "turned", "success %"])
    for row in report.classes {
      let share = row.count > 0 ? 100 * Double(row.turned) / Double(row.count) : 0
      table.append([row.name, "\(row.count)", "\(row.turned)", NumberText.fixed(share, 2)])
    }
    return table.text
  }
}
