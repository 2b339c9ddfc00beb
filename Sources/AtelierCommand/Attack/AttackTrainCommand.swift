// `atelier attack train`: a generator of noise against a frozen classifier, or against one that
// learns, too.

import ArgumentParser
import Atelier
import Foundation

/// Trains a noise generator.
struct AttackTrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Train a generator whose noise makes a classifier fail.",
    discussion: """
      The victim stays as it is; gradients go through it to the generator. The noise stays within \
      --epsilon exactly, also after rounding to 8 bits. Ctrl-C saves; --resume goes on.

      With --antagonist the classifier learns at the same time to withstand the noise: last and \
      best are the hardened classifier then, generator.safetensors the generator, curves.png its \
      accuracy on held-out pictures, clean and under each attack.

      NETWORKS
      \(networkList)

      EXAMPLES
        atelier attack train --victim m.safetensors --data mnist --run noise
        atelier attack train --victim m.safetensors --data mnist --epsilon 0.2 \\
          --loss margin:20 --epochs 8 --run noise
        atelier attack train --victim m.safetensors --data mnist --universal --run u
        atelier attack train --antagonist --classifier strided --data fashion-mnist \\
          --epsilon 0.1 --pgd-share 0.8 --run duel
      """)

  /// The networks with a line each; a paragraph of its own would be wrapped in the help.
  private static let networkList = Catalogue.list(for: .attack)

  @OptionGroup var folder: TrainingRunOptions

  @Option(help: ArgumentHelp("The model file of the classifier.", valueName: "file"))
  var victim: String?

  @Option(help: ArgumentHelp("The training set, with classes.", valueName: "dir"))
  var data: String?

  @Option(
    help: ArgumentHelp(
      "The generator (default: encoder-decoder); see above.", valueName: "name"))
  var network: String?

  @Option(
    help: ArgumentHelp(
      "The limit, a fraction of white, such as 0.3 or 8/255 (default: 0.3).",
      valueName: "number"))
  var epsilon: String?

  @Flag(name: .customLong("l2"), help: "Limit the noise's length (L2) instead of each sample.")
  var isL2 = false

  @Option(help: ArgumentHelp("Make everything look like this class number.", valueName: "class"))
  var target: Int?

  @Flag(help: "Go for the class that is least likely for each picture.")
  var leastLikely = false

  @Flag(help: "Learn one noise for all pictures.")
  var universal = false

  @Option(
    help: ArgumentHelp(
      "margin:KAPPA or ce:LIMIT (default: margin:5).", valueName: "loss"))
  var loss: String?

  @Option(
    help: ArgumentHelp(
      "Weight of a discriminator that wants clean-looking pictures (default: none).",
      valueName: "weight"))
  var discriminator: Float?

  @Option(
    help: ArgumentHelp(
      "A denoiser in front of the victim, a model file or shipped (default: none).",
      valueName: "file"))
  var denoiser: String?

  @Option(
    help: ArgumentHelp(
      "The noise's deviation that it is told, of 255 (default: 25).", valueName: "sigma"))
  var denoiserSigma: Float?

  @Option(help: ArgumentHelp("Move training pictures by up to this much.", valueName: "pixels"))
  var shift: Float?

  @Option(help: ArgumentHelp("Turn training pictures by up to this much.", valueName: "degrees"))
  var rotate: Float?

  @Option(
    help: ArgumentHelp("Scale training pictures by up to this fraction.", valueName: "fraction"))
  var zoom: Float?

  @Flag(help: "Mirror half of the training pictures left to right.")
  var flip = false

  @Option(help: ArgumentHelp("Pictures a step (default: 128).", valueName: "n"))
  var batch: Int?

  @Option(help: ArgumentHelp("The base learning rate (default: 0.001).", valueName: "rate"))
  var learningRate: Double?

  @Option(
    help: ArgumentHelp(
      "Hold out this many training pictures to validate on; 0 for none (default: a tenth, at most "
        + "2000).", valueName: "n"))
  var holdOut: Int?

  @Option(
    help: ArgumentHelp(
      "Stop after so many epochs (default: 4, unless steps or minutes are given).",
      valueName: "n"))
  var epochs: Int?

  @OptionGroup var limits: TrainingLimits

  @Option(help: ArgumentHelp("The seed of weights and orders (default: 1).", valueName: "seed"))
  var seed: UInt64?

  @OptionGroup(title: "DUEL OPTIONS") var duel: DuelOptions
  @OptionGroup(title: "GENERAL OPTIONS") var arithmetic: PrecisionOptions
  @OptionGroup(title: "GENERAL OPTIONS") var global: GlobalOptions

  func validate() throws {
    try OptionCheck.counts([
      ("--batch", batch, 1...Int.max), ("--epochs", epochs, 0...Int.max),
      ("--hold-out", holdOut, 0...Int.max), ("--target", target, 0...Int.max),
    ])
    try OptionCheck.positive([("--learning-rate", learningRate)])
    if target != nil, leastLikely {
      throw ValidationError("--target and --least-likely contradict")
    }
    if let epsilon { _ = try Reading.epsilons(epsilon, most: isL2 ? 1000 : 1) }
    try OptionCheck.positive([("--discriminator", discriminator)])
    if let denoiserSigma, !(0...255).contains(denoiserSigma) {
      throw ValidationError("--denoiser-sigma takes 0 to 255; received \(denoiserSigma)")
    }
    if let loss { _ = try Self.loss(loss) }
    if duel.antagonist, universal || target != nil || leastLikely {
      throw ValidationError("a duel's noise is untargeted and drawn for each picture")
    }
    if duel.antagonist, discriminator != nil || denoiser != nil {
      throw ValidationError("--discriminator and --denoiser are for a frozen classifier")
    }
  }

  func run() throws {
    let isDuel = duel.antagonist || folder.resume && (try? storedDuel(folder.folder)) != nil
    let interrupt = InterruptFlag.catchingSignals()
    let listeners: [any TrainingListener] = global.quiet ? [] : [ProgressListener()]
    let kernels = arithmetic.kernels(global)
    let report: StopReport
    if isDuel {
      let request = try folder.request(
        fixedOptions: fixedOptionsGiven, new: newDuel, stored: storedDuel,
        files: { [$0.data] + [$0.victim].compactMap { $0 } },
        limits: { applyLimits(&$0.epochs, &$0.steps, &$0.minutes) })
      report = try DuelTraining.run(
        request, in: folder.folder, isResuming: folder.resume, listeners: listeners,
        interrupt: interrupt, kernels: kernels)
    } else {
      let request = try folder.request(
        fixedOptions: fixedOptionsGiven, new: newRequest, stored: NoiseTraining.request,
        files: { [$0.data, $0.victim] },
        limits: { applyLimits(&$0.epochs, &$0.steps, &$0.minutes) })
      report = try NoiseTraining.run(
        request, in: folder.folder, isResuming: folder.resume, listeners: listeners,
        interrupt: interrupt, kernels: kernels)
    }
    try TrainingEnding(command: "attack", run: folder, global: global).tell(report, interrupt)
  }

  private func storedDuel(_ folder: URL) throws -> DuelRequest {
    try DuelTraining.request(of: folder)
  }

  /// `margin:5` or `ce:20`.
  private static func loss(_ text: String) throws -> AttackLoss {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    let number = parts.count == 2 ? Float(parts[1]) : nil
    guard parts.count == 1 || number.map({ $0 >= 0 && $0.isFinite }) == true else {
      throw ValidationError("--loss takes margin:KAPPA or ce:LIMIT; received '\(text)'")
    }
    switch parts[0] {
    case "margin" where parts.count <= 2: return .margin(kappa: number ?? 5)
    case "ce" where parts.count <= 2: return .crossEntropy(limit: number ?? 20)
    default: throw ValidationError("--loss takes margin:KAPPA or ce:LIMIT; received '\(text)'")
    }
  }

  /// The request of a new duel.
  private func newDuel() throws -> DuelRequest {
    guard let data, (victim == nil) != (duel.classifier == nil) else {
      throw StudioError(
        .usage,
        "a duel needs pictures and a classifier: give --data and either --victim or --classifier")
    }
    try Reading.checkPresent([data] + [victim].compactMap { $0 })
    var request = DuelRequest(data: data)
    request.victim = victim
    request.generator = try generator() ?? request.generator
    let radius = try epsilon.map { try Reading.epsilons($0, most: isL2 ? 1000 : 1)[0] }
    request.budget = isL2 ? .two(radius ?? 2) : .infinity(radius ?? 0.3)
    request.loss = try loss.map(Self.loss) ?? request.loss
    request.holdOut = holdOut ?? request.holdOut
    request.augmentation = augmentation ?? request.augmentation
    request.batch = batch ?? request.batch
    request.learningRate = learningRate ?? request.learningRate
    request.seed = seed ?? request.seed
    applyLimits(&request.epochs, &request.steps, &request.minutes)
    try duel.apply(to: &request)
    return request
  }

  /// Whether a classifier's file takes gray pictures.
  private static func isGray(_ path: String) throws -> Bool {
    NamedVictim(name: path, model: try ModelFile.read(from: URL(fileURLWithPath: path))).isGray
  }

  /// The generator's network, nil when none was named.
  private func generator() throws -> NoiseNetwork? {
    guard let network else { return nil }
    guard let kind = NoiseNetwork(rawValue: network) else {
      let names = Catalogue.names(for: .attack)
      throw StudioError(.usage, "expected a generator, one of \(names); received \(network)")
    }
    return kind
  }

  /// The random changes of training pictures; nil when none was asked for.
  private var augmentation: PictureAugmentation? {
    guard shift != nil || rotate != nil || zoom != nil || flip else { return nil }
    var changes = PictureAugmentation()
    (changes.shift, changes.rotation, changes.zoom) = (shift ?? 0, rotate ?? 0, zoom ?? 0)
    changes.isFlipped = flip
    return changes
  }

  private func newRequest() throws -> NoiseTrainingRequest {
    guard let victim, let data else {
      throw StudioError(
        .usage, "a training needs a classifier and pictures: give --victim and --data")
    }
    try Reading.checkPresent([victim, data])
    var request = NoiseTrainingRequest(data: data, victim: victim)
    request.network = try generator() ?? request.network
    let radius = try epsilon.map { try Reading.epsilons($0, most: isL2 ? 1000 : 1)[0] }
    request.budget = isL2 ? .two(radius ?? 2) : .infinity(radius ?? 0.3)
    request.goal = Reading.goal(target: target, isLeastLikely: leastLikely)
    request.loss = try loss.map(Self.loss) ?? request.loss
    request.isUniversal = universal
    request.discriminator = discriminator
    request.denoiser = try denoiser.map {
      try ShippedModels.denoiserFile($0, isGray: Self.isGray(victim)).path
    }
    request.denoiserSigma = denoiserSigma
    request.holdOut = holdOut
    request.augmentation = augmentation
    request.batch = batch ?? request.batch
    request.learningRate = learningRate ?? request.learningRate
    request.seed = seed ?? request.seed
    applyLimits(&request.epochs, &request.steps, &request.minutes)
    return request
  }

  /// Puts what a resume may change into a request.
  private func applyLimits(
    _ requestEpochs: inout Int?, _ steps: inout Int?, _ minutes: inout Double?
  ) {
    guard epochs != nil || !limits.areAbsent else { return }
    (requestEpochs, steps, minutes) = (epochs, limits.steps, limits.minutes)
  }

  /// The names of given options that a resume may not change.
  private var fixedOptionsGiven: [String] {
    let given: [(String, Bool)] = [
      ("--victim", victim != nil), ("--data", data != nil), ("--network", network != nil),
      ("--epsilon", epsilon != nil), ("--l2", isL2), ("--target", target != nil),
      ("--least-likely", leastLikely), ("--universal", universal), ("--loss", loss != nil),
      ("--discriminator", discriminator != nil), ("--denoiser", denoiser != nil),
      ("--denoiser-sigma", denoiserSigma != nil),
      ("--shift", shift != nil), ("--rotate", rotate != nil), ("--zoom", zoom != nil),
      ("--flip", flip),
      ("--batch", batch != nil), ("--learning-rate", learningRate != nil),
      ("--hold-out", holdOut != nil), ("--seed", seed != nil),
    ]
    return given.filter(\.1).map(\.0) + duel.given
  }
}
