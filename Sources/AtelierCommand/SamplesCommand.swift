// `atelier samples`: draws the project's own pictures, clean and noisy.

import ArgumentParser
import Atelier
import Foundation

/// Draws the sample pictures.
struct SamplesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "samples",
    abstract: "Draw the project's sample pictures: clean/NAME.png and noisy/NAME.png.",
    discussion: """
      The same seed gives the same pictures; seed 1 gives those of the folder Samples.

      EXAMPLES
        atelier samples -o out/samples
        atelier samples -o out/others --seed 7
      """)

  @Option(
    name: [.customShort("o"), .long],
    help: ArgumentHelp("The folder to draw into.", valueName: "folder"))
  var output: String

  @Option(help: ArgumentHelp("The seed of pictures and noise.", valueName: "seed"))
  var seed: UInt64 = SampleScenes.sampleSeed

  @OptionGroup(title: "GENERAL OPTIONS") var global: GlobalOptions

  /// A sample as `--json` prints it.
  private struct Entry: Encodable {
    let name: String
    let clean: String
    let noisy: String
    let sigma: Float
  }

  func run() throws {
    let files: [(clean: URL, noisy: URL)]
    do {
      files = try SampleScenes.write(to: URL(fileURLWithPath: output), seed: seed)
    } catch {
      throw StudioError(.cannotCreate, "\(output): cannot be written: \(Failure(error).message)")
    }
    let entries = zip(SampleScenes.samples, files).map {
      Entry(name: $0.name, clean: $1.clean.path, noisy: $1.noisy.path, sigma: $0.sigma)
    }
    guard !global.json else { return try Console.print(json: entries) }
    for entry in entries {
      global.say("\(entry.name): sigma \(NumberText.fixed(Double(entry.sigma), 0))  \(entry.noisy)")
    }
  }
}
