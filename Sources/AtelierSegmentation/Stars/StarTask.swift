// Training of a star network: the job, the program, what is measured and shown, the model.

import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierTraining
import AtelierWorkbench
import AtelierZoo

/// Trains networks of star-convex objects.
public enum StarTraining: TrainingJob {
  public static let workshop = "segment"
  public static let name = "train-stars"
  public static let summary =
    "Train a network for crowded round objects such as nuclei, cells or grains."
  public static let guide = """
    Every object whose middle sees its whole edge is found by a star of distances (StarDist, \
    Schmidt and others 2018) and drawn along the edge that a second head sees. Much faster than \
    Mask R-CNN, without a limit on how many objects a picture has, and better where they touch; \
    for long, bent or hollow things take train-objects.

    EXAMPLES
      atelier segment train-stars --data nuclei --object-name nucleus --run cells \\
        --minutes 60
      atelier segment train-stars --data labelme/ --start-from objects-nuclei \\
        --run mine --minutes 20
    """

  public static func task(
    _ request: StarTrainingRequest, isResuming: Bool, kernels: Kernels
  ) throws -> StarTask {
    try StarTask(request, isResuming: isResuming, kernels: kernels)
  }
}

/// The mathematics of one training.
public final class StarTask: TrainingTask {
  public let request: StarTrainingRequest
  public let steps: [TrainingStep]
  public let source: any BatchSource
  public let metricNames = ["mask_ap", "mask_ap50"]
  private let network: StarNetwork
  private let model: RunningModel
  private let data: InstanceTrainingData
  let segmenter: StarSegmenter
  /// The classes and their objects, and what was left out.
  public var remarks: [String] { data.remarks }
  public var dataSheet: ByteImage? { data.look?.sheet }

  /// Objects that count in a held-out picture.
  private static let detectionLimit = 500
  /// From which score on objects are measured.
  private static let leastScore: Float = 0.05

  /// Prepares a training; throws one line of `StudioError`, `ShapeError` or `DatasetError` before
  /// anything is written.
  init(_ request: StarTrainingRequest, isResuming: Bool = false, kernels: Kernels) throws {
    self.request = request
    data = try InstanceTrainingData(request)
    let network = StarNetwork(
      classes: data.source.classNames.count, rays: request.rays, widths: request.widths)
    self.network = network
    guard request.batch > 0, request.side % network.granularity == 0 else {
      throw StudioError(
        .usage,
        "the network needs crops whose sides are multiples of \(network.granularity); received "
          + "\(request.side)")
    }
    let graph = try network.trainingGraph(
      batch: request.batch, height: request.side, width: request.side)
    let store = try request.recipe.store(for: [graph], isResuming: isResuming)
    let program = try Program(graph, parameters: store, kernels: kernels, seed: request.seed)
    steps = [
      try request.recipe.step(program, floor: 100, decaysOnlyMatrices: true, kernels: kernels)
    ]
    source = StarBatches(
      source: data.source, network: network, batch: request.batch, isVaried: request.isVaried,
      seed: request.seed)
    model = RunningModel(
      graph: try network.graph(height: request.side, width: request.side),
      information: ModelInformation(
        task: StarModel.task, architecture: StarModel.architecture,
        granularity: network.granularity, receptiveRadius: network.receptiveRadius,
        preprocessing: request.reading.text, classNames: data.source.classNames),
      store: store, capacity: StarDetector.keptSizes, kernels: kernels)
    segmenter = StarSegmenter(
      model, network, reading: request.reading, score: request.score)
  }

  public var monitor: Monitor? { Monitor("mask_ap", .maximum) }

  /// The figures of the held-out pictures with the store's present weights.
  public func validate(step: Int) throws -> Validation {
    var evaluation = InstanceEvaluation(
      classNames: data.source.classNames, detectionLimit: Self.detectionLimit)
    let look = ObjectLook.measuring(limit: Self.detectionLimit, score: Self.leastScore)
    for item in data.validation {
      evaluation.add(truth: item.objects, detections: try segmenter.objects(in: item.picture, look))
    }
    let report = evaluation.report(data: data.description)
    return Validation(["mask_ap": report.masks.ap ?? 0, "mask_ap50": report.masks.ap50 ?? 0])
  }

  /// Picture ∣ truth ∣ found, of the first held-out pictures.
  public func preview(step: Int, _ known: Validation?) throws -> PreviewSheet? {
    let palette = ClassPalette.objects(data.source.classNames)
    var look = ObjectLook()
    look.selection.score = request.score
    look.selection.limit = Self.detectionLimit
    let rows = try data.validation.prefix(6).map { item -> [PictureGrid.Cell] in
      let picture = item.picture
      let objects = try segmenter.objects(in: picture, look)
      let truth = try SegmentationOutcome(objects: item.objects, size: picture.size)
      let outcome = try SegmentationOutcome(objects: objects, size: picture.size)
      return [
        PictureGrid.Cell(picture),
        PictureGrid.Cell(
          truth.overlay(on: picture, palette: palette), caption: "\(item.objects.count) drawn"),
        PictureGrid.Cell(
          outcome.overlay(on: picture, palette: palette), caption: "\(objects.count) found"),
      ]
    }
    return PreviewSheet(
      PictureGrid(
        title: "step \(step)", columnTitles: ["picture", "truth", "found"], rows: rows))
  }

  public func model(step: Int, metrics: [String: Double]) throws -> Model {
    var training = [
      "data": data.description, "steps": String(step),
      "pictures": "\(request.recipe.batchText) of \(request.side) × \(request.side) a step",
      "optimizer":
        "AdamW \(request.learningRate), decay \(request.recipe.weightDecay ?? 0), cosine",
      "seed": String(request.seed),
    ]
    training.merge(try StarModel.entries(network, score: request.score)) { $1 }
    return try model.card(training, metrics)
  }
}
