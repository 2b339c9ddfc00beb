// The two eyes inside of a face's box, where a pair of plausible ones is found.

import AtelierImages
import AtelierKernels

/// The centres of two eyes, in pixels of the picture.
public struct EyePair: Sendable, Hashable, Codable {
  /// The column of the eye on the picture's left.
  public var leftX: Double
  /// The row of the eye on the picture's left.
  public var leftY: Double
  /// The column of the eye on the picture's right.
  public var rightX: Double
  /// The row of the eye on the picture's right.
  public var rightY: Double

  /// A pair by its coordinates.
  public init(leftX: Double, leftY: Double, rightX: Double, rightY: Double) {
    self.leftX = leftX
    self.leftY = leftY
    self.rightX = rightX
    self.rightY = rightY
  }

  /// The eye on the picture's left.
  package var left: SIMD2<Double> { SIMD2(leftX, leftY) }
  /// The eye on the picture's right.
  package var right: SIMD2<Double> { SIMD2(rightX, rightY) }
}

/// Finds the eyes of faces.
struct EyeFinder: Sendable {
  /// The width to which a face is brought before its eyes are searched, in pixels.
  private static let faceWidth = 160.0
  /// Rows of the box in which eyes are searched, as parts of its height.
  private static let rows = 0.12...0.66

  /// Asked one after the other until one gives a plausible pair.
  let detectors: [CascadeDetector]

  /// The most plausible pair in a face's box; nil without one.
  func eyes(gray: [UInt8], size: PixelSize, box: PlaneBox, pool: ThreadPool) -> EyePair? {
    let left = Int(max(0, box.x.rounded(.down)))
    let right = Int(min(Double(size.width), (box.x + box.width).rounded(.up)))
    let top = Int(max(0, (box.y + Self.rows.lowerBound * box.height).rounded(.down)))
    let bottom = Int(
      min(Double(size.height), (box.y + Self.rows.upperBound * box.height).rounded(.up)))
    guard right - left >= 8, bottom - top >= 8 else { return nil }
    var region: [UInt8] = []
    for y in top..<bottom { region += gray[(y * size.width + left)..<(y * size.width + right)] }
    let scale = Self.faceWidth / box.width
    let old = PixelSize(width: right - left, height: bottom - top)
    let new = PixelSize(
      width: max(1, Int((Double(old.width) * scale).rounded())),
      height: max(1, Int((Double(old.height) * scale).rounded())))
    let scaled = DetectionPicture.resized(region, from: old, to: new)
    let options = DetectionOptions(
      scaleFactor: 1.08, minimumNeighbors: 2, smallest: 0.14 * Self.faceWidth,
      largest: 0.4 * Self.faceWidth)
    let across = Double(old.width) / Double(new.width)
    let down = Double(old.height) / Double(new.height)
    for detector in detectors {
      var found = detector.detections(gray: scaled, size: new, options: options, pool: pool)
      for index in found.indices {
        let box = found[index].box
        found[index].box = PlaneBox(
          x: Double(left) + box.x * across, y: Double(top) + box.y * down,
          width: box.width * across, height: box.height * down)
      }
      if let pair = Self.pair(of: found, in: box) { return pair }
    }
    return nil
  }

  /// The plausible pair with the most accepted windows: one eye in each half, 0.25 to 0.6 of the
  /// box's width apart, at most 30 degrees aslant, in its upper part and of like size.
  static func pair(of candidates: [Detection], in box: PlaneBox) -> EyePair? {
    var best: (pair: EyePair, neighbors: Int)?
    for left in candidates where left.box.centerX < box.centerX {
      for right in candidates where right.box.centerX > box.centerX {
        let across = right.box.centerX - left.box.centerX
        let down = right.box.centerY - left.box.centerY
        let middle = ((left.box.centerY + right.box.centerY) / 2 - box.y) / box.height
        let sizes = left.box.width / right.box.width
        let neighbors = left.neighbors + right.neighbors
        guard across >= 0.25 * box.width, across <= 0.6 * box.width, abs(down) <= 0.577 * across,
          middle >= 0.25, middle <= 0.55, sizes > 0.5, sizes < 2,
          neighbors > best?.neighbors ?? 0
        else { continue }
        let pair = EyePair(
          leftX: left.box.centerX, leftY: left.box.centerY, rightX: right.box.centerX,
          rightY: right.box.centerY)
        best = (pair, neighbors)
      }
    }
    return best?.pair
  }
}
