// `atelier segment IN… -o OUT`: pictures in, a class for every pixel out, in every form asked for.

import ArgumentParser
import Atelier
import Foundation

/// Segments pictures.
struct SegmentRunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Give every pixel of pictures a class (the default).",
    discussion: """
      Any size, gray or colour, PNG or JPEG, files or folders. Written as NAME-FORM.png: label (a \
      palette PNG whose values are the classes, 255 for none), color (the classes' colours), \
      overlay (those over the picture), confidence (gray, 255 for certainty).

      EXAMPLES
        atelier segment street.png --model m.safetensors -o out
        atelier segment photos/ --model m.safetensors -o out --write label,confidence
        atelier segment street.png --model m.safetensors -o out --classes Car,Bicyclist
      """)

  @Argument(help: ArgumentHelp("Pictures, or folders of them.", valueName: "in"))
  var inputs: [String]

  @Option(
    name: [.customShort("o"), .long],
    help: ArgumentHelp("A folder, or a picture's name to begin with.", valueName: "out"))
  var output: String

  @Option(help: ArgumentHelp("The model file.", valueName: "file"))
  var model: String

  @Option(
    help: ArgumentHelp(
      "Forms with commas: label, color, overlay, confidence (default: label,overlay).",
      valueName: "forms"), transform: Reading.semanticOutputs)
  var write: [SemanticOutput] = [.label, .overlay]

  @Option(
    help: ArgumentHelp(
      "Classes with commas to keep; pixels of others get none (default: all).",
      valueName: "names"))
  var classes: String?

  @Option(
    help: ArgumentHelp(
      "Pixels whose class is less probable than this get none, 0 to 1 (default: 0).",
      valueName: "share"))
  var threshold: Float = 0

  @Option(help: ArgumentHelp("How much of an overlay is colour, 0 to 1.", valueName: "share"))
  var opacity: Float = 0.5

  @Flag(help: "Look at the mirrored picture, too, and average: twice the time.")
  var flip = false

  @Option(help: ArgumentHelp("The side of the tiles; less needs less memory.", valueName: "pixels"))
  var tile = Segmenter.Options().tileSize

  @OptionGroup(title: "GENERAL OPTIONS") var arithmetic: PrecisionOptions
  @OptionGroup(title: "GENERAL OPTIONS") var global: GlobalOptions

  func validate() throws {
    for (name, value) in [("--threshold", threshold), ("--opacity", opacity)]
    where !(0...1).contains(value) {
      throw ValidationError("\(name) takes 0 to 1; received \(value)")
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

  /// One picture as `--json` prints it.
  private struct Segmented: Encodable {
    let file: String
    let width: Int
    let height: Int
    let outputs: [String: String]
    let classes: [ClassShare]
    let seconds: Double
  }

  /// All of a call as `--json` prints it.
  private struct Report: Encodable {
    let model: String
    let files: [Segmented]
    let failures: [PictureFailure]
  }

  func run() throws {
    let plan = try PicturePlan(inputs: inputs, output: output)
    try Self.checkStems(plan)
    let segmenter = try Segmenter(
      ModelFile.read(from: URL(fileURLWithPath: model)), kernels: arithmetic.kernels(global))
    let kept = try keptClasses(segmenter.palette)
    var results: [Segmented] = []
    var failures = PictureFailure.list(plan, [])
    for (index, task) in plan.tasks.enumerated() {
      do {
        let result = try segment(task, segmenter, kept)
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
    if global.json {
      try Console.print(json: Report(model: model, files: results, failures: failures))
    }
    try PictureFailure.complain(failures)
  }

  /// Throws when two pictures' results would have one name.
  private static func checkStems(_ plan: PicturePlan) throws {
    var seen: [String: String] = [:]
    for task in plan.tasks {
      let stem = stem(task)
      if let other = seen.updateValue(task.input, forKey: stem) {
        throw StudioError(
          .usage, "\(other) and \(task.input) would both be written to \(stem)-….png")
      }
    }
  }

  private static func stem(_ task: MediaFile) -> String {
    (task.output as NSString).deletingPathExtension
  }

  /// The indices of the classes to keep; nil for all.
  private func keptClasses(_ palette: ClassPalette) throws -> Set<Int>? {
    guard let classes else { return nil }
    return Set(
      try classes.split(separator: ",").map { word in
        let name = word.trimmingCharacters(in: .whitespaces)
        guard let index = palette.names.firstIndex(of: name) else {
          throw StudioError(
            .usage,
            "there is no class '\(name)'; there are "
              + palette.names.prefix(20).joined(separator: ", "))
        }
        return index
      })
  }

  /// Reads, segments and writes one picture.
  private func segment(
    _ task: MediaFile, _ segmenter: Segmenter, _ kept: Set<Int>?
  ) throws -> Segmented {
    let start = Date()
    let picture = try ImageFile.read(task.input)
    var options = Segmenter.Options()
    options.isFlipAveraged = flip
    options.threshold = threshold
    options.tileSize = tile
    var found = try segmenter.segment(picture, options)
    if let kept { found = found.keeping(kept) }
    let stem = Self.stem(task)
    var outputs: [String: String] = [:]
    do {
      let folder = (stem as NSString).deletingLastPathComponent
      try FileManager.default.createDirectory(
        atPath: folder.isEmpty ? "." : folder, withIntermediateDirectories: true)
      for form in write {
        let path = form.path(stem)
        try form.write(
          found, of: picture, palette: segmenter.palette, opacity: opacity, to: path)
        outputs[form.rawValue] = path
      }
    } catch {
      throw StudioError(.cannotCreate, Failure(error).message)
    }
    let shares = zip(segmenter.palette.names, found.classShares(segmenter.palette.count)).map {
      ClassShare(name: $0, pixels: $1.pixels, confidence: $1.confidence)
    }
    return Segmented(
      file: task.input, width: picture.width, height: picture.height, outputs: outputs,
      classes: shares.filter { $0.pixels > 0 }, seconds: Date().timeIntervalSince(start))
  }

  private func line(_ result: Segmented, _ counter: String) -> String {
    let area = Double(result.width * result.height)
    let largest = result.classes.sorted { $0.pixels > $1.pixels }.prefix(4).map {
      "\($0.name) \(NumberText.fixed(100 * Double($0.pixels) / area, 1)) %"
    }
    let files = write.compactMap { result.outputs[$0.rawValue] }.joined(separator: ", ")
    return "\(counter) \(result.file)  \(result.width)x\(result.height)  "
      + "\(largest.joined(separator: ", "))  \(NumberText.fixed(result.seconds, 2)) s  -> \(files)"
  }
}

extension Reading {
  /// `label,overlay` and so on.
  static func semanticOutputs(_ text: String) throws -> [SemanticOutput] {
    let forms = text.split(separator: ",").compactMap { SemanticOutput(rawValue: String($0)) }
    guard !forms.isEmpty, Set(forms).count == forms.count,
      forms.count == text.split(separator: ",", omittingEmptySubsequences: false).count
    else {
      let names = SemanticOutput.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("expected forms with commas out of \(names); received '\(text)'")
    }
    return forms
  }
}
