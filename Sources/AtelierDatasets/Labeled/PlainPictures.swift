// Pictures without classes: a folder of any pictures as a set of one class, for what needs no more.

import AtelierImages
import Foundation

extension LabeledImages {
  /// The name of the only class of pictures that have none.
  public static let onlyClass = "picture"

  /// Whether the pictures have classes; those of a plain folder have none.
  public var isLabeled: Bool { classNames != [Self.onlyClass] }

  /// Reads the pictures of a set, of class folders or of any folder.
  ///
  /// A set (see `read`) or a folder of at least two class folders with pictures keeps its classes;
  /// all pictures below any other folder, or a single one, are of one class. Each picture of folders
  /// is cut to the form's proportions at its middle and resized; what cannot be read stands in
  /// `leftOut`.
  ///
  /// - Throws: `DatasetError` that names the place and what was expected there.
  public static func pictures(
    _ url: URL, part: DataPart, form: PictureForm, memoryLimit: Int = LabeledImages.memoryLimit
  ) throws -> LabeledImages {
    if isSet(url) || holdsClassFolders(url) { return try read(url, part: part, form: form) }
    let (files, others) = try ImageFolder.listing(url)
    guard !files.isEmpty else {
      throw DatasetError("\(url.relativePath): the folder holds no picture")
    }
    let (size, channels) = (form.size, form.mode.channels)
    let bytes = Double(files.count) * Double(size.width * size.height * channels)
    guard bytes <= Double(memoryLimit) else {
      throw DatasetError(
        "\(url.relativePath): \(files.count) pictures of \(size) take more than \(memoryLimit) "
          + "bytes; use a smaller size")
    }
    var pixels: [UInt8] = []
    pixels.reserveCapacity(Int(bytes))
    var failures: [String] = []
    for file in files {
      do {
        pixels += try ImageFile.read(file.url).fitted(to: size, channels: channels).samples
      } catch let error as ImageError where error.reason != .noMemory {
        failures.append("\(error)")
      }
    }
    guard !pixels.isEmpty else {
      throw DatasetError("not usable for training: \(failures.first ?? "no picture")")
    }
    if let line = ImageFolder.leftOutLine(others, in: url.relativePath) { failures.append(line) }
    var set = LabeledImages(
      name: url.lastPathComponent, size: size, channels: channels, pictures: pixels)
    set.leftOut = failures
    return set
  }

  /// Whether a folder holds at least two folders with pictures and no picture of its own, or has
  /// parts that do.
  private static func holdsClassFolders(_ url: URL) -> Bool {
    guard url.isFolder == true, let folders = try? classFolders(in: url), folders.count >= 2,
      let entries = try? url.entries()
    else { return false }
    return !entries.contains {
      ImageFolder.extensions.contains(($0 as NSString).pathExtension.lowercased())
    }
  }
}
