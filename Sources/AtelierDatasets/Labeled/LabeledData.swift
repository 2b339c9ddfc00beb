// Which files of a folder are a set with classes: IDX, CIFAR or one folder a class.

import AtelierImages
import Foundation

/// The parts that published sets are cut into.
public enum DataPart: String, Sendable, Hashable, Codable, CaseIterable {
  /// What is learnt from.
  case training
  /// What is measured on.
  case test

  /// The beginnings of file and folder names of this part.
  var prefixes: [String] {
    switch self {
    case .training: ["train", "data_batch"]
    case .test: ["t10k", "test", "val"]
    }
  }
}

/// How pictures of any size become those of a set; files of one size keep theirs.
public struct PictureForm: Sendable, Hashable, Codable {
  /// The size of pictures from class folders.
  public var width: Int
  /// The size of pictures from class folders.
  public var height: Int
  /// Gray or colour, for pictures from class folders.
  public var mode: ColorMode

  /// Describes a form.
  public init(width: Int = 64, height: Int = 64, mode: ColorMode = .color) {
    self.width = width
    self.height = height
    self.mode = mode
  }

  /// Width and height.
  public var size: PixelSize { PixelSize(width: width, height: height) }
}

extension LabeledImages {
  /// Reads the set at a place, whatever its kind.
  ///
  /// A folder with IDX files (`train-images…`, `t10k-images…`, their labels beside them), a folder
  /// with CIFAR's binary files, a folder of class folders or of `train` and `test` with class
  /// folders below; or one IDX file of pictures or one CIFAR file. A file `classes.txt` beside the
  /// data, one name a line, names the classes of IDX files. A set without parts is taken whole;
  /// `form` is for pictures from class folders.
  ///
  /// - Throws: `DatasetError` that names the place and what was expected there.
  public static func read(
    _ url: URL, part: DataPart, form: PictureForm = .init()
  ) throws -> LabeledImages {
    guard let isFolder = url.isFolder else {
      throw DatasetError("\(url.relativePath): no such file or folder")
    }
    guard isFolder else {
      return isIDXImages(url.lastPathComponent) ? try idx(url) : try LabeledImages(cifar: [url])
    }
    let names = try FileManager.default.contentsOfDirectory(atPath: url.path)
      .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    func ofPart(_ names: [String], _ kind: String) throws(DatasetError) -> [URL] {
      let found = names.filter { name in
        part.prefixes.contains { name.lowercased().hasPrefix($0) }
      }
      guard !found.isEmpty else {
        throw DatasetError(
          "\(url.relativePath): expected \(kind) of the \(part.rawValue) part, received "
            + names.joined(separator: ", "))
      }
      return found.map { url.appendingPathComponent($0) }
    }
    let pictures = names.filter(isIDXImages)
    if !pictures.isEmpty { return try idx(ofPart(pictures, "the IDX pictures")[0]) }
    let binaries = names.filter { $0.hasSuffix(".bin") || $0.hasSuffix(".bin.gz") }
    if !binaries.isEmpty {
      return try LabeledImages(cifar: ofPart(binaries, "the CIFAR files"))
    }
    let folders = try classFolders(in: url)
    guard !folders.isEmpty else {
      throw DatasetError(
        "\(url.relativePath): expected IDX files, CIFAR's .bin files or one folder a class; "
          + "there are none")
    }
    let parts = DataPart.allCases.flatMap(\.prefixes)
    let parted = try folders.filter { name in
      try parts.contains { name.lowercased().hasPrefix($0) }
        && holdsClasses(url.appendingPathComponent(name))
    }
    return try LabeledImages(
      classFolders: parted.isEmpty ? url : ofPart(parted, "a folder")[0], size: form.size,
      mode: form.mode)
  }

  /// Whether a folder holds folders of classes, not pictures: a class may be called train, too.
  private static func holdsClasses(_ folder: URL) throws(DatasetError) -> Bool {
    let entries = try folder.entries().map { folder.appendingPathComponent($0) }
    return entries.count { $0.isFolder == true } >= 2
      && !entries.contains { ImageFolder.extensions.contains($0.pathExtension.lowercased()) }
  }

  /// Whether a place holds a published set, IDX or CIFAR files, rather than pictures or nothing.
  public static func isSet(_ url: URL) -> Bool {
    let entries = (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []
    return ([url.lastPathComponent] + entries).contains {
      isIDXImages($0) || $0.hasSuffix(".bin") || $0.hasSuffix(".bin.gz")
    }
  }

  /// Whether a published set has files of this part.
  public static func hasPart(_ part: DataPart, in url: URL) -> Bool {
    let entries = (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []
    return entries.contains { name in
      (isIDXImages(name) || name.hasSuffix(".bin") || name.hasSuffix(".bin.gz"))
        && part.prefixes.contains { name.lowercased().hasPrefix($0) }
    }
  }

  /// Whether a name is that of an IDX file of pictures.
  private static func isIDXImages(_ name: String) -> Bool {
    name.contains("idx3") || (name.contains("images") && name.contains("ubyte"))
  }

  /// Reads an IDX file of pictures with the labels beside it, whose name says `labels` and `idx1`.
  private static func idx(_ images: URL) throws -> LabeledImages {
    let name = images.lastPathComponent.replacingOccurrences(of: "images", with: "labels")
      .replacingOccurrences(of: "idx3", with: "idx1")
    let folder = images.deletingLastPathComponent()
    let stem = name.hasSuffix(".gz") ? String(name.dropLast(3)) : name
    let found = [name, stem, stem + ".gz"].map { folder.appendingPathComponent($0) }
      .first { FileManager.default.fileExists(atPath: $0.path) }
    guard let found, found.path != images.path else {
      throw DatasetError(
        "\(images.relativePath): expected its labels beside it as \(name); there is no such file")
    }
    let set = try LabeledImages(images: images, labels: found)
    let list = folder.appendingPathComponent("classes.txt")
    guard let names = try ClassNames.read(list) else { return set }
    do { return try set.naming(names) } catch {
      throw DatasetError("\(list.relativePath): \(error)")
    }
  }
}
