// Pictures of a folder, read once and kept as bytes: what patches are cut from.

import AtelierFiles
import AtelierImages
import Foundation

/// How many values a pixel has when pictures are read for training.
public enum ColorMode: String, Codable, Sendable, CaseIterable {
  /// One luminance value (ITU-R BT.601, as the published gray test sets were made).
  case gray
  /// Red, green and blue.
  case color

  /// 1 or 3.
  public var channels: Int { self == .gray ? 1 : 3 }
}

/// A set of pictures in memory, of one number of channels, in a fixed order.
public struct ImageFolder: Sendable {
  /// One picture: its name for messages and its pixels.
  public struct Item: Sendable {
    /// The path inside the folder, or any name of a picture that comes from elsewhere.
    public let name: String
    /// The pixels in 8 bits; `channels` is that of the folder's mode.
    public let image: ByteImage
    /// The pixels in 16 bits where the file has more than 8; floating-point values in their range.
    public let words: WordImage?

    /// Makes an item.
    public init(name: String, image: ByteImage, words: WordImage? = nil) {
      self.name = name
      self.image = image
      self.words = words
    }

    /// An item of a file's picture, in a mode's channels; hidden colours are filled from visible ones.
    init(name: String, _ image: StoredImage, mode: ColorMode) {
      switch image {
      case .bytes(let image):
        self.init(name: name, image: image.filledWhereHidden.withChannels(mode.channels))
      default:
        let words = image.words.filledWhereHidden.withChannels(mode.channels)
        self.init(name: name, image: words.bytes, words: words)
      }
    }

    /// The pixels as fractions of white, at the file's precision.
    public var floats: FloatImage { words?.floats ?? image.floats }

    /// The bytes that the pixels take.
    var byteCount: Int { image.samples.count * (words == nil ? 1 : 3) }

    /// The picture resized (Lanczos).
    func resized(_ size: PixelSize) -> Item {
      guard size != image.size else { return self }
      let (width, height) = (size.width, size.height)
      let deep = words?.resized(width: width, height: height, filter: .lanczos)
      return Item(
        name: name,
        image: deep?.bytes ?? image.resized(width: width, height: height, filter: .lanczos),
        words: deep)
    }
  }

  /// The pictures in the order of their names (byte order of UTF-8, the same on every machine).
  public private(set) var items: [Item]
  /// What was left out of folders, each with the reason.
  public private(set) var leftOut: [String] = []
  /// Whether the pictures are gray or in colour.
  public let mode: ColorMode
  /// The bytes that all pixels together take.
  public var byteCount: Int { items.reduce(0) { $0 + $1.byteCount } }

  /// The extensions of the files that a folder's listing takes.
  public static let extensions = ImageFile.extensions

  /// Keeps pictures of 1 to 4 channels that are in memory, in this order, converted to `mode`.
  public init(items: [Item], mode: ColorMode) {
    self.mode = mode
    self.items = items.map {
      Item(
        name: $0.name, image: $0.image.withChannels(mode.channels),
        words: $0.words?.withChannels(mode.channels))
    }
  }

  /// Reads every picture below the given folders (or single files), each folder sorted.
  ///
  /// `scale`, in 0.05...4, resizes every picture (Lanczos); below 1 it averages away sensor noise
  /// and JPEG traces. The limit is in bytes of the kept pixels. A file of a folder that cannot be
  /// read stands in `leftOut`.
  ///
  /// - Throws: `DatasetError` that names the given file that cannot be read, the folder without
  ///   pictures, or the sizes when the pictures do not fit.
  public init(
    _ urls: [URL], mode: ColorMode, scale: Double = 1, memoryLimit: Int = 2 << 30
  ) throws {
    guard (0.05...4).contains(scale) else {
      throw DatasetError("the scale of training pictures must be in 0.05...4; received \(scale)")
    }
    self.mode = mode
    items = []
    var used = 0
    for url in urls {
      let isFolder = url.isFolder == true
      var failures: [String] = []
      var taken = 0
      let (files, others) = try Self.listing(url)
      for (name, file) in files {
        do {
          let size = Self.scaled(try ImageFile.size(file.path), by: scale)
          used += size.width * size.height * mode.channels
          guard used <= memoryLimit else {
            throw DatasetError(
              "\(file.path): with this picture the set takes \(used) bytes and the limit is "
                + "\(memoryLimit); use fewer pictures or a smaller scale")
          }
          let item = Item(name: name, try ImageFile.stored(file.path), mode: mode)
          items.append(item.resized(size))
          used += (items.last?.byteCount ?? 0) - size.width * size.height * mode.channels
          taken += 1
        } catch let error as ImageError where error.reason != .noMemory {
          guard isFolder else { throw DatasetError("not usable for training: \(error)") }
          failures.append("\(error)")
        }
      }
      // Of a folder in which nothing can be read, the first reason is the one to hear.
      if taken == 0, let first = failures.first {
        throw DatasetError("not usable for training: \(first)")
      }
      leftOut += failures
      if let line = Self.leftOutLine(others, in: url.relativePath) { leftOut.append(line) }
    }
    guard !items.isEmpty else {
      throw DatasetError("no picture in \(urls.map(\.path).joined(separator: ", "))")
    }
  }

  /// The folder with further pictures of 1 to 4 channels behind its own, in its mode.
  public func appending(_ more: [Item]) -> ImageFolder {
    var result = self
    result.items += ImageFolder(items: more, mode: mode).items
    return result
  }

  /// The pictures below a folder by their names in it, sorted; for a file, itself.
  ///
  /// A file is taken by its name or, whatever that is, by its content. Hidden files are left out;
  /// other `extensions` are in lower case.
  ///
  /// - Throws: `DatasetError` when there is nothing at `url`.
  public static func list(
    _ url: URL, extensions: Set<String> = extensions
  ) throws(DatasetError) -> [(name: String, url: URL)] {
    try listing(url, extensions: extensions).files
  }

  /// The pictures as `list` has them, and the names of all other files but hidden ones.
  public static func listing(
    _ url: URL, extensions: Set<String> = extensions
  ) throws(DatasetError) -> (files: [(name: String, url: URL)], others: [String]) {
    guard let isFolder = url.isFolder else {
      throw DatasetError("\(url.path): no such file or folder")
    }
    guard isFolder else { return ([(url.lastPathComponent, url)], []) }
    var names: [String] = []
    var others: [String] = []
    try collect(url, extensions, prefix: "", depth: 0, into: &names, others: &others)
    names.sort { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    others.sort { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    return (names.map { ($0, url.appendingPathComponent($0)) }, others)
  }

  /// One line that names the first of a folder's files that are no pictures; nil for none.
  public static func leftOutLine(_ others: [String], in folder: String) -> String? {
    guard let first = others.first else { return nil }
    let named = others.count == 1 ? first : others.prefix(5).joined(separator: ", ")
    let rest = others.count > 5 ? " and \(others.count - 5) more" : ""
    return "\(folder): \(others.count) \(others.count == 1 ? "file is" : "files are") left out, "
      + "no picture by name or content: \(named)\(rest)"
  }

  /// Folders that other programs leave between pictures: thumbnails, halves of Mac files, bins.
  static let foreignFolders: Set<String> = [
    "@eaDir", "__MACOSX", "#recycle", "@Recycle", "@Recently-Snapshot", "$RECYCLE.BIN", "RECYCLER",
    "System Volume Information", "lost+found",
  ]

  private static func collect(
    _ folder: URL, _ extensions: Set<String>, prefix: String, depth: Int,
    into names: inout [String], others: inout [String]
  ) throws(DatasetError) {
    // Links can make a folder contain itself.
    guard depth < 32 else { throw DatasetError("\(folder.path): folders are nested too deeply") }
    guard let entries = try? FileManager.default.contentsOfDirectory(atPath: folder.path) else {
      throw DatasetError("\(folder.path): cannot be listed")
    }
    for entry in entries where !entry.hasPrefix(".") && !foreignFolders.contains(entry) {
      let url = folder.appendingPathComponent(entry)
      guard let isFolder = url.isFolder else {
        let target = try? FileManager.default.destinationOfSymbolicLink(atPath: url.path)
        if target != nil { others.append(prefix + entry + " (a link to nothing)") }
        continue
      }
      if InputFile.otherKind(url.path) != nil {
        // To look into a pipe would wait for ever.
        others.append(prefix + entry)
      } else if isFolder {
        try collect(
          url, extensions, prefix: prefix + entry + "/", depth: depth + 1, into: &names,
          others: &others)
      } else if extensions.contains(url.pathExtension.lowercased())
        || ImageFile.format(ofContent: url.path) != nil
      {
        names.append(prefix + entry)
      } else {
        others.append(prefix + entry)
      }
    }
  }

  private static func scaled(_ size: PixelSize, by scale: Double) -> PixelSize {
    PixelSize(
      width: max(1, Int((Double(size.width) * scale).rounded(.down))),
      height: max(1, Int((Double(size.height) * scale).rounded(.down))))
  }
}

extension URL {
  /// Whether there is a folder; nil where there is nothing.
  var isFolder: Bool? {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
      ? isFolder.boolValue : nil
  }

  /// The names in a folder that are not hidden, in the order of their bytes.
  func entries() throws(DatasetError) -> [String] {
    guard let entries = try? FileManager.default.contentsOfDirectory(atPath: path) else {
      throw DatasetError("\(relativePath): expected a folder that can be listed")
    }
    return entries.filter { !$0.hasPrefix(".") && !ImageFolder.foreignFolders.contains($0) }
      .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }
}
