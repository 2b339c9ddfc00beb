// One folder a class: pictures of any size, brought to one size.

import AtelierImages
import Foundation

extension LabeledImages {
  /// Reads a folder that holds one folder of pictures for each class, whose names are the classes;
  /// hidden ones are left out.
  ///
  /// Each picture is cut to the target's proportions at its middle and resized. Files that cannot be
  /// read, and those that are no pictures, stand in `leftOut`.
  ///
  /// - Throws: `DatasetError` that names the folder and what is wrong with it, or the first file of a
  ///   class of which none can be read.
  public init(
    classFolders folder: URL, size: PixelSize, mode: ColorMode,
    memoryLimit: Int = LabeledImages.memoryLimit
  ) throws {
    let names = try Self.classFolders(in: folder)
    guard names.count >= 2 else {
      throw DatasetError(
        "\(folder.relativePath): expected one folder for each of two or more classes, received "
          + (names.isEmpty ? "none" : names.joined(separator: ", ")))
    }
    let listings = try names.map { try ImageFolder.listing(folder.appendingPathComponent($0)) }
    let files = listings.map(\.files)
    for (name, list) in zip(names, files) where list.isEmpty {
      throw DatasetError("\(folder.relativePath)/\(name): the folder holds no picture")
    }
    let count = files.reduce(0) { $0 + $1.count }
    let stride = size.width * size.height * mode.channels
    let (bytes, isTooLarge) = count.multipliedReportingOverflow(by: stride)
    guard !isTooLarge, bytes <= memoryLimit else {
      throw DatasetError(
        "\(folder.relativePath): \(count) pictures of \(size) take more than \(memoryLimit) bytes; "
          + "use a smaller size")
    }
    var pixels: [UInt8] = []
    pixels.reserveCapacity(bytes)
    var labels: [Int] = []
    var leftOut: [String] = []
    for (label, list) in files.enumerated() {
      let before = labels.count
      var failures: [String] = []
      for file in list {
        do {
          pixels += try ImageFile.read(file.url).fitted(to: size, channels: mode.channels).samples
          labels.append(label)
        } catch let error as ImageError where error.reason != .noMemory {
          failures.append("\(error)")
        }
      }
      // Of a class of which nothing can be read, the first reason is the one to hear.
      if labels.count == before, let first = failures.first {
        throw DatasetError("not usable as a picture of a class: \(first)")
      }
      leftOut += failures
    }
    let others = zip(names, listings).flatMap { name, listing in
      listing.others.map { "\(name)/\($0)" }
    }
    if let line = ImageFolder.leftOutLine(others, in: folder.relativePath) { leftOut.append(line) }
    try self.init(
      name: folder.lastPathComponent, size: size, channels: mode.channels, pixels: pixels,
      labels: labels, classNames: names)
    self.leftOut = leftOut
  }

  /// The names of the folders in a folder, sorted by their bytes.
  static func classFolders(in folder: URL) throws -> [String] {
    try folder.entries().filter { folder.appendingPathComponent($0).isFolder == true }
  }
}

extension Image where Sample == UInt8 {
  /// The picture as a classifier takes it: alpha over white, cut at its middle to the proportions
  /// of `size`, resized, in 1 or 3 channels.
  public func fitted(to size: PixelSize, channels: Int) -> ByteImage {
    let opaque = flattened().withChannels(channels)
    if opaque.size == size { return opaque }
    // The largest part of the target's proportions; products compare the ratios without division.
    let isWide = width * size.height > height * size.width
    let part = PixelSize(
      width: isWide ? max(1, height * size.width / size.height) : width,
      height: isWide ? height : max(1, width * size.height / size.width))
    return opaque.centerCropped(width: part.width, height: part.height)
      .resized(
        width: size.width, height: size.height,
        filter: part.width < size.width ? .bilinear : .area)
  }
}
