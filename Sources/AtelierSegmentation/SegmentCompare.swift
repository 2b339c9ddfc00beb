// `segment compare`: SegNet once per unpooling, one protocol, a table, a picture.

import AtelierDatasets
import AtelierFiles
import AtelierImages
import AtelierKernels
import AtelierScenery
import AtelierTraining
import AtelierWorkbench
import AtelierZoo
import Foundation

/// Which unpoolings are compared, and in which training.
public struct SegmentCompareRequest: JobRequest, Hashable {
  public var unpool = Unpooling.allCases
  public var output = "out/unpooling"
  public var training = SegmentationTrainingRequest()

  public init() { training.network = .segnetBasic }

  public static var form: Form<Self> {
    Form(
      Self(),
      fields: [
        Field(
          choices: "unpool", \.unpool,
          "all, or names with commas: max, nearest, nails, transposed", value: "kinds"
        ).byDefault(nil),
        Field(
          "output", \.output, "The folder of unpooling.png and unpooling.json", value: "folder",
          kind: .output
        ).letter("o"),
      ]
    ).section(
      "TRAINING OPTIONS",
      SegmentationTrainingRequest.form.fields.filter { !["unpool", "encoder"].contains($0.name) }
        .map { field in
          let network = Field(
            "network", \SegmentationTrainingRequest.network, "The network; see above", value: "name"
          )
          return (field.name == "network" ? network : field).within(\.training)
        })
  }

  public mutating func prepare(for words: FieldWords) {
    training.prepare(for: words)
    training.network = .segnetBasic
  }

  public mutating func complete(with words: FieldWords) throws {
    try training.complete(with: words.filter { $0.key != "unpool" })
    try training.expectLimit()
  }
}

/// Compares unpoolings.
public enum SegmentCompare: Job {
  public static let workshop = "segment"
  public static let name = "compare"
  public static let summary =
    "Train SegNet once per unpooling under one protocol, and print the table."
  public static let guide = """
    max goes through the switches of the mirror pool, nearest repeats each value, nails puts it \
    in the top left among zeros, transposed learns to enlarge. All have the same number of \
    weights, data, crops and steps. Measured on the test part, else on the validation part, \
    with the weights of the last step.

    EXAMPLES
      atelier segment compare --unpool all --data camvid --width 16 --steps 2000 \\
        -o out
      atelier segment compare --unpool max,nails --data scenes --minutes 5 --json
    """
  public static let takesPrecision = false

  public static func run(_ request: SegmentCompareRequest, in place: JobPlace) throws -> Report {
    try UnpoolingAblation.report(
      SegmentationComparison.run(
        request.training, unpoolings: request.unpool, kernels: place.kernels,
        listener: place.listener(of:)), in: request.output, place)
  }
}

/// Trains SegNet once per unpooling, at equal weights, data, crops and steps.
public enum SegmentationComparison {
  /// One unpooling's result.
  public struct Row: AblationRow {
    public var unpooling: Unpooling
    /// Weights of the network, running statistics apart; the same in every row.
    public var parameters: Int
    public var globalAccuracy: Double
    public var classAccuracy: Double
    public var meanIoU: Double
    public var loss: Double
    public var seconds: Double

    enum CodingKeys: String, CodingKey {
      case unpooling, parameters, loss, seconds
      case globalAccuracy = "global_accuracy"
      case classAccuracy = "class_accuracy"
      case meanIoU = "miou"
    }

    public static let titles = [
      "unpooling", "parameters", "global %", "class %", "mIoU %", "loss", "seconds",
    ]
    public var cells: [String] {
      [unpooling.rawValue, "\(parameters)"]
        + [globalAccuracy, classAccuracy, meanIoU].map { NumberText.fixed(100 * $0, 2) }
        + [NumberText.fixed(loss, 4), NumberText.fixed(seconds, 1)]
    }
  }

  /// Runs the experiment: the table over the test part (the validation part where there is none),
  /// and a grid of pictures and truth, then a column per unpooling; throws `StudioError` when the
  /// network has no unpooling, and what training throws.
  public static func run(
    _ request: SegmentationTrainingRequest, unpoolings: [Unpooling] = Unpooling.allCases,
    kernels: Kernels = Kernels(), listener: (Unpooling) -> (any TrainingListener)? = { _ in nil }
  ) throws -> (report: AblationReport<Row>, grid: ByteImage) {
    guard request.network.hasUnpooling else {
      throw StudioError(
        .usage,
        "unpoolings are compared in segnet-basic or segnet, not in " + request.network.rawValue)
    }
    let sets = try SegmentationTask.sets(request)
    let measured = try testPart(request, sets.training.palette) ?? sets.validation
    let shown = (0..<min(3, measured.count)).map { measured.items[$0 * measured.count / 3] }
    var text = ""
    let (rows, columns) = try UnpoolingAblation.run(
      unpoolings, kernels: kernels, listener: listener
    ) { unpooling in
      var own = request
      own.unpooling = unpooling
      return try SegmentationTask(own.perShard(), kernels: kernels, sets: sets)
    } measure: { task, course in
      let report = try SegmentationEvaluation.run(task.segmenter, on: measured)
      text = report.protocol
      let row = Row(
        unpooling: course.unpooling, parameters: task.weightCount,
        globalAccuracy: report.globalAccuracy, classAccuracy: report.classAccuracy,
        meanIoU: report.meanIoU, loss: course.loss, seconds: course.seconds)
      let found = try shown.map { try task.segmenter.segment($0.image).labels }
      return (row, found.map { PictureGrid.Cell($0.colored(measured.palette)) })
    }
    let given = [
      shown.map { PictureGrid.Cell($0.image) },
      shown.map { PictureGrid.Cell($0.labels.colored(measured.palette)) },
    ]
    let grid = UnpoolingAblation.grid(
      title: "Unpooling in \(request.network.rawValue)", ["picture", "truth"], unpoolings,
      given + columns)
    return (AblationReport(protocol: training(request) + text, rows: rows), grid)
  }

  private static func testPart(
    _ request: SegmentationTrainingRequest, _ palette: ClassPalette
  ) throws -> SegmentedImages? {
    guard request.data != ShapesScenes.word else {
      return try SegmentedImages(
        ShapesScenes(seed: ShapesScenes.testSeed, size: request.crop), count: 200,
        channels: request.channels)
    }
    let url = URL(fileURLWithPath: request.data)
    let folder = try SegmentationFolder.find(in: url, part: .test)
    guard let folder, folder != (try SegmentationFolder.find(in: url, part: .training)) else {
      return nil
    }
    return try SegmentedImages.read(url, part: .test, palette: palette, channels: request.channels)?
      .ordered(as: palette.names)
  }

  private static func training(_ request: SegmentationTrainingRequest) -> String {
    let width = request.width ?? request.network.standardWidth
    return "\(request.network.rawValue) of width \(width), equal weights, "
      + "\(request.recipe.limit) of \(request.batch) crops of \(request.crop), loss "
      + request.loss.map(\.description).joined(separator: " + ")
      + ", class weights \(request.weighting.rawValue), seed \(request.seed), last weights; on "
  }
}
