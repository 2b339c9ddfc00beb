// The options of a classifier's training and the request that they make.

import ArgumentParser
import Atelier
import Foundation

/// What to train on and how; everything is optional, so that a resume can tell what was given.
struct ClassifierTrainingOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The folder or file of the training set.", valueName: "dir"))
  var data: String?

  @Option(
    help: ArgumentHelp(
      "A set to validate on (default: pictures held out of the training set).",
      valueName: "dir"))
  var validation: String?

  @Option(
    help: ArgumentHelp(
      "Hold out this many training pictures to validate on; 0 for none (default: a tenth, at most "
        + "5000).", valueName: "n"))
  var holdOut: Int?

  @Option(help: ArgumentHelp("The network; see above.", valueName: "name"))
  var network: String?

  @Option(
    help: ArgumentHelp(
      "The size of pictures from class folders (default: 64x64).", valueName: "HxW"),
    transform: Reading.size)
  var size: PixelSize?

  @Flag(help: "Take pictures from class folders in gray.")
  var gray = false

  @Option(
    help: ArgumentHelp(
      "Names for the classes, with commas (default: the data's own).", valueName: "list"))
  var classNames: String?

  @Option(help: ArgumentHelp("Move pictures by up to this much.", valueName: "pixels"))
  var shift: Float?

  @Option(help: ArgumentHelp("Turn pictures by up to this much.", valueName: "degrees"))
  var rotate: Float?

  @Option(help: ArgumentHelp("Scale pictures by up to this fraction.", valueName: "fraction"))
  var zoom: Float?

  @Flag(help: "Mirror half of the pictures left to right.")
  var flip = false

  @Option(help: ArgumentHelp("Brighten or darken by up to this fraction.", valueName: "fraction"))
  var brightness: Float?

  @Option(help: ArgumentHelp("Cover a random square of this side.", valueName: "pixels"))
  var cutout: Int?

  @Option(help: ArgumentHelp("Pictures a step (default: 128).", valueName: "n"))
  var batch: Int?

  @Option(help: ArgumentHelp("The base learning rate (default: 0.001).", valueName: "rate"))
  var learningRate: Double?

  @Option(help: ArgumentHelp("Steps up to the base rate (default: 100).", valueName: "steps"))
  var warmUp: Int?

  @Option(
    help: ArgumentHelp(
      "sgd, adagrad, adadelta, rmsprop, adam, adamw, nadam or ftrl (default: adam).",
      valueName: "name"), transform: Reading.optimizer)
  var optimizer: OptimizerKind?

  @Option(
    help: ArgumentHelp(
      "Decoupled weight decay of adamw (default: 0.01).", valueName: "rate"))
  var weightDecay: Double?

  @Option(
    help: ArgumentHelp(
      "Save a moving average of the weights with this decay, such as 0.99.", valueName: "decay"))
  var averageDecay: Double?

  @Option(
    help: ArgumentHelp(
      "Spread this much of each target over all classes.", valueName: "fraction"))
  var smoothing: Float?

  @Option(
    help: ArgumentHelp(
      "Stop after so many epochs (default: 10, unless steps or minutes are given).",
      valueName: "n"))
  var epochs: Int?

  @OptionGroup var limits: TrainingLimits

  @Option(
    help: ArgumentHelp(
      "Stop after so many validations without a better accuracy (default: never).",
      valueName: "validations"))
  var patience: Int?

  @Option(
    help: ArgumentHelp("Steps between validations (default: an epoch).", valueName: "steps"))
  var validateEvery: Int?

  @Option(help: ArgumentHelp("Steps between saves (default: an epoch).", valueName: "steps"))
  var saveEvery: Int?

  @Option(
    help: ArgumentHelp(
      "The seed of weights, orders and changes (default: 1).", valueName: "seed"))
  var seed: UInt64?

  func validate() throws {
    try OptionCheck.counts([
      ("--hold-out", holdOut, 0...Int.max), ("--batch", batch, 1...Int.max),
      ("--epochs", epochs, 0...Int.max), ("--warm-up", warmUp, 0...Int.max),
      ("--patience", patience, 1...Int.max), ("--validate-every", validateEvery, 1...Int.max),
      ("--save-every", saveEvery, 1...Int.max), ("--cutout", cutout, 0...Int.max),
    ])
    try OptionCheck.positive([("--learning-rate", learningRate)])
    try OptionCheck.partialShares([("--average-decay", averageDecay)])
    try OptionCheck.partialShares([("--smoothing", smoothing)])
    if let weightDecay {
      guard weightDecay >= 0, weightDecay.isFinite else {
        throw ValidationError("--weight-decay takes 0 or more; received \(weightDecay)")
      }
      guard case .adamW = optimizer ?? .adamW() else {
        throw ValidationError("--weight-decay is for --optimizer adamw alone")
      }
    }
  }

  /// The request of a new training.
  func request() throws -> ClassificationTrainingRequest {
    guard let data else {
      throw StudioError(.usage, "a training needs pictures with classes: give --data")
    }
    let names = Catalogue.names(for: .classify)
    guard let network else {
      throw StudioError(.usage, "a training needs a network: give --network, one of \(names)")
    }
    guard let kind = ClassifierNetwork(rawValue: network) else {
      throw StudioError(.usage, "expected a network, one of \(names); received \(network)")
    }
    try Reading.checkPresent([data] + (validation.map { [$0] } ?? []))
    var request = ClassificationTrainingRequest(data: data, network: kind)
    request.validation = validation
    request.holdOut = holdOut
    if let size { (request.form.width, request.form.height) = (size.width, size.height) }
    if gray { request.form.mode = .gray }
    request.classNames = Reading.list(classNames)
    request.augmentation.shift = shift ?? 0
    request.augmentation.rotation = rotate ?? 0
    request.augmentation.zoom = zoom ?? 0
    request.augmentation.isFlipped = flip
    request.augmentation.brightness = brightness ?? 0
    request.augmentation.cutout = cutout ?? 0
    request.batch = batch ?? request.batch
    request.learningRate = learningRate ?? request.learningRate
    request.warmUp = warmUp ?? request.warmUp
    request.optimizer =
      weightDecay.map { .adamW(weightDecay: $0) } ?? optimizer ?? request.optimizer
    request.averageDecay = averageDecay
    request.smoothing = smoothing ?? request.smoothing
    request.seed = seed ?? request.seed
    applyLimits(to: &request)
    return request
  }

  /// Puts what a resume may change into a request.
  func applyLimits(to request: inout ClassificationTrainingRequest) {
    if epochs != nil || !limits.areAbsent {
      (request.epochs, request.steps, request.minutes) = (epochs, limits.steps, limits.minutes)
    }
    request.patience = patience ?? request.patience
    request.validationInterval = validateEvery ?? request.validationInterval
    request.saveInterval = saveEvery ?? request.saveInterval
  }

  /// The names of given options that a resume may not change.
  var fixedOptionsGiven: [String] {
    let given: [(String, Bool)] = [
      ("--data", data != nil), ("--validation", validation != nil),
      ("--hold-out", holdOut != nil), ("--network", network != nil), ("--size", size != nil),
      ("--gray", gray), ("--class-names", classNames != nil), ("--shift", shift != nil),
      ("--rotate", rotate != nil), ("--zoom", zoom != nil), ("--flip", flip),
      ("--brightness", brightness != nil), ("--cutout", cutout != nil), ("--batch", batch != nil),
      ("--learning-rate", learningRate != nil), ("--warm-up", warmUp != nil),
      ("--optimizer", optimizer != nil), ("--weight-decay", weightDecay != nil),
      ("--average-decay", averageDecay != nil), ("--smoothing", smoothing != nil),
      ("--seed", seed != nil),
    ]
    return given.filter(\.1).map(\.0)
  }
}

extension Reading {
  /// Words with commas between them; none of nil.
  static func list(_ text: String?) -> [String] {
    (text ?? "").split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
      .filter { !$0.isEmpty }
  }
}
