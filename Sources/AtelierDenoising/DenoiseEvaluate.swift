// `denoise evaluate`: seeded noise on clean pictures, PSNR and SSIM after, the protocol.

import AtelierDatasets
import AtelierInterchange
import AtelierWorkbench
import Foundation

/// Which denoiser is measured on what.
public struct DenoiseEvaluateRequest: JobRequest, Hashable {
  public var model = ""
  public var data: [String] = []
  public var sigma: Float = 25
  public var seed: UInt64 = 0
  public var blind = false
  public var ensemble = false
  public var tile = 512

  public init() {}

  public static var form: Form<Self> {
    Form([
      .model(\.model),
      Field(
        list: "data", \.data, "Folders or files of clean pictures", value: "dir", kind: .source
      ).demanded,
      Field(
        "sigma", \.sigma, "The noise's deviation, of 255", value: "sigma", .from(0, to: 255)
      ).demanded,
      Field("seed", \.seed, "The noise's seed", value: "seed"),
      Field(
        flag: "blind", \.blind,
        "Let the model work with an estimate of the noise instead of the true sigma"),
      Field(flag: "ensemble", \.ensemble, "Average the results of the eight flips and rotations"),
      Field("tile", \.tile, "The side of the tiles", value: "pixels", .from(16, to: 8192)),
    ])
  }
}

/// Measures a denoiser.
public enum DenoiseEvaluate: Job {
  public static let workshop = "denoise"
  public static let name = "evaluate"
  public static let summary =
    "Add seeded noise to clean pictures, denoise them, and print PSNR and SSIM."
  public static let guide = """
    The noise is white, Gaussian, neither clipped nor rounded; the result is rounded to 8 bits. \
    Gray models measure pictures in gray, colour models in RGB.

    EXAMPLES
      atelier denoise evaluate --model m.safetensors --data test --sigma 25
      atelier denoise evaluate --model m.safetensors --data test --sigma 50 --json
    """

  public static func run(_ request: DenoiseEvaluateRequest, in place: JobPlace) throws -> Report {
    let denoiser = try Denoiser(
      ModelFile.read(from: URL(fileURLWithPath: request.model)), kernels: place.kernels)
    let folder = try ImageFolder(
      request.data.map { URL(fileURLWithPath: $0) }, mode: denoiser.channels == 1 ? .gray : .color)
    for line in PicturePlan.few(folder.leftOut, of: "pictures left out") { place.remark(line) }
    var options = Denoiser.Options()
    options.isEnsemble = request.ensemble
    options.tileSize = request.tile
    let width = max(folder.items.map(\.name.count).max() ?? 0, 4)
    let head = "file".padding(toLength: width, withPad: " ", startingAt: 0)
    place.note("\(head)  noisy dB  PSNR dB    SSIM")
    let progress = ProgressCounter("pictures", place)
    var done = 0
    let found = try DenoisingEvaluation.run(
      denoiser, on: folder, sigma: request.sigma, seed: request.seed, options: options,
      isBlind: request.blind
    ) { row in
      place.note(line(row.file, row.noisyPsnr, row.psnr, row.ssim, width))
      done += 1
      progress.show(done, folder.items.count)
    }
    var report = Report(value: found)
    let noisy = found.images.reduce(0) { $0 + $1.noisyPsnr } / Double(found.images.count)
    report.say(line("mean", noisy, found.mean.psnr, found.mean.ssim, width))
    report.say("protocol: \(found.protocol)")
    return report
  }

  private static func line(
    _ name: String, _ noisy: Double, _ psnr: Double, _ ssim: Double, _ width: Int
  ) -> String {
    let cells = [(noisy, 2, 8), (psnr, 2, 7), (ssim, 4, 6)].map { value, digits, size in
      let text = NumberText.fixed(value, digits)
      return String(repeating: " ", count: max(size - text.count, 0)) + text
    }
    return name.padding(toLength: width, withPad: " ", startingAt: 0) + "  "
      + cells.joined(separator: "  ")
  }
}
