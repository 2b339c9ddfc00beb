// `atelier classify explain`: what a decision rests on, and the story of the biased set.

import ArgumentParser
import Atelier
import Foundation

/// Explains a classifier's decisions.
struct ClassifyExplainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain",
    abstract: "Draw what a decision rests on, and what the layers see.",
    discussion: """
      For each picture a sheet: occlusion (how much the class's lead falls when a square is \
      covered), gradient saliency and Grad-CAM. --kernels draws the first convolution's kernels, \
      --maps each layer's maps. --story trains two small networks on drawn wolves and huskies, \
      one where the background gives the class away, and shows where each of them looks. Grad-CAM \
      weighs whole maps; before dense layers it may find none that speaks for the class: no heat.

      EXAMPLES
        atelier classify explain photo.png --model m.safetensors -o out
        atelier classify explain photo.png --model m.safetensors -o out --kernels \\
          --maps
        atelier classify explain --story -o out
      """)

  @Argument(help: ArgumentHelp("Pictures and folders of them.", valueName: "in"))
  var inputs: [String] = []

  @Option(
    name: [.customShort("o"), .long],
    help: ArgumentHelp("The folder of the drawings.", valueName: "folder"))
  var output: String

  @Option(help: ArgumentHelp("The model file.", valueName: "file"))
  var model: String?

  @Option(
    name: .customLong("class"),
    help: ArgumentHelp("The class to explain (default: the likeliest).", valueName: "name"))
  var className: String?

  @Option(
    help: ArgumentHelp("Grad-CAM's layer (default: the last with maps).", valueName: "name"))
  var layer: String?

  @Flag(help: "Also draw the kernels of the first convolution.")
  var kernels = false

  @Flag(help: "Also draw the maps of every layer for each picture.")
  var maps = false

  @Flag(help: "Train and explain the drawn wolves and huskies.")
  var story = false

  @Option(help: ArgumentHelp("The seed of the story.", valueName: "seed"))
  var seed: UInt64 = 1

  @OptionGroup(title: "GENERAL OPTIONS") var global: GlobalOptions

  func validate() throws {
    if story {
      guard inputs.isEmpty, model == nil, !kernels, !maps else {
        throw ValidationError("--story brings its own pictures and models")
      }
    } else {
      guard model != nil else { throw ValidationError("--model needs a file (or give --story)") }
      guard !inputs.isEmpty || kernels else { throw ValidationError("name a picture to explain") }
    }
  }

  /// One picture as `--json` prints it.
  private struct Explained: Encodable {
    let file: String
    let explained: Prediction
    let sheet: String
    let maps: [String]
  }

  /// All of a call as `--json` prints it.
  private struct Report: Encodable {
    let files: [Explained]
    let kernels: String?
  }

  func run() throws {
    if story { return try tellStory() }
    guard let model else { return }
    let explainer = try ClassifierExplainer(
      ModelFile.read(from: URL(fileURLWithPath: model)), kernels: global.kernels)
    try Reading.checkPresent(inputs)
    let index = try className.map { try Self.index(of: $0, in: explainer.classifier) }
    var files: [Explained] = []
    var sources: [String: String] = [:]
    for input in inputs {
      let pictures = try ImageFolder.list(URL(fileURLWithPath: input))
      guard !pictures.isEmpty else {
        throw StudioError(.missingInput, "\(input): the folder holds no PNG or JPEG")
      }
      for picture in pictures {
        if let other = sources.updateValue(
          picture.url.relativePath, forKey: Self.stem(picture.name))
        {
          throw StudioError(
            .usage,
            "\(other) and \(picture.url.relativePath) would both be drawn to "
              + "\(Self.stem(picture.name))-explained.png")
        }
        files.append(try explain(picture.url, as: Self.stem(picture.name), explainer, index))
      }
    }
    let kernelPlace =
      try kernels ? write(ExplanationPictures.kernels(explainer), "kernels.png") : nil
    if let kernelPlace { global.say("kernels: \(kernelPlace)") }
    if global.json { try Console.print(json: Report(files: files, kernels: kernelPlace)) }
  }

  private static func stem(_ name: String) -> String { (name as NSString).deletingPathExtension }

  /// Draws one picture's sheet and, where asked for, its maps.
  private func explain(
    _ source: URL, as stem: String, _ explainer: ClassifierExplainer, _ index: Int?
  ) throws -> Explained {
    let picture = try ImageFile.read(source)
    let (sheet, prediction) = try ExplanationPictures.sheet(
      explainer, picture, class: index, layer: layer)
    let place = try write(sheet, "\(stem)-explained.png")
    var drawn: [String] = []
    if maps {
      for (number, layer) in explainer.mapLayers.enumerated() {
        let name = layer.replacingOccurrences(of: "/", with: "-")
        drawn.append(
          try write(
            ExplanationPictures.maps(explainer, picture, layer: layer),
            "\(stem)-maps-\(String(format: "%02d", number + 1))-\(name).png"))
      }
    }
    let file = source.relativePath
    global.say(
      "\(file)  \(prediction.name) \(NumberText.fixed(100 * Double(prediction.probability), 1)) %"
        + "  \(place)" + (maps ? " and \(drawn.count) layers' maps" : ""))
    return Explained(file: file, explained: prediction, sheet: place, maps: drawn)
  }

  private func tellStory() throws {
    let (reports, sheet) = try BiasStory.tell(seed: seed, kernels: global.kernels) {
      global.remark($0)
    }
    let place = try write(sheet, "wolf-or-husky.png")
    guard !global.json else { return try Console.print(json: reports) }
    var table = TextTable([
      "trained on", "alike %", "by lot %", "occlusion", "saliency", "Grad-CAM",
    ])
    for report in reports {
      table.append(
        [
          report.isBiased ? "biased" : "unbiased",
          NumberText.fixed(100 * report.ownAccuracy, 1),
          NumberText.fixed(100 * report.fairAccuracy, 1),
        ]
          + ["occlusion", "saliency", "grad-cam"].map {
            NumberText.fixed(report.heatOnHead[$0] ?? 0, 2)
          })
    }
    Console.print(table.text)
    Console.print(
      "alike and by lot: accuracy on 200 new pictures with backgrounds as in training, and drawn "
        + "by lot; then the share of the heat on the head, mean over 40 pictures, where heads take "
        + "\(NumberText.fixed(reports[0].headArea, 2)) of the pixels; seed \(seed)")
    Console.print("sheet: \(place)")
  }

  /// The index of a class by its name.
  private static func index(of name: String, in classifier: Classifier) throws -> Int {
    guard let index = classifier.classNames.firstIndex(of: name) else {
      throw StudioError(
        .usage,
        "there is no class '\(name)'; there are "
          + classifier.classNames.prefix(20).joined(separator: ", "))
    }
    return index
  }

  /// Writes a drawing into the folder.
  private func write(_ picture: ByteImage, _ name: String) throws -> String {
    let place = (output as NSString).appendingPathComponent(name)
    do {
      try FileManager.default.createDirectory(
        atPath: (place as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
      try ImageFile.write(picture, to: place, options: .init(metadata: ["Software": "Atelier"]))
    } catch {
      throw StudioError(.cannotCreate, Failure(error).message)
    }
    return place
  }
}
