// Affine maps of the plane: where a face crop lies in its frame, and pictures sampled through such a map.

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
  /// In the plane a proper similarity is z → p z + q on complex numbers, so the fit is a line's.
  ///
  /// - Parameters:
  ///   - from: At least two different points.
  ///   - to: As many points.
  /// - Returns: The map; nil when the numbers of points differ or all of `from` is one point.
  public static func similarity(from: [PlanePoint], to: [PlanePoint]) -> AffineMap? {
    guard from.count == to.count, from.count >= 2 else { return nil }
    let count = Double(from.count)
    func mean(_ points: [PlanePoint]) -> PlanePoint {
      PlanePoint(
        points.reduce(0) { $0 + $1.x } / count, points.reduce(0) { $0 + $1.y } / count)
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
      c: n[0] * m[2] + n[1] * m[5] + n[2],
      d: n[3] * m[0] + n[4] * m[3], e: n[3] * m[1] + n[4] * m[4],
      f: n[3] * m[2] + n[4] * m[5] + n[5])
  }

  /// The same map on coordinates whose pixel centres are whole numbers, as OpenCV writes them.
  public var integerCentered: AffineMap {
    let moved = self(PlanePoint(0.5, 0.5))
    return AffineMap(
      a: elements[0], b: elements[1], c: moved.x - 0.5, d: elements[3], e: elements[4],
      f: moved.y - 0.5)
  }

  /// The whole pixels that the image of a `width` × `height` picture touches, cut to `bounds`; nil when none.
  func touched(
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

/// How a picture is read between its pixels.
public enum Interpolation: String, Sendable, CaseIterable, Codable {
  /// From the 2×2 pixels around.
  case bilinear
  /// From the 4×4 pixels around, a = −0.5 (Keys 1981); sharper when a small picture is enlarged.
  case bicubic
}

extension Image where Sample == Float {
  /// A picture each of whose pixels is read from this one where `map` says; beyond the border its edge goes on.
  ///
  /// The map goes from the new picture to this one, so nothing has to be inverted here. Shrinking below half size
  /// aliases; resize first.
  ///
  /// - Parameters:
  ///   - map: From the new picture's coordinates to this one's.
  ///   - newWidth: The new width in pixels.
  ///   - newHeight: The new height in pixels.
  ///   - interpolation: How pixels are mixed.
  /// - Returns: The new picture.
  /// - Precondition: the new size is positive.
  public func sampled(
    through map: AffineMap, width newWidth: Int, height newHeight: Int,
    interpolation: Interpolation = .bilinear
  ) -> FloatImage {
    let m = map.elements.map { Float($0) }
    return FloatImage(width: newWidth, height: newHeight, channels: channels) { target in
      storage.withUnsafeBufferPointer { source in
        let reader = PlaneReader(source: source, width: width, height: height, channels: channels)
        var place = 0
        for row in 0..<newHeight {
          let y = Float(row) + 0.5
          for column in 0..<newWidth {
            let x = Float(column) + 0.5
            let u = m[0] * x + m[1] * y + m[2] - 0.5
            let v = m[3] * x + m[4] * y + m[5] - 0.5
            if interpolation == .bilinear {
              reader.bilinear(u, v, into: target, at: place)
            } else {
              reader.bicubic(u, v, into: target, at: place)
            }
            place += channels
          }
        }
      }
    }
  }
}

/// Reads a picture between its pixels; here pixel centres are whole numbers.
private struct PlaneReader {
  let source: UnsafeBufferPointer<Float>
  let width: Int
  let height: Int
  let channels: Int

  /// A coordinate limited to the picture and a margin; NaN becomes the first pixel.
  @inline(__always)
  private func limited(_ value: Float, _ count: Int) -> Float {
    value > 0 ? (value < Float(count - 1) ? value : Float(count - 1)) : 0
  }

  @inline(__always)
  func bilinear(_ u: Float, _ v: Float, into target: UnsafeMutableBufferPointer<Float>, at: Int) {
    let (x, y) = (limited(u, width), limited(v, height))
    let (left, top) = (Int(x), Int(y))
    let (fx, fy) = (x - Float(left), y - Float(top))
    let right = min(left + 1, width - 1)
    let upper = top * width
    let lower = min(top + 1, height - 1) * width
    for channel in 0..<channels {
      let a = source[(upper + left) * channels + channel]
      let b = source[(upper + right) * channels + channel]
      let c = source[(lower + left) * channels + channel]
      let d = source[(lower + right) * channels + channel]
      let first = a + fx * (b - a)
      let second = c + fx * (d - c)
      target[at + channel] = first + fy * (second - first)
    }
  }

  @inline(__always)
  private func keys(_ t: Float) -> SIMD4<Float> {
    let squared = t * t
    let cubed = squared * t
    return SIMD4(
      -0.5 * cubed + squared - 0.5 * t, 1.5 * cubed - 2.5 * squared + 1,
      -1.5 * cubed + 2 * squared + 0.5 * t, 0.5 * cubed - 0.5 * squared)
  }

  @inline(__always)
  func bicubic(_ u: Float, _ v: Float, into target: UnsafeMutableBufferPointer<Float>, at: Int) {
    let (x, y) = (limited(u, width), limited(v, height))
    let (left, top) = (Int(x), Int(y))
    let across = keys(x - Float(left))
    let down = keys(y - Float(top))
    for channel in 0..<channels {
      var sum: Float = 0
      for j in 0..<4 {
        let row = max(0, min(height - 1, top + j - 1)) * width
        var line: Float = 0
        for i in 0..<4 {
          let column = max(0, min(width - 1, left + i - 1))
          line += across[i] * source[(row + column) * channels + channel]
        }
        sum += down[j] * line
      }
      target[at + channel] = sum
    }
  }
}
