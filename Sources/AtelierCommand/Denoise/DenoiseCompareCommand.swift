// `atelier denoise compare`: the autoencoder once per unpooling, one protocol, a table, a picture.

import ArgumentParser
import Atelier
import Foundation

/// Compares unpoolings.
struct DenoiseCompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare",
    abstract: "Train the autoencoder once per unpooling under one protocol, and print the table.",
    discussion: """
      max goes through the switches of the mirror pool, nearest repeats each value, nails puts it \
      in the top left among zeros, transposed learns to enlarge. All have the same number of \
      parameters, data, noise and steps.

      EXAMPLES
        atelier denoise compare --unpool all --data photos --steps 2000 -o out
        atelier denoise compare --unpool max,nails --scenes 18 --minutes 5 --json
      """)

  @Option(
    help: ArgumentHelp(
      "all, or names with commas: max, nearest, nails, transposed.", valueName: "kinds"),
    transform: Reading.unpoolings)
  var unpool: [Unpooling] = Unpooling.allCases

  @Option(
    name: [.customShort("o"), .long],
    help: ArgumentHelp("The folder of unpooling.png and unpooling.json.", valueName: "folder"))
  var output = "out/unpooling"

  @OptionGroup(title: "TRAINING OPTIONS") var training: DenoiserTrainingOptions
  @OptionGroup(title: "GENERAL OPTIONS") var global: GlobalOptions

  func validate() throws {
    guard !unpool.isEmpty, Set(unpool).count == unpool.count else {
      throw ValidationError("--unpool takes each unpooling once, or all")
    }
  }

  func run() throws {
    let network = try DenoiseTrainCommand.architecture(
      ConvolutionalAutoencoder.name, channels: training.imageChannels, unpooling: nil,
      widths: training.widths)
    let request = try training.request(network: network)
    let (report, grid) = try UnpoolingComparison.run(
      request, unpoolings: unpool, kernels: global.kernels
    ) { unpooling in
      guard !global.quiet else { return nil }
      Console.remark("unpooling \(unpooling.rawValue):")
      return ProgressListener()
    }
    let picture = (output as NSString).appendingPathComponent("unpooling.png")
    let table = (output as NSString).appendingPathComponent("unpooling.json")
    do {
      try FileManager.default.createDirectory(
        atPath: output, withIntermediateDirectories: true)
      try ImageFile.write(grid, to: picture, options: .init(metadata: ["Software": "Atelier"]))
      let text = try JSONText.pretty(report) + "\n"
      try AtomicFile.write(Data(text.utf8), to: URL(fileURLWithPath: table))
    } catch {
      throw StudioError(.cannotCreate, Failure(error).message)
    }
    guard !global.json else { return try Console.print(json: report) }
    var text = TextTable(["unpooling", "parameters", "PSNR dB", "SSIM", "loss", "seconds"])
    for row in report.rows {
      text.append([
        row.unpooling.rawValue, "\(row.parameters)", NumberText.fixed(row.psnr, 2),
        NumberText.fixed(row.ssim, 4), NumberText.fixed(row.loss, 5),
        NumberText.fixed(row.seconds, 1),
      ])
    }
    Console.print(text.text)
    Console.print("protocol: \(report.protocol)")
    Console.print("pictures: \(picture)")
  }
}
