// Which folders of a place hold the pictures of a part and which hold their masks.

import AtelierImages
import Foundation

/// The parts that published sets are cut into.
public enum SegmentationPart: String, Sendable, Hashable, Codable, CaseIterable {
  /// What is learnt from.
  case training = "train"
  /// What choices are made by.
  case validation = "val"
  /// What is measured on.
  case test

  /// The folder names of this part.
  var names: [String] {
    switch self {
    case .training: ["train", "training"]
    case .validation: ["val", "valid", "validation"]
    case .test: ["test", "testing"]
    }
  }
}

/// Pictures and masks of one part.
public struct SegmentationFolder: Sendable, Hashable {
  /// The folder of the pictures.
  public let images: URL
  /// The folder of the masks, each of its picture's name as PNG.
  public let masks: URL
  /// The list of the classes; nil when there is none.
  public let classes: URL?

  /// The names of the folders of pictures, and of those of masks.
  private static let folderNames = (
    images: ["images", "pictures"], masks: ["masks", "labels", "annotations"]
  )

  /// Finds the folders of a part; nil when the set has parts but not this one.
  ///
  /// Known layouts, `P` being train, val or test: CamVid's `P` and `Pannot`; `P/images` and
  /// `P/masks`; `images/P` and `masks/P`; and without parts `images` and `masks`. `labels` and
  /// `annotations` are other names for `masks`. A `classes.txt` (`ClassList`) stands beside them.
  ///
  /// - Throws: `DatasetError` when there is no folder or nothing in it is of a known layout.
  public static func find(
    in url: URL, part: SegmentationPart
  ) throws(DatasetError) -> SegmentationFolder? {
    guard url.isFolder == true else {
      throw DatasetError(
        "\(url.relativePath): expected a folder of pictures and masks", isBrokenFile: false,
        isUnknownForm: true)
    }
    if let found = folders(of: part, in: url) { return found }
    guard !SegmentationPart.allCases.contains(where: { folders(of: $0, in: url) != nil }) else {
      return nil
    }
    guard let whole = pair(in: url, below: nil) else {
      throw DatasetError(
        "\(url.relativePath): expected train and trainannot, train/images and train/masks, or "
          + "images and masks; there are none of these folders", isBrokenFile: false,
        isUnknownForm: true)
    }
    return SegmentationFolder(images: whole.0, masks: whole.1, classes: classes(of: url))
  }

  private static func folders(of part: SegmentationPart, in url: URL) -> SegmentationFolder? {
    for name in part.names {
      let pictures = url.appendingPathComponent(name)
      let annotated = url.appendingPathComponent(name + "annot")
      if pictures.isFolder == true, annotated.isFolder == true {
        return SegmentationFolder(images: pictures, masks: annotated, classes: classes(of: url))
      }
      if let (images, masks) = pair(in: pictures, below: nil) ?? pair(in: url, below: name) {
        return SegmentationFolder(images: images, masks: masks, classes: classes(of: url))
      }
    }
    return nil
  }

  /// A folder of pictures and one of masks beside it.
  private static func pair(in url: URL, below part: String?) -> (URL, URL)? {
    func first(_ names: [String]) -> URL? {
      names.map { name in
        let folder = url.appendingPathComponent(name)
        return part.map { folder.appendingPathComponent($0) } ?? folder
      }.first { $0.isFolder == true }
    }
    guard let images = first(folderNames.images), let masks = first(folderNames.masks) else {
      return nil
    }
    return (images, masks)
  }

  private static func classes(of url: URL) -> URL? {
    let file = url.appendingPathComponent("classes.txt")
    return FileManager.default.fileExists(atPath: file.path) ? file : nil
  }
}

extension SegmentedImages {
  /// Reads a part of the set at a place; nil when there are parts but not this one.
  ///
  /// `palette` stands for the classes of a set without a list of its own, such as those of its
  /// training part; nil counts them. The limit is in bytes of pictures and labels.
  ///
  /// A picture or mask that cannot be read stands in `leftOut`.
  ///
  /// - Throws: `DatasetError` that names the folder or file and what is wrong with it, also where the
  ///   masks make no sense as a whole.
  public static func read(
    _ url: URL, part: SegmentationPart, palette: ClassPalette? = nil, channels: Int = 3,
    memoryLimit: Int = memoryLimit
  ) throws -> SegmentedImages? {
    if url.isFolder == true,
      let set = try annotated(url, part: part, channels: channels, memoryLimit: memoryLimit)
    {
      return set
    }
    guard let folder = try SegmentationFolder.find(in: url, part: part) else { return nil }
    let classes =
      try folder.classes.map { try ClassList(reading: $0) } ?? palette.map(ClassList.init)
    let (files, others) = try ImageFolder.listing(folder.images)
    guard !files.isEmpty else {
      throw DatasetError("\(folder.images.relativePath): the folder holds no picture")
    }
    var used = 0
    var harvest = FileHarvest()
    let items = try files.compactMap { name, file in
      let mask = folder.masks.appendingPathComponent(name).deletingPathExtension()
        .appendingPathExtension("png")
      guard FileManager.default.fileExists(atPath: mask.path) else {
        throw DatasetError("\(file.relativePath): there is no mask \(mask.relativePath)")
      }
      return try harvest.take { () throws(DatasetError) in
        let image = try DatasetError.wrapping("not usable for segmentation: ") {
          let size = try ImageFile.size(file.path)
          try expectRoom(&used, size, channels, memoryLimit, file.relativePath)
          return try ImageFile.read(file).flattened().withChannels(channels)
        }
        return SegmentedImage(
          name: name, image: image,
          labels: try MaskFile.read(mask.path, classes: classes, size: image.size))
      }
    }
    try harvest.expectSome()
    try MaskSense(items.map(\.labels), folder.masks).expect(classes)
    var set = try SegmentedImages(
      name: url.lastPathComponent + (isParted(folder, url) ? " \(part.rawValue)" : ""),
      items: items, channels: channels, palette: classes?.palette ?? counted(items))
    set.hasNames = classes != nil
    set.leftOut = harvest.leftOut
    if let line = ImageFolder.leftOutLine(others, in: folder.images.relativePath) {
      set.leftOut.append(line)
    }
    return set
  }

  private static func isParted(_ folder: SegmentationFolder, _ url: URL) -> Bool {
    folder.images.deletingLastPathComponent().path != url.path
      || !["images", "pictures"].contains(folder.images.lastPathComponent)
  }

  /// Numbered classes up to the largest label.
  private static func counted(_ items: [SegmentedImage]) -> ClassPalette {
    let largest = items.lazy.map { item in
      item.labels.labels.lazy.filter { $0 != LabelMap.ignored }.max() ?? 0
    }.max()
    return .numbered(max(Int(largest ?? 0) + 1, 2))
  }
}
