// The options of `atelier segment train-objects`, and the training itself, which `train --network mask-rcnn`
// shares.

import ArgumentParser
import Atelier
import Foundation

/// What a Mask R-CNN is trained on and how, from the command line.
struct SegmentMaskRCNNTraining: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "\"shapes\" for the project's own scenes, else a set of pictures with objects: a COCO file, or a "
        + "folder with images and labels.", valueName: "data"))
  var data: String?

  @Option(
    help: ArgumentHelp(
      "What objects are called where the set has no classes (default: object).",
      valueName: "name"))
  var objectName: String?

  @Option(
    help: ArgumentHelp(
      "The network's sizes: tiny (pictures of about 128 pixels) or small (256 to 512, many objects; "
        + "default for sets of files).", valueName: "name"))
  var design: String?

  @Option(
    help: ArgumentHelp(
      "Width and height of pictures and crops (default: 128 or 256).", valueName: "n"))
  var side: Int?

  @Option(help: ArgumentHelp("Pictures a step (default: 4 or 2).", valueName: "n"))
  var batch: Int?

  @Flag(
    help: ArgumentHelp(
      "Turn, mirror, scale and recolour crops at random, as pictures of a microscope allow; stretch "
        + "contrast, and see pictures on bright ground in negative."))
  var microscope = false

  @Option(
    help: ArgumentHelp(
      "See pictures so many times as large, for objects of few pixels (default: 1).",
      valueName: "factor"))
  var enlargement: Float?

  @Option(help: ArgumentHelp("The base learning rate (default: 0.001).", valueName: "rate"))
  var learningRate: Double?

  @Option(
    help: ArgumentHelp(
      "The decay of a moving average of the weights; 0 for none (default: 0).", valueName: "decay"))
  var averageDecay: Double?

  @OptionGroup var limits: TrainingLimits

  @Option(help: ArgumentHelp("Steps between validations (default: 500).", valueName: "n"))
  var validateEvery: Int?

  @Option(help: ArgumentHelp("Steps between previews (default: 250).", valueName: "n"))
  var previewEvery: Int?

  @Option(help: ArgumentHelp("Steps between saves (default: 250).", valueName: "n"))
  var saveEvery: Int?

  @Option(help: ArgumentHelp("Held-out pictures to measure (default: 60).", valueName: "n"))
  var validationCount: Int?

  @Option(
    help: ArgumentHelp("The seed of weights, scenes and crops (default: 1).", valueName: "seed"))
  var seed: UInt64?

  func validate() throws {
    try OptionCheck.counts([
      ("--side", side, 32...4096), ("--batch", batch, 1...1024),
      ("--validate-every", validateEvery, 1...Int.max),
      ("--preview-every", previewEvery, 1...Int.max), ("--save-every", saveEvery, 1...Int.max),
      ("--validation-count", validationCount, 1...100_000),
    ])
    try OptionCheck.positive([("--enlargement", enlargement)])
    try OptionCheck.positive([("--learning-rate", learningRate)])
    try OptionCheck.partialShares([("--average-decay", averageDecay)])
  }

  /// The request of a new training.
  ///
  /// - Returns: The request.
  /// - Throws: `StudioError` when data or a limit is missing or a name is unknown.
  func request() throws -> MaskRCNNTrainingRequest {
    guard let data else {
      throw StudioError(
        .usage, "a training needs pictures: give --data, \"shapes\" or a set of files")
    }
    try limits.checkGiven()
    let isDrawn = data == ShapesScenes.word
    if !isDrawn { try Reading.checkPresent([data]) }
    let name = design ?? (isDrawn ? "tiny" : "small")
    guard let design = MaskRCNN.Design(rawValue: name) else {
      let names = MaskRCNN.Design.allCases.map(\.rawValue).joined(separator: ", ")
      throw StudioError(.usage, "expected a design, one of \(names); received \(name)")
    }
    var request = MaskRCNNTrainingRequest(
      data: isDrawn ? .shapes : .set(path: data, objects: objectName ?? "object"), design: design)
    request.side = side ?? request.side
    request.batch = batch ?? request.batch
    request.learningRate = learningRate ?? request.learningRate
    if let averageDecay { request.averageDecay = averageDecay == 0 ? nil : averageDecay }
    request.seed = seed ?? request.seed
    if microscope {
      request.augmentation = .microscope
      request.stretchesContrast = true
      request.darkensGround = true
    }
    request.enlargement = enlargement ?? request.enlargement
    applyLimits(to: &request)
    return request
  }

  /// Sets what a resume may change, where it was given.
  func applyLimits(to request: inout MaskRCNNTrainingRequest) {
    limits.apply(&request.steps, &request.minutes)
    request.validationInterval = validateEvery ?? request.validationInterval
    request.previewInterval = previewEvery ?? request.previewInterval
    request.saveInterval = saveEvery ?? request.saveInterval
    request.validationCount = validationCount ?? request.validationCount
  }

  /// The names of given options that a resume may not change.
  var fixedOptionsGiven: [String] {
    let given: [(String, Bool)] = [
      ("--data", data != nil), ("--object-name", objectName != nil), ("--design", design != nil),
      ("--side", side != nil), ("--batch", batch != nil), ("--microscope", microscope),
      ("--enlargement", enlargement != nil), ("--learning-rate", learningRate != nil),
      ("--average-decay", averageDecay != nil), ("--seed", seed != nil),
    ]
    return given.filter(\.1).map(\.0)
  }

  /// Trains and tells the end.
  ///
  /// - Parameters:
  ///   - folder: The run folder, new or to go on with.
  ///   - fixedOptions: The names of given options that a resume may not change.
  ///   - arithmetic: The precision.
  ///   - global: Threads, JSON, quiet.
  /// - Throws: What the training throws, and `ExitCode` when it was interrupted.
  func train(
    _ folder: TrainingRunOptions, fixedOptions: [String], _ arithmetic: PrecisionOptions,
    _ global: GlobalOptions
  ) throws {
    let request = try folder.request(
      fixedOptions: fixedOptions, new: request, stored: MaskRCNNTraining.request,
      files: { if case .set(let path, _) = $0.data { [path] } else { [] } }, limits: applyLimits)
    let interrupt = InterruptFlag.catchingSignals()
    let report = try MaskRCNNTraining.run(
      request, in: folder.folder, isResuming: folder.resume,
      listeners: global.quiet ? [] : [ProgressListener()], interrupt: interrupt,
      kernels: arithmetic.kernels(global))
    try TrainingEnding(command: "segment", run: folder, global: global).tell(report, interrupt)
  }
}

extension SegmentTrainingOptions {
  /// The name of the network for objects.
  static let objectsNetwork = MaskRCNNModel.architecture

  /// The options that a training for objects shares with those for pixels.
  ///
  /// - Returns: Its options.
  /// - Throws: `StudioError` when one was given that it does not have.
  func objects() throws -> SegmentMaskRCNNTraining {
    let shared: Set = [
      "--data", "--network", "--crop", "--batch", "--learning-rate", "--average-decay", "--seed",
    ]
    let others =
      fixedOptionsGiven.filter { !shared.contains($0) }
      + (patience == nil ? [] : ["--patience"])
    guard others.isEmpty else {
      throw StudioError(
        .usage,
        "\(Self.objectsNetwork) does not have \(others.joined(separator: ", ")); "
          + "see atelier segment train-objects --help")
    }
    if let crop, crop.width != crop.height {
      throw StudioError(
        .usage, "\(Self.objectsNetwork) takes square crops; received --crop \(crop)")
    }
    var options = try SegmentMaskRCNNTraining.parse([])
    options.data = data
    options.side = crop?.width
    options.batch = batch
    options.learningRate = learningRate
    options.averageDecay = averageDecay
    options.limits = limits
    options.validateEvery = validateEvery
    options.previewEvery = previewEvery
    options.saveEvery = saveEvery
    options.seed = seed
    return options
  }
}
