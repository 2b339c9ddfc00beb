// `segment convert`: annotations from one tool's form into another's, without a network.

import AtelierDatasets
import AtelierFiles
import AtelierImages
import AtelierWorkbench
import Foundation

/// Which annotations are read, and what is written.
public struct SegmentConvertRequest: JobRequest, Hashable {
  public var data = ""
  public var part = SegmentationPart.training
  public var output = ""
  public var write: [SegmentationOutput] = []
  public var polygons = false
  public var pictures = false
  public var objectName: String?

  public init() {}

  public static var form: Form<Self> {
    Form(
      Self(),
      fields: [
        Field(
          "data", \.data, "The set: pictures and masks, or the files of an annotation tool",
          value: "dir", kind: .source
        ).demanded,
        Field("part", \.part, "The part of a set with parts: train, val or test", value: "part"),
        Field("output", \.output, "The folder of the results", value: "out", kind: .output)
          .letter("o").demanded,
        Field(
          choices: "write", \.write, "Forms with commas; segment run --help tells what each holds",
          value: "forms"
        ).demanded("say what to write: --write labelme, yolo, coco, voc, label and so on"),
        Field(
          flag: "polygons", \.polygons, "Write the masks of coco.json as polygons instead of runs"),
        Field(flag: "pictures", \.pictures, "Copy the pictures beside the annotations"),
        Field(
          "object-name", \.objectName, "What objects are called where the set has no classes",
          value: "name"),
      ])
  }
}

/// Converts annotations.
public enum SegmentConvert: Job {
  public static let workshop = "segment"
  public static let name = "convert"
  public static let summary = "Turn annotations of one tool's form into another's."
  public static let guide = """
    Reads what a training would read, labelme, the VGG Image Annotator, COCO (CVAT's and Label \
    Studio's), YOLO, Pascal VOC, Cityscapes, label pictures as PNG or TIFF (Fiji), one mask an \
    object, told apart by their content, and writes the same objects or classes in any form of \
    segment run. Masks of pixels come back to the pixel; polygons follow the edges of pixels.

    EXAMPLES
      atelier segment convert --data labelme/ --write coco -o out
      atelier segment convert --data nuclei --write labelme --pictures -o to-correct
    """

  /// What was written, for programs.
  private struct Value: Encodable {
    let kind: String
    let pictures: Int
    let objects: Int
    let classes: [String]
    let outputs: [String]
    let failures: [InputFailure]
  }

  /// A picture with what is drawn on it.
  private struct Item {
    let name: String
    let fileName: String
    let source: URL?
    let read: () throws -> (picture: ByteImage, outcome: SegmentationOutcome)
  }

  public static func run(_ request: SegmentConvertRequest, in place: JobPlace) throws -> Report {
    try StudioFiles.expectPresent([request.data])
    let set = try SegmentationSet.read(
      URL(fileURLWithPath: request.data), request.part, objectName: request.objectName)
    for line in set.remarks { place.remark(line) }
    let items = self.items(of: set)
    try refuseCollisions(items, request)
    var writer = try SegmentationWriter(
      folder: URL(fileURLWithPath: request.output), palette: set.palette, outputs: request.write,
      form: request.polygons ? .polygons : .runs)
    var failures: [InputFailure] = []
    let counts = try PictureJob.run(items, name: \.name, in: place, failures: &failures) {
      item, _ in
      let (picture, outcome) = try item.read()
      _ = try PictureJob.writing((request.output as NSString).appendingPathComponent(item.name)) {
        if request.pictures {
          let file = URL(fileURLWithPath: request.output).appendingPathComponent(item.fileName)
          try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
          if let source = item.source {
            try AtomicFile.write(Data(contentsOf: source, options: .mappedIfSafe), to: file)
          } else {
            try ImageFile.write(picture, to: file)
          }
        }
        return try writer.add(
          outcome, picture: picture, name: item.name, fileName: item.fileName)
      }
      return outcome.objects.count
    }
    let files = try writer.finish().map(\.relativePath)
    var report = Report(
      value: Value(
        kind: set.kind, pictures: counts.count, objects: counts.reduce(0, +),
        classes: set.palette.names, outputs: files, failures: failures))
    report.say(
      "\(counts.count) pictures with \(counts.reduce(0, +)) \(set.kind) in \(request.output)")
    report.files = files
    report.failures = failures
    return report
  }

  private static func items(of set: SegmentationSet) -> [Item] {
    switch set {
    case .objects(let set):
      return set.items.map { item in
        var source: URL?
        if case .file(let url) = item.source { source = url }
        let stem = (item.name as NSString).deletingPathExtension
        return Item(
          name: stem,
          fileName: stem + "." + (source?.pathExtension ?? "png"), source: source
        ) {
          (
            try item.picture(), try SegmentationOutcome(objects: item.objects, size: item.size)
          )
        }
      }
    case .classes(let set):
      return set.items.map { item in
        let stem = (item.name as NSString).deletingPathExtension
        return Item(name: stem, fileName: stem + ".png", source: nil) {
          (
            item.image,
            SegmentationOutcome(labels: item.labels, palette: set.palette, leastArea: 1)
          )
        }
      }
    }
  }

  /// Throws `StudioError` where two results would get one name, or one that of an input.
  private static func refuseCollisions(_ items: [Item], _ request: SegmentConvertRequest) throws {
    func place(_ name: String) -> String {
      (request.output as NSString).appendingPathComponent(name)
    }
    let shared = request.write.flatMap(\.sharedFiles).map(place)
    try PicturePlan.refuseCollisions(
      items.map { item in
        let files = request.write.flatMap { $0.files(of: item.name) }.map(place)
        return (
          item.source?.path ?? request.data + "/" + item.name,
          files + (request.pictures ? [place(item.fileName)] : [])
        )
      }, others: shared)
  }
}

/// A set of either kind, told apart by its content.
enum SegmentationSet {
  /// Objects one by one.
  case objects(InstanceData)
  /// A class for every pixel.
  case classes(SegmentedImages)

  /// Reads a set of objects, or else one of pixels with classes; throws `DatasetError` that says what
  /// each kind misses.
  static func read(
    _ url: URL, _ part: SegmentationPart, objectName: String? = nil
  ) throws -> SegmentationSet {
    let wanted = InstancePart(rawValue: part.rawValue) ?? .training
    let objects: DatasetError
    do {
      return .objects(
        try InstanceData.read(
          url, part: wanted, className: objectName ?? InstanceTrainingPictures.objectName))
    } catch {
      // For want of memory a set is of no other kind.
      guard !error.lacksMemory else { throw error }
      objects = error
    }
    let classes: DatasetError
    do {
      guard let set = try SegmentedImages.read(url, part: part) else { throw objects }
      return .classes(set)
    } catch let error as DatasetError { classes = error }
    // Which of both kinds was meant nobody knows: both say what they miss.
    throw classes == objects
      ? classes : DatasetError("as objects: \(objects); as classes: \(classes)")
  }

  /// What is counted in it.
  var kind: String { if case .objects = self { "objects" } else { "regions" } }

  /// Names and colours of the labels.
  var palette: ClassPalette {
    switch self {
    case .objects(let set): set.palette
    case .classes(let set): set.palette
    }
  }

  /// What was left out.
  var remarks: [String] {
    switch self {
    case .objects(let set): PicturePlan.few(set.leftOut, of: "files left out")
    case .classes(let set): PicturePlan.few(set.leftOut, of: "files left out")
    }
  }
}
