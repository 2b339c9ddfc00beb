// A class for every pixel of a picture: the truth or the outcome of semantic segmentation.

import AtelierImages

/// A class for every pixel.
public struct LabelMap: Sendable, Hashable {
  /// The label of pixels that count neither in training nor in figures.
  public static let ignored: UInt8 = 255

  /// Pixels in a row, at least 1.
  public let width: Int
  /// Rows, at least 1.
  public let height: Int
  /// Class indices, or `ignored`, row by row from the top: width · height values.
  public private(set) var labels: [UInt8]

  /// A map by its labels.
  /// - Precondition: sizes are positive, the number of labels is width · height.
  public init(width: Int, height: Int, labels: [UInt8]) {
    precondition(width > 0 && height > 0, "a label map needs a positive size")
    precondition(labels.count == width * height, "the labels do not fit the map's size")
    self.width = width
    self.height = height
    self.labels = labels
  }

  /// The label of one pixel.
  /// - Precondition: the place lies in the map.
  public subscript(x: Int, y: Int) -> UInt8 {
    get { labels[index(x, y)] }
    set { labels[index(x, y)] = newValue }
  }

  private func index(_ x: Int, _ y: Int) -> Int {
    precondition(x >= 0 && x < width && y >= 0 && y < height, "a place outside the label map")
    return y * width + x
  }

  /// Width and height.
  public var size: PixelSize { PixelSize(width: width, height: height) }
}
