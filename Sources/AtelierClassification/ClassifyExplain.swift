// `classify explain`: what a decision rests on, and the story of the biased set.

import AtelierImages
import AtelierInterchange
import AtelierMedia
import AtelierWorkbench
import Foundation

/// Which decisions are explained, and how.
public struct ClassifyExplainRequest: JobRequest, Hashable {
  public var inputs: [String] = []
  public var output = ""
  public var model: String?
  public var className: String?
  public var layer: String?
  public var kernels = false
  public var maps = false
  public var story = false
  public var seed: UInt64 = 1

  public init() {}

  public static var form: Form<Self> {
    Form(
      Self(),
      fields: [
        Field(list: "in", \.inputs, "Pictures and folders of them", value: "in", kind: .source)
          .positional,
        .output(\.output, "The folder of the drawings", value: "folder"),
        Field("model", \.model, "The model file", value: "file", kind: .file(["safetensors"])),
        Field("class", \.className, "The class to explain", value: "name")
          .byDefault("the likeliest"),
        Field("layer", \.layer, "Grad-CAM's layer", value: "name")
          .byDefault("the last with maps"),
        Field(flag: "kernels", \.kernels, "Also draw the kernels of the first convolution"),
        Field(flag: "maps", \.maps, "Also draw the maps of every layer for each picture"),
        Field(flag: "story", \.story, "Train and explain the drawn wolves and huskies"),
        Field("seed", \.seed, "The seed of the story", value: "seed"),
      ])
  }

  public static func check(_ words: FieldWords) throws {
    let hasInputs = words["in"] != nil
    let hasModel = words["model"] != nil
    let hasKernels = words["kernels"] != nil
    if words["story"] != nil {
      guard !hasInputs, !hasModel, !hasKernels, words["maps"] == nil else {
        throw FieldError("--story brings its own pictures and models")
      }
    } else {
      guard hasModel else { throw FieldError("--model needs a file (or give --story)") }
      guard hasInputs || hasKernels else { throw FieldError("name a picture to explain") }
    }
  }
}

/// Explains a classifier's decisions.
public enum ClassifyExplain: Job {
  public static let workshop = "classify"
  public static let name = "explain"
  public static let summary = "Draw what a decision rests on, and what the layers see."
  public static let guide = """
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
    """
  public static let takesPrecision = false

  /// One picture.
  private struct Explained: Encodable {
    let file: String
    let explained: Prediction
    let sheet: String
    let maps: [String]
  }

  /// All of a call.
  private struct Value: Encodable {
    let files: [Explained]
    let kernels: String?
  }

  public static func run(_ request: ClassifyExplainRequest, in place: JobPlace) throws -> Report {
    if request.story { return try story(request, place) }
    let explainer = try ClassifierExplainer(
      ModelFile.read(from: ShippedModels.file(of: request.model ?? "")), kernels: place.kernels)
    let folder = request.output as NSString
    let kernelsFile = folder.appendingPathComponent("kernels.png")
    let index = try request.className.map { try explainer.classifier.classNames.index(ofClass: $0) }
    let plan = try PicturePlan(
      inputs: request.inputs, output: request.output, ending: "-explained.png",
      further: { task in
        request.maps
          ? explainer.mapLayers.indices.map {
            folder.appendingPathComponent(explainer.mapFile(task.stem, $0))
          } : []
      }, others: [request.kernels ? kernelsFile : nil])
    for remark in plan.remarks { place.remark(remark) }
    var failures = plan.missing
    let files = try PictureJob.run(
      plan.tasks, name: \.input, in: place, failures: &failures
    ) { task, _ in
      try explain(task.input, as: task.stem, explainer, index, request, place)
    }
    var report = Report()
    var kernels: String?
    if request.kernels {
      kernels = kernelsFile
      try PictureJob.write(ExplanationPictures.kernels(explainer), to: kernels ?? "", place: place)
      report.note("kernels: \(kernels ?? "")")
    }
    report.value = Value(files: files, kernels: kernels)
    report.failures = failures
    return report
  }

  /// Draws one picture's sheet and, where asked for, its maps.
  private static func explain(
    _ file: String, as stem: String, _ explainer: ClassifierExplainer, _ index: Int?,
    _ request: ClassifyExplainRequest, _ place: JobPlace
  ) throws -> Explained {
    func write(_ picture: ByteImage, _ name: String) throws -> String {
      let path = (request.output as NSString).appendingPathComponent(name)
      try PictureJob.write(picture, to: path, place: place)
      return path
    }
    let picture = try PictureJob.read(file, in: place)
    let (sheet, prediction) = try ExplanationPictures.sheet(
      explainer, picture, class: index, layer: request.layer)
    let drawing = try write(sheet, "\(stem)-explained.png")
    var drawn: [String] = []
    if request.maps {
      for (number, layer) in explainer.mapLayers.enumerated() {
        drawn.append(
          try write(
            ExplanationPictures.maps(explainer, picture, layer: layer),
            explainer.mapFile(stem, number)))
      }
    }
    place.note(
      "\(file)  \(prediction.text)  \(drawing)"
        + (request.maps ? " and \(drawn.count) layers' maps" : ""))
    return Explained(file: file, explained: prediction, sheet: drawing, maps: drawn)
  }

  private static func story(_ request: ClassifyExplainRequest, _ place: JobPlace) throws -> Report {
    let (reports, sheet) = try BiasStory.tell(seed: request.seed, kernels: place.kernels) {
      place.remark($0)
    }
    let drawing = (request.output as NSString).appendingPathComponent("wolf-or-husky.png")
    try PictureJob.write(sheet, to: drawing, place: place)
    var report = Report(value: reports)
    var table = Table(["trained on", "alike %", "by lot %", "occlusion", "saliency", "Grad-CAM"])
    for report in reports {
      table.append(
        [
          report.isBiased ? "biased" : "unbiased", NumberText.fixed(100 * report.ownAccuracy, 1),
          NumberText.fixed(100 * report.fairAccuracy, 1),
        ]
          + ["occlusion", "saliency", "grad-cam"].map {
            NumberText.fixed(report.heatOnHead[$0] ?? 0, 2)
          })
    }
    report.say(table)
    report.say(
      "alike and by lot: accuracy on 200 new pictures with backgrounds as in training, and drawn "
        + "by lot; then the share of the heat on the head, mean over 40 pictures, where heads take "
        + "\(NumberText.fixed(reports[0].headArea, 2)) of the pixels; seed \(request.seed)")
    report.say("sheet: \(drawing)")
    report.files = [drawing]
    return report
  }
}

extension ClassifierExplainer {
  /// The file of a layer's maps of a picture.
  fileprivate func mapFile(_ stem: String, _ number: Int) -> String {
    let name = mapLayers[number].replacingOccurrences(of: "/", with: "-")
    return "\(stem)-maps-\(String(format: "%02d", number + 1))-\(name).png"
  }
}

/// The workshop of classifiers.
public enum ClassifyWorkshop: Workshop {
  public static let name = "classify"
  public static let summary = "Say what pictures show; train, measure and explain classifiers."
  public static let guide = """
    EXAMPLES
      atelier classify train --data fashion-mnist --network course --run mine
      atelier classify evaluate --model mine/best.safetensors --data fashion-mnist
      atelier classify photo.png --model mine/best.safetensors
      atelier classify explain photo.png --model mine/best.safetensors -o out
    """
  public static let jobs: [any Job.Type] = [
    ClassifyRun.self, ClassificationTraining.self, ClassifyEvaluate.self, ClassifyExplain.self,
  ]
}
