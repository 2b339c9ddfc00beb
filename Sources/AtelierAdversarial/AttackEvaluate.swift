// `attack evaluate`: attacks on one or several victims, one protocol, a table.

import AtelierClassification
import AtelierDatasets
import AtelierInterchange
import AtelierKernels
import AtelierWorkbench
import Foundation

/// Which attacks are measured on whom, and how.
public struct AttackEvaluateRequest: JobRequest, Hashable {
  public var victim: [String] = []
  public var data = ""
  public var generator: [String] = []
  public var attacks: [Attack] = []
  public var epsilon: [Float] = []
  public var isL2 = false
  public var goal = AttackGoal.untargeted
  public var first: Int?
  public var isTransfer = false
  public var denoiser: String?
  public var denoiserSigma: Float = 25
  public var checksGradients = false
  public var plot: String?
  public var isPerClass = false
  public var seed: UInt64 = 1

  public init() {}

  public static var form: Form<Self> {
    Form(
      Self(),
      fields: [
        Field(
          list: "victim", \.victim, "The model files of the classifiers", value: "file",
          kind: .file(["safetensors"])
        ).demanded,
        Field("data", \.data, "The test set", value: "dir", kind: .source).demanded,
        Field(
          list: "generator", \.generator, "Model files of generators", value: "file",
          kind: .file(["safetensors"])),
        Field(commas: "attacks", \.attacks, "Attacks with commas; see above", value: "list"),
        .radii(
          "epsilon", "Limits with commas, such as 0.1,0.3 or 8/255", value: "list",
          get: \.epsilon, set: { $0.epsilon = $1 }
        ).byDefault("the generator's, or 0.3"),
        Field(flag: "l2", \.isL2, "The limits are lengths (L2), for attacks without training"),
        .target(\.goal.target, "Attacks without training go for this class"),
        Field(
          flag: "least-likely", \.goal.isLeastLikely,
          "Attacks without training go for the least likely class"),
        Field("first", \.first, "Take only the first pictures of the set", value: "n", .from(1)),
        Field(
          flag: "transfer", \.isTransfer,
          "Make attacks without training on each victim and judge them by all"),
        Field(
          "denoiser", \.denoiser, "Also put this denoiser in front: a model file, or shipped",
          value: "file", kind: .file(["safetensors"])
        ).besides("shipped"),
        Field(
          "denoiser-sigma", \.denoiserSigma, "The noise's deviation that it is told, of 255",
          value: "sigma", .from(0, to: 255)),
        Field(
          flag: "check-gradients", \.checksGradients,
          "Look for masked gradients, where robustness is only apparent (L-infinity)"),
        Field("plot", \.plot, "Draw success over the limits, PNG", value: "file", kind: .output),
        Field(flag: "per-class", \.isPerClass, "Also print the table of classes"),
        Field("seed", \.seed, "The seed of random starts", value: "seed"),
      ])
  }

  public static func check(_ words: FieldWords) throws {
    guard words["generator"] != nil || words["attacks"] != nil else {
      throw FieldError("give --generator, --attacks or both")
    }
    try AttackGoal.check(words)
    if words["check-gradients"] != nil, words["l2"] != nil {
      throw FieldError("--check-gradients is for L-infinity")
    }
  }
}

/// Measures attacks.
public enum AttackEvaluate: Job {
  public static let workshop = "attack"
  public static let name = "evaluate"
  public static let summary = "Print how often attacks turn what classifiers say."
  public static let guide = """
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
    """

  public static func run(_ request: AttackEvaluateRequest, in place: JobPlace) throws -> Report {
    let table = try measure(request, in: place)
    var report = Report(value: table)
    table.tell(&report, isTransfer: request.isTransfer, isPerClass: request.isPerClass)
    if let plot = request.plot {
      try PictureJob.write(table.plot, to: plot, place: place)
      report.say("plot: \(plot)")
      report.files = [plot]
    }
    return report
  }

  /// Makes every attack on every victim.
  static func measure(_ request: AttackEvaluateRequest, in place: JobPlace) throws -> AttackTable {
    let judging = Kernels(pool: place.kernels.pool, instructionSet: place.kernels.instructionSet)
    let victims = try request.victim.map { try NamedVictim($0, model($0), judging) }
    let generators = try request.generator.map {
      ($0, try NoiseAttacker(model($0), kernels: place.kernels))
    }
    let pairs = try pairs(victims, request, judging)
    let radii = request.epsilon.isEmpty ? [0.3] : request.epsilon
    var table = AttackTable()
    /// Takes in a row, with a word while the slow ones run.
    func add(_ row: AttackRow) {
      table.rows.append(row)
      place.remark(
        "\(row.victim): \(row.report.attack) at \(row.epsilon): "
          + "\(NumberText.fixed(100 * row.report.success, 2)) %")
    }
    var judges: Set<String> = []
    for victim in pairs.map(\.victim) where judges.insert(victim.name).inserted {
      let images = try pictures(request, victim.classifier)
      for remark in images.remarks() { place.remark(remark) }
      for (file, attacker) in generators {
        for radius in request.epsilon.isEmpty ? [attacker.budget.radius] : radii {
          let report = try AttackEvaluation.run(
            attacker, victim: victim.classifier, on: images,
            budget: attacker.budget.scaled(to: radius),
            progress: ProgressCounter("pictures", place).show)
          add(AttackRow(victim: victim.name, epsilon: radius, generator: file, report: report))
        }
      }
      for pair in pairs where pair.victim.name == victim.name {
        for attack in request.attacks {
          for radius in radii {
            let report = try AttackEvaluation.run(
              attack, victim: victim.classifier, source: pair.source.classifier, on: images,
              budget: request.isL2 ? .two(radius) : .infinity(radius), goal: request.goal,
              seed: request.seed, progress: ProgressCounter("pictures", place).show)
            add(
              AttackRow(
                victim: victim.name, epsilon: radius, source: pair.source.name, report: report))
          }
        }
      }
      for radius in request.checksGradients ? radii : [] {
        place.remark("looking for masked gradients of \(victim.name)")
        let report = try GradientMasking.run(
          victim.classifier, on: images, budget: .infinity(radius), seed: request.seed)
        table.checks.append(AttackCheck(victim: victim.name, epsilon: radius, report: report))
      }
    }
    return table
  }

  private static func model(_ file: String) throws -> Model {
    try ModelFile.read(from: URL(fileURLWithPath: file))
  }

  /// Who an attack is made on and who judges it, each judge's together.
  private static func pairs(
    _ victims: [NamedVictim], _ request: AttackEvaluateRequest, _ kernels: Kernels
  ) throws -> [(source: NamedVictim, victim: NamedVictim)] {
    let isGray = victims.first?.classifier.channels == 1
    let denoiser = try request.denoiser.map { word in
      let file = try ShippedModels.denoiserFile(word, isGray: isGray)
      return (
        name: word == "shipped" ? file.lastPathComponent : word,
        model: try ModelFile.read(from: file)
      )
    }
    return try victims.flatMap { victim in
      let plain = (request.isTransfer ? victims : [victim]).map { ($0, victim) }
      guard let denoiser else { return plain }
      let defended = try NamedVictim(
        "\(victim.name) behind \(denoiser.name)",
        Defence.model(victim.model, behind: denoiser.model, sigma: request.denoiserSigma), kernels)
      return plain + [(victim, defended), (defended, defended)]
    }
  }

  /// The test pictures for a victim.
  private static func pictures(
    _ request: AttackEvaluateRequest, _ classifier: Classifier
  ) throws -> LabeledImages {
    let all = try LabeledImages.read(
      URL(fileURLWithPath: request.data), part: .test, form: classifier.form)
    guard let first = request.first, first < all.count else { return all }
    return try all.selecting(Array(0..<first), suffix: ", the first \(first)")
  }
}

/// A classifier under the name that tables give it.
private struct NamedVictim {
  let name: String
  let model: Model
  let classifier: Classifier

  init(_ name: String, _ model: Model, _ kernels: Kernels) throws {
    self.name = name
    self.model = model
    classifier = try Classifier([
      RunningModel(model, task: Classifier.task, "classifies", kernels: kernels)
    ])
  }
}
