// Sets of objects from folders: label pictures with or without an index, one mask file an object, COCO.

import AtelierImages
import Foundation

/// Which pictures of a set are used.
public enum InstancePart: String, Sendable, Codable, CaseIterable {
  /// Those to learn from.
  case training = "train"
  /// Those to choose settings with.
  case validation = "val"
  /// Those to measure on.
  case test
  /// All of them.
  case all

  /// What files of this part have in their names, in lower case.
  fileprivate var words: [String] { self == .validation ? ["val"] : [rawValue] }

  /// What folders of this part are called.
  var folders: [String] { self == .validation ? ["val", "valid", "validation"] : [rawValue] }
}

extension InstanceData {
  /// Reads the set at a place, whatever its layout.
  ///
  /// - `images`, `labels` and `index.csv` with the columns name, split and instances (and kind).
  /// - A COCO file, or a folder with one whose name tells the part (`instances_test….json`), perhaps in
  ///   `annotations` (COCO, CVAT), or with one in a folder for each part (Roboflow).
  /// - `images` and `labels` alone: a picture and a label PNG of one name.
  /// - One folder a picture, each with `images`, which holds the picture, and `masks`, which holds one
  ///   PNG an object (the layout of the Data Science Bowl 2018).
  /// - Annotations of labelme (a JSON file a picture), of the VGG Image Annotator, of YOLO's segmentation
  ///   (`images`, `labels` with a text a picture, `data.yaml`), or PASCAL VOC's folders with
  ///   `SegmentationObject`.
  ///
  /// Layouts without parts are taken whole; `className` is for those without classes.
  ///
  /// - Throws: `DatasetError` that names the file and what was expected there.
  public static func read(
    _ url: URL, part: InstancePart = .all, className: String = "object"
  ) throws(DatasetError) -> InstanceData {
    guard let isFolder = url.isFolder else {
      throw DatasetError("\(url.path): no such file or folder")
    }
    guard isFolder else {
      if let set = try drawn(file: url) { return set }
      try ForeignAnnotations.refuse(file: url)
      return try InstanceData(coco: url)
    }
    let entries = try url.entries()
    if let voc = VOCFolder(url), voc.hasObjects {
      return try expectPart(voc.instances(part: part), url, part)
    }
    if YOLOFolder.isThere(url) {
      return try expectPart(YOLOFolder.read(url, part: part), url, part)
    }
    let hasLabels = entries.contains("labels") && entries.contains("images")
    if hasLabels, entries.contains("index.csv") {
      return try InstanceData(indexed: url, part: part, className: className)
    }
    let files = entries.filter { $0.lowercased().hasSuffix(".json") }
    if !files.isEmpty {
      if let set = try drawn(files, in: url) { return set }
      try ForeignAnnotations.refuse(in: url)
      return try InstanceData(coco: Self.coco(files, in: url, part))
    }
    // CVAT, COCO and Roboflow put files of objects into folders of their own.
    if let set = try Self.cocoBelow(url, part) { return set }
    if hasLabels { return try InstanceData(labelFolder: url, className: className) }
    // StarDist calls the folder masks, as sets of classes do.
    if entries.contains("images"), try Self.masksAreNumbers(url) {
      var set = try InstanceData(labelFolder: url, labels: "masks", className: className)
      set.leftOut.insert(
        "\(url.relativePath): the masks are taken as numbers of objects, since they are TIFF or of "
          + "16 bits", at: 0)
      return set
    }
    try ForeignAnnotations.refuse(in: url)
    return try InstanceData(maskFolders: url, className: className)
  }

  /// The one COCO file of a part among the JSON files of a folder.
  private static func coco(
    _ files: [String], in folder: URL, _ part: InstancePart
  ) throws(DatasetError) -> URL {
    // Results, which lie beside their file where both were written, are no annotations.
    var sets =
      files.count == 1
      ? files : files.filter { AnnotationForm(of: folder.appendingPathComponent($0)) == .coco }
    // COCO has captions and keypoints of the same pictures.
    let instances = sets.filter { $0.lowercased().hasPrefix("instances") }
    if !instances.isEmpty { sets = instances }
    let named = sets.filter { file in part.words.contains { file.lowercased().contains($0) } }
    let chosen = sets.count == 1 ? sets : named
    guard chosen.count == 1 else {
      throw DatasetError(
        "\(folder.relativePath): expected one COCO file of the \(part.rawValue) part, received "
          + files.prefix(8).joined(separator: ", "))
    }
    return folder.appendingPathComponent(chosen[0])
  }

  /// A set of which the COCO files lie in `annotations` or in a folder for each part; nil for none.
  private static func cocoBelow(
    _ url: URL, _ part: InstancePart
  ) throws(DatasetError) -> InstanceData? {
    func files(_ name: String) -> [String] {
      let folder = url.appendingPathComponent(name)
      let entries = (try? folder.entries()) ?? []
      return entries.filter {
        $0.lowercased().hasSuffix(".json")
          && AnnotationForm(of: folder.appendingPathComponent($0)) == .coco
      }
    }
    let whole = files("annotations")
    if !whole.isEmpty {
      return try InstanceData(
        coco: coco(whole, in: url.appendingPathComponent("annotations"), part))
    }
    let parts = InstancePart.allCases.filter { $0 != .all }.compactMap { part in
      part.folders.first { !files($0).isEmpty }.map { (part: part, folder: $0) }
    }
    guard !parts.isEmpty else { return nil }
    let wanted = parts.filter { part == .all || $0.part == part }
    guard let first = wanted.first else { return try expectPart(nil, url, part) }
    guard wanted.count == 1 else {
      throw DatasetError(
        "\(url.relativePath): expected one part of the set, received "
          + "\(wanted.map(\.folder).joined(separator: ", ")); name the folder of one")
    }
    return try InstanceData(
      coco: coco(
        files(first.folder), in: url.appendingPathComponent(first.folder), part),
      name: "\(url.lastPathComponent) \(first.folder)")
  }

  private static func expectPart(
    _ set: InstanceData?, _ url: URL, _ part: InstancePart
  ) throws(DatasetError) -> InstanceData {
    if let set { return set }
    throw DatasetError("\(url.relativePath): the set has parts, but no \(part.rawValue)")
  }

  // MARK: - Label pictures

  /// Reads `images/NAME.png` with `labels/NAME.png`, whose pixels are the numbers of objects.
  /// - Throws: `DatasetError` that names the file: labels missing or of another size.
  public init(labelFolder folder: URL, className: String = "object") throws(DatasetError) {
    try self.init(labelFolder: folder, labels: "labels", className: className)
  }

  /// Reads label pictures in a folder of another name; Fiji, StarDist and others write them as TIFF,
  /// perhaps with as many pages as the picture has.
  init(labelFolder folder: URL, labels: String, className: String) throws(DatasetError) {
    var harvest = FileHarvest()
    let images = folder.appendingPathComponent("images")
    let (files, others) = try ImageFolder.listing(images)
    var search = PictureSearch([folder.appendingPathComponent(labels)])
    var items: [Item] = []
    for (name, url) in files {
      let stem = (name as NSString).deletingPathExtension
      var found: URL?
      for ending in ["png", "tif", "tiff"] where found == nil {
        found = try search.find("\(stem).\(ending)", of: folder.relativePath)?.url
      }
      let file = found ?? folder.appendingPathComponent("\(labels)/\(stem).png")
      let item = try harvest.take { () throws(DatasetError) in
        try Self.items(stem, url, labels: file)
      }
      if let item { items += item }
    }
    try harvest.expectSome()
    try self.init(name: folder.lastPathComponent, classNames: [className], items: items)
    leftOut = harvest.leftOut
    if let line = ImageFolder.leftOutLine(others, in: images.relativePath) { leftOut.append(line) }
  }

  /// Reads `images/NAME.png`, `labels/NAME.png` and `index.csv`, which tells parts, kinds and how many objects there are.
  /// - Throws: `DatasetError` that names the file and line: columns missing, a label beyond the
  ///   number of objects, another size.
  public init(
    indexed folder: URL, part: InstancePart, className: String = "object"
  ) throws(DatasetError) {
    let table = folder.appendingPathComponent("index.csv")
    let text = try CompressedFile.text(table, limit: 64 << 20, of: "a table")
    let lines = text.split(whereSeparator: \.isNewline).map {
      $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
    guard let header = lines.first, let name = header.firstIndex(of: "name"),
      let split = header.firstIndex(of: "split"), let count = header.firstIndex(of: "instances")
    else {
      throw DatasetError(
        "\(table.relativePath): expected the columns name, split and instances, received "
          + "\(lines.first?.prefix(12).joined(separator: ", ") ?? "an empty file")")
    }
    let kind = header.firstIndex(of: "kind")
    var harvest = FileHarvest()
    var items: [Item] = []
    for (index, fields) in lines.enumerated().dropFirst() {
      let title = "\(table.relativePath): line \(index + 1)"
      guard fields.count == header.count, let number = Int(fields[count]), number >= 0 else {
        throw DatasetError(
          "\(title): expected \(header.count) fields with the number of objects, received "
            + "\(fields.count) fields")
      }
      guard let place = InstancePart(rawValue: fields[split]), place != .all else {
        throw DatasetError("\(title): expected train, val or test, received '\(fields[split])'")
      }
      guard !fields[name].contains("/"), !fields[name].hasPrefix("."), !fields[name].isEmpty else {
        throw DatasetError("\(title): expected the name of a picture, received another path")
      }
      guard part == .all || part == place else { continue }
      let item = try harvest.take { () throws(DatasetError) in
        try Self.item(
          fields[name], folder.appendingPathComponent("images/\(fields[name]).png"),
          labels: folder.appendingPathComponent("labels/\(fields[name]).png"),
          kind: kind.map { fields[$0] }, objects: number)
      }
      if let item { items.append(item) }
    }
    try harvest.expectSome()
    let suffix = part == .all ? "" : " \(part.rawValue)"
    try self.init(name: folder.lastPathComponent + suffix, classNames: [className], items: items)
    leftOut = harvest.leftOut
  }

  /// A picture with its label picture, each page of a stack with its own.
  private static func items(
    _ name: String, _ picture: URL, labels: URL
  ) throws(DatasetError) -> [Item] {
    let pages = try DatasetError.wrapping { try ImageFile.information(picture.path).pages }
    guard pages > 1 else {
      return [try item(name, picture, labels: labels, kind: nil, objects: nil)]
    }
    let numbers = try InstanceLabels.readPages(labels)
    guard numbers.count == pages else {
      throw DatasetError(
        "\(labels.relativePath): expected labels for each of its picture's \(pages) pages, received "
          + "\(numbers.count)")
    }
    let digits = max(3, String(pages).count)
    return try numbers.enumerated().map { index, labels throws(DatasetError) in
      let text = String(index + 1)
      return Item(
        name: "\(name)-p" + String(repeating: "0", count: digits - text.count) + text,
        size: labels.size,
        objects: labels.masks.map { EncodedObject(classIndex: 0, mask: $0.mask) },
        source: .page(picture, index))
    }
  }

  /// Whether the files in `masks` can number objects and no classes: TIFF, or 16 bits.
  private static func masksAreNumbers(_ url: URL) throws(DatasetError) -> Bool {
    let folder = url.appendingPathComponent("masks")
    guard folder.isFolder == true,
      url.appendingPathComponent("classes.txt").isFolder == nil,
      let first = try ImageFolder.list(folder).first,
      let information = try? ImageFile.information(first.url.path)
    else { return false }
    return information.channels == 1 && !information.hasPalette
      && (information.format == .tiff || information.bitDepth == 16)
  }

  /// One picture with its label picture, whose numbers are at most `objects` where that is known.
  private static func item(
    _ name: String, _ picture: URL, labels: URL, kind: String?, objects: Int?
  ) throws(DatasetError) -> Item {
    let size = try DatasetError.wrapping { try ImageFile.size(picture.path) }
    let numbers = try InstanceLabels.read(labels)
    guard numbers.size == size else {
      throw DatasetError(
        "\(labels.relativePath): expected labels of its picture's \(size), received "
          + "\(numbers.size)")
    }
    let masks = numbers.masks
    if let objects, let last = masks.last, last.number > objects {
      throw DatasetError(
        "\(labels.relativePath): expected labels of at most \(objects), the number of objects in "
          + "the index, received \(last.number)")
    }
    return Item(
      name: name, size: size, objects: masks.map { EncodedObject(classIndex: 0, mask: $0.mask) },
      kind: kind, source: .file(picture))
  }

  // MARK: - One mask file an object

  /// Reads `NAME/images/….png` with `NAME/masks/….png`, one PNG an object, for every folder of a folder.
  ///
  /// What is not black belongs to the object.
  ///
  /// - Throws: `DatasetError` that names the folder or mask: no picture or several, a mask of another
  ///   size or without a pixel.
  public init(maskFolders folder: URL, className: String = "object") throws(DatasetError) {
    var harvest = FileHarvest()
    var items: [Item] = []
    for name in try folder.entries() {
      let place = folder.appendingPathComponent(name)
      let images = place.appendingPathComponent("images")
      guard FileManager.default.fileExists(atPath: images.path) else { continue }
      let pictures = try ImageFolder.list(images)
      guard pictures.count == 1 else {
        throw DatasetError(
          "\(images.relativePath): expected one picture, received \(pictures.count)")
      }
      let item = try harvest.take { () throws(DatasetError) in
        let size = try DatasetError.wrapping { try ImageFile.size(pictures[0].url.path) }
        var objects: [EncodedObject] = []
        for (_, file) in try ImageFolder.list(place.appendingPathComponent("masks")) {
          objects.append(EncodedObject(classIndex: 0, mask: try Self.objectMask(file, size: size)))
        }
        return Item(name: name, size: size, objects: objects, source: .file(pictures[0].url))
      }
      if let item { items.append(item) }
    }
    try harvest.expectSome()
    guard !items.isEmpty else {
      throw DatasetError(
        "\(folder.relativePath): \(AnnotationForm.expected)", isBrokenFile: false,
        isUnknownForm: true)
    }
    try self.init(name: folder.lastPathComponent, classNames: [className], items: items)
    leftOut = harvest.leftOut
  }

  /// The mask of one object: what is not black.
  private static func objectMask(
    _ file: URL, size: PixelSize
  ) throws(DatasetError) -> RunLengthMask {
    let image = try DatasetError.wrapping(isMask: true) {
      let received = try ImageFile.size(file.path)
      guard received == size else {
        throw DatasetError(
          "\(file.relativePath): expected a mask of its picture's \(size), received \(received)")
      }
      return try ImageFile.read(file).flattened(over: .zero)
    }
    let channels = image.channels
    let pixels = (0..<image.pixelCount).map { pixel in
      (0..<channels).contains { image.samples[pixel * channels + $0] != 0 }
    }
    let mask = RunLengthMask(BinaryMask(width: image.width, height: image.height, pixels: pixels))
    guard mask.area > 0 else {
      throw DatasetError(
        "\(file.relativePath): expected a mask with at least one pixel, received an empty one")
    }
    return mask
  }
}
