// `denoise compare`: the experiment that the SegNet paper describes without numbers: the autoencoder
// once per unpooling, one protocol, a table, a picture.

import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierKernels
import AtelierTraining
import AtelierWorkbench
import AtelierZoo
import Foundation

/// Which unpoolings are compared, and by what training.
public struct DenoiseCompareRequest: JobRequest, Hashable {
  public var unpoolings = Unpooling.allCases
  public var output = "out/unpooling"
  public var training = DenoisingTrainingRequest()

  public init() {}

  public static var form: Form<Self> {
    Form(
      Self(),
      fields: [
        .unpoolings(\.unpoolings, "all, or names with commas: max, nearest, nails, transposed"),
        Field(
          "output", \.output, "The folder of unpooling.png and unpooling.json", value: "folder",
          kind: .output
        ).letter("o"),
      ]
    ).section(
      "TRAINING OPTIONS", DenoisingTrainingRequest.trainingFields.map { $0.within(\.training) })
  }

  public static func check(_ words: FieldWords) throws { try DenoisingTrainingRequest.check(words) }

  public mutating func complete(with words: FieldWords) throws {
    // Here the word names those to compare.
    try training.complete(with: words.filter { $0.key != "unpool" })
    try training.expectLimit()
  }
}

/// Compares unpoolings.
public enum DenoiseCompare: Job {
  public static let workshop = "denoise"
  public static let name = "compare"
  public static let summary =
    "Train the autoencoder once per unpooling under one protocol, and print the table."
  public static let guide = """
    max goes through the switches of the mirror pool, nearest repeats each value, nails puts it \
    in the top left among zeros, transposed learns to enlarge. All have the same number of \
    parameters, data, noise and steps.

    EXAMPLES
      atelier denoise compare --unpool all --data photos --steps 2000 -o out
      atelier denoise compare --unpool max,nails --scenes 18 --minutes 5 --json
    """
  public static let takesPrecision = false

  public static func run(_ request: DenoiseCompareRequest, in place: JobPlace) throws -> Report {
    try UnpoolingAblation.report(
      UnpoolingComparison.run(
        request.training, unpoolings: request.unpoolings, kernels: place.kernels,
        listener: place.listener(of:)), in: request.output, place)
  }
}

/// Trains the course's autoencoder once per unpooling, at equal parameters, data, noise and steps.
public enum UnpoolingComparison {
  /// One unpooling's result.
  public struct Row: AblationRow {
    public var unpooling: Unpooling
    /// Parameters of the network; the same in every row.
    public var parameters: Int
    /// The mean PSNR of the validation pictures in dB.
    public var psnr: Double
    /// The mean SSIM of the validation pictures.
    public var ssim: Double
    public var loss: Double
    public var seconds: Double

    public static let titles = ["unpooling", "parameters", "PSNR dB", "SSIM", "loss", "seconds"]
    public var cells: [String] {
      [unpooling.rawValue, "\(parameters)"]
        + [(psnr, 2), (ssim, 4), (loss, 5), (seconds, 1)].map { NumberText.fixed($0, $1) }
    }
  }

  public typealias Report = AblationReport<Row>

  /// Runs the experiment: the table, and a grid of clean and noisy pictures, then a column per
  /// unpooling, which replaces that of the request's autoencoder; throws `StudioError` when the
  /// network is another, and what training throws.
  public static func run(
    _ request: DenoisingTrainingRequest, unpoolings: [Unpooling] = Unpooling.allCases,
    kernels: Kernels = Kernels(), listener: (Unpooling) -> (any TrainingListener)? = { _ in nil }
  ) throws -> (report: Report, grid: ByteImage) {
    guard case .autoencoder(let network) = request.network else {
      throw StudioError(
        .usage, "unpoolings are compared in the autoencoder, not in \(request.network.name)")
    }
    var given: [[PictureGrid.Cell]] = []
    var pictures: ImageFolder?
    let (rows, columns) = try UnpoolingAblation.run(
      unpoolings, kernels: kernels, listener: listener
    ) { unpooling in
      var own = request
      var changed = network
      changed.unpooling = unpooling
      own.network = .autoencoder(changed)
      let task = try DenoisingTask(own.perShard(), kernels: kernels, pictures: pictures)
      pictures = task.pictures
      return task
    } measure: { task, course in
      func shown(_ picture: ByteImage, _ psnr: Double) -> PictureGrid.Cell {
        PictureGrid.Cell(picture, caption: DenoisingTask.caption(psnr))
      }
      let results = try task.denoisedValidation().map { found in
        (found: found, psnr: try Metrics.psnr(found.target, found.result))
      }
      if given.isEmpty {
        given = [
          task.validation.map { PictureGrid.Cell($0) },
          try results.map {
            shown($0.found.noisy, try Metrics.psnr($0.found.target, $0.found.noisy))
          },
        ]
      }
      let count = Double(max(results.count, 1))
      let row = Row(
        unpooling: course.unpooling, parameters: task.graph.parameterCount,
        psnr: results.reduce(0) { $0 + $1.psnr } / count,
        ssim: try results.reduce(0) { $0 + (try Metrics.ssim($1.found.target, $1.found.result)) }
          / count,
        loss: course.loss, seconds: course.seconds)
      return (row, results.map { shown($0.found.result, $0.psnr) })
    }
    let grid = UnpoolingAblation.grid(
      title: "Unpooling in the course's autoencoder", ["clean", "noisy"], unpoolings,
      (given + columns).map { Array($0.prefix(4)) })
    return (Report(protocol: text(request), rows: rows), grid)
  }

  private static func text(_ request: DenoisingTrainingRequest) -> String {
    "autoencoder without skips, equal parameters, \(request.recipe.limit) of \(request.batch) "
      + "patches of \(request.patch)x\(request.patch), noise "
      + request.noises.map(\.description).joined(separator: ", ")
      + ", loss \(request.loss), seed \(request.seed); validation: center crops of at most 192x192, "
      + "Gaussian sigma \(request.validationSigma) seed 0 not clipped, result rounded to 8 bits"
  }
}
