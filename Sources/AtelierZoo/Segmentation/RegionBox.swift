// Boxes as detectors compute with them, and how one box is written as a change of another.

import Foundation

/// An upright box in pixels, single precision: what region networks propose, correct and read.
///
/// Coordinates run over the picture's area: the left edge of the first pixel is 0, its centre 0.5.
public struct RegionBox: Sendable, Hashable {
  /// The left edge.
  public var left: Float
  /// The upper edge.
  public var top: Float
  /// The right edge.
  public var right: Float
  /// The lower edge.
  public var bottom: Float

  /// A box by its edges.
  public init(left: Float, top: Float, right: Float, bottom: Float) {
    self.left = left
    self.top = top
    self.right = right
    self.bottom = bottom
  }

  /// A box by its centre and its size.
  public init(centerX: Float, centerY: Float, width: Float, height: Float) {
    self.init(
      left: centerX - width / 2, top: centerY - height / 2, right: centerX + width / 2,
      bottom: centerY + height / 2)
  }

  /// The width; negative where the edges are crossed.
  public var width: Float { right - left }
  /// The height; negative where the edges are crossed.
  public var height: Float { bottom - top }
  /// The area, 0 where the edges are crossed.
  public var area: Float { max(width, 0) * max(height, 0) }
  /// The column of the centre.
  public var centerX: Float { (left + right) / 2 }
  /// The row of the centre.
  public var centerY: Float { (top + bottom) / 2 }

  /// The area that both cover.
  public func intersection(_ other: RegionBox) -> Float {
    let wide = min(right, other.right) - max(left, other.left)
    let high = min(bottom, other.bottom) - max(top, other.top)
    return max(wide, 0) * max(high, 0)
  }

  /// The area that both cover over the area that either covers, in [0, 1].
  public func intersectionOverUnion(_ other: RegionBox) -> Float {
    let common = intersection(other)
    let union = area + other.area - common
    return union > 0 ? common / union : 0
  }

  /// The part inside a picture of this size.
  public func clipped(width: Float, height: Float) -> RegionBox {
    RegionBox(
      left: min(max(left, 0), width), top: min(max(top, 0), height),
      right: min(max(right, 0), width), bottom: min(max(bottom, 0), height))
  }

  /// The box with a border of `share` of its width and height on each side.
  public func enlarged(by share: Float) -> RegionBox {
    RegionBox(
      left: left - share * width, top: top - share * height, right: right + share * width,
      bottom: bottom + share * height)
  }

  /// The box in pixels of a picture that is `factor` times as large.
  public func scaled(by factor: Float) -> RegionBox {
    RegionBox(
      left: left * factor, top: top * factor, right: right * factor, bottom: bottom * factor)
  }
}

/// How a box is written as a change of another (Girshick and others 2014): the shift of the centre
/// in its widths and heights, and the logarithms of the size's ratios, each times a weight.
public struct BoxCoding: Sendable, Hashable, Codable {
  /// The factor of the two shifts.
  public var shiftWeight: Float
  /// The factor of the two logarithms.
  public var sizeWeight: Float

  /// The largest growth that is read back, as the logarithm of the ratio: 1000/16.
  public static let largestGrowth = Float(log(1000.0 / 16))

  /// Describes a coding.
  public init(shiftWeight: Float = 1, sizeWeight: Float = 1) {
    self.shiftWeight = shiftWeight
    self.sizeWeight = sizeWeight
  }

  /// The change that makes `box` of `base`.
  ///
  /// - Precondition: both have a width and a height above 0.
  public func encode(_ box: RegionBox, from base: RegionBox) -> SIMD4<Float> {
    SIMD4(
      shiftWeight * (box.centerX - base.centerX) / base.width,
      shiftWeight * (box.centerY - base.centerY) / base.height,
      sizeWeight * log(box.width / base.width), sizeWeight * log(box.height / base.height))
  }

  /// The box that a change makes of `base`; growth is limited to `largestGrowth`.
  public func decode(_ change: SIMD4<Float>, from base: RegionBox) -> RegionBox {
    let limit = Self.largestGrowth
    return RegionBox(
      centerX: base.centerX + change[0] / shiftWeight * base.width,
      centerY: base.centerY + change[1] / shiftWeight * base.height,
      width: base.width * exp(min(change[2] / sizeWeight, limit)),
      height: base.height * exp(min(change[3] / sizeWeight, limit)))
  }
}
