// `samples`: draws the project's own pictures, clean and noisy.

import AtelierFiles
import AtelierScenery
import AtelierWorkbench
import Foundation

/// Where the sample pictures are drawn.
public struct SamplesRequest: JobRequest, Hashable {
  public var output = ""
  public var seed = SampleScenes.sampleSeed

  public init() {}

  public static var form: Form<Self> {
    Form([
      .output(\.output, "The folder to draw into", value: "folder"),
      Field("seed", \.seed, "The seed of pictures and noise", value: "seed"),
    ])
  }
}

/// Draws the sample pictures.
public enum SamplesWorkshop: Job, Workshop {
  public static let workshop = "samples"
  public static let name = "samples"
  public static let summary = "Draw the project's sample pictures."
  public static let guide = """
    Scenes come as clean/NAME.png and noisy/NAME.png; the two fictional people as \
    characters/NAME.png, both in the same poses, with boxes.csv; shapes to segment as \
    shapes/images/NAME.png with the class of every pixel in shapes/labels and the objects in \
    shapes/instances.json. The same seed gives the same pictures; seed 1 gives those of the \
    folder Samples.

    EXAMPLES
      atelier samples -o out/samples
      atelier samples -o out/others --seed 7
    """
  public static let takesPrecision = false
  public static let jobs: [any Job.Type] = [SamplesWorkshop.self]

  private struct Entry: Encodable {
    let name: String
    var clean: String?
    var noisy: String?
    var sigma: Float?
    var picture: String?
  }

  public static func run(_ request: SamplesRequest, in place: JobPlace) throws -> Report {
    let folder = URL(fileURLWithPath: request.output)
    let scenes: [(clean: URL, noisy: URL)]
    let people: [URL]
    let shapes: [URL]
    do {
      scenes = try SampleScenes.write(to: folder, seed: request.seed)
      people = try SampleCharacters.write(to: folder, seed: request.seed)
      shapes = try SampleShapes.write(to: folder, seed: request.seed)
    } catch {
      throw StudioError(
        .cannotCreate, "\(request.output): cannot be written: \(ErrorLine.text(error))")
    }
    var report = Report()
    var entries: [Entry] = []
    for (sample, file) in zip(SampleScenes.samples, scenes) {
      report.note(
        "\(sample.name): sigma \(NumberText.fixed(Double(sample.sigma), 0))  \(file.noisy.path)")
      entries.append(
        Entry(
          name: sample.name, clean: file.clean.path, noisy: file.noisy.path, sigma: sample.sigma))
    }
    for (sample, file) in zip(SampleCharacters.samples(seed: request.seed), people) {
      report.note("\(sample.name): \(sample.character.name)  \(file.path)")
      entries.append(Entry(name: sample.name, picture: file.path))
    }
    for file in shapes {
      let name = file.deletingPathExtension().lastPathComponent
      report.note("\(name): \(file.path)")
      entries.append(Entry(name: name, picture: file.path))
    }
    report.value = entries
    report.files = entries.flatMap { [$0.clean, $0.noisy, $0.picture].compactMap { $0 } }
    return report
  }
}
