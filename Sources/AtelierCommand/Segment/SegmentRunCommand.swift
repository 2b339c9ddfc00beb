// `atelier segment IN… -o OUT`: pictures in, a class for every pixel out, in every form asked for.

import ArgumentParser
import Atelier
import Foundation

/// Segments pictures.
struct SegmentRunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Give pixels of pictures their classes, or objects their masks (the default).",
    discussion: """
      Any size, gray or colour, PNG or JPEG, files or folders. What the model was trained for \
      decides: a class for every pixel, whose connected regions then count as objects, or objects \
      with masks of their own. Written in OUT:

        label       NAME-label.png: a palette PNG of the classes, 255 for none
        color       NAME-color.png: the classes' colours
        overlay     NAME-overlay.png: the same over the picture, outlined and named
        boxes       NAME-boxes.png: the picture with boxes, names and scores
        confidence  NAME-confidence.png: gray, 255 for certainty
        instances   NAME-instances.png: 16-bit numbers of the objects from 1
        objects     NAME-objects/001-CLASS.png: one mask an object
        coco        coco.json of all pictures, and coco-results.json with the scores
        csv         objects.csv: a line an object
        svg         NAME-outlines.svg: the outlines with their holes

      --json prints which classes are there and how sure that is (recognition), the pixels of \
      each class, and the objects with their boxes and scores. Models that ship go by their names: \
      segment-shapes (classes of pixels) and objects-shapes (objects).

      EXAMPLES
        atelier segment Samples/shapes/images --model objects-shapes -o out
        atelier segment street.png --model m.safetensors -o out
        atelier segment photos/ --model m.safetensors -o out --write label,coco,svg
        atelier segment street.png --model m.safetensors -o out \\
          --classes Car,Bicyclist
      """)

  @Argument(help: ArgumentHelp("Pictures, or folders of them.", valueName: "in"))
  var inputs: [String]

  @Option(
    name: [.customShort("o"), .long],
    help: ArgumentHelp("The folder of the results.", valueName: "out"))
  var output: String

  @Option(
    help: ArgumentHelp("The model: a file, or the name of one that ships.", valueName: "model"))
  var model: String

  @Option(
    help: ArgumentHelp(
      "Forms with commas, or all (default: label,overlay,coco).", valueName: "forms"),
    transform: Reading.segmentationOutputs)
  var write = SegmentationOutput.standard

  @Flag(help: "Write the masks of coco.json as polygons instead of runs.")
  var polygons = false

  @Option(
    help: ArgumentHelp(
      "Classes with commas to keep; pixels of others get none (default: all).",
      valueName: "names"))
  var classes: String?

  @Option(
    help: ArgumentHelp(
      "The least score of an object (default: 0.5) or probability of a pixel's class (default: 0).",
      valueName: "share"))
  var threshold: Float?

  @Option(
    help: ArgumentHelp("How strong the colours of an overlay are, 0 to 1.", valueName: "share"))
  var opacity = 0.4

  @Flag(help: "Look at the mirrored picture, too, and average: twice the time.")
  var flip = false

  @Option(help: ArgumentHelp("The side of the tiles; less needs less memory.", valueName: "pixels"))
  var tile = Segmenter.Options().tileSize

  @OptionGroup(title: "GENERAL OPTIONS") var arithmetic: PrecisionOptions
  @OptionGroup(title: "GENERAL OPTIONS") var global: GlobalOptions

  func validate() throws {
    if let threshold, !(0...1).contains(threshold) {
      throw ValidationError("--threshold takes 0 to 1; received \(threshold)")
    }
    guard (0...1).contains(opacity) else {
      throw ValidationError("--opacity takes 0 to 1; received \(opacity)")
    }
    guard (16...8192).contains(tile) else {
      throw ValidationError("--tile takes 16 to 8192; received \(tile)")
    }
  }

  /// One class in one picture as `--json` prints it.
  private struct ClassShare: Encodable {
    let name: String
    let pixels: Int
    let confidence: Double
  }

  /// One object in one picture as `--json` prints it.
  private struct FoundObject: Encodable {
    let name: String
    let score: Double
    let box: PlaneBox
    let area: Double
  }

  /// One picture as `--json` prints it.
  private struct Segmented: Encodable {
    let file: String
    let width: Int
    let height: Int
    let outputs: [String]
    let recognition: [RecognizedClass]
    let classes: [ClassShare]
    let objects: [FoundObject]
    let seconds: Double
  }

  /// All of a call as `--json` prints it.
  private struct Report: Encodable {
    let model: String
    let files: [Segmented]
    let outputs: [String]
    let failures: [PictureFailure]
  }

  func run() throws {
    let plan = try PicturePlan(inputs: inputs, output: output + "/")
    try Self.checkStems(plan)
    let file = ShippedModels.file(of: model)
    try Reading.checkPresent([file.relativePath])
    let segmenter = try SegmentationModel(
      contentsOf: file, kernels: arithmetic.kernels(global))
    var writer = try SegmentationWriter(
      folder: URL(fileURLWithPath: output), palette: segmenter.palette, outputs: write,
      form: polygons ? .polygons : .runs)
    writer.opacity = opacity
    var results: [Segmented] = []
    var failures = PictureFailure.list(plan, [])
    for (index, task) in plan.tasks.enumerated() {
      do {
        let result = try segment(task, segmenter, &writer)
        results.append(result)
        global.say(line(result, "[\(index + 1)/\(plan.tasks.count)]"))
      } catch let error as StudioError where error.kind != .data {
        throw error
      } catch {
        let failure = Failure(error)
        failures.append(
          PictureFailure(file: task.input, error: failure.message, code: failure.code))
      }
    }
    let files = try writer.finish().map(\.relativePath)
    for file in files { global.say(file) }
    if global.json {
      try Console.print(
        json: Report(model: model, files: results, outputs: files, failures: failures))
    }
    try PictureFailure.complain(failures)
  }

  /// Throws when two pictures' results would have one name.
  private static func checkStems(_ plan: PicturePlan) throws {
    var seen: [String: String] = [:]
    for task in plan.tasks {
      if let other = seen.updateValue(task.input, forKey: stem(task)) {
        throw StudioError(
          .usage, "\(other) and \(task.input) would both be written to \(stem(task))-….png")
      }
    }
  }

  private static func stem(_ task: MediaFile) -> String {
    (task.name as NSString).deletingPathExtension
  }

  /// Reads, segments and writes one picture.
  private func segment(
    _ task: MediaFile, _ segmenter: SegmentationModel, _ writer: inout SegmentationWriter
  ) throws -> Segmented {
    let start = Date()
    let picture = try ImageFile.read(task.input)
    var options = SegmentationModel.Options()
    options.semantic.isFlipAveraged = flip
    options.semantic.tileSize = tile
    options.threshold = threshold
    options.classes = classes?.split(separator: ",").map {
      $0.trimmingCharacters(in: .whitespaces)
    }
    let found = try segmenter.outcome(of: picture, options)
    let files: [URL]
    do {
      files = try writer.add(
        found, picture: picture, name: Self.stem(task), fileName: task.name)
    } catch {
      throw StudioError(.cannotCreate, Failure(error).message)
    }
    return Segmented(
      file: task.input, width: picture.width, height: picture.height,
      outputs: files.map(\.relativePath),
      recognition: found.recognized(segmenter.palette),
      classes: found.shares(segmenter.palette).map {
        ClassShare(name: $0.name, pixels: $0.pixels, confidence: $0.confidence)
      },
      objects: found.objects.map {
        FoundObject(
          name: segmenter.palette.names[$0.classIndex + found.firstObjectLabel],
          score: $0.score, box: $0.box, area: $0.area)
      },
      seconds: Date().timeIntervalSince(start))
  }

  private func line(_ result: Segmented, _ counter: String) -> String {
    let area = Double(result.width * result.height)
    let largest = result.classes.prefix(4).map {
      "\($0.name) \(NumberText.fixed(100 * Double($0.pixels) / area, 1)) %"
    }
    let count = result.objects.count
    return "\(counter) \(result.file)  \(result.width)x\(result.height)  "
      + "\(largest.joined(separator: ", "))  \(count) \(count == 1 ? "object" : "objects")  "
      + "\(NumberText.fixed(result.seconds, 2)) s  -> \(result.outputs.joined(separator: ", "))"
  }
}

extension Reading {
  /// `label,overlay` and so on, or `all`.
  static func segmentationOutputs(_ text: String) throws -> [SegmentationOutput] {
    guard text != "all" else { return SegmentationOutput.allCases }
    let forms = text.split(separator: ",").compactMap { SegmentationOutput(rawValue: String($0)) }
    guard !forms.isEmpty, Set(forms).count == forms.count,
      forms.count == text.split(separator: ",", omittingEmptySubsequences: false).count
    else {
      let names = SegmentationOutput.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("expected forms with commas out of \(names); received '\(text)'")
    }
    return forms
  }
}
