// `atelier samples`: draws the project's own pictures, clean and noisy.

import ArgumentParser
import Atelier
import Foundation

/// Draws the sample pictures.
struct SamplesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "samples",
    abstract: "Draw the project's sample pictures.",
    discussion: """
      Scenes come as clean/NAME.png and noisy/NAME.png; the two fictional people as \
      characters/NAME.png, both in the same poses, with boxes.csv; shapes to segment as shapes/images/NAME.png \
      with the class of every pixel in shapes/labels and the objects in shapes/instances.json. The same seed gives the same pictures; seed 1 gives \
      those of the folder Samples.

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
    var clean: String?
    var noisy: String?
    var sigma: Float?
    var picture: String?
  }

  func run() throws {
    let files: [(clean: URL, noisy: URL)]
    let people: [URL]
    let shapes: [URL]
    do {
      files = try SampleScenes.write(to: URL(fileURLWithPath: output), seed: seed)
      people = try SampleCharacters.write(to: URL(fileURLWithPath: output), seed: seed)
      shapes = try SampleShapes.write(to: URL(fileURLWithPath: output), seed: seed)
    } catch {
      throw StudioError(.cannotCreate, "\(output): cannot be written: \(Failure(error).message)")
    }
    let scenes = zip(SampleScenes.samples, files).map {
      Entry(name: $0.name, clean: $1.clean.path, noisy: $1.noisy.path, sigma: $0.sigma)
    }
    let faces = zip(SampleCharacters.samples(seed: seed), people).map {
      Entry(name: $0.name, picture: $1.path)
    }
    let drawn = shapes.map {
      Entry(name: $0.deletingPathExtension().lastPathComponent, picture: $0.path)
    }
    guard !global.json else { return try Console.print(json: scenes + faces + drawn) }
    for (sample, file) in zip(SampleScenes.samples, files) {
      let sigma = NumberText.fixed(Double(sample.sigma), 0)
      global.say("\(sample.name): sigma \(sigma)  \(file.noisy.path)")
    }
    for (sample, file) in zip(SampleCharacters.samples(seed: seed), people) {
      global.say("\(sample.name): \(sample.character.name)  \(file.path)")
    }
    for entry in drawn { global.say("\(entry.name): \(entry.picture ?? "")") }
  }
}
