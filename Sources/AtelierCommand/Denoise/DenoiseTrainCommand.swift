// `atelier denoise train`: builds a training request or reads it from a run folder, and runs it.

import ArgumentParser
import Atelier
import Foundation

/// Trains a denoiser.
struct DenoiseTrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Train a denoiser on clean pictures.",
    discussion: """
      The noise is added while training, so any clean pictures will do. The run folder holds the \
      best and the last model, all that a resume needs, logs (CSV, JSON lines, TensorBoard) and \
      previews. Ctrl-C saves; --resume goes on as if nothing had happened.

      NETWORKS
      \(networkList)

      EXAMPLES
        atelier denoise train --data photos --network unet --run mine --minutes 30
        atelier denoise train --data photos --color --network autoencoder \\
          --unpool nearest --noise gaussian:25 --run course --steps 2000
        atelier denoise train --run mine --resume
        atelier denoise train --run mine --resume --minutes 60
      """)

  /// The networks with a line each; a paragraph of its own would be wrapped in the help.
  private static let networkList = Catalogue.list(for: .denoise)

  @OptionGroup var folder: TrainingRunOptions

  @Option(help: ArgumentHelp("The network; see above.", valueName: "name"))
  var network: String?

  @Option(
    help: ArgumentHelp(
      "The autoencoder's unpooling: max, nearest, nails or transposed (default: max).",
      valueName: "kind"), transform: Reading.unpooling)
  var unpool: Unpooling?

  @OptionGroup(title: "TRAINING OPTIONS") var training: DenoiserTrainingOptions
  @OptionGroup(title: "GENERAL OPTIONS") var arithmetic: PrecisionOptions
  @OptionGroup(title: "GENERAL OPTIONS") var global: GlobalOptions

  func run() throws {
    let request = try folder.request(
      fixedOptions: (network == nil ? [] : ["--network"]) + (unpool == nil ? [] : ["--unpool"])
        + training.fixedOptionsGiven, new: newRequest, stored: DenoisingTraining.request,
      files: { $0.data + $0.validation }, limits: training.applyLimits)
    let interrupt = InterruptFlag.catchingSignals()
    let report = try DenoisingTraining.run(
      request, in: folder.folder, isResuming: folder.resume,
      listeners: global.quiet ? [] : [ProgressListener()], interrupt: interrupt,
      kernels: arithmetic.kernels(global))
    try TrainingEnding(command: "denoise", run: folder, global: global).tell(report, interrupt)
  }

  private func newRequest() throws -> DenoisingTrainingRequest {
    guard let network else {
      let names = Catalogue.names(for: .denoise)
      throw StudioError(.usage, "a training needs a network: give --network, one of \(names)")
    }
    return try training.request(
      network: Self.architecture(
        network, channels: training.imageChannels, unpooling: unpool, widths: training.widths))
  }

  /// The architecture of a name, with a clear word about options that it does not have.
  static func architecture(
    _ name: String, channels: Int, unpooling: Unpooling?, widths: [Int]?
  ) throws -> DenoiserArchitecture {
    guard
      let architecture = DenoiserArchitecture(
        name: name, channels: channels, unpooling: unpooling ?? .max, widths: widths)
    else {
      let names = Catalogue.names(for: .denoise)
      throw StudioError(.usage, "expected a network, one of \(names); received \(name)")
    }
    switch architecture {
    case .autoencoder: break
    case .residualUNet:
      if unpooling != nil { throw StudioError(.usage, "--unpool is for the autoencoder alone") }
    default:
      if unpooling != nil { throw StudioError(.usage, "--unpool is for the autoencoder alone") }
      if widths != nil {
        throw StudioError(.usage, "--widths is for autoencoder and residual-unet alone")
      }
    }
    return architecture
  }
}
