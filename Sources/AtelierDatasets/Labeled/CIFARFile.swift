// The binary files of CIFAR-10 and CIFAR-100: records of labels and planes of 32×32 colour pictures.
//
// CIFAR-10: one label byte, then 1,024 red, 1,024 green and 1,024 blue bytes. CIFAR-100: a coarse and
// a fine label byte before the planes; the fine one counts here.
// Format: https://www.cs.toronto.edu/~kriz/cifar.html

import AtelierImages
import Foundation

/// The two layouts of a CIFAR record.
public enum CIFARLayout: Sendable, Hashable {
  /// One label of ten.
  case ten
  /// A coarse label of twenty and a fine one of a hundred.
  case hundred

  /// Bytes of labels before the planes.
  var labelBytes: Int { self == .ten ? 1 : 2 }
  /// The number of classes.
  var classes: Int { self == .ten ? 10 : 100 }
  /// The file of class names that lies beside the data, one a line.
  var namesFile: String { self == .ten ? "batches.meta.txt" : "fine_label_names.txt" }
}

extension LabeledImages {
  /// Reads CIFAR's binary files one after the other.
  ///
  /// The class names come from the list that lies beside the first file; without it they are
  /// numbers. Gzip is inflated; without a layout the one is taken that every file's length fits.
  ///
  /// - Throws: `DatasetError` that names the file and what differs.
  public init(
    cifar files: [URL], layout: CIFARLayout? = nil, memoryLimit: Int = LabeledImages.memoryLimit
  ) throws {
    guard let first = files.first else { throw DatasetError("there is no CIFAR file to read") }
    let plane = 32 * 32
    var pixels: [UInt8] = []
    var labels: [Int] = []
    var known = layout
    for file in files {
      let content = try CompressedFile.read(file, limit: memoryLimit - pixels.count)
      let fitting = [CIFARLayout.ten, .hundred].filter {
        !content.isEmpty && content.count % ($0.labelBytes + 3 * plane) == 0
      }
      guard let layout = known ?? fitting.first, fitting.contains(layout) else {
        throw DatasetError(
          "\(file.relativePath): expected records of 3073 (CIFAR-10) or 3074 bytes (CIFAR-100), "
            + "received \(content.count) bytes")
      }
      known = layout
      let record = layout.labelBytes + 3 * plane
      for start in stride(from: 0, to: content.count, by: record) {
        labels.append(Int(content[start + layout.labelBytes - 1]))
        let planes = start + layout.labelBytes
        for pixel in 0..<plane {
          for channel in 0..<3 { pixels.append(content[planes + channel * plane + pixel]) }
        }
      }
    }
    let used = known ?? .ten
    let list = first.deletingLastPathComponent().appendingPathComponent(used.namesFile)
    let set = try LabeledImages(
      name: files.map(\.lastPathComponent).joined(separator: "+"),
      size: PixelSize(width: 32, height: 32), channels: 3, pixels: pixels, labels: labels,
      numberedClasses: used.classes)
    self =
      try ClassNames.read(list).map { names throws(DatasetError) in
        do { return try set.naming(names) } catch {
          throw DatasetError("\(list.relativePath): \(error)")
        }
      } ?? set
  }
}

/// Lists of class names, one a line.
public enum ClassNames {
  /// The names of a file, nil when there is no such file.
  ///
  /// - Throws: `DatasetError` when it is too large or not text.
  static func read(_ url: URL) throws(DatasetError) -> [String]? {
    guard FileManager.default.fileExists(atPath: url.path) else { return nil }
    return try CompressedFile.text(url, limit: 1 << 20, of: "class names, one a line,").split(
      whereSeparator: \.isNewline
    )
    .map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
  }
}
