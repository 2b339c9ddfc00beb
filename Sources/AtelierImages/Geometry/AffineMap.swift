// Affine maps of the plane: where a face crop lies in its frame.

import Foundation

/// A point of a picture in pixels; pixel (0, 0) covers [0, 1] × [0, 1], so its centre is at halves.
public struct PlanePoint: Sendable, Hashable, Codable {
  /// To the right.
  public var x: Double
  /// Down.
  public var y: Double

  /// A point.
  public init(_ x: Double, _ y: Double) {
    self.x = x
    self.y = y
  }
}

/// The map (x, y) → (a x + b y + c, d x + e y + f), the 2×3 matrix of face alignment.
///
/// Coordinates are those of `PlanePoint`: pixel centres at halves. OpenCV puts them at whole numbers; `integerCentered` converts.
public struct AffineMap: Sendable, Hashable, Codable {
  /// The matrix row by row: a, b, c, d, e, f.
  public private(set) var elements: [Double]

  /// The map that leaves every point where it is.
  public static let identity = AffineMap(a: 1, b: 0, c: 0, d: 0, e: 1, f: 0)

  /// A map of its six numbers.
  public init(a: Double, b: Double, c: Double, d: Double, e: Double, f: Double) {
    elements = [a, b, c, d, e, f]
  }

  /// A map of the six numbers row by row; nil unless there are six finite ones.
  public init?(elements: [Double]) {
    guard elements.count == 6, elements.allSatisfy(\.isFinite) else { return nil }
    self.elements = elements
  }

  /// Reads the array of six numbers.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    guard let map = AffineMap(elements: try container.decode([Double].self)) else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "expected the six finite numbers of a 2x3 matrix")
    }
    self = map
  }

  /// Writes the array of six numbers.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(elements)
  }

  /// A scaling by `scale` about the origin, then a move.
  public static func scaling(_ scale: Double, x: Double = 0, y: Double = 0) -> AffineMap {
    AffineMap(a: scale, b: 0, c: x, d: 0, e: scale, f: y)
  }

  /// The similarity that maps `from` to `to` with the smallest sum of squared distances (Umeyama 1991).
  ///
  /// In the plane a proper similarity is z → p z + q on complex numbers, so the fit is a line's. It
  /// is nil when the numbers of points differ or all of `from` is one point.
  public static func similarity(from: [PlanePoint], to: [PlanePoint]) -> AffineMap? {
    guard from.count == to.count, from.count >= 2 else { return nil }
    let count = Double(from.count)
    func mean(_ points: [PlanePoint]) -> PlanePoint {
      PlanePoint(points.reduce(0) { $0 + $1.x } / count, points.reduce(0) { $0 + $1.y } / count)
    }
    let (fromMean, toMean) = (mean(from), mean(to))
    var (real, imaginary, square) = (0.0, 0.0, 0.0)
    for (p, q) in zip(from, to) {
      let (x, y) = (p.x - fromMean.x, p.y - fromMean.y)
      let (u, v) = (q.x - toMean.x, q.y - toMean.y)
      real += x * u + y * v
      imaginary += x * v - y * u
      square += x * x + y * y
    }
    guard square > 0, square.isFinite else { return nil }
    let (cosine, sine) = (real / square, imaginary / square)
    return AffineMap(
      a: cosine, b: -sine, c: toMean.x - cosine * fromMean.x + sine * fromMean.y,
      d: sine, e: cosine, f: toMean.y - sine * fromMean.x - cosine * fromMean.y)
  }

  /// Where a point goes.
  public func callAsFunction(_ point: PlanePoint) -> PlanePoint {
    PlanePoint(
      elements[0] * point.x + elements[1] * point.y + elements[2],
      elements[3] * point.x + elements[4] * point.y + elements[5])
  }

  /// The factor by which areas grow; negative when the map mirrors.
  public var determinant: Double { elements[0] * elements[4] - elements[1] * elements[3] }

  /// How much longer lengths become on average: √|determinant|.
  public var scale: Double { abs(determinant).squareRoot() }

  /// The map back; nil when the map makes the plane a line.
  public var inverse: AffineMap? {
    let determinant = determinant
    guard abs(determinant) > 1e-12, determinant.isFinite else { return nil }
    let (a, b, c) = (elements[0], elements[1], elements[2])
    let (d, e, f) = (elements[3], elements[4], elements[5])
    return AffineMap(
      a: e / determinant, b: -b / determinant, c: (b * f - e * c) / determinant,
      d: -d / determinant, e: a / determinant, f: (d * c - a * f) / determinant)
  }

  /// This map, then `next`.
  public func followed(by next: AffineMap) -> AffineMap {
    let (m, n) = (elements, next.elements)
    return AffineMap(
      a: n[0] * m[0] + n[1] * m[3], b: n[0] * m[1] + n[1] * m[4],
      c: n[0] * m[2] + n[1] * m[5] + n[2], d: n[3] * m[0] + n[4] * m[3],
      e: n[3] * m[1] + n[4] * m[4], f: n[3] * m[2] + n[4] * m[5] + n[5])
  }

  /// The same map on coordinates whose pixel centres are whole numbers, as OpenCV writes them.
  public var integerCentered: AffineMap {
    let moved = self(PlanePoint(0.5, 0.5))
    return AffineMap(
      a: elements[0], b: elements[1], c: moved.x - 0.5, d: elements[3], e: elements[4],
      f: moved.y - 0.5)
  }

  /// The pixels that a `width` × `height` picture's image touches in `bounds`; nil when none.
  package func touched(
    width: Int, height: Int, within bounds: PixelSize
  ) -> (x: Range<Int>, y: Range<Int>)? {
    let corners = [(0, 0), (width, 0), (0, height), (width, height)].map {
      self(PlanePoint(Double($0.0), Double($0.1)))
    }
    func range(_ values: [Double], _ limit: Int) -> Range<Int>? {
      guard let low = values.min(), let high = values.max(), low.isFinite, high.isFinite else {
        return nil
      }
      let first = Int(max(0, min(Double(limit), low.rounded(.down))))
      let end = Int(max(0, min(Double(limit), high.rounded(.up))))
      return first < end ? first..<end : nil
    }
    guard let x = range(corners.map(\.x), bounds.width),
      let y = range(corners.map(\.y), bounds.height)
    else { return nil }
    return (x, y)
  }
}
