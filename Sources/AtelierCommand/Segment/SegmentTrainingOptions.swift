// The options of a semantic training that `train` and `compare` share, and their request.

import ArgumentParser
import Atelier
import Foundation

/// What to train on and how; everything is optional, so that a resume can tell what was given.
struct SegmentTrainingOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The set: pictures and masks, see above; or \"shapes\" for drawn scenes.", valueName: "dir"))
  var data: String?

  @Option(
    help: ArgumentHelp(
      "A set to validate on (default: the data's own validation part, else a tenth held out).",
      valueName: "dir"))
  var validation: String?

  @Option(help: ArgumentHelp("Training pictures held out to validate on.", valueName: "n"))
  var holdOut: Int?

  @Option(help: ArgumentHelp("The network; see above.", valueName: "name"))
  var network: String?

  @Option(help: ArgumentHelp("Filters of the network's first level.", valueName: "n"))
  var width: Int?

  @Option(help: ArgumentHelp("Levels of the U-Net (default: 4).", valueName: "n"))
  var levels: Int?

  @Option(
    help: ArgumentHelp(
      "SegNet's unpooling: max, nearest, nails or transposed (default: max).", valueName: "kind"),
    transform: Reading.unpooling)
  var unpool: Unpooling?

  @Option(help: ArgumentHelp("1 for gray, 3 for colour (default: 3).", valueName: "1|3"))
  var channels: Int?

  @Option(
    help: ArgumentHelp(
      "ce, focal:GAMMA, dice, or a sum such as ce+0.5*dice (default: ce).", valueName: "loss"),
    transform: Reading.segmentationLoss)
  var loss: [SegmentationLossTerm]?

  @Option(
    help: ArgumentHelp(
      "Weights of rare classes in the cross-entropy: none, median or log (default: log).",
      valueName: "kind"))
  var weights: String?

  @Option(
    help: ArgumentHelp(
      "The size of a crop (default: 288x288; 128x128 of \"shapes\").", valueName: "HxW"),
    transform: Reading.size)
  var crop: PixelSize?

  @Option(help: ArgumentHelp("Crops a step (default: 4; 16 of \"shapes\").", valueName: "n"))
  var batch: Int?

  @Option(
    help: ArgumentHelp(
      "Scale pictures before the crop (default: 0.8-1.5; shapes: 1).", valueName: "LOW-HIGH"),
    transform: Reading.range)
  var scale: ClosedRange<Float>?

  @Option(
    help: ArgumentHelp(
      "Factors on brightness (default: 0.7-1.4; shapes: 1).", valueName: "LOW-HIGH"),
    transform: Reading.range)
  var brightness: ClosedRange<Float>?

  @Option(
    help: ArgumentHelp("Stretch one side by up to this fraction.", valueName: "fraction"))
  var stretch: Float?

  @Option(help: ArgumentHelp("Turn by up to so many degrees.", valueName: "degrees"))
  var rotation: Float?

  @Option(help: ArgumentHelp("Change contrast by up to this fraction.", valueName: "fraction"))
  var contrast: Float?

  @Option(
    help: ArgumentHelp("Change each colour channel by up to this fraction.", valueName: "fraction"))
  var colorShift: Float?

  @Flag(help: "Do not mirror half of the crops.")
  var noFlip = false

  @Option(
    help: ArgumentHelp(
      "The share of crops cut out around a pixel of a class drawn evenly (default: 0).",
      valueName: "share"))
  var balance: Float?

  @Option(help: ArgumentHelp("The base learning rate (default: 0.002).", valueName: "rate"))
  var learningRate: Double?

  @Option(
    help: ArgumentHelp("The decay of the weights of AdamW (default: 0.0001).", valueName: "decay"))
  var weightDecay: Double?

  @Option(help: ArgumentHelp("Steps up to the base rate (default: 100).", valueName: "steps"))
  var warmUp: Int?

  @Option(
    help: ArgumentHelp(
      "The decay of the moving average of the weights; 0 for none (default: 0.998).",
      valueName: "decay"))
  var averageDecay: Double?

  @Option(help: ArgumentHelp("Steps between validations (default: 500).", valueName: "steps"))
  var validateEvery: Int?

  @Option(help: ArgumentHelp("Steps between previews (default: 500).", valueName: "steps"))
  var previewEvery: Int?

  @Option(help: ArgumentHelp("Steps between saves (default: 250).", valueName: "steps"))
  var saveEvery: Int?

  @OptionGroup var limits: TrainingLimits

  @Option(
    help: ArgumentHelp(
      "Stop after so many validations without a better mIoU (default: never).",
      valueName: "validations"))
  var patience: Int?

  @Option(
    help: ArgumentHelp("The seed of weights, orders and crops (default: 1).", valueName: "seed"))
  var seed: UInt64?

  func validate() throws {
    if let channels, channels != 1, channels != 3 {
      throw ValidationError("--channels takes 1 or 3; received \(channels)")
    }
    if let network, SegmentationNetwork(rawValue: network) == nil,
      network != Self.objectsNetwork
    {
      throw ValidationError(
        "--network takes \(Self.networkNames), \(Self.objectsNetwork); received '\(network)'")
    }
    if let weights, ClassWeighting(rawValue: weights) == nil {
      throw ValidationError("--weights takes none, median or log; received '\(weights)'")
    }
    try OptionCheck.counts([
      ("--width", width, 1...1024), ("--levels", levels, 1...8), ("--batch", batch, 1...1024),
      ("--hold-out", holdOut, 1...Int.max), ("--warm-up", warmUp, 0...Int.max),
      ("--patience", patience, 1...Int.max), ("--validate-every", validateEvery, 1...Int.max),
      ("--preview-every", previewEvery, 1...Int.max), ("--save-every", saveEvery, 1...Int.max),
    ])
    try OptionCheck.positive([("--learning-rate", learningRate)])
    try OptionCheck.shares([("--weight-decay", weightDecay)])
    try OptionCheck.partialShares([("--average-decay", averageDecay)])
    try OptionCheck.shares([("--balance", balance)])
  }

  /// The semantic networks' names for messages.
  static let networkNames = Catalogue.names(for: .segment)

  /// The request of a new training.
  func request() throws -> SegmentationTrainingRequest {
    guard let data else {
      throw StudioError(.usage, "a training needs pictures and masks: give --data")
    }
    guard let network = network.flatMap(SegmentationNetwork.init(rawValue:)) else {
      throw StudioError(
        .usage, "a training needs a network: give --network, one of \(Self.networkNames)")
    }
    if unpool != nil, !network.hasUnpooling {
      throw StudioError(.usage, "--unpool is for segnet-basic and segnet alone")
    }
    if levels != nil, network != .unet {
      throw StudioError(.usage, "--levels is for unet alone")
    }
    try limits.checkGiven()
    try Reading.checkPresent(Self.files(data, validation))
    var request = SegmentationTrainingRequest(data: data)
    request.validation = validation
    request.holdOut = holdOut
    request.network = network
    request.width = width
    request.levels = levels ?? request.levels
    request.unpooling = unpool ?? request.unpooling
    request.channels = channels ?? request.channels
    request.loss = loss ?? request.loss
    request.weighting = weights.flatMap(ClassWeighting.init(rawValue:)) ?? request.weighting
    request.cropHeight = crop?.height ?? request.cropHeight
    request.cropWidth = crop?.width ?? request.cropWidth
    request.batch = batch ?? request.batch
    request.balance = balance ?? request.balance
    request.augmentation = augmentation(from: request.augmentation)
    request.learningRate = learningRate ?? request.learningRate
    if let weightDecay { request.optimizer = .adamW(weightDecay: weightDecay) }
    request.warmUp = warmUp ?? request.warmUp
    if let averageDecay { request.averageDecay = averageDecay == 0 ? nil : averageDecay }
    request.seed = seed ?? request.seed
    applyLimits(to: &request)
    return request
  }

  /// The files that a training reads: none for drawn scenes.
  static func files(_ data: String, _ validation: String?) -> [String] {
    (data == ShapesScenes.word ? [] : [data]) + (validation.map { [$0] } ?? [])
  }

  /// The random changes that were asked for, the rest as usual.
  private func augmentation(from usual: SceneAugmentation) -> SceneAugmentation {
    var result = usual
    if let scale {
      (result.smallestScale, result.largestScale) = (scale.lowerBound, scale.upperBound)
    }
    if let brightness {
      (result.smallestBrightness, result.largestBrightness) = (
        brightness.lowerBound, brightness.upperBound
      )
    }
    result.stretch = stretch ?? result.stretch
    result.rotation = rotation ?? result.rotation
    result.contrast = contrast ?? result.contrast
    result.color = colorShift ?? result.color
    if noFlip { result.isFlipped = false }
    return result
  }

  /// Puts what a resume may change into a request.
  func applyLimits(to request: inout SegmentationTrainingRequest) {
    limits.apply(&request.steps, &request.minutes)
    request.patience = patience ?? request.patience
    request.validationInterval = validateEvery ?? request.validationInterval
    request.previewInterval = previewEvery ?? request.previewInterval
    request.saveInterval = saveEvery ?? request.saveInterval
  }

  /// The names of given options that a resume may not change.
  var fixedOptionsGiven: [String] {
    let given: [(String, Bool)] = [
      ("--data", data != nil), ("--validation", validation != nil),
      ("--hold-out", holdOut != nil), ("--network", network != nil), ("--width", width != nil),
      ("--levels", levels != nil), ("--unpool", unpool != nil), ("--channels", channels != nil),
      ("--loss", loss != nil),
      ("--weights", weights != nil), ("--crop", crop != nil), ("--batch", batch != nil),
      ("--scale", scale != nil), ("--brightness", brightness != nil),
      ("--stretch", stretch != nil), ("--rotation", rotation != nil),
      ("--contrast", contrast != nil), ("--color-shift", colorShift != nil),
      ("--no-flip", noFlip), ("--balance", balance != nil),
      ("--learning-rate", learningRate != nil), ("--weight-decay", weightDecay != nil),
      ("--warm-up", warmUp != nil), ("--average-decay", averageDecay != nil),
      ("--seed", seed != nil),
    ]
    return given.filter(\.1).map(\.0)
  }
}

extension Reading {
  /// `0.8-1.5` or one number for both.
  static func range(_ text: String) throws -> ClosedRange<Float> {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false).map { Float($0) }
    guard parts.count <= 2, let low = parts.first ?? nil, let high = parts.last ?? nil,
      low >= 0, low <= high, high.isFinite
    else { throw ValidationError("expected LOW-HIGH, such as 0.8-1.5; received '\(text)'") }
    return low...high
  }

  /// `ce`, `focal:2`, or a sum such as `ce+0.5*dice`.
  static func segmentationLoss(_ text: String) throws -> [SegmentationLossTerm] {
    try text.split(separator: "+", omittingEmptySubsequences: false).map { term in
      let parts = term.split(separator: "*", omittingEmptySubsequences: false)
      let words = (parts.last ?? "").split(separator: ":", omittingEmptySubsequences: false)
      let factor = parts.count == 2 ? Float(parts[0]) : 1
      let gamma = words.count == 2 ? Float(words[1]) : 2
      guard (1...2).contains(parts.count), (1...2).contains(words.count), let factor, let gamma,
        let kind = SegmentationLossTerm.Kind(rawValue: String(words[0])),
        words.count == 1 || kind == .focal, factor > 0, factor.isFinite, gamma >= 0,
        gamma.isFinite
      else {
        throw ValidationError(
          "expected \(lossNames) or a sum such as ce+0.5*dice; received '\(text)'")
      }
      return SegmentationLossTerm(kind, weight: factor, gamma: gamma)
    }
  }

  private static var lossNames: String {
    SegmentationLossTerm.Kind.allCases.map {
      $0 == .focal ? "focal:GAMMA" : $0.rawValue
    }.joined(separator: ", ")
  }
}
