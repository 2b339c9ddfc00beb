// Training of a semantic network: pictures and masks in, a run folder with a model out.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierScenery
import AtelierTraining
import AtelierZoo
import Foundation

/// Trains semantic networks.
public enum SegmentationTraining {
  /// Trains in a run folder, or goes on there.
  ///
  /// - Parameters:
  ///   - request: What to train; must equal the stored one when resuming, but for its limits.
  ///   - run: The run folder.
  ///   - isResuming: Whether the folder holds a run to go on with.
  ///   - listeners: Who is told, besides the run folder's own logs.
  ///   - interrupt: Asks to save and stop.
  ///   - kernels: Instruction set and threads.
  /// - Returns: Why it ended and what was reached.
  /// - Throws: `StudioError`, `TrainingError`, `DatasetError`, each with one clear line.
  public static func run(
    _ request: SegmentationTrainingRequest, in run: URL, isResuming: Bool,
    listeners: [any TrainingListener] = [], interrupt: InterruptFlag = InterruptFlag(),
    kernels: Kernels = Kernels()
  ) throws -> StopReport {
    let session = try SegmentationSession(request, kernels: kernels)
    let folder = try request.folder(at: run, isResuming: isResuming)
    let loop = try session.loop(in: folder)
    loop.interrupt = interrupt
    loop.listeners =
      folder.logs(["miou", "global_accuracy", "class_accuracy"]) + [
        folder.previews { _ in try session.preview() }
      ] + listeners
    return try loop.run()
  }

  /// Reads the request of a run folder.
  ///
  /// - Throws: `TrainingError` when the folder holds no run of a semantic network.
  public static func request(of run: URL) throws -> SegmentationTrainingRequest {
    try SegmentationTrainingRequest(ofRun: run)
  }
}

/// The parts of one semantic training, also used by the comparison of unpoolings.
final class SegmentationSession {
  let request: SegmentationTrainingRequest
  let store: ParameterStore
  /// The graph for one crop.
  let graph: Graph
  /// What is validated on.
  let validation: SegmentedImages
  private let training: SegmentedSource
  private let architecture: SegmentationArchitecture
  private let kernels: Kernels
  private let program: Program
  private let batches: SegmentedBatches

  /// Prepares a training.
  ///
  /// - Parameters:
  ///   - request: What to train.
  ///   - kernels: Instruction set and threads.
  ///   - sets: The pictures when they are in memory already; else they are read.
  /// - Throws: `StudioError`, `ShapeError` or `DatasetError`, one line each, before anything is
  ///   written.
  init(
    _ request: SegmentationTrainingRequest, kernels: Kernels,
    sets: (training: SegmentedSource, validation: SegmentedImages)? = nil
  ) throws {
    self.request = request
    self.kernels = kernels
    let granularity = request.architecture(classes: 2).granularity
    guard request.cropHeight > 0, request.cropWidth > 0,
      request.cropHeight % granularity == 0, request.cropWidth % granularity == 0
    else {
      throw StudioError(
        .usage,
        "\(request.network.rawValue) needs crops whose sides are multiples of \(granularity); "
          + "received \(request.cropWidth)x\(request.cropHeight)")
    }
    guard !request.loss.isEmpty else { throw StudioError(.usage, "a training needs a loss") }
    (training, validation) = try sets ?? Self.sets(request)
    batches = try SegmentedBatches(
      training, crop: PixelSize(width: request.cropWidth, height: request.cropHeight),
      batchSize: request.batch, augmentation: request.augmentation, balance: request.balance,
      seed: request.seed)
    architecture = request.architecture(classes: training.palette.count)
    graph = try architecture.graph(height: request.cropHeight, width: request.cropWidth)
    let weights = training.statistics.weights(request.weighting)
    let differentiated = try architecture.graph(
      batch: request.batch, height: request.cropHeight, width: request.cropWidth
    ).training(
      loss: request.loss.loss(weights: weights),
      target: [request.batch, request.cropHeight, request.cropWidth])
    store = try ParameterStore(for: [differentiated], seed: request.seed)
    program = try Program(
      differentiated, parameters: store, kernels: kernels, seed: request.seed)
  }

  /// The training pictures and those to validate on.
  static func sets(
    _ request: SegmentationTrainingRequest
  ) throws -> (training: SegmentedSource, validation: SegmentedImages) {
    guard request.data != ShapesScenes.word else { return try scenes(request) }
    let url = URL(fileURLWithPath: request.data)
    guard
      let all = try SegmentedImages.read(url, part: .training, channels: request.channels)
    else { throw StudioError(.data, "\(request.data): the set has no training part") }
    if let path = request.validation {
      let other = URL(fileURLWithPath: path)
      guard
        let set = try SegmentedImages.read(
          other, part: .validation, palette: all.palette, channels: request.channels)
      else { throw StudioError(.data, "\(path): the set has no validation part") }
      return (.set(all), try set.ordered(as: all.palette.names))
    }
    let folder = try SegmentationFolder.find(in: url, part: .validation)
    if let folder, folder != (try SegmentationFolder.find(in: url, part: .training)),
      let own = try SegmentedImages.read(
        url, part: .validation, palette: all.palette, channels: request.channels)
    {
      return (.set(all), own)
    }
    let parts = try all.split(
      holdingOut: request.holdOut ?? max(1, all.count / 10), seed: request.seed)
    return (.set(parts.rest), parts.held)
  }

  /// Held-out scenes of a training on scenes, unless the request says how many.
  private static let heldOutScenes = 100

  /// Scenes without end of the crop's size, and others of another seed to validate on.
  private static func scenes(
    _ request: SegmentationTrainingRequest
  ) throws -> (training: SegmentedSource, validation: SegmentedImages) {
    guard request.validation == nil else {
      throw StudioError(.usage, "scenes are validated on scenes: leave out --validation")
    }
    let size = PixelSize(width: request.cropWidth, height: request.cropHeight)
    let learnt = try ShapesScenes(seed: request.seed, size: size)
    let held = try ShapesScenes(
      seed: ShapesScenes.validationSeed(of: request.seed), size: size)
    return (
      .scenes(learnt, channels: request.channels),
      try SegmentedImages(
        held, count: request.holdOut ?? heldOutScenes, channels: request.channels)
    )
  }

  /// The loop of this training; without a folder nothing is saved.
  func loop(in folder: RunFolder?) throws -> TrainingLoop {
    let optimizer = Optimizer(
      request.optimizer, learningRate: request.learningRate,
      schedule: .warmUp(
        steps: request.warmUp, then: .progressCosine(minimum: request.learningRate / 1000)),
      decaysOnlyMatrices: true)
    let configuration = TrainingConfiguration(
      steps: request.steps, minutes: request.minutes,
      validationInterval: request.validationInterval, previewInterval: request.previewInterval,
      saveInterval: request.saveInterval, averageDecay: request.averageDecay,
      monitor: Monitor("miou", .maximum, patience: request.patience), seed: request.seed)
    let loop = try TrainingLoop(
      [TrainingStep(program: program, optimizer: optimizer, kernels: kernels)], source: batches,
      configuration: configuration, folder: folder, kernels: kernels)
    loop.validate = { [unowned self] _ in
      let report = try validationReport()
      return [
        "miou": report.meanIoU, "global_accuracy": report.globalAccuracy,
        "class_accuracy": report.classAccuracy,
      ]
    }
    loop.writeModel = { [unowned self] _, file, metrics in
      try ModelFile.write(
        model(step: file.step, metrics: metrics), to: URL(fileURLWithPath: file.path))
    }
    return loop
  }

  /// The model with the store's present weights.
  func model(step: Int, metrics: [String: Double]) throws -> Model {
    var figures = metrics
    figures.removeValue(forKey: "training_loss")
    let information = ModelInformation(
      task: "segment", architecture: request.network.rawValue,
      granularity: architecture.granularity, receptiveRadius: architecture.receptiveRadius,
      classNames: training.palette.names, classColors: training.palette.entries.map(\.color),
      training: [
        "data": training.summary,
        "validation": "\(validation.name), \(validation.count) pictures",
        "steps": String(step), "batch": String(request.batch),
        "crop": "\(request.cropWidth)x\(request.cropHeight)", "seed": String(request.seed),
        "loss": request.loss.map(\.description).joined(separator: " + "),
        "weights": request.weighting.rawValue,
      ], figures: figures)
    return try Model(graph: graph, store: store, information: information)
  }

  /// The weights that the training moves.
  var weightCount: Int {
    graph.parameters.filter { $0.role == .weight }.reduce(0) { $0 + $1.shape.count }
  }

  /// The store's present weights at work.
  func segmenter() throws -> Segmenter {
    try Segmenter(model(step: 0, metrics: [:]), kernels: kernels)
  }

  /// What the store's present weights do on the validation pictures.
  func validationReport() throws -> SegmentationReport {
    try SegmentationEvaluation.run(segmenter(), on: validation)
  }

  /// Picture ∣ truth ∣ prediction ∣ confidence of the first validation pictures.
  func preview() throws -> ByteImage {
    let segmenter = try segmenter()
    let stride = max(validation.count / 3, 1)
    let rows = try (0..<min(3, validation.count)).map { index in
      let item = validation.items[index * stride]
      return try segmenter.previewRow(item)
    }
    return PictureGrid(
      columnTitles: ["picture", "truth", "prediction", "confidence"], rows: rows
    ).render()
  }
}

extension SegmentationLossTerm: CustomStringConvertible {
  /// As the command line has it, such as `0.5*focal:2`.
  public var description: String {
    let factor = weight == 1 ? "" : "\(weight)*"
    return factor + kind.rawValue + (kind == .focal ? ":\(gamma)" : "")
  }
}
