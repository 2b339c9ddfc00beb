// `atelier classify IN…`: pictures in, their likeliest classes out.

import ArgumentParser
import Atelier
import Foundation

/// Classifies pictures.
struct ClassifyRunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Print the likeliest classes of pictures (the default).",
    discussion: """
      Any size, gray or colour, PNG or JPEG, files or folders: a picture is cut at its middle to \
      the model's proportions and resized. Several models are an ensemble.

      EXAMPLES
        atelier classify photo.png --model m.safetensors
        atelier classify photos/ --model a.safetensors b.safetensors --top 3 --json
      """)

  @Argument(help: ArgumentHelp("Pictures, or folders of them.", valueName: "in"))
  var inputs: [String]

  @Option(help: ArgumentHelp("How many classes to print.", valueName: "k"))
  var top = 5

  @OptionGroup var models: ClassifierOptions
  @OptionGroup(title: "GENERAL OPTIONS") var arithmetic: PrecisionOptions
  @OptionGroup(title: "GENERAL OPTIONS") var global: GlobalOptions

  func validate() throws {
    guard top >= 1 else { throw ValidationError("--top takes at least 1; received \(top)") }
  }

  /// One picture as `--json` prints it.
  private struct Classified: Encodable {
    let file: String
    let classes: [Prediction]
  }

  /// All of a call as `--json` prints it.
  private struct Report: Encodable {
    let files: [Classified]
    let failures: [PictureFailure]
  }

  func run() throws {
    let classifier = try models.load(arithmetic.kernels(global))
    var results: [Classified] = []
    var failures: [PictureFailure] = []
    for input in inputs {
      do {
        try Reading.checkPresent([input])
        let files = try ImageFolder.list(URL(fileURLWithPath: input))
        guard !files.isEmpty else {
          throw StudioError(.missingInput, "\(input): the folder holds no PNG or JPEG")
        }
        for file in files {
          let result = try classify(file.url, classifier, &failures)
          if let result { results.append(result) }
        }
      } catch {
        let failure = Failure(error)
        failures.append(PictureFailure(file: input, error: failure.message, code: failure.code))
      }
    }
    if global.json { try Console.print(json: Report(files: results, failures: failures)) }
    for failure in failures { Console.complain(failure.error) }
    if let first = failures.first { throw ExitCode(first.code.rawValue) }
  }

  private func classify(
    _ url: URL, _ classifier: Classifier, _ failures: inout [PictureFailure]
  ) throws -> Classified? {
    do {
      let result = Classified(
        file: url.relativePath,
        classes: try classifier.classify(try ImageFile.read(url), top: top))
      if !global.json {
        let classes = result.classes.map {
          "\($0.name) \(NumberText.fixed(100 * Double($0.probability), 1)) %"
        }
        Console.print("\(result.file)  \(classes.joined(separator: ", "))")
      }
      return result
    } catch let error as ImageError {
      let failure = Failure(error)
      failures.append(
        PictureFailure(file: url.relativePath, error: failure.message, code: failure.code))
      return nil
    }
  }
}
