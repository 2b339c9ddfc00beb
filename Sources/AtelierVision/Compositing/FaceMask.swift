// Masks of a face crop: box, ellipse or learned, made smaller or larger, and feathered.

import AtelierImages
import Foundation

/// Which part of a face crop is pasted.
public enum FaceMask: String, Sendable, CaseIterable, Codable {
  /// All of the crop.
  case box
  /// The largest ellipse within the crop, fuller below its middle, where an ellipse would cut the
  /// corners of the mouth: the lower half is |x|³ + |y|³ ≤ 1, about as wide at each height as a
  /// jaw.
  case ellipse
  /// What the network's mask head says, within the crop.
  case learned

  /// The mask of a shape of a positive size, one channel, 1 inside and 0 outside, smooth over a
  /// pixel at the ellipse's edge; the network's mask, of any size, is all ones where `learned`
  /// lacks it.
  public func picture(width: Int, height: Int, learned: FloatImage? = nil) -> FloatImage {
    guard self == .ellipse else {
      if self == .learned, let learned {
        return learned.channel(0).resized(width: width, height: height, filter: .bilinear).limited()
      }
      return FloatImage(width: width, height: height, channels: 1, filledWith: 1)
    }
    let (radiusX, radiusY) = (Float(width) / 2, Float(height) / 2)
    return FloatImage(width: width, height: height, channels: 1) { target in
      for row in 0..<height {
        let y = (Float(row) + 0.5 - radiusY) / radiusY
        for column in 0..<width {
          let x = (Float(column) + 0.5 - radiusX) / radiusX
          // The distance to the edge is about (1 − q) / |∇q| for the shape's own norm q.
          let isLower = y > 0
          let (a, b) = (abs(x), abs(y))
          let (across, down) = isLower ? (a * a, b * b) : (a, b)
          let sum = a * across + b * down
          let norm = isLower ? cbrt(sum) : sum.squareRoot()
          let (slopeX, slopeY) = (across / radiusX, down / radiusY)
          let slope = (slopeX * slopeX + slopeY * slopeY).squareRoot()
          let scale = isLower ? norm * norm : norm
          let distance = slope > 0 ? (1 - norm) * scale / slope : radiusX
          target[row * width + column] = max(0, min(1, distance + 0.5))
        }
      }
    }
  }
}
