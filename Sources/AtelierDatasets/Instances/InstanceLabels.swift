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

  /// Reads a PNG or TIFF of numbers as they are stored: gray of 8 or 16 bits, or a PNG's palette indices.
  /// - Throws: `DatasetError` that names the file when it cannot be read or has colours.
  public static func read(_ url: URL) throws(DatasetError) -> InstanceLabels {
    try DatasetError.wrapping(isMask: true) {
      let information = try ImageFile.information(url.path)
      if information.bitDepth == 16 {
        guard information.channels == 1 else {
          throw ImageError(
            .unsupported, name: url.relativePath, expected: "gray numbers of objects",
            received: "\(information.channels) channels")
        }
        let image = try ImageFile.readWords(url.path)
        return InstanceLabels(width: image.width, height: image.height, labels: image.samples)
      }
      if information.format == .tiff, information.channels == 1, information.bitDepth == 8 {
        let image = try ImageFile.read(url)
        return InstanceLabels(
          width: image.width, height: image.height, labels: image.samples.map(UInt16.init))
      }
      let indices = try ImageFile.readIndices(url.path).indices
      return InstanceLabels(
        width: indices.width, height: indices.height, labels: indices.samples.map(UInt16.init))
    }
  }

  /// The masks of the objects, in the order of their numbers.
  public var masks: [(number: Int, mask: RunLengthMask)] {
    let largest = Int(labels.max() ?? 0)
    let masks = RunLengthMask.masks(
      of: labels.map { Int($0) - 1 }, count: largest, width: width, height: height)
    return masks.enumerated().filter { $0.element.area > 0 }.map { ($0.offset + 1, $0.element) }
  }
}
