// The files of a segmentation: one call a picture, and one at the end for the files of all pictures.

import AtelierDatasets
import AtelierFiles
import AtelierImages
import AtelierWorkbench
import Foundation

/// Writes what was found in pictures, in any of the forms of `SegmentationOutput`; every file
/// appears whole or not at all.
public struct SegmentationWriter: Sendable {
  public let folder: URL
  public let palette: ClassPalette
  public let outputs: Set<SegmentationOutput>
  /// How masks are written into `coco.json`.
  public let form: COCOMaskForm
  /// How strong the colours of an overlay are, 0 (the picture alone) to 1.
  public var opacity = 0.4
  /// Whether the pictures lie with the files, as the sets have them that are read again.
  var isSet = false

  private var document = COCODocument()
  private var table = SegmentationOutcome.csvHeader + "\n"
  /// The classes of objects in their order.
  private var names: [String] = []

  /// Prepares to write into a folder, which is made if it is missing, with the background first in
  /// the palette for instance segmentation; throws `StudioError` when it cannot be made.
  public init(
    folder: URL, palette: ClassPalette,
    outputs: some Sequence<SegmentationOutput> = SegmentationOutput.standard,
    form: COCOMaskForm = .runs
  ) throws(StudioError) {
    self.folder = folder
    self.palette = palette
    self.outputs = Set(outputs)
    self.form = form
    try Self.makeFolder(folder)
  }

  private static func makeFolder(_ folder: URL) throws(StudioError) {
    do {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    } catch {
      throw StudioError(.cannotCreate, "\(folder.relativePath): the folder cannot be made")
    }
  }

  /// What the files of all pictures need of one.
  package struct Share: Sendable, Codable {
    /// The files of the picture itself.
    package var files: [String] = []
    var picture: COCODocument.Picture?
    var annotations: [COCODocument.Annotation] = []
    var lines = ""
    /// The classes of objects in their order.
    var names: [String] = []
  }

  /// Writes the files of one picture, and keeps what those of all pictures need; see `write`.
  public mutating func add(
    _ outcome: SegmentationOutcome, picture: ByteImage, name: String, fileName: String? = nil,
    path: String? = nil
  ) throws -> [URL] {
    let (files, share) = try write(
      outcome, picture: picture, name: name, fileName: fileName, path: path)
    append(share)
    return files
  }

  /// Takes in what the files of all pictures need of the next one.
  package mutating func append(_ share: Share) {
    if outputs.contains(.csv) { table += share.lines }
    if outputs.contains(.yolo) { names = share.names }
    if var picture = share.picture {
      picture.id = document.pictures.count + 1
      document.pictures.append(picture)
      for var annotation in share.annotations {
        (annotation.id, annotation.pictureID) = (document.annotations.count + 1, picture.id)
        document.annotations.append(annotation)
      }
    }
    if document.categories.isEmpty {
      document.categories = COCODocument.categories(share.names)
    }
  }

  /// Writes the files of one picture, which must have the outcome's size, in the order of
  /// `SegmentationOutput`, and says what those of all pictures need; throws `StudioError`,
  /// `ImageError` or `FileError` when a file cannot be written.
  ///
  /// Files are called `name`, a path below the folder without extension; COCO calls the picture
  /// `fileName`, else `name` with .png, and labelme finds it at `path` from its file's folder, else by
  /// that name. Measures are those of the picture as it is stored, else as it
  /// is shown, and in the unit of its scale.
  package func write(
    _ outcome: SegmentationOutcome, picture: ByteImage, name: String, fileName: String? = nil,
    path: String? = nil, stored: StoredImage? = nil, scale: PixelScale? = nil
  ) throws -> (files: [URL], share: Share) {
    var share = Share(names: objectNames(outcome))
    let stem = folder.appendingPathComponent(name)
    if name.contains("/") { try Self.makeFolder(stem.deletingLastPathComponent()) }
    var files: [URL] = []
    func place(_ output: SegmentationOutput) -> URL {
      if isSet, let file = output.files(of: name, inSet: true).first {
        return folder.appendingPathComponent(file)
      }
      return stem.deletingLastPathComponent()
        .appendingPathComponent(stem.lastPathComponent + (output.ending ?? ""))
    }
    for output in SegmentationOutput.allCases where outputs.contains(output) {
      func write(_ write: (URL) throws -> Void) throws {
        files.append(place(output))
        if isSet { try Self.makeFolder(files[files.count - 1].deletingLastPathComponent()) }
        try write(files[files.count - 1])
      }
      switch output {
      case .label:
        try write {
          try ImageFile.write(outcome.labels.indexed(palette), to: $0.path)
        }
      case .color:
        try write { try ImageFile.write(outcome.labels.colored(palette), to: $0) }
      case .overlay:
        let overlay = outcome.overlay(on: picture, palette: palette, opacity: opacity)
        try write { try ImageFile.write(overlay, to: $0) }
      case .boxes:
        let boxes = outcome.boxed(on: picture, palette: palette)
        try write { try ImageFile.write(boxes, to: $0) }
      case .confidence:
        try write { try ImageFile.write(outcome.confidence.bytes, to: $0) }
      case .instances:
        let numbers = try InstanceLabels(outcome.objects, size: outcome.size)
        try write { try ImageFile.write(numbers.image, to: $0.path) }
      case .objects: files += try writeObjects(outcome, into: place(output))
      case .svg:
        let text = outcome.svg(palette: palette)
        try write { try AtomicFile.write(Data(text.utf8), to: $0) }
      case .labelme:
        let json = try LabelmeFile.json(
          objects: outcome.objects, classNames: objectNames(outcome),
          fileName: path ?? ((fileName ?? name + ".png") as NSString).lastPathComponent,
          size: outcome.size)
        try write { try AtomicFile.write(json, to: $0) }
      case .yolo:
        let text = YOLOFolder.text(objects: outcome.objects, size: outcome.size)
        try write { try AtomicFile.write(Data(text.utf8), to: $0) }
      case .voc: files += try writeVOC(outcome, name)
      case .coco: note(outcome, fileName: fileName ?? name + ".png", in: &share)
      case .csv:
        share.lines += outcome.csvLines(
          name, palette: palette, picture: stored ?? .bytes(picture), scale: scale
        ).map { $0 + "\n" }.joined()
      }
    }
    share.files = files.map(\.relativePath)
    return (files, share)
  }

  /// Writes the files of all pictures, `objects.csv`, `coco.json` and `coco-results.json`, as far
  /// as they are wanted; throws `FileError` when one cannot be written.
  public func finish() throws(FileError) -> [URL] {
    var files: [URL] = []
    func write(_ output: SegmentationOutput, _ contents: [Data]) throws(FileError) {
      guard outputs.contains(output) else { return }
      for (name, data) in zip(output.sharedFiles(inSet: isSet), contents) {
        files.append(folder.appendingPathComponent(name))
        try AtomicFile.write(data, to: files[files.count - 1])
      }
    }
    if isSet { try write(.label, [Data(classList.utf8)]) }
    if outputs.contains(.coco) {
      let json = document.json(description: "Objects found by Atelier")
      try write(.coco, [json, COCODocument.resultsJSON(detections)])
    }
    try write(.csv, [Data(table.utf8)])
    let lines = names.map { $0 + "\n" }.joined()
    try write(.yolo, [Data(lines.utf8), Data(YOLOFolder.description(classNames: names).utf8)])
    let colors = palette.entries.map {
      "\($0.name):\($0.color.map(String.init).joined(separator: ","))::\n"
    }
    try write(.voc, [Data(("# label:color_rgb:parts:actions\n" + colors.joined()).utf8)])
    return files
  }

  /// The classes of masks that are written as a set, with the values that stand for them.
  private var classList: String {
    palette.entries.enumerated().map { index, entry in
      "\(index) \(entry.name) \(entry.color.map(String.init).joined(separator: " "))\n"
    }.joined()
  }

  private func objectNames(_ outcome: SegmentationOutcome) -> [String] {
    palette.entries.dropFirst(outcome.firstObjectLabel).map(\.name)
  }

  /// Masks of classes and of objects as PASCAL VOC has them, a palette's index each.
  private func writeVOC(_ outcome: SegmentationOutcome, _ name: String) throws -> [URL] {
    let files = SegmentationOutput.voc.files(of: name).map { folder.appendingPathComponent($0) }
    for file in files { try Self.makeFolder(file.deletingLastPathComponent()) }
    let numbers = try InstanceLabels(outcome.objects, size: outcome.size)
    guard outcome.objects.count < Int(LabelMap.ignored) else {
      throw StudioError(
        .data,
        "\(name): expected at most 254 objects for VOC's masks, found \(outcome.objects.count)")
    }
    try ImageFile.write(outcome.labels.indexed(palette), to: files[0].path)
    let colors = ClassPalette(
      (0..<256).map { .init(name: "", color: ClassPalette.standardColor($0)) })
    let objects = LabelMap(
      width: outcome.size.width, height: outcome.size.height,
      labels: numbers.labels.map { UInt8($0) })
    try ImageFile.write(objects.indexed(colors), to: files[1].path)
    return files
  }

  /// The results form knows runs alone.
  private var detections: [COCODocument.Annotation] {
    let sizes = Dictionary(
      document.pictures.map { ($0.id, $0.size) }, uniquingKeysWith: { first, _ in first })
    return document.annotations.map { annotation in
      var result = annotation
      if case .polygons = annotation.segmentation, let size = sizes[annotation.pictureID],
        let mask = try? annotation.segmentation?.mask(size)
      {
        result.segmentation = .text(mask.text, height: size.height, width: size.width)
      }
      return result
    }
  }

  /// Numbers are given when the picture is taken in.
  private func note(_ outcome: SegmentationOutcome, fileName: String, in share: inout Share) {
    share.picture = COCODocument.Picture(id: 0, fileName: fileName, size: outcome.size)
    share.annotations = outcome.objects.map {
      COCODocument.Annotation($0, id: 0, pictureID: 0, form: form)
    }
  }

  /// One mask an object; masks of a former run are removed, so that the folder holds these alone.
  private func writeObjects(_ outcome: SegmentationOutcome, into place: URL) throws -> [URL] {
    try Self.makeFolder(place)
    let former = (try? FileManager.default.contentsOfDirectory(atPath: place.path)) ?? []
    for name in former where name.prefix(3).allSatisfy(\.isNumber) && name.hasSuffix(".png") {
      try? FileManager.default.removeItem(at: place.appendingPathComponent(name))
    }
    return try outcome.objects.enumerated().map { index, object in
      let number = String(index + 1)
      let digits = String(repeating: "0", count: max(0, 3 - number.count)) + number
      let className = outcome.className(object, palette)
        .map { $0.isLetter || $0.isNumber ? $0 : "-" }
      let file = place.appendingPathComponent("\(digits)-\(String(className)).png")
      var mask = ByteImage(width: outcome.size.width, height: outcome.size.height, channels: 1)
      object.mask.forEachPixel { mask.samples[$0] = 255 }
      try ImageFile.write(mask, to: file)
      return file
    }
  }
}
