// The pixels of one thing in a picture: a yes or no for every pixel.

/// Which pixels of a picture belong to one thing.
public struct BinaryMask: Sendable, Hashable {
  /// Pixels in a row, at least 1.
  public let width: Int
  /// Rows, at least 1.
  public let height: Int
  /// Whether a pixel belongs to the thing, row by row from the top: width · height values.
  public private(set) var pixels: [Bool]

  /// A mask by its pixels.
  /// - Precondition: sizes are positive, the number of pixels is width · height.
  public init(width: Int, height: Int, pixels: [Bool]) {
    precondition(width > 0 && height > 0, "a mask needs a positive size")
    precondition(pixels.count == width * height, "the pixels do not fit the mask's size")
    self.width = width
    self.height = height
    self.pixels = pixels
  }

  /// A mask that holds nothing yet.
  /// - Precondition: sizes are positive.
  public init(width: Int, height: Int) {
    self.init(width: width, height: height, pixels: [Bool](repeating: false, count: width * height))
  }

  /// Whether one pixel belongs to the thing.
  /// - Precondition: the place lies in the mask.
  public subscript(x: Int, y: Int) -> Bool {
    get { pixels[index(x, y)] }
    set { pixels[index(x, y)] = newValue }
  }

  private func index(_ x: Int, _ y: Int) -> Int {
    precondition(x >= 0 && x < width && y >= 0 && y < height, "a place outside the mask")
    return y * width + x
  }

  /// Width and height.
  public var size: PixelSize { PixelSize(width: width, height: height) }

  /// How many pixels belong to the thing.
  public var area: Int { pixels.reduce(0) { $0 + ($1 ? 1 : 0) } }

  /// The smallest rectangle of whole pixels that holds the thing; none where it has no pixel.
  public var bounds: PlaneBox? {
    var (left, right, top, bottom) = (width, -1, height, -1)
    for y in 0..<height {
      for x in 0..<width where pixels[y * width + x] {
        left = min(left, x)
        right = max(right, x)
        top = min(top, y)
        bottom = y
      }
    }
    guard right >= 0 else { return nil }
    return PlaneBox(
      x: Double(left), y: Double(top), width: Double(right - left + 1),
      height: Double(bottom - top + 1))
  }

  /// How many pixels belong to both things.
  /// - Precondition: the masks have one size.
  public func intersection(_ other: BinaryMask) -> Int {
    precondition(size == other.size, "masks of two sizes")
    var common = 0
    for (one, two) in zip(pixels, other.pixels) where one && two { common += 1 }
    return common
  }
}
