// The options of a denoiser's training that `train` and `compare` share, and their request.

import ArgumentParser
import Atelier
import Foundation

/// What to train on and how; everything is optional, so that a resume can tell what was given.
struct DenoiserTrainingOptions: ParsableArguments {
  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Folders or files of clean pictures (PNG, JPEG).", valueName: "dir"))
  var data: [String] = []

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Clean pictures to validate on (default: crops of the training pictures).",
      valueName: "dir"))
  var validation: [String] = []

  @Option(help: ArgumentHelp("Add this many of the project's own scenes.", valueName: "n"))
  var scenes: Int?

  @Option(help: ArgumentHelp("1 for gray, 3 for colour (default: 1).", valueName: "1|3"))
  var channels: Int?

  @Flag(help: "The same as --channels 3.")
  var color = false

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      """
      Noise: gaussian:SIGMA, poisson:PEAK, salt-and-pepper:PROBABILITY, correlated:SIGMA,RADIUS; \
      numbers may be LOW-HIGH; several are drawn from (default: gaussian:0-50).
      """,
      valueName: "noise"), transform: NoiseModel.init(parsing:))
  var noise: [NoiseModel] = []

  @Flag(help: "Learn from pairs of noisy pictures instead of clean targets (Noise2Noise).")
  var noise2noise = false

  @Option(
    help: ArgumentHelp("Filters of each level (default: 32,64,128).", valueName: "list"),
    transform: Reading.widths)
  var widths: [Int]?

  @Option(help: ArgumentHelp("The side of a patch (default: 96).", valueName: "pixels"))
  var patch: Int?

  @Option(help: ArgumentHelp("Patches a step (default: 16).", valueName: "n"))
  var batch: Int?

  @Option(
    help: ArgumentHelp("The base learning rate (default: 0.001).", valueName: "rate"))
  var learningRate: Double?

  @Option(help: ArgumentHelp("Steps up to the base rate (default: 200).", valueName: "steps"))
  var warmUp: Int?

  @Option(
    help: ArgumentHelp(
      "sgd, adagrad, adadelta, rmsprop, adam, adamw, nadam or ftrl (default: adamw without decay).",
      valueName: "name"), transform: Reading.optimizer)
  var optimizer: OptimizerKind?

  @Option(
    help: ArgumentHelp(
      """
      l1, l2, huber:DELTA, charbonnier:EPSILON, ssim, or a sum such as 0.8*l1+0.2*ssim \
      (default: l1).
      """,
      valueName: "loss"), transform: Reading.loss)
  var loss: Loss?

  @Option(
    help: ArgumentHelp(
      "Resize the pictures first; 0.5 averages away a camera's own noise (default: 1).",
      valueName: "factor"))
  var scale: Double?

  @Option(
    help: ArgumentHelp(
      "The sigma of validation and previews, of 255 (default: 25).", valueName: "sigma"))
  var validationSigma: Float?

  @Option(help: ArgumentHelp("Steps between validations (default: 500).", valueName: "steps"))
  var validateEvery: Int?

  @Option(help: ArgumentHelp("Steps between previews (default: 500).", valueName: "steps"))
  var previewEvery: Int?

  @Option(help: ArgumentHelp("Steps between saves (default: 250).", valueName: "steps"))
  var saveEvery: Int?

  @OptionGroup var limits: TrainingLimits

  @Option(
    help: ArgumentHelp(
      "Stop after so many validations without a better PSNR (default: never).",
      valueName: "validations"))
  var patience: Int?

  @Option(
    help: ArgumentHelp("The seed of weights, patches and noise (default: 1).", valueName: "seed"))
  var seed: UInt64?

  func validate() throws {
    if let channels, channels != 1, channels != 3 {
      throw ValidationError("--channels takes 1 or 3; received \(channels)")
    }
    if color, channels == 1 { throw ValidationError("--color and --channels 1 contradict") }
    try OptionCheck.counts([
      ("--patch", patch, 1...4096), ("--batch", batch, 1...4096), ("--scenes", scenes, 0...10_000),
      ("--warm-up", warmUp, 0...Int.max), ("--patience", patience, 1...Int.max),
      ("--validate-every", validateEvery, 1...Int.max),
      ("--preview-every", previewEvery, 1...Int.max), ("--save-every", saveEvery, 1...Int.max),
    ])
    try OptionCheck.positive([("--learning-rate", learningRate)])
    if let validationSigma, !(0...255).contains(validationSigma) {
      throw ValidationError("--validation-sigma takes 0 to 255; received \(validationSigma)")
    }
  }

  /// Image channels: 1 gray, 3 RGB.
  var imageChannels: Int { channels ?? (color ? 3 : 1) }

  /// The request of a new training.
  func request(network: DenoiserArchitecture) throws -> DenoisingTrainingRequest {
    guard !data.isEmpty || (scenes ?? 0) > 0 else {
      throw StudioError(.usage, "a training needs pictures: give --data or --scenes")
    }
    try limits.checkGiven()
    try Reading.checkPresent(data + validation)
    var request = DenoisingTrainingRequest(data: data, network: network)
    request.validation = validation
    request.scenes = scenes ?? request.scenes
    if !noise.isEmpty { request.noises = noise }
    request.target = noise2noise ? .noisy : .clean
    request.scale = scale ?? request.scale
    request.patch = patch ?? request.patch
    request.batch = batch ?? request.batch
    request.loss = loss ?? request.loss
    request.optimizer = optimizer ?? request.optimizer
    request.learningRate = learningRate ?? request.learningRate
    request.warmUp = warmUp ?? request.warmUp
    request.validationSigma = validationSigma ?? request.validationSigma
    request.seed = seed ?? request.seed
    applyLimits(to: &request)
    return request
  }

  /// Puts what a resume may change into a request.
  func applyLimits(to request: inout DenoisingTrainingRequest) {
    limits.apply(&request.steps, &request.minutes)
    request.patience = patience ?? request.patience
    request.validationInterval = validateEvery ?? request.validationInterval
    request.previewInterval = previewEvery ?? request.previewInterval
    request.saveInterval = saveEvery ?? request.saveInterval
  }

  /// The names of given options that a resume may not change.
  var fixedOptionsGiven: [String] {
    let given: [(String, Bool)] = [
      ("--data", !data.isEmpty), ("--validation", !validation.isEmpty),
      ("--scenes", scenes != nil), ("--channels", channels != nil), ("--color", color),
      ("--noise", !noise.isEmpty), ("--noise2noise", noise2noise), ("--widths", widths != nil),
      ("--patch", patch != nil), ("--batch", batch != nil),
      ("--learning-rate", learningRate != nil), ("--warm-up", warmUp != nil),
      ("--optimizer", optimizer != nil), ("--loss", loss != nil), ("--scale", scale != nil),
      ("--validation-sigma", validationSigma != nil), ("--seed", seed != nil),
    ]
    return given.filter(\.1).map(\.0)
  }
}
