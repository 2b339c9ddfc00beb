// `denoise evaluate`: seeded noise on clean pictures, or noisy files beside clean ones; PSNR and SSIM
// after, the protocol.

import AtelierDatasets
import AtelierFiles
import AtelierImages
import AtelierKernels
import AtelierWorkbench
import Foundation

/// Which denoiser is measured on what.
public struct DenoiseEvaluateRequest: JobRequest, Hashable {
  public var model: String?
  public var data: [String] = []
  public var noisy = ""
  public var clean = ""
  public var sigma: Float?
  public var seed: UInt64 = 0
  public var blind = false
  public var baseline: DenoisingBaseline?
  public var ensemble = false
  public var tile = 512

  public init() {}

  public static var form: Form<Self> {
    Form([
      .denoiser(\.model),
      Field(
        list: "data", \.data, "Folders or files of clean pictures, to which noise is added",
        value: "dir", kind: .source),
      Field(
        "noisy", \.noisy, "Noisy pictures instead, which have --clean originals of the same names",
        value: "dir", kind: .folder),
      Field(
        "clean", \.clean, "The clean originals of the noisy pictures", value: "dir",
        kind: .folder),
      Field(
        "sigma", \.sigma,
        "The noise's deviation, of 255: that of the noise added to --data, or "
          + "what denoisers are told of --noisy", value: "sigma", .from(0, to: 255)
      ).byDefault("estimated for --noisy"),
      Field("seed", \.seed, "The seed of the noise added", value: "seed"),
      Field(
        flag: "blind", \.blind,
        "Let the model work with an estimate of the noise instead of the true sigma"),
      Field(
        "baseline", \.baseline,
        "Also measure a denoiser that learns nothing: bm3d (Dabov and others 2007)",
        value: "kind"),
      Field(flag: "ensemble", \.ensemble, "Average the results of the eight flips and rotations"),
      Field("tile", \.tile, "The side of the tiles", value: "pixels", .from(16, to: 8192)),
    ])
  }

  public static func check(_ words: FieldWords) throws {
    let hasPairs = words["noisy"] != nil || words["clean"] != nil
    if words["data"] != nil, hasPairs {
      throw FieldError("give --data, or --noisy and --clean, not both")
    }
    if hasPairs, words["noisy"] == nil || words["clean"] == nil {
      throw FieldError("noisy and clean pictures make pairs: give --noisy and --clean")
    }
    for name in ["seed", "blind"] where hasPairs && words[name] != nil {
      throw FieldError(
        "--\(name) is for noise that is added to --data"
          + (name == "blind" ? "; without --sigma that of --noisy is estimated" : ""))
    }
    if words["data"] != nil, words["sigma"] == nil {
      throw FieldError("--data needs the noise that is added: give --sigma")
    }
  }

  public mutating func complete(with words: FieldWords) throws {
    try StudioError.unless(
      !data.isEmpty || !noisy.isEmpty, .usage,
      "give clean pictures by --data, or pairs by --noisy and --clean")
  }
}

/// Measures a denoiser.
public enum DenoiseEvaluate: Job {
  public static let workshop = "denoise"
  public static let name = "evaluate"
  public static let summary =
    "Denoise pictures whose clean originals are known, and print PSNR and SSIM."
  public static let guide = """
    Noise added to --data is white, Gaussian, neither clipped nor rounded; --noisy and --clean \
    take real noise with its truth. Results are rounded to 8 bits, of deeper files to 16. Without \
    --model the models that ship are measured, each on the pictures that `denoise run` takes it \
    for. Gray models measure --data in gray, colour models in RGB.

    EXAMPLES
      atelier denoise evaluate --data test --sigma 25 --baseline bm3d
      atelier denoise evaluate --noisy shots --clean truth
      atelier denoise evaluate --model m.safetensors --data test --sigma 50 --json
    """

  public static func run(_ request: DenoiseEvaluateRequest, in place: JobPlace) throws -> Report {
    var options = Denoiser.Options()
    options.isEnsemble = request.ensemble
    options.tileSize = request.tile
    let shelf = DenoiserShelf(path: request.model, kernels: place.kernels)
    // A model that cannot be read is told before the pictures are.
    if request.model != nil { _ = try shelf.denoiser(isGray: true) }
    var models: [String] = []
    func note(_ file: String) {
      let name = (file as NSString).lastPathComponent
      if !models.contains(name) { models.append(name) }
    }
    func denoiser(isGray: Bool) throws -> Denoiser {
      let (denoiser, file) = try shelf.denoiser(isGray: isGray)
      note(file)
      return denoiser
    }
    var found: DenoisingReport
    if request.noisy.isEmpty {
      let folder = try ImageFolder(request.data.map { URL(fileURLWithPath: $0) }, mode: .color)
      for line in PicturePlan.few(folder.leftOut, of: "pictures left out") { place.remark(line) }
      let originals = try folder.items.map {
        let denoiser = try denoiser(isGray: $0.image.isColorless)
        return DenoisingEvaluation.Original($0, denoiser, channels: denoiser.channels)
      }
      let rows = Rows(originals.map(\.name), request.baseline, place)
      found = try DenoisingEvaluation.run(
        on: originals, sigma: request.sigma ?? 0, seed: request.seed, options: options,
        isBlind: request.blind, baseline: request.baseline, progress: rows.show)
    } else {
      options.sigma = request.sigma
      // What `denoise run` would do with the noisy picture.
      var like = DenoiseRunRequest()
      (like.model, like.sigma) = (request.model, request.sigma)
      (like.ensemble, like.tile) = (request.ensemble, request.tile)
      let pairs = try PicturePair.pairs(noisy: request.noisy, clean: request.clean)
      let rows = Rows(pairs.map(\.name), request.baseline, place)
      found = try DenoisingEvaluation.run(
        pairs: pairs, options: options, baseline: request.baseline, pool: place.kernels.pool,
        progress: rows.show
      ) { picture in
        var work = try DenoiseWork(picture, like, shelf)
        let result = try work.run(picture)
        for file in work.files { note(file) }
        return result
      }
    }
    let model = models.joined(separator: ", ")
    found.protocol += "; model \(model)"
    return report(found, model, request.baseline)
  }

  private static func report(
    _ found: DenoisingReport, _ model: String, _ baseline: DenoisingBaseline?
  ) -> Report {
    var report = Report(value: found)
    var table = Table(["mean of \(found.images.count)", "PSNR dB", "SSIM"])
    func append(_ name: String, _ psnr: Double, _ ssim: Double?) {
      table.append([
        name, NumberText.fixed(psnr, 2), ssim.map { NumberText.fixed($0, 4) } ?? "",
      ])
    }
    append("noisy", found.mean.noisyPsnr, nil)
    if let baseline, let psnr = found.mean.baselinePsnr {
      append("\(baseline.title), not learnt", psnr, found.mean.baselineSsim)
    }
    append(model, found.mean.psnr, found.mean.ssim)
    report.say(table)
    report.say("protocol: \(found.protocol)")
    return report
  }

  /// Shows the figures of pictures while they are measured.
  private final class Rows {
    private let width: Int
    private let count: Int
    private let place: JobPlace
    private let progress: ProgressCounter
    private var done = 0

    init(_ names: [String], _ baseline: DenoisingBaseline?, _ place: JobPlace) {
      width = max(names.map(\.count).max() ?? 0, 4)
      count = names.count
      self.place = place
      progress = ProgressCounter("pictures", place)
      let head = "file".padding(toLength: width, withPad: " ", startingAt: 0)
      let more = baseline.map { "  \($0.title) dB    SSIM" } ?? ""
      place.note("\(head)  noisy dB  PSNR dB    SSIM\(more)")
    }

    func show(_ row: DenoisingReport.Row) {
      var cells = [(row.noisyPsnr, 2, 8), (row.psnr, 2, 7), (row.ssim, 4, 6)]
      if let psnr = row.baselinePsnr, let ssim = row.baselineSsim {
        cells += [(psnr, 2, 7), (ssim, 4, 6)]
      }
      let words = cells.map { value, digits, size in
        let text = NumberText.fixed(value, digits)
        return String(repeating: " ", count: max(size - text.count, 0)) + text
      }
      let name = row.file.padding(toLength: width, withPad: " ", startingAt: 0)
      place.note("\(name)  " + words.joined(separator: "  "))
      done += 1
      progress.show(done, count)
    }
  }
}
