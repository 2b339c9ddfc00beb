// The options of a face swap's training, and their request.

import ArgumentParser
import Atelier
import Foundation

/// What to train on and how; everything is optional, so that a resume can tell what was given.
struct SwapTrainingOptions: ParsableArguments {
  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Folders of aligned crops of A (PNG, JPEG).", valueName: "dir"))
  var a: [String] = []

  @Option(
    parsing: .upToNextOption, help: ArgumentHelp("The same of B.", valueName: "dir"))
  var b: [String] = []

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Crops of A to measure with (default: some of the training's).", valueName: "dir"))
  var validationA: [String] = []

  @Option(
    parsing: .upToNextOption, help: ArgumentHelp("The same of B.", valueName: "dir"))
  var validationB: [String] = []

  @Option(
    help: ArgumentHelp(
      "Draw so many poses of each of the two fictional characters instead.", valueName: "poses"))
  var characters: Int?

  @Option(
    help: ArgumentHelp("original, half or slim (default: slim).", valueName: "name"),
    transform: { try Reading.choice($0) })
  var network: FaceSwapNetwork.Design?

  @Option(help: ArgumentHelp("A face's side: 64, or 128 for slim.", valueName: "pixels"))
  var side: Int?

  @Flag(help: "Let the decoders learn a mask, too.")
  var mask = false

  @Option(
    help: ArgumentHelp(
      "joint, or sequential: A first, then B with the encoder frozen (default: joint).",
      valueName: "mode"), transform: { try Reading.choice($0) })
  var mode: FaceSwapTrainingRequest.Mode?

  @Option(
    help: ArgumentHelp("mae, dssim or mixed (default: mae).", valueName: "loss"),
    transform: Reading.faceLoss)
  var loss: FaceSwapLoss?

  @Option(
    help: ArgumentHelp(
      "How many times errors of eyes and mouth count, for a sharper gaze and speech (default: 1).",
      valueName: "times"))
  var eyesMouthPriority: Float?

  @Option(
    help: ArgumentHelp(
      "Weight of the cycle: a swap swapped back must be the face (default: 0).",
      valueName: "weight"))
  var cycle: Float?

  @Option(help: ArgumentHelp("Steps before the cycle begins (default: 500).", valueName: "steps"))
  var cycleStart: Int?

  @Option(help: ArgumentHelp("Crops of each person a step (default: 16).", valueName: "n"))
  var batch: Int?

  @Option(
    help: ArgumentHelp(
      "Adam's learning rate (default: 5e-5; slim 1e-3).", valueName: "rate"))
  var learningRate: Double?

  @Option(
    help: ArgumentHelp(
      "constant or cosine (default: constant; slim cosine).", valueName: "kind"),
    transform: { try Reading.choice($0) })
  var decay: FaceSwapTrainingRequest.Decay?

  @Option(help: ArgumentHelp("Adam's beta1 (default: 0.5; slim 0.9).", valueName: "beta"))
  var beta1: Double?

  @Option(help: ArgumentHelp("Start with the weights of this model.", valueName: "file"))
  var startFrom: String?

  @Option(help: ArgumentHelp("Start with the encoder of this model.", valueName: "file"))
  var encoderFrom: String?

  @Flag(help: "Leave the encoder as it starts.")
  var freezeEncoder = false

  @Option(
    help: ArgumentHelp("The error that the forecast looks for (default: 0.02).", valueName: "mae"))
  var goal: Double?

  @Option(
    help: ArgumentHelp("Fixed faces in the timelapse; 0 for none (default: 4).", valueName: "n"))
  var timelapse: Int?

  @Option(help: ArgumentHelp("Steps between measurements (default: 250).", valueName: "steps"))
  var validateEvery: Int?

  @Option(help: ArgumentHelp("Steps between previews (default: 250).", valueName: "steps"))
  var previewEvery: Int?

  @Option(help: ArgumentHelp("Steps between saves (default: 250).", valueName: "steps"))
  var saveEvery: Int?

  @OptionGroup var limits: TrainingLimits

  @Option(
    help: ArgumentHelp("The seed of weights, choices and poses (default: 1).", valueName: "seed"))
  var seed: UInt64?

  func validate() throws {
    try OptionCheck.counts([
      ("--characters", characters, 1...100_000), ("--batch", batch, 1...1024),
      ("--cycle-start", cycleStart, 0...Int.max), ("--timelapse", timelapse, 0...32),
      ("--validate-every", validateEvery, 1...Int.max),
      ("--preview-every", previewEvery, 1...Int.max), ("--save-every", saveEvery, 1...Int.max),
    ])
    try OptionCheck.positive([("--learning-rate", learningRate), ("--goal", goal)])
    if let eyesMouthPriority, !(1...100).contains(eyesMouthPriority) {
      throw ValidationError("--eyes-mouth-priority takes 1 to 100; received \(eyesMouthPriority)")
    }
    if let cycle, !(cycle >= 0 && cycle <= 100) {
      throw ValidationError("--cycle takes 0 to 100; received \(cycle)")
    }
    try OptionCheck.partialShares([("--beta1", beta1)])
  }

  /// The request of a new training.
  func request() throws -> FaceSwapTrainingRequest {
    guard characters != nil || !(a.isEmpty || b.isEmpty) else {
      throw StudioError(
        .usage, "a training needs faces of two people: give --a and --b, or --characters")
    }
    try limits.checkGiven()
    try Reading.checkPresent(a + b + validationA + validationB)
    let network = FaceSwapNetwork(network ?? .slim, side: side ?? 64, hasMask: mask)
    var request = FaceSwapTrainingRequest(a: a, b: b, network: network)
    request.validationA = validationA
    request.validationB = validationB
    request.characterPoses = characters
    request.mode = mode ?? request.mode
    request.loss = loss ?? request.loss
    request.eyesMouthPriority = eyesMouthPriority
    request.cycleWeight = cycle ?? request.cycleWeight
    request.cycleStart = cycleStart ?? request.cycleStart
    request.batch = batch ?? request.batch
    request.learningRate = learningRate ?? request.learningRate
    request.decay = decay ?? request.decay
    request.beta1 = beta1 ?? request.beta1
    request.startFrom = startFrom
    request.encoderFrom = encoderFrom
    request.freezesEncoder = freezeEncoder
    request.goal = goal ?? request.goal
    request.timelapseFaces = timelapse ?? request.timelapseFaces
    request.seed = seed ?? request.seed
    applyLimits(to: &request)
    return request
  }

  /// Puts what a resume may change into a request.
  func applyLimits(to request: inout FaceSwapTrainingRequest) {
    limits.apply(&request.steps, &request.minutes)
    request.validationInterval = validateEvery ?? request.validationInterval
    request.previewInterval = previewEvery ?? request.previewInterval
    request.saveInterval = saveEvery ?? request.saveInterval
  }

  /// The names of given options that a resume may not change.
  var fixedOptionsGiven: [String] {
    let given: [(String, Bool)] = [
      ("--a", !a.isEmpty), ("--b", !b.isEmpty), ("--validation-a", !validationA.isEmpty),
      ("--validation-b", !validationB.isEmpty), ("--characters", characters != nil),
      ("--network", network != nil), ("--side", side != nil), ("--mask", mask),
      ("--mode", mode != nil), ("--loss", loss != nil),
      ("--eyes-mouth-priority", eyesMouthPriority != nil), ("--cycle", cycle != nil),
      ("--cycle-start", cycleStart != nil), ("--batch", batch != nil),
      ("--learning-rate", learningRate != nil), ("--decay", decay != nil),
      ("--beta1", beta1 != nil), ("--start-from", startFrom != nil),
      ("--encoder-from", encoderFrom != nil),
      ("--freeze-encoder", freezeEncoder), ("--goal", goal != nil),
      ("--timelapse", timelapse != nil), ("--seed", seed != nil),
    ]
    return given.filter(\.1).map(\.0)
  }
}

/// The random changes of crops; each has a switch or a number.
struct AugmentationOptions: ParsableArguments {
  @Flag(help: "No random warp.")
  var noWarp = false

  @Flag(help: "No flip of left and right.")
  var noFlip = false

  @Flag(help: "No change of colours.")
  var noColor = false

  @Flag(help: "No rotation, zoom and shift.")
  var noTransform = false

  @Option(
    help: ArgumentHelp("The largest rotation, in degrees (default: 10).", valueName: "degrees"))
  var rotation: Double?

  @Option(help: ArgumentHelp("The largest zoom (default: 0.05).", valueName: "part"))
  var zoom: Double?

  @Option(help: ArgumentHelp("The largest shift (default: 0.05).", valueName: "part"))
  var shift: Double?

  @Option(help: ArgumentHelp("How often crops are flipped (default: 0.4).", valueName: "share"))
  var flip: Double?

  @Option(
    help: ArgumentHelp(
      "The deviation of the warp's grid, in pixels of 256 (default: 5).", valueName: "pixels"))
  var warp: Double?

  @Option(
    help: ArgumentHelp("The largest change of lightness (default: 0.3).", valueName: "part"))
  var lightness: Double?

  @Option(help: ArgumentHelp("The largest change of chroma (default: 0.08).", valueName: "part"))
  var chroma: Double?

  @Flag(
    help: "Change the input's colours alone: the decoders learn true colours, the encoder shapes.")
  var recolorInput = false

  @Flag(help: "Sample as the code of 2017 does, the target half a pixel off.")
  var originalAlignment = false

  @Option(
    help: ArgumentHelp(
      "The middle part of a crop's width that the network sees, 0.25 to 1 (default: 0.625 as in "
        + "2017, brow to lips; 0.8 shows the chin, too, and long faces whole; 1 also hair).",
      valueName: "part"))
  var coverage: Double?

  func validate() throws {
    let range = FaceAugmentation.coverages
    if let coverage, !range.contains(coverage) {
      throw ValidationError(
        "--coverage takes \(range.lowerBound) to \(range.upperBound); received \(coverage)")
    }
  }

  /// The changes.
  var augmentation: FaceAugmentation {
    var result = FaceAugmentation.standard
    result.rotation = noTransform ? 0 : rotation ?? result.rotation
    result.zoom = noTransform ? 0 : zoom ?? result.zoom
    result.shift = noTransform ? 0 : shift ?? result.shift
    result.flipProbability = noFlip ? 0 : flip ?? result.flipProbability
    result.warp = noWarp ? 0 : warp ?? result.warp
    result.lightness = noColor ? 0 : lightness ?? result.lightness
    result.chroma = noColor ? 0 : chroma ?? result.chroma
    result.recolorsTarget = !recolorInput
    result.alignment = originalAlignment ? .original : .centered
    result.coverage = coverage ?? result.coverage
    return result
  }

  /// The names of the options that were given.
  var optionsGiven: [String] {
    let given: [(String, Bool)] = [
      ("--no-warp", noWarp), ("--no-flip", noFlip), ("--no-color", noColor),
      ("--no-transform", noTransform), ("--rotation", rotation != nil), ("--zoom", zoom != nil),
      ("--shift", shift != nil), ("--flip", flip != nil), ("--warp", warp != nil),
      ("--lightness", lightness != nil), ("--chroma", chroma != nil),
      ("--recolor-input", recolorInput), ("--original-alignment", originalAlignment),
      ("--coverage", coverage != nil),
    ]
    return given.filter(\.1).map(\.0)
  }
}

extension Reading {
  /// A word of a list.
  static func choice<Choice: RawRepresentable & CaseIterable>(
    _ text: String
  ) throws -> Choice where Choice.RawValue == String {
    guard let choice = Choice(rawValue: text) else {
      let names = Choice.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("expected one of \(names); received '\(text)'")
    }
    return choice
  }

  /// `mae`, `dssim` or `mixed`.
  static func faceLoss(_ text: String) throws -> FaceSwapLoss {
    switch text {
    case "mae": return .absolute
    case "dssim": return .dissimilarity
    case "mixed": return .mixed
    default: throw ValidationError("expected mae, dssim or mixed; received '\(text)'")
    }
  }
}
