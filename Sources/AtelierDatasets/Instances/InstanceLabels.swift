// Pictures whose pixels are the numbers of objects: 0 background, else which object.

import AtelierImages
import Foundation

/// The number of the object of every pixel, 0 where there is none.
public struct InstanceLabels: Sendable, Hashable {
  /// Pixels in a row, at least 1.
  public let width: Int
  /// Rows, at least 1.
  public let height: Int
  /// Numbers of objects, row by row from the top: width · height values.
  public let labels: [UInt16]

  /// Numbers by their pixels.
  /// - Precondition: sizes are positive, the number of labels is width · height.
  public init(width: Int, height: Int, labels: [UInt16]) {
    precondition(width > 0 && height > 0, "instance labels need a positive size")
    precondition(labels.count == width * height, "the labels do not fit the size")
    self.width = width
    self.height = height
    self.labels = labels
  }

  /// Numbers at most 65535 objects from 1 in their order; where masks overlap, the surer object is
  /// seen, of two equally sure ones the first.
  /// - Throws: `DatasetError` for more objects than there are numbers.
  /// - Precondition: masks have the size.
  public init(_ objects: [EncodedObject], size: PixelSize) throws(DatasetError) {
    guard objects.count <= Int(UInt16.max) else {
      throw DatasetError(
        "expected at most \(UInt16.max) objects in a picture of 16-bit numbers, received "
          + "\(objects.count)")
    }
    var labels = [UInt16](repeating: 0, count: size.width * size.height)
    let order = objects.indices.sorted { (-objects[$0].score, $0) < (-objects[$1].score, $1) }
    for index in order {
      precondition(objects[index].mask.size == size, "masks of two sizes")
      objects[index].mask.forEachPixel { place in
        if labels[place] == 0 { labels[place] = UInt16(index + 1) }
      }
    }
    self.init(width: size.width, height: size.height, labels: labels)
  }

  /// Width and height.
  public var size: PixelSize { PixelSize(width: width, height: height) }

  /// The numbers as a gray picture of 16 bits.
  public var image: WordImage {
    WordImage(width: width, height: height, channels: 1, samples: labels)
  }

  /// Reads a PNG or TIFF of numbers as they are stored: gray of 8, 16 or, as Cellpose, scikit-image and
  /// MorphoLibJ write them, 32 bits, whole or floating-point, or a PNG's palette indices.
  /// - Throws: `DatasetError` that names the file when it cannot be read, has colours, several pages or
  ///   numbers that are none of objects.
  public static func read(_ url: URL) throws(DatasetError) -> InstanceLabels {
    let pages = try readPages(url)
    guard pages.count == 1 else {
      throw DatasetError(
        "\(url.relativePath): expected one page of numbers of objects, received \(pages.count)")
    }
    return pages[0]
  }

  /// Reads the numbers of each page of a file, as `read` does; all but TIFFs have one.
  static func readPages(_ url: URL) throws(DatasetError) -> [InstanceLabels] {
    try DatasetError.wrapping(isMask: true) {
      let information = try ImageFile.information(url.path)
      if information.format != .tiff, information.bitDepth < 16 {
        let indices = try ImageFile.readIndices(url.path).indices
        return [
          InstanceLabels(
            width: indices.width, height: indices.height, labels: indices.samples.map(UInt16.init))
        ]
      }
      let reader = try PictureReader(url.path)
      var pages: [InstanceLabels] = []
      while let page = try reader.nextPage() {
        guard page.image.channels == 1, !information.hasPalette else {
          throw ImageError(
            .unsupported, name: url.relativePath, expected: "gray numbers of objects",
            received: information.hasPalette
              ? "a palette's colours" : "\(page.image.channels) channels")
        }
        let size = page.image.size
        pages.append(
          InstanceLabels(
            width: size.width, height: size.height,
            labels: try numbers(page, name: url.relativePath)))
      }
      return pages
    }
  }

  /// The numbers of a gray page; above 65535 their places in order, so that they fit.
  private static func numbers(
    _ page: PicturePage, name: String
  ) throws(DatasetError) -> [UInt16] {
    let isSigned = page.storage?.kind == .signed
    switch page.image {
    case .bytes(let image) where !isSigned: return image.samples.map(UInt16.init)
    case .words(let image) where !isSigned: return image.samples
    // Signed samples were moved up, so that the darkest is 0.
    case .bytes(let image): return try numbers(image.samples.map { Float($0) - 128 }, name)
    case .words(let image): return try numbers(image.samples.map { Float($0) - 32768 }, name)
    case .floats(let image): return try numbers(image.samples, name)
    }
  }

  /// The largest number that a float tells from its neighbours.
  private static let largestExact: Float = 16_777_216

  private static func numbers(_ values: [Float], _ name: String) throws(DatasetError) -> [UInt16] {
    var largest: Float = 0
    for value in values {
      guard value >= 0, value < largestExact, value == value.rounded() else {
        throw DatasetError(
          "\(name): expected whole numbers of objects from 0 to \(Int(largestExact) - 1), received "
            + "\(value)")
      }
      largest = max(largest, value)
    }
    if largest <= Float(UInt16.max) { return values.map { UInt16($0) } }
    let sorted = Set(values).subtracting([0]).sorted()
    guard sorted.count <= Int(UInt16.max) else {
      throw DatasetError(
        "\(name): expected at most \(UInt16.max) objects, received \(sorted.count)")
    }
    let places = Dictionary(uniqueKeysWithValues: zip(sorted, 1...).map { ($0, UInt16($1)) })
    return values.map { places[$0] ?? 0 }
  }

  /// The masks of the objects, in the order of their numbers.
  public var masks: [(number: Int, mask: RunLengthMask)] {
    let largest = Int(labels.max() ?? 0)
    let masks = RunLengthMask.masks(
      of: labels.map { Int($0) - 1 }, count: largest, width: width, height: height)
    return masks.enumerated().filter { $0.element.area > 0 }.map { ($0.offset + 1, $0.element) }
  }
}
