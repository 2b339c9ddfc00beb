// The experiment that the SegNet paper describes without numbers: the same autoencoder with each
// unpooling, one protocol.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierTraining
import AtelierZoo
import Foundation

/// Trains the course's autoencoder once per unpooling, at equal parameters, data, noise and steps.
public enum UnpoolingComparison {
  /// One unpooling's result; encodes to the JSON that `--json` prints.
  public struct Row: Sendable, Hashable, Codable {
    /// Which unpooling.
    public var unpooling: Unpooling
    /// Parameters of the network; the same in every row.
    public var parameters: Int
    /// The mean PSNR of the validation pictures in dB.
    public var psnr: Double
    /// The mean SSIM of the validation pictures.
    public var ssim: Double
    /// The smoothed training loss at the end.
    public var loss: Double
    /// Seconds of training.
    public var seconds: Double
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
  ///   - request: Data, noise, steps; its network must be an autoencoder, whose unpooling is
  /// replaced.
  ///   - unpoolings: Which ones to compare.
  ///   - kernels: Instruction set and threads.
  ///   - listener: Makes who is told about one unpooling's training.
  /// - Returns: The table, and a grid: clean and noisy pictures, then a column per unpooling.
  /// - Throws: `StudioError` when the network is no autoencoder, and what training throws.
  public static func run(
    _ request: DenoisingTrainingRequest, unpoolings: [Unpooling] = Unpooling.allCases,
    kernels: Kernels = Kernels(), listener: (Unpooling) -> (any TrainingListener)? = { _ in nil }
  ) throws -> (report: Report, grid: ByteImage) {
    guard case .autoencoder(let network) = request.network else {
      throw StudioError(
        .usage, "unpoolings are compared in the autoencoder, not in \(request.network.name)")
    }
    var rows: [Row] = []
    var columns: [[PictureGrid.Cell]] = []
    var pictures: ImageFolder?
    for unpooling in unpoolings {
      var own = request
      var changed = network
      changed.unpooling = unpooling
      own.network = .autoencoder(changed)
      let task = try DenoisingTask(own, kernels: kernels, pictures: pictures)
      pictures = task.pictures
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
        let results = try task.denoisedValidation()
        if columns.isEmpty {
          columns.append(task.validation.map { PictureGrid.Cell($0) })
          columns.append(
            try zip(task.validation, results).map {
              PictureGrid.Cell(
                $1.noisy, caption: DenoisingTask.caption(try Metrics.psnr($0, $1.noisy)))
            })
        }
        let figures = try zip(task.validation, results).map {
          (psnr: try Metrics.psnr($0, $1.clean), ssim: try Metrics.ssim($0, $1.clean))
        }
        columns.append(
          zip(results, figures).map {
            PictureGrid.Cell($0.clean, caption: DenoisingTask.caption($1.psnr))
          })
        let count = Double(max(figures.count, 1))
        rows.append(
          Row(
            unpooling: unpooling, parameters: task.graph.parameterCount,
            psnr: figures.reduce(0) { $0 + $1.psnr } / count,
            ssim: figures.reduce(0) { $0 + $1.ssim } / count, loss: loss, seconds: stop.seconds))
      }
    }
    return (Report(protocol: text(request), rows: rows), grid(columns, unpoolings))
  }

  private static func text(_ request: DenoisingTrainingRequest) -> String {
    let limit = request.steps.map { "\($0) steps" } ?? "\(request.minutes ?? 0) minutes"
    return "autoencoder without skips, equal parameters, \(limit) of \(request.batch) patches of "
      + "\(request.patch)x\(request.patch), noise "
      + request.noises.map(\.description).joined(separator: ", ")
      + ", loss \(request.loss), seed \(request.seed); validation: center crops of at most 192x192, "
      + "Gaussian sigma \(request.validationSigma) seed 0 not clipped, result rounded to 8 bits"
  }

  private static func grid(
    _ columns: [[PictureGrid.Cell]], _ unpoolings: [Unpooling]
  ) -> ByteImage {
    let count = min(columns.first?.count ?? 0, 4)
    let rows = (0..<count).map { row in columns.map { $0[row] } }
    return PictureGrid(
      title: "Unpooling in the course's autoencoder",
      columnTitles: ["clean", "noisy"] + unpoolings.map(\.rawValue), rows: rows
    ).render()
  }
}
