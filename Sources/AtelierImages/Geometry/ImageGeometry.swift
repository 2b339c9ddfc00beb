// Whole-pixel geometry: crops, pastes, borders and the eight ways to lay a picture on a table.

/// The eight symmetries of a rectangle, numbered as EXIF numbers them.
///
/// Each case says what is done to the stored picture. A picture stored with EXIF orientation n is
/// shown upright by `Orientation(rawValue: n)`.
public enum Orientation: Int, Sendable, CaseIterable, Codable {
  /// Nothing is done.
  case upright = 1
  /// Left and right change places.
  case mirrored = 2
  /// A half turn.
  case halfTurn = 3
  /// Top and bottom change places.
  case flipped = 4
  /// Rows become columns: (x, y) goes to (y, x).
  case transposed = 5
  /// A quarter turn clockwise.
  case quarterTurn = 6
  /// Mirrored along the other diagonal.
  case antiTransposed = 7
  /// A quarter turn counter-clockwise.
  case quarterTurnBack = 8

  /// Whether width and height change places.
  public var swapsSides: Bool { rawValue >= 5 }

  /// The symmetry that undoes this one.
  public var inverse: Orientation {
    switch self {
    case .quarterTurn: .quarterTurnBack
    case .quarterTurnBack: .quarterTurn
    default: self
    }
  }

  /// Where the stored pixel (0, 0) goes and how far a step to the right and a step down move, in
  /// pixels of a result `width` by `height`.
  func walk(width: Int, height: Int) -> (origin: Int, right: Int, down: Int) {
    let last = height - 1
    return switch self {
    case .upright: (0, 1, width)
    case .mirrored: (width - 1, -1, width)
    case .halfTurn: (last * width + width - 1, -1, -width)
    case .flipped: (last * width, 1, -width)
    case .transposed: (0, width, 1)
    case .quarterTurn: (width - 1, width, -1)
    case .antiTransposed: (last * width + width - 1, -width, -1)
    case .quarterTurnBack: (last * width, -width, 1)
    }
  }
}

extension Image {
  /// The picture turned or mirrored.
  public func oriented(_ orientation: Orientation) -> Image {
    if orientation == .upright { return self }
    let (newWidth, newHeight) = orientation.swapsSides ? (height, width) : (width, height)
    return Image(width: newWidth, height: newHeight, channels: channels) { target in
      storage.withUnsafeBufferPointer { source in
        Self.scatter(
          rows: source, firstRow: 0, count: height, width: width, channels: channels,
          orientation: orientation, into: target, newWidth: newWidth, newHeight: newHeight)
      }
    }
  }

  /// Writes stored rows at their places in the oriented picture.
  static func scatter(
    rows: UnsafeBufferPointer<Sample>, firstRow: Int, count: Int, width: Int, channels: Int,
    orientation: Orientation, into target: UnsafeMutableBufferPointer<Sample>,
    newWidth: Int, newHeight: Int
  ) {
    let walk = orientation.walk(width: newWidth, height: newHeight)
    for row in 0..<count {
      var source = row * width * channels
      var place = (walk.origin + (firstRow + row) * walk.down) * channels
      for _ in 0..<width {
        for channel in 0..<channels { target[place + channel] = rows[source + channel] }
        source += channels
        place += walk.right * channels
      }
    }
  }

  /// The part of the picture from (x, y) of the given size.
  /// - Precondition: the part lies within the picture and is not empty.
  public func cropped(x: Int, y: Int, width newWidth: Int, height newHeight: Int) -> Image {
    precondition(
      x >= 0 && y >= 0 && newWidth > 0 && newHeight > 0 && x + newWidth <= width
        && y + newHeight <= height, "a crop outside the picture")
    let length = newWidth * channels
    return Image(width: newWidth, height: newHeight, channels: channels) { target in
      storage.withUnsafeBufferPointer { source in
        for row in 0..<newHeight {
          let origin = ((y + row) * width + x) * channels
          for index in 0..<length { target[row * length + index] = source[origin + index] }
        }
      }
    }
  }

  /// The largest part of the given size from the middle.
  /// - Precondition: the size is not larger than the picture.
  public func centerCropped(width newWidth: Int, height newHeight: Int) -> Image {
    cropped(
      x: (width - newWidth) / 2, y: (height - newHeight) / 2, width: newWidth, height: newHeight)
  }

  /// Lays another picture of the same number of channels over this one; what sticks out is cut off.
  /// - Precondition: equal numbers of channels.
  public mutating func paste(_ other: Image, x: Int, y: Int) {
    precondition(other.channels == channels, "pictures of different channels")
    let firstColumn = max(0, -x)
    let endColumn = min(other.width, width - x)
    let firstRow = max(0, -y)
    let endRow = min(other.height, height - y)
    guard firstColumn < endColumn, firstRow < endRow else { return }
    let length = (endColumn - firstColumn) * channels
    for row in firstRow..<endRow {
      let origin = (row * other.width + firstColumn) * channels
      let place = ((y + row) * width + x + firstColumn) * channels
      storage.replaceSubrange(place..<place + length, with: other.storage[origin..<origin + length])
    }
  }

  /// The picture with a border whose samples repeat the nearest edge or mirror the picture.
  ///
  /// Mirroring does not repeat the edge itself (…2 1 0 1 2…) and goes back and forth when the
  /// border is wider than the picture.
  ///
  /// - Precondition: no width is negative.
  public func padded(left: Int, top: Int, right: Int, bottom: Int, mirrored: Bool = true) -> Image {
    precondition(min(left, top, right, bottom) >= 0, "a border of negative width")
    let newWidth = left + width + right
    let newHeight = top + height + bottom
    let columns = (0..<newWidth).map {
      Self.borderIndex($0 - left, count: width, mirrored: mirrored) * channels
    }
    return Image(width: newWidth, height: newHeight, channels: channels) { target in
      storage.withUnsafeBufferPointer { source in
        var place = 0
        for row in 0..<newHeight {
          let y = Self.borderIndex(row - top, count: height, mirrored: mirrored)
          for column in columns {
            for channel in 0..<channels {
              target[place + channel] = source[y * width * channels + column + channel]
            }
            place += channels
          }
        }
      }
    }
  }

  private static func borderIndex(_ index: Int, count: Int, mirrored: Bool) -> Int {
    if !mirrored || count == 1 { return max(0, min(count - 1, index)) }
    let period = 2 * (count - 1)
    let phase = ((index % period) + period) % period
    return phase < count ? phase : period - phase
  }
}
