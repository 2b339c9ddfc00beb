// Upright rectangles of the plane: where something lies in a picture.

/// An upright rectangle in a picture.
///
/// Coordinates run over the picture's area: the left edge of the first pixel is 0, its centre 0.5.
public struct PlaneBox: Sendable, Hashable, Codable {
  /// The left edge, in pixels.
  public var x: Double
  /// The top edge, in pixels.
  public var y: Double
  /// The width, in pixels.
  public var width: Double
  /// The height, in pixels.
  public var height: Double

  /// A rectangle by its left upper corner and its size.
  public init(x: Double, y: Double, width: Double, height: Double) {
    self.x = x
    self.y = y
    self.width = width
    self.height = height
  }

  /// The column of its centre.
  public var centerX: Double { x + width / 2 }
  /// The row of its centre.
  public var centerY: Double { y + height / 2 }
  /// Its area in square pixels.
  public var area: Double { width * height }

  /// The area that both cover over the area that either covers, in [0, 1].
  public func intersectionOverUnion(_ other: PlaneBox) -> Double {
    let common = intersection(other)
    let union = area + other.area - common
    return union > 0 ? common / union : 0
  }

  /// The area that both cover, in square pixels.
  public func intersection(_ other: PlaneBox) -> Double {
    let wide = min(x + width, other.x + other.width) - max(x, other.x)
    let high = min(y + height, other.y + other.height) - max(y, other.y)
    return max(0, wide) * max(0, high)
  }

  /// The rectangle scaled about its centre, then moved right and down by parts of its old size.
  public func corrected(scale: Double, right: Double, down: Double) -> PlaneBox {
    PlaneBox(
      x: centerX + right * width - scale * width / 2,
      y: centerY + down * height - scale * height / 2, width: scale * width, height: scale * height)
  }
}
