// `segment run`: pictures in, a class for every pixel or objects with masks out, in every form asked for.

import AtelierDatasets
import AtelierFiles
import AtelierImages
import AtelierMedia
import AtelierTraining
import AtelierWorkbench
import Foundation

/// Which pictures are segmented, by what, and what is written.
public struct SegmentRunRequest: JobRequest, Hashable {
  public var inputs: [String] = []
  public var output = ""
  public var model = ""
  public var write = SegmentationOutput.standard
  public var polygons = false
  public var classes: [String] = []
  public var threshold: Float?
  public var opacity = 0.4
  public var flip = false
  public var scales: [Float] = [1]
  public var tile = Segmenter.Options().tileSize

  public init() {}

  public static var form: Form<Self> {
    Form(
      Self(),
      fields: [
        .inputs(\.inputs),
        Field("output", \.output, "The folder of the results", value: "out", kind: .output)
          .letter("o").demanded,
        Field("model", \.model, SegmentationModel.help, value: "model").demanded,
        Field(choices: "write", \.write, "Forms with commas, or all", value: "forms"),
        Field(
          flag: "polygons", \.polygons, "Write the masks of coco.json as polygons instead of runs"),
        Field(
          commas: "classes", \.classes,
          "Classes with commas to keep; pixels of others get none", value: "names"
        ).byDefault("all"),
        Field(
          "threshold", \.threshold,
          "The least score of an object (default: 0.5) or probability of a pixel's class "
            + "(default: 0)", value: "share", .share),
        Field(
          "opacity", \.opacity, "How strong the colours of an overlay are, 0 to 1", value: "share",
          .share),
        .mirrored(\.flip),
        .sizes(\.scales),
        Field(
          "tile", \.tile, "The side of the tiles; less needs less memory", value: "pixels",
          .from(16, to: 8192)),
      ])
  }

  /// How pictures are segmented.
  var options: SegmentationModel.Options {
    var options = SegmentationModel.Options()
    options.semantic.isFlipAveraged = flip
    options.semantic.scales = scales
    options.semantic.tileSize = tile
    options.threshold = threshold
    options.classes = classes.isEmpty ? nil : classes
    return options
  }
}

extension Field {
  /// The sizes at which a segmentation looks at a picture.
  static func sizes(_ path: FieldPath<Request, [Float]>) -> Self {
    Self(
      "scales", "Look at the picture in several sizes and average, such as 0.75,1,1.5",
      value: "factors", kind: .text,
      words: { [$0[keyPath: path].map(\.word).joined(separator: ",")] },
      put: { request, words in
        let word = words.last ?? ""
        let factors = word.split(separator: ",", omittingEmptySubsequences: false).map {
          Float($0.trimmingCharacters(in: .whitespaces)) ?? 0
        }
        guard (1...8).contains(factors.count), factors.allSatisfy({ (0.1...8).contains($0) }) else {
          throw FieldError("expected 1 to 8 factors from 0.1 to 8 with commas; received '\(word)'")
        }
        request[keyPath: path] = factors
      })
  }

  /// Whether a segmentation looks at the mirrored picture, too.
  static func mirrored(_ path: FieldPath<Request, Bool>) -> Self {
    Self(flag: "flip", path, "Look at the mirrored picture, too, and average: twice the time")
  }
}

extension SegmentationOutput: ChoiceValue {}

extension SegmentationModel {
  /// What a field says that names one.
  static let help = "The model: a file, or the name of one that ships"

  /// Reads a model file, or a model that ships, by its word.
  init(named word: String, in place: JobPlace) throws {
    let file = ShippedModels.file(of: word)
    try StudioFiles.expectPresent([file.relativePath])
    try self.init(contentsOf: file, kernels: place.kernels)
  }
}

/// Segments pictures.
public enum SegmentRun: Job {
  public static let workshop = "segment"
  public static let name = "run"
  public static let summary =
    "Give pixels of pictures their classes, or objects their masks (the default)."
  public static let guide = """
    Any size, gray or colour, PNG, JPEG, TIFF or WebP, files or folders. What the model was trained for \
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
      csv         objects.csv: a line an object with its measures
      svg         NAME-outlines.svg: the outlines with their holes
      labelme     NAME.json: polygons to correct in labelme, naming the picture
      yolo        NAME.txt: polygons in parts of the size; classes.txt, data.yaml
      voc         SegmentationClass and SegmentationObject, and labelmap.txt

    --json prints which classes are there and how sure that is (recognition), the pixels of \
    each class, and the objects with their boxes and scores. Models that ship go by their names: \
    segment-shapes (classes of pixels) and objects-shapes (objects).

    EXAMPLES
      atelier segment Samples/shapes/images --model objects-shapes -o out
      atelier segment street.png --model m.safetensors -o out
      atelier segment photos/ --model m.safetensors -o out --write label,coco,svg
      atelier segment street.png --model m.safetensors -o out \\
        --classes Car,Bicyclist
    """

  /// One class in one picture.
  private struct ClassShare: Codable {
    let name: String
    let pixels: Int
    let confidence: Double
  }

  /// One object in one picture.
  private struct FoundObject: Codable {
    let name: String
    let score: Double
    let box: PlaneBox
    let area: Double
  }

  /// One picture.
  private struct Segmented: Codable {
    let file: String
    let width: Int
    let height: Int
    let outputs: [String]
    let recognition: [RecognizedClass]
    let classes: [ClassShare]
    let objects: [FoundObject]
    /// The smallest, the median and the largest area of the objects in pixels; nil without objects.
    let areas: [Double]?
    let seconds: Double

    /// What is said of the picture.
    var line: String {
      let area = Double(width * height)
      let largest = classes.prefix(4).map {
        "\($0.name) \(NumberText.fixed(100 * Double($0.pixels) / area, 1)) %"
      }
      let sizes = areas.map {
        " of \(NumberText.fixed($0[0], 0)) to \(NumberText.fixed($0[2], 0)) pixels, median "
          + NumberText.fixed($0[1], 0)
      }
      return "\(file)  \(width)x\(height)  \(largest.joined(separator: ", "))  "
        + "\(objects.count) \(objects.count == 1 ? "object" : "objects")\(sizes ?? "")  "
        + "\(NumberText.fixed(seconds, 2)) s  -> \(outputs.joined(separator: ", "))"
    }
  }

  /// One picture, and what the files of all need of it.
  private struct Found: Codable {
    let result: Segmented
    let share: SegmentationWriter.Share
  }

  /// All of a call.
  private struct Value: Encodable {
    let model: String
    let files: [Segmented]
    let outputs: [String]
    let failures: [InputFailure]
  }

  public static let runsOnAllRanks = true

  public static func run(_ request: SegmentRunRequest, in place: JobPlace) throws -> Report {
    let folder = request.output as NSString
    // What stands for a picture's results is its label map, whatever is written.
    let plan = try PicturePlan(
      inputs: request.inputs, output: request.output, ending: SegmentationOutput.label.ending,
      further: { task in
        let copies = request.write.contains(.labelme) ? [task.stem + SegmentedPage.copyEnding] : []
        let files = request.write.filter { $0 != .label }.flatMap { $0.files(of: task.stem) }
        return (files + copies).map { folder.appendingPathComponent($0) }
      },
      others: request.write.flatMap { $0.sharedFiles() }.map { folder.appendingPathComponent($0) })
    let model = try SegmentationModel(named: request.model, in: place)
    var writer = try SegmentationWriter(
      folder: URL(fileURLWithPath: request.output), palette: model.palette,
      outputs: request.write, form: request.polygons ? .polygons : .runs)
    writer.opacity = request.opacity
    for remark in plan.remarks { place.remark(remark) }
    var failures = plan.missing
    // Of bytes: letters of two Unicode forms are equal as text, and two files.
    var names: Set<[UInt8]> = []
    let found = try PictureJob.share(
      plan.tasks, name: \.input, in: place, failures: &failures
    ) { task, counter in
      var pages: [Found] = []
      try SegmentedPage.visit(task.input, in: place) { page in
        let name = task.stem + page.suffix
        guard names.insert(Array(name.utf8)).inserted else {
          throw StudioError(
            .data, "\(task.input): the results of a page would overwrite those of \(name)")
        }
        let found = try segment(page, named: name, of: task, by: model, request, writer)
        for file in found.result.outputs { place.send(.saved(file)) }
        place.note("\(counter) \(found.result.line)")
        pages.append(found)
      }
      return pages
    }.flatMap(\.self)
    for found in found { writer.append(found.share) }
    let results = found.map(\.result)
    // Files of all pictures say nothing where there is none.
    let hasResults = Ranks.isFirst && (!found.isEmpty || failures.isEmpty)
    let files = try hasResults ? writer.finish().map(\.relativePath) : []
    var report = Report(
      value: Value(model: request.model, files: results, outputs: files, failures: failures))
    for file in files {
      place.send(.saved(file))
      report.note(file)
    }
    report.files = results.flatMap(\.outputs) + files
    report.failures = failures
    return report
  }

  /// Where labelme finds a picture from the folder of its file: where it is, or, of what labelme does
  /// not open or not as it is seen here, a page of a stack or more than 8 bits, a copy of 8 bits.
  private static func labelmePath(
    _ page: SegmentedPage, _ picture: ByteImage, named name: String, of task: MediaFile,
    _ request: SegmentRunRequest
  ) throws -> String {
    let json = URL(fileURLWithPath: request.output).appendingPathComponent(name)
    let folder = json.deletingLastPathComponent()
    let isForeign = ForeignPicture.extensions.contains(
      (task.input as NSString).pathExtension.lowercased())
    if page.isOpenedByTools, !isForeign {
      return URL(fileURLWithPath: task.input).path(from: folder)
    }
    let copy = json.lastPathComponent + SegmentedPage.copyEnding
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    try ImageFile.write(picture, to: folder.appendingPathComponent(copy))
    return copy
  }

  /// Segments and writes one page of a picture.
  private static func segment(
    _ page: SegmentedPage, named name: String, of task: MediaFile, by model: SegmentationModel,
    _ request: SegmentRunRequest, _ writer: SegmentationWriter
  ) throws -> Found {
    let start = Date()
    let picture = page.picture(isStretched: model.stretchesContrast)
    let found = try model.outcome(of: picture, request.options)
    let fileName = page.suffix.isEmpty ? task.name : name + ".png"
    let (files, share) = try PictureJob.writing(request.output) {
      let path =
        try request.write.contains(.labelme)
        ? labelmePath(page, picture, named: name, of: task, request) : nil
      return try writer.write(
        found, picture: picture, name: name, fileName: fileName, path: path, stored: page.stored,
        scale: page.scale)
    }
    let areas = found.objects.map(\.area).sorted()
    let result = Segmented(
      file: task.input + page.suffix, width: picture.width, height: picture.height,
      outputs: files.map(\.relativePath), recognition: found.recognized(model.palette),
      classes: found.shares(model.palette).map {
        ClassShare(name: $0.name, pixels: $0.pixels, confidence: $0.confidence)
      },
      objects: found.objects.map {
        FoundObject(
          name: model.palette.names[$0.classIndex + found.firstObjectLabel],
          score: $0.score, box: $0.box, area: $0.area)
      },
      areas: areas.isEmpty
        ? nil : [areas[0], areas[areas.count / 2], areas[areas.count - 1]],
      seconds: Date().timeIntervalSince(start))
    return Found(result: result, share: share)
  }
}

/// The workshop of segmentation.
public enum SegmentWorkshop: Workshop {
  public static let name = "segment"
  public static let summary = "Say what every pixel shows; train, measure and compare networks."
  public static let guide = """
    EXAMPLES
      atelier segment street.png --model mine.safetensors -o out
      atelier segment train --data camvid --network unet --run mine --minutes 30
      atelier segment evaluate --model mine/last.safetensors --data camvid
      atelier segment compare --unpool all --data camvid --width 16 --steps 2000 \\
        -o out
    """
  public static let jobs: [any Job.Type] = [
    SegmentRun.self, SegmentationTraining.self, SegmentEvaluate.self, SegmentCompare.self,
    SegmentPropose.self, SegmentInspect.self, SegmentConvert.self,
    MaskRCNNTraining.self, StarTraining.self,
  ]
}
