// SegNet's ablation as one call: the same network with each unpooling, one protocol.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierScenery
import AtelierTraining
import AtelierZoo
import Foundation

/// Trains SegNet once per unpooling, at equal weights, data, crops and steps.
public enum SegmentationComparison {
  /// One unpooling's result; encodes to the JSON that `--json` prints.
  public struct Row: Sendable, Hashable, Codable {
    /// Which unpooling.
    public var unpooling: Unpooling
    /// Weights of the network, running statistics apart; the same in every row.
    public var parameters: Int
    /// The share of pixels whose class was found.
    public var globalAccuracy: Double
    /// The mean over classes of the share of their pixels that were found.
    public var classAccuracy: Double
    /// The mean over classes of intersection over union.
    public var meanIoU: Double
    /// The smoothed training loss at the end.
    public var loss: Double
    /// Seconds of training.
    public var seconds: Double

    enum CodingKeys: String, CodingKey {
      case unpooling, parameters, loss, seconds
      case globalAccuracy = "global_accuracy"
      case classAccuracy = "class_accuracy"
      case meanIoU = "miou"
    }
  }

  /// The results with their protocol.
  public struct Report: Sendable, Hashable, Codable {
    /// How the figures came about.
    public var `protocol`: String
    /// A row per unpooling.
    public var rows: [Row]
  }

  /// Runs the experiment.
  ///
  /// - Parameters:
  ///   - request: Data, crops, steps; its network must be one with unpoolings.
  ///   - unpoolings: Which ones to compare.
  ///   - kernels: Instruction set and threads.
  ///   - listener: Makes who is told about one unpooling's training.
  /// - Returns: The table over the test part (the validation part where there is none), and a grid:
  ///   pictures and truth, then a column per unpooling.
  /// - Throws: `StudioError` when the network has no unpooling, and what training throws.
  public static func run(
    _ request: SegmentationTrainingRequest, unpoolings: [Unpooling] = Unpooling.allCases,
    kernels: Kernels = Kernels(), listener: (Unpooling) -> (any TrainingListener)? = { _ in nil }
  ) throws -> (report: Report, grid: ByteImage) {
    guard request.network.hasUnpooling else {
      throw StudioError(
        .usage,
        "unpoolings are compared in segnet-basic or segnet, not in "
          + request.network.rawValue)
    }
    let sets = try SegmentationTask.sets(request)
    let measured = try testPart(request, sets.training.palette) ?? sets.validation
    let shown = (0..<min(3, measured.count)).map { measured.items[$0 * measured.count / 3] }
    var rows: [Row] = []
    var columns = [
      shown.map { PictureGrid.Cell($0.image) },
      shown.map { PictureGrid.Cell($0.labels.colored(measured.palette)) },
    ]
    var text = ""
    for unpooling in unpoolings {
      var own = request
      own.unpooling = unpooling
      let task = try SegmentationTask(own, kernels: kernels, sets: sets)
      let loop = try task.loop(in: nil, kernels: kernels)
      var loss = Double.nan
      loop.listeners = [
        ClosureListener { event in
          if case .step(let report) = event { loss = report.smoothedLoss }
        }
      ]
      if let listener = listener(unpooling) { loop.listeners.append(listener) }
      let stop = try loop.run()
      try loop.withAverage {
        let report = try SegmentationEvaluation.run(task.segmenter, on: measured)
        text = report.protocol
        columns.append(
          try shown.map {
            PictureGrid.Cell(
              try task.segmenter.segment($0.image).labels.colored(measured.palette))
          })
        rows.append(
          Row(
            unpooling: unpooling, parameters: task.weightCount,
            globalAccuracy: report.globalAccuracy, classAccuracy: report.classAccuracy,
            meanIoU: report.meanIoU, loss: loss, seconds: stop.seconds))
      }
    }
    let grid = PictureGrid(
      title: "Unpooling in \(request.network.rawValue)",
      columnTitles: ["picture", "truth"] + unpoolings.map(\.rawValue),
      rows: shown.indices.map { row in columns.map { $0[row] } })
    return (Report(protocol: training(request) + text, rows: rows), grid.render())
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
    return try SegmentedImages.read(
      url, part: .test, palette: palette, channels: request.channels)?
      .ordered(as: palette.names)
  }

  private static func training(_ request: SegmentationTrainingRequest) -> String {
    let limit = request.steps.map { "\($0) steps" } ?? "\(request.minutes ?? 0) minutes"
    let width = request.width ?? request.network.standardWidth
    return "\(request.network.rawValue) of width \(width), equal weights, \(limit) of "
      + "\(request.batch) crops of \(request.crop), loss "
      + request.loss.map(\.description).joined(separator: " + ")
      + ", class weights \(request.weighting.rawValue), seed \(request.seed), last weights; on "
  }
}
