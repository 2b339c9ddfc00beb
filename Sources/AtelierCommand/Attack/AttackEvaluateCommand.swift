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
      judged on pictures rounded to 8 bits within the limit. Several numbers of --epsilon make a \
      sweep, drawn by --plot. --transfer makes each attack on each victim and judges it by all: \
      the transfer matrix. --denoiser puts a denoiser in front of the victims, attacked by \
      someone who does not know of it (noise made on the victim alone) and by someone who does \
      (gradients through both). --precision is that of the generators; what judges them stays \
      float32.

      ATTACKS
        random, fgsm, pgd-STEPS, pgd-STEPSxRESTARTS, cw, cw-SEARCHESxSTEPS,
        square, square-QUERIES
      PGD begins anywhere within the limit; pgd-20-squares begins at its corners with noise as \
      Square has it, pgd-20x10-mixed with either by lot; pgd-100x20-smooth follows gradients \
      taken beside where it stands and summed over its steps: trials for gradients that are masked.
      cw looks for the shortest noise (L2), whatever the limit, which cuts it then.

      EXAMPLES
        atelier attack evaluate --victim m.safetensors --data mnist --attacks fgsm
        atelier attack evaluate --victim a.safetensors b.safetensors --data mnist \\
          --generator g.safetensors --attacks random,fgsm,pgd-20 \\
          --epsilon 0.1,0.2,0.3
        atelier attack evaluate --victim a.safetensors b.safetensors --data mnist \\
          --attacks pgd-20 --transfer
        atelier attack evaluate --victim m.safetensors --data mnist \\
          --attacks pgd-20 --denoiser shipped --check-gradients
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

  @Flag(help: "Make attacks without training on each victim and judge them by all.")
  var transfer = false

  @Option(
    help: ArgumentHelp(
      "Also put this denoiser in front: a model file, or shipped.", valueName: "file"))
  var denoiser: String?

  @Option(
    help: ArgumentHelp("The noise's deviation that it is told, of 255.", valueName: "sigma"))
  var denoiserSigma: Float = 25

  @Flag(help: "Look for masked gradients, where robustness is only apparent (L-infinity).")
  var checkGradients = false

  @Option(help: ArgumentHelp("Draw success over the limits, PNG.", valueName: "file"))
  var plot: String?

  @Flag(help: "Also print the table of classes.")
  var perClass = false

  @Option(help: ArgumentHelp("The seed of random starts.", valueName: "seed"))
  var seed: UInt64 = 1

  @OptionGroup(title: "GENERAL OPTIONS") var arithmetic: PrecisionOptions
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
    guard (0...255).contains(denoiserSigma) else {
      throw ValidationError("--denoiser-sigma takes 0 to 255; received \(denoiserSigma)")
    }
    if checkGradients, isL2 { throw ValidationError("--check-gradients is for L-infinity") }
  }

  func run() throws {
    let kernels = global.kernels
    let victims = try victim.map {
      NamedVictim(name: $0, model: try ModelFile.read(from: URL(fileURLWithPath: $0)))
    }
    let drawing = arithmetic.kernels(global)
    let generators = try generator.map {
      try NoiseAttacker(ModelFile.read(from: URL(fileURLWithPath: $0)), kernels: drawing)
    }
    try Reading.checkPresent([data])
    let pairs = try AttackPair.list(
      victims, isTransfer: transfer,
      denoiser: denoiser.map { try ShippedModels.denoiser($0, isGray: victims[0].isGray) },
      sigma: denoiserSigma)
    var table = AttackTable()
    for victim in AttackPair.judges(pairs) {
      let images = try pictures(for: Classifier([victim.model], kernels: kernels))
      for (file, attacker) in zip(generator, generators) {
        for radius in try radii ?? [attacker.budget.radius] {
          let progress = WorkProgress("pictures", isQuiet: global.quiet)
          let report = try AttackEvaluation.run(
            attacker, victim: victim.model, on: images,
            budget: attacker.budget.scaled(to: radius), kernels: kernels, progress: progress.show)
          progress.end()
          add(
            AttackRow(
              victim: victim.name, epsilon: radius, generator: file, report: report), &table)
        }
      }
      for pair in pairs where pair.victim.name == victim.name {
        try measure(pair, images, kernels, &table)
      }
      if checkGradients {
        for radius in try radii ?? [0.3] {
          global.remark("looking for masked gradients of \(victim.name)")
          table.checks.append(
            AttackCheck(
              victim: victim.name, epsilon: radius,
              report: try GradientMasking.run(
                victim.model, on: images, budget: .infinity(radius), seed: seed,
                kernels: kernels)))
        }
      }
    }
    if let plot { try table.draw(to: plot) }
    guard !global.json else { return try Console.print(json: table) }
    Console.print(table.text(isTransfer: transfer, perClass: perClass))
    if let plot { Console.print("plot: \(plot)") }
  }

  private var radii: [Float]? {
    get throws { try epsilon.map { try Reading.epsilons($0, most: 1000) } }
  }

  /// Runs the attacks without training on one pair.
  private func measure(
    _ pair: AttackPair, _ images: LabeledImages, _ kernels: Kernels, _ table: inout AttackTable
  ) throws {
    for attack in attacks {
      for radius in try radii ?? [0.3] {
        let progress = WorkProgress("pictures", isQuiet: global.quiet)
        let report = try AttackEvaluation.run(
          attack, victim: pair.victim.model,
          source: pair.source.name == pair.victim.name ? nil : pair.source.model, on: images,
          budget: isL2 ? .two(radius) : .infinity(radius),
          goal: Reading.goal(target: target, isLeastLikely: leastLikely), seed: seed,
          kernels: kernels, progress: progress.show)
        progress.end()
        add(
          AttackRow(
            victim: pair.victim.name, epsilon: radius, source: pair.source.name, report: report),
          &table)
      }
    }
  }

  /// Takes in a row, with a word while the slow ones run.
  private func add(_ row: AttackRow, _ table: inout AttackTable) {
    table.rows.append(row)
    global.remark(
      "\(row.victim): \(row.report.attack) at \(row.epsilon): "
        + "\(NumberText.fixed(100 * row.report.success, 2)) %")
  }

  /// The test pictures for a victim.
  private func pictures(for classifier: Classifier) throws -> LabeledImages {
    let all = try LabeledImages.read(
      URL(fileURLWithPath: data), part: .test, form: classifier.form)
    guard let first, first < all.count else { return all }
    return try all.selecting(Array(0..<first), suffix: ", the first \(first)")
  }
}
