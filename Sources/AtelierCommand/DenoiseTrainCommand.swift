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
  private static var networkList: String {
    DenoiserArchitecture.catalogue.map { "  \($0.name):\n    \($0.summary)" }
      .joined(separator: "\n")
  }

  @Option(name: .customLong("run"), help: ArgumentHelp("The run folder.", valueName: "folder"))
  var runPath: String

  @Flag(help: "Go on with the run; only limits and intervals may change.")
  var resume = false

  @Option(help: ArgumentHelp("The network; see above.", valueName: "name"))
  var network: String?

  @Option(
    help: ArgumentHelp(
      "The autoencoder's unpooling: max, nearest, nails or transposed (default: max).",
      valueName: "kind"), transform: Reading.unpooling)
  var unpool: Unpooling?

  @Option(
    help: ArgumentHelp("Copy the best model here at the end.", valueName: "file"))
  var export: String?

  @OptionGroup(title: "TRAINING OPTIONS") var training: TrainingOptions
  @OptionGroup(title: "GENERAL OPTIONS") var arithmetic: PrecisionOptions
  @OptionGroup(title: "GENERAL OPTIONS") var global: GlobalOptions

  func run() throws {
    let folder = URL(fileURLWithPath: runPath)
    let request = try resume ? resumedRequest(folder) : newRequest(folder)
    let interrupt = InterruptFlag.catchingSignals()
    let report = try DenoisingTraining.run(
      request, in: folder, isResuming: resume,
      listeners: global.quiet ? [] : [ProgressListener()], interrupt: interrupt,
      kernels: arithmetic.kernels(global))
    try TrainingEnding(command: "denoise", run: runPath, export: export, global: global)
      .tell(report, interrupt)
  }

  private func newRequest(_ folder: URL) throws -> DenoisingTrainingRequest {
    guard let network else {
      let names = DenoiserArchitecture.catalogue.map(\.name).joined(separator: ", ")
      throw StudioError(.usage, "a training needs a network: give --network, one of \(names)")
    }
    let architecture = try Self.architecture(
      network, channels: training.imageChannels, unpooling: unpool, widths: training.widths)
    let configuration = folder.appendingPathComponent("configuration.json").path
    guard !FileManager.default.fileExists(atPath: configuration) else {
      throw StudioError(
        .cannotCreate,
        "\(runPath): expected a new folder; it holds a run already (--resume goes on)")
    }
    return try training.request(network: architecture)
  }

  private func resumedRequest(_ folder: URL) throws -> DenoisingTrainingRequest {
    let given =
      (network == nil ? [] : ["--network"]) + (unpool == nil ? [] : ["--unpool"])
      + training.fixedOptionsGiven
    guard given.isEmpty else {
      throw StudioError(
        .usage,
        "--resume goes on with the run's own settings; leave out \(given.joined(separator: ", "))")
    }
    try Reading.checkPresent([runPath])
    var request = try DenoisingTraining.request(of: folder)
    try Reading.checkPresent(request.data + request.validation)
    training.applyLimits(to: &request)
    return request
  }

  /// The architecture of a name, with a clear word about options that it does not have.
  static func architecture(
    _ name: String, channels: Int, unpooling: Unpooling?, widths: [Int]?
  ) throws -> DenoiserArchitecture {
    guard
      let architecture = DenoiserArchitecture(
        name: name, channels: channels, unpooling: unpooling ?? .max, widths: widths)
    else {
      let names = DenoiserArchitecture.catalogue.map(\.name).joined(separator: ", ")
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
