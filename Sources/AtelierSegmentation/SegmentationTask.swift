// The mathematics of a semantic training: sets, program, what is measured and shown, the model.

import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierScenery
import AtelierTraining
import AtelierWorkbench
import AtelierZoo
import Foundation

/// The mathematics of one semantic training, also used by the comparison of unpoolings.
public final class SegmentationTask: TrainingTask {
  public let request: SegmentationTrainingRequest
  public let steps: [TrainingStep]
  public let source: any BatchSource
  public let metricNames = ["miou", "global_accuracy", "class_accuracy"]
  /// The store's present weights at work.
  let segmenter: Segmenter
  private let training: SegmentedSource
  private let validation: SegmentedImages
  private let model: RunningModel
  /// The classes and their shares of the pixels, and what was left out.
  public var remarks: [String] {
    guard case .set(let set) = training else { return [] }
    return set.remarks(with: validation) + (look.map { $0.lines + $0.warnings } ?? [])
  }
  public var dataSheet: ByteImage? { look?.sheet }
  /// What there is to see of the pictures that are learnt; nil for scenes without end.
  private let look: SetLook?

  /// Prepares a training, on `sets` that are in memory already or on what the request names; throws
  /// one line of `StudioError`, `ShapeError` or `DatasetError` before anything is written.
  init(
    _ request: SegmentationTrainingRequest, isResuming: Bool = false, kernels: Kernels,
    sets: (training: SegmentedSource, validation: SegmentedImages)? = nil
  ) throws {
    self.request = request
    let crop = request.crop
    let encoder = try request.encoder.map(SegmentationEncoder.init)
    let granularity =
      encoder?.granularity ?? request.architecture(classes: 2).granularity
    guard crop.height > 0, crop.width > 0, crop.height % granularity == 0,
      crop.width % granularity == 0
    else {
      throw StudioError(
        .usage,
        "\(request.network.rawValue) needs crops whose sides are multiples of \(granularity); "
          + "received \(crop)")
    }
    guard !request.loss.isEmpty else { throw StudioError(.usage, "a training needs a loss") }
    (training, validation) = try sets ?? Self.sets(request)
    if case .set(let set) = training { look = try SetLook(set) } else { look = nil }
    source = try SegmentedBatches(
      training, crop: crop, batchSize: request.batch, augmentation: request.augmentation,
      balance: request.balance, seed: request.seed)
    let palette = training.palette
    let architecture = request.architecture(classes: palette.count)
    func graph(batch: Int) throws(ShapeError) -> Graph {
      if let encoder {
        return try encoder.network(classes: palette.count, width: request.width).graph(
          batch: batch, height: crop.height, width: crop.width)
      }
      return try architecture.graph(batch: batch, height: crop.height, width: crop.width)
    }
    let differentiated = try graph(batch: request.batch).training(
      loss: request.loss.loss(weights: training.statistics.weights(request.weighting)),
      target: [request.batch, crop.height, crop.width])
    let store =
      try encoder.map {
        try ParameterStore(
          for: [differentiated], seed: request.seed, startingFrom: $0.parameters)
      } ?? request.recipe.store(for: [differentiated], isResuming: isResuming)
    let program = try Program(
      differentiated, parameters: store, kernels: kernels, seed: request.seed,
      handsGradientsOver: request.recipe.handsGradientsOver)
    steps = [
      try encoder?.step(request.recipe, program, kernels)
        ?? request.recipe.step(program, decaysOnlyMatrices: true, kernels: kernels)
    ]
    model = RunningModel(
      graph: try graph(batch: 1),
      information: ModelInformation(
        task: Segmenter.task, architecture: request.network.rawValue,
        granularity: granularity,
        receptiveRadius: encoder?.receptiveRadius ?? architecture.receptiveRadius,
        classNames: palette.names, classColors: palette.entries.map(\.color)),
      store: store, capacity: Segmenter.keptSizes, kernels: kernels)
    segmenter = try Segmenter(model)
  }

  /// The training pictures and those to validate on.
  static func sets(
    _ request: SegmentationTrainingRequest
  ) throws -> (training: SegmentedSource, validation: SegmentedImages) {
    guard request.data != ShapesScenes.word else { return try scenes(request) }
    let url = URL(fileURLWithPath: request.data)
    guard let all = try SegmentedImages.read(url, part: .training, channels: request.channels)
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
    let learnt = try ShapesScenes(seed: request.seed, size: request.crop)
    let held = try ShapesScenes(
      seed: ShapesScenes.validationSeed(of: request.seed), size: request.crop)
    return (
      .scenes(learnt, channels: request.channels),
      try SegmentedImages(held, count: request.holdOut ?? heldOutScenes, channels: request.channels)
    )
  }

  public var monitor: Monitor? { Monitor("miou", .maximum) }

  public func validate(step: Int) throws -> Validation {
    let report = try SegmentationEvaluation.run(segmenter, on: validation)
    return Validation([
      "miou": report.meanIoU, "global_accuracy": report.globalAccuracy,
      "class_accuracy": report.classAccuracy,
    ])
  }

  /// Picture ∣ truth ∣ prediction ∣ confidence of the first validation pictures.
  public func preview(step: Int, _ known: Validation?) throws -> PreviewSheet? {
    let stride = max(validation.count / 3, 1)
    return PreviewSheet(
      PictureGrid(
        columnTitles: ["picture", "truth", "prediction", "confidence"],
        rows: try (0..<min(3, validation.count)).map {
          try segmenter.previewRow(validation.items[$0 * stride])
        }))
  }

  public func model(step: Int, metrics: [String: Double]) throws -> Model {
    try model.card(
      [
        "data": training.summary, "validation": "\(validation.name), \(validation.count) pictures",
        "steps": String(step), "batch": request.recipe.batchText, "crop": "\(request.crop)",
        "seed": String(request.seed),
        "loss": request.loss.map(\.description).joined(separator: " + "),
        "weights": request.weighting.rawValue,
      ], metrics.filter { $0.key != "training_loss" })
  }

  /// The weights that the training moves.
  var weightCount: Int {
    model.graph.parameters.filter { $0.role == .weight }.reduce(0) { $0 + $1.shape.count }
  }
}

extension Segmenter {
  /// Picture ∣ truth ∣ prediction ∣ confidence of one picture.
  func previewRow(_ item: SegmentedImage) throws -> [PictureGrid.Cell] {
    let found = try segment(item.image)
    var tally = SegmentationTally(classes: palette.count)
    tally.add(found.labels, truth: item.labels)
    let accuracy = tally.report(palette.names).globalAccuracy
    return [
      PictureGrid.Cell(item.image, caption: item.name),
      PictureGrid.Cell(item.labels.colored(palette)),
      PictureGrid.Cell(
        found.labels.colored(palette), caption: "\((1000 * accuracy).rounded() / 10) % of pixels"),
      PictureGrid.Cell(ColorMap.viridis.apply(to: found.confidence, range: 0...1)),
    ]
  }
}
