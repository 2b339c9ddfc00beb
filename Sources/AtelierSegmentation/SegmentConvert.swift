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
        Field(
          flag: "pictures", \.pictures,
          "Copy the pictures, too, so that what is written is a set that can be read again"),
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

    With --pictures the folder is a set: instances as images and labels, label as images and masks \
    with classes.txt, voc as JPEGImages with a list in ImageSets, the others beside their pictures.

    EXAMPLES
      atelier segment convert --data labelme/ --write coco -o out
      atelier segment convert --data nuclei --write labelme --pictures -o correct
      atelier segment convert --data from-cvat/ --write voc --pictures -o voc
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
    if request.pictures, request.write.contains(.label), request.write.contains(.yolo) {
      throw StudioError(
        .usage,
        "--write: expected label or yolo with --pictures, received both, which have a classes.txt "
          + "each; write them into folders of their own")
    }
    let items = self.items(of: set)
    try refuseCollisions(items, request)
    for line in lost(of: set, request) { place.remark(line) }
    var writer = try SegmentationWriter(
      folder: URL(fileURLWithPath: request.output), palette: set.palette, outputs: request.write,
      form: request.polygons ? .polygons : .runs)
    writer.isSet = request.pictures
    var failures: [InputFailure] = []
    let counts = try PictureJob.run(items, name: \.name, in: place, failures: &failures) {
      item, _ in
      let (picture, outcome) = try item.read()
      _ = try PictureJob.writing((request.output as NSString).appendingPathComponent(item.name)) {
        try copy(item, picture, request)
        // Without a copy labelme opens the picture where it is.
        let json = URL(fileURLWithPath: request.output).appendingPathComponent(item.name)
        let path =
          request.pictures ? nil : item.source?.path(from: json.deletingLastPathComponent())
        return try writer.add(
          outcome, picture: picture, name: item.name, fileName: item.fileName, path: path)
      }
      return outcome.objects.count
    }
    var files = try writer.finish().map(\.relativePath)
    if request.pictures, request.write.contains(.voc) {
      let list = (request.output as NSString).appendingPathComponent(Self.list(of: request))
      let names = items.map { $0.name + "\n" }.joined()
      try FileManager.default.createDirectory(
        atPath: (list as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
      try AtomicFile.write(Data(names.utf8), to: URL(fileURLWithPath: list))
      files.append(list)
    }
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

  /// The list of a VOC set's pictures.
  private static func list(of request: SegmentConvertRequest) -> String {
    "ImageSets/Segmentation/\(request.part.rawValue).txt"
  }

  /// Copies a picture to where the forms that are written have theirs.
  private static func copy(
    _ item: Item, _ picture: ByteImage, _ request: SegmentConvertRequest
  ) throws {
    for name in pictureFiles(item, request) {
      let file = URL(fileURLWithPath: request.output).appendingPathComponent(name)
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      if let source = item.source {
        try AtomicFile.write(Data(contentsOf: source, options: .mappedIfSafe), to: file)
      } else {
        try ImageFile.write(picture, to: file)
      }
    }
  }

  /// Where a picture is copied to, below the output.
  private static func pictureFiles(_ item: Item, _ request: SegmentConvertRequest) -> [String] {
    guard request.pictures else { return [] }
    return Set(request.write.map(\.pictureFolder)).sorted().map { $0 + item.fileName }
  }

  /// What the forms that are written cannot hold.
  private static func lost(of set: SegmentationSet, _ request: SegmentConvertRequest) -> [String] {
    guard case .objects(let set) = set else { return [] }
    let crowds = set.items.reduce(0) { $0 + $1.objects.count { $0.isCrowd } }
    let forms = request.write.filter { $0 == .labelme || $0 == .yolo }.map(\.rawValue)
    guard crowds > 0, !forms.isEmpty else { return [] }
    return ["\(crowds) crowds are left out of \(forms.joined(separator: " and ")), which know none"]
  }

  private static func items(of set: SegmentationSet) -> [Item] {
    switch set {
    case .objects(let set):
      return set.items.map { item in
        var source: URL?
        if case .file(let url) = item.source { source = url }
        // Objects' pictures are named without their ending, so what follows a dot is part of the name.
        return Item(name: item.name, fileName: item.fileName, source: source) {
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
    var shared = request.write.flatMap { $0.sharedFiles(inSet: request.pictures) }.map(place)
    if request.pictures, request.write.contains(.voc) { shared.append(place(list(of: request))) }
    try PicturePlan.refuseCollisions(
      items.map { item in
        let files = request.write.flatMap { $0.files(of: item.name, inSet: request.pictures) }
        return (
          item.source?.path ?? request.data + "/" + item.name,
          (files + pictureFiles(item, request)).map(place)
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
    if objects.isForeignForm { throw objects }
    // Where one kind is there, what is wrong with it is what counts.
    if objects.isUnknownForm != classes.isUnknownForm {
      throw objects.isUnknownForm ? classes : objects
    }
    if objects.isUnknownForm { throw objects }
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
