// `atelier denoise evaluate`: seeded noise on clean pictures, PSNR and SSIM after, the protocol.

import ArgumentParser
import Atelier
import Foundation

/// Measures a denoiser.
struct DenoiseEvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "Add seeded noise to clean pictures, denoise them, and print PSNR and SSIM.",
    discussion: """
      The noise is white, Gaussian, neither clipped nor rounded; the result is rounded to 8 bits. \
      Gray models measure pictures in gray, colour models in RGB.

      EXAMPLES
        atelier denoise evaluate --model m.safetensors --data test --sigma 25
        atelier denoise evaluate --model m.safetensors --data test --sigma 50 --json
      """)

  @Option(help: ArgumentHelp("The model file.", valueName: "file"))
  var model: String

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Folders or files of clean pictures.", valueName: "dir"))
  var data: [String]

  @Option(help: ArgumentHelp("The noise's deviation, of 255.", valueName: "sigma"))
  var sigma: Float

  @Option(help: ArgumentHelp("The noise's seed.", valueName: "seed"))
  var seed: UInt64 = 0

  @Flag(help: "Let the model work with an estimate of the noise instead of the true sigma.")
  var blind = false

  @Flag(help: "Average the results of the eight flips and rotations.")
  var ensemble = false

  @Option(help: ArgumentHelp("The side of the tiles.", valueName: "pixels"))
  var tile = 512

  @OptionGroup(title: "GENERAL OPTIONS") var arithmetic: PrecisionOptions
  @OptionGroup(title: "GENERAL OPTIONS") var global: GlobalOptions

  func validate() throws {
    guard (0...255).contains(sigma) else {
      throw ValidationError("--sigma takes 0 to 255; received \(sigma)")
    }
    guard (16...8192).contains(tile) else {
      throw ValidationError("--tile takes 16 to 8192; received \(tile)")
    }
    guard !data.isEmpty else { throw ValidationError("--data needs a folder or a file") }
  }

  func run() throws {
    let denoiser = try Denoiser(
      ModelFile.read(from: URL(fileURLWithPath: model)), kernels: arithmetic.kernels(global))
    try Reading.checkPresent(data)
    let folder = try ImageFolder(
      data.map { URL(fileURLWithPath: $0) }, mode: denoiser.channels == 1 ? .gray : .color)
    var options = Denoiser.Options()
    options.isEnsemble = ensemble
    options.tileSize = tile
    let width = max(folder.items.map(\.name.count).max() ?? 0, 4)
    let head = "file".padding(toLength: width, withPad: " ", startingAt: 0)
    global.say("\(head)  noisy dB  PSNR dB    SSIM")
    let report = try DenoisingEvaluation.run(
      denoiser, on: folder, sigma: sigma, seed: seed, options: options, isBlind: blind
    ) { row in
      global.say(Self.line(row.file, row.noisyPsnr, row.psnr, row.ssim, width))
    }
    guard !global.json else { return try Console.print(json: report) }
    let noisy = report.images.reduce(0) { $0 + $1.noisyPsnr } / Double(report.images.count)
    Console.print(Self.line("mean", noisy, report.mean.psnr, report.mean.ssim, width))
    Console.print("protocol: \(report.protocol)")
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
