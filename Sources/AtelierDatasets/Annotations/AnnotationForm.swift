// Which tool's annotations lie at a place, told by their content.

import AtelierFiles
import AtelierImages
import Foundation

/// The forms of annotations that are told from each other by what is in the files.
enum AnnotationForm: String, Sendable {
  case coco = "COCO"
  case labelme
  case via = "VIA"

  /// What a place must hold to be read.
  static let expected =
    "expected pictures with annotations: labelme's or VIA's JSON, COCO's (CVAT, Label Studio, "
    + "Roboflow), YOLO's images and labels, Pascal VOC's JPEGImages and SegmentationClass, "
    + "Cityscapes' leftImg8bit and gtFine, images with labels or masks as PNG or TIFF, or a folder "
    + "a picture with images and masks; there is none of these"

  /// How much of a file is looked at.
  private static let head = 1 << 16

  /// The form of a JSON file, by the first keys in it; nil for none that is known.
  init?(of url: URL) {
    // To open a pipe would wait for a writer.
    guard InputFile.otherKind(url.path) == nil, let handle = try? FileHandle(forReadingFrom: url),
      let data = try? handle.read(upToCount: Self.head)
    else { return nil }
    try? handle.close()
    var reader = StrictJSONReader([UInt8](data).withoutByteOrderMark)
    var keys: [String] = []
    do {
      try reader.beginObject()
      while let key = try reader.nextKey(isFirst: keys.isEmpty) {
        keys.append(key)
        if keys.count == 1, key != "flags", reader.nextIs("{") {
          var inner: [String] = []
          try reader.beginObject()
          while let key = try reader.nextKey(isFirst: inner.isEmpty) {
            inner.append(key)
            if inner.contains("filename") { break }
            try reader.skipValue()
          }
          if inner.contains("filename") || key.hasPrefix("_via_") {
            self = .via
            return
          }
          continue
        }
        try reader.skipValue()
      }
    } catch {
      // The head ends somewhere; the keys before that tell enough.
    }
    if keys.contains("shapes") || keys.contains("imagePath") {
      self = .labelme
    } else if keys.contains(where: { $0.hasPrefix("_via_") }) {
      self = .via
    } else if keys.contains("items"), !keys.contains("images") {
      return nil
    } else if !Set(keys).isDisjoint(with: ["images", "annotations", "categories", "licenses"]) {
      self = .coco
    } else {
      return nil
    }
  }
}

extension InstanceData {
  /// Reads the JSON files of a folder, all of one form; nil where they are COCO's or none that is known.
  ///
  /// - Throws: `DatasetError` when forms are mixed, or a file is broken.
  static func drawn(
    _ files: [String], in folder: URL
  ) throws(DatasetError) -> InstanceData? {
    var forms: [(form: AnnotationForm, file: String)] = []
    var unknown: [String] = []
    for file in files {
      if let form = AnnotationForm(of: folder.appendingPathComponent(file)) {
        forms.append((form, file))
      } else {
        unknown.append(file)
      }
    }
    guard let first = forms.first(where: { $0.form != .coco }) else { return nil }
    if let other = forms.first(where: { $0.form != first.form }) {
      throw DatasetError(
        "\(folder.relativePath): expected annotations of one form, received \(first.form.rawValue) "
          + "(\(first.file)) and \(other.form.rawValue) (\(other.file))")
    }
    var set = try drawn(
      forms.map { folder.appendingPathComponent($0.file) }, first.form, folder)
    if let file = unknown.first {
      set.leftOut.append(
        "\(folder.relativePath): \(unknown.count) JSON files are left out, which are broken or of no "
          + "form that is read, such as \(file)")
    }
    if first.form == .labelme, let line = try set.withoutAnnotations(in: folder) {
      set.leftOut.append(line)
    }
    return set
  }

  /// A line that tells of pictures in a folder that are not in the set; nil for none.
  private func withoutAnnotations(in folder: URL) throws(DatasetError) -> String? {
    var used: Set<String> = []
    for item in items {
      if case .file(let url) = item.source { used.insert(url.lastPathComponent) }
    }
    let rest = try folder.entries().filter {
      ImageFile.extensions.contains(($0 as NSString).pathExtension.lowercased())
        && !used.contains($0)
    }
    guard let first = rest.first else { return nil }
    return
      "\(folder.relativePath): \(rest.count) pictures have no annotations and are left out, such "
      + "as \(first)"
  }

  /// Reads one file that people drew shapes in; nil where it is COCO's or none that is known.
  static func drawn(file: URL) throws(DatasetError) -> InstanceData? {
    guard let form = AnnotationForm(of: file), form != .coco else { return nil }
    return try drawn([file], form, file.deletingLastPathComponent())
  }

  private static func drawn(
    _ files: [URL], _ form: AnnotationForm, _ folder: URL
  ) throws(DatasetError) -> InstanceData {
    var harvest = FileHarvest()
    var pictures: [DrawnPicture] = []
    for file in files {
      let found = try harvest.take { () throws(DatasetError) in
        form == .labelme ? [try LabelmeFile.read(file)] : try VIAFile.read(file)
      }
      pictures += found ?? []
    }
    try harvest.expectSome()
    var set = try InstanceData(
      drawn: pictures, name: "\(folder.lastPathComponent) (\(form.rawValue))",
      folders: folders(around: folder))
    set.leftOut += harvest.leftOut
    return set
  }
}

extension SegmentedImages {
  /// Reads a set in the form of an annotation tool: labelme, VIA, YOLO, VOC or Cityscapes; nil where
  /// there is none of these, `.some(nil)` where it has parts but not this one.
  static func annotated(
    _ url: URL, part: SegmentationPart, channels: Int, memoryLimit: Int
  ) throws -> SegmentedImages?? {
    if let city = CityscapesFolder(url) {
      guard let files = try city.files(part) else { return .some(nil) }
      return try masked(
        files, CityscapesFolder.list, name: "\(url.lastPathComponent) \(part.rawValue)", channels,
        memoryLimit)
    }
    if let voc = VOCFolder(url) {
      guard let files = try voc.files(part.rawValue) else { return .some(nil) }
      return try masked(
        files.map { ("\($0.name).\($0.picture.pathExtension)", $0.picture, $0.classMask) },
        voc.classes(),
        name: url.lastPathComponent, channels, memoryLimit)
    }
    if YOLOFolder.isThere(url) {
      guard
        let set = try YOLOFolder.read(url, part: InstancePart(rawValue: part.rawValue) ?? .all)
      else { return .some(nil) }
      return try SegmentedImages(set, channels: channels, memoryLimit: memoryLimit)
    }
    let files = try url.entries().filter { $0.lowercased().hasSuffix(".json") }
    guard !files.isEmpty, let set = try InstanceData.drawn(files, in: url) else { return nil }
    return try SegmentedImages(set, channels: channels, memoryLimit: memoryLimit)
  }

  /// Pictures with mask files.
  private static func masked(
    _ files: [(name: String, picture: URL, mask: URL)], _ classes: ClassList, name: String,
    _ channels: Int, _ memoryLimit: Int
  ) throws -> SegmentedImages {
    var harvest = FileHarvest()
    var used = 0
    var items: [SegmentedImage] = []
    for file in files {
      let item = try harvest.take { () throws(DatasetError) in
        let image = try DatasetError.wrapping("not usable for segmentation: ") {
          let size = try ImageFile.size(file.picture.path)
          try expectRoom(&used, size, channels, memoryLimit, file.picture.relativePath)
          return try ImageFile.read(file.picture).flattened().withChannels(channels)
        }
        // A picture that is listed without a mask shows background alone, where there is one.
        let hasBackground = classes.palette.entries.first?.name.lowercased() == "background"
        guard file.mask.isFolder != nil || !hasBackground else {
          let labels = [UInt8](repeating: 0, count: image.pixelCount)
          return SegmentedImage(
            name: file.name, image: image,
            labels: LabelMap(width: image.width, height: image.height, labels: labels))
        }
        return SegmentedImage(
          name: file.name, image: image,
          labels: try MaskFile.read(file.mask.path, classes: classes, size: image.size))
      }
      if let item { items.append(item) }
    }
    try harvest.expectSome()
    var set = try SegmentedImages(
      name: name, items: items, channels: channels, palette: classes.palette)
    set.leftOut = harvest.leftOut
    return set
  }

  /// The pictures of objects with the class of every pixel, background where there is none; where
  /// objects overlap the last one is seen, as they were drawn over each other.
  init(_ set: InstanceData, channels: Int, memoryLimit: Int) throws {
    var used = 0
    let items = try set.items.map { item in
      try Self.expectRoom(&used, item.size, channels, memoryLimit, item.name)
      var labels = [UInt8](repeating: 0, count: item.size.width * item.size.height)
      for object in item.objects {
        let label = object.isCrowd ? LabelMap.ignored : UInt8(clamping: object.classIndex + 1)
        object.mask.forEachPixel { labels[$0] = label }
      }
      return SegmentedImage(
        name: item.fileName, image: try item.picture().withChannels(channels),
        labels: LabelMap(width: item.size.width, height: item.size.height, labels: labels))
    }
    try self.init(name: set.name, items: items, channels: channels, palette: set.palette)
    leftOut = set.leftOut
  }

  /// Counts a picture in; throws `DatasetError` where the set grows too large.
  static func expectRoom(
    _ used: inout Int, _ size: PixelSize, _ channels: Int, _ limit: Int, _ name: String
  ) throws {
    used += size.width * size.height * (channels + 1)
    guard used <= limit else {
      throw DatasetError(
        "\(name): with this picture the set takes \(used) bytes and the limit is "
          + "\(limit); use fewer or smaller pictures")
    }
  }
}
