// How a face moves through a clip, by its pixels: where the head is, how far the mouth is open.

import AtelierEngine
import AtelierWorkbench

/// The movement of one face through the frames of a clip.
///
/// All is relative to the clip itself, so that two people can be compared: the head's place is its
/// shift against the mean face, and the mouth's opening is the contrast of the mouth's region, in
/// which an open mouth shows its dark inside, teeth and both lips. On drawn faces, whose opening is
/// known, it follows that better than counting dark pixels, which a beard outweighs.
package struct FaceMotion {
  /// The shift to the right, pixels.
  package let x: [Double]
  /// The shift downwards, pixels.
  package let y: [Double]
  /// The deviation of the luminance where the mouth is.
  package let mouth: [Double]

  /// The largest shift that is looked for, pixels of 64.
  fileprivate static let reach = 5

  /// Measures aligned faces of one person, [n, side, side, 3], in order; `faceScale` is the size of
  /// the face's box, brow to chin, against the frames'.
  package init(_ frames: Tensor, faceScale: Double = 1) {
    let gray = GrayFrames(frames, faceScale: faceScale)
    // The mean of unshifted frames is blurred by the motion that is measured, so it is taken twice.
    var shifts = [SIMD2<Double>](repeating: .zero, count: gray.count)
    for _ in 0..<2 {
      let mean = gray.mean(shiftedBy: shifts)
      shifts = (0..<gray.count).map { gray.shift(of: $0, against: mean, reach: Self.reach) }
    }
    x = shifts.map(\.x)
    y = shifts.map(\.y)
    mouth = gray.openings(shifts)
  }

  /// How well another motion follows this one: correlations in −1...1; nil for what does not move.
  package func correlations(with other: FaceMotion) -> (x: Double?, y: Double?, mouth: Double?) {
    (
      Correlation.pearson(x, other.x), Correlation.pearson(y, other.y),
      Correlation.pearson(mouth, other.mouth)
    )
  }
}

/// Correlation of series.
enum Correlation {
  /// Pearson's coefficient; nil when a series is constant or the lengths differ.
  static func pearson(_ first: [Double], _ second: [Double]) -> Double? {
    guard first.count == second.count, first.count > 1 else { return nil }
    let count = Double(first.count)
    let means = (first.reduce(0, +) / count, second.reduce(0, +) / count)
    var (both, one, other) = (0.0, 0.0, 0.0)
    for (a, b) in zip(first, second) {
      both += (a - means.0) * (b - means.1)
      one += (a - means.0) * (a - means.0)
      other += (b - means.1) * (b - means.1)
    }
    guard one > 1e-12, other > 1e-12 else { return nil }
    return both / (one * other).squareRoot()
  }
}

/// The luminance of frames, and the same with slow changes of light taken out.
private struct GrayFrames {
  let count: Int
  private let side: Int
  private let faceScale: Double
  private let light: [[Float]]
  private let detail: [[Float]]

  init(_ frames: Tensor, faceScale: Double) {
    self.faceScale = faceScale
    let (side, count) = (frames.shape.height, frames.shape.batch)
    self.side = side
    self.count = count
    let area = side * side
    light = (0..<count).map { frame in
      (0..<area).map { pixel in
        let place = (frame * area + pixel) * 3
        return 0.299 * frames.elements[place] + 0.587 * frames.elements[place + 1]
          + 0.114 * frames.elements[place + 2]
      }
    }
    detail = light.map { Self.withoutMean($0, side: side, radius: side / 12) }
  }

  /// A picture less its mean over a square about each pixel.
  private static func withoutMean(_ picture: [Float], side: Int, radius: Int) -> [Float] {
    func blurred(_ source: [Float], _ stride: Int, _ line: Int) -> [Float] {
      var result = source
      for start in 0..<side {
        for position in 0..<side {
          let range = max(position - radius, 0)...min(position + radius, side - 1)
          let sum = range.reduce(Float(0)) { $0 + source[start * line + $1 * stride] }
          result[start * line + position * stride] = sum / Float(range.count)
        }
      }
      return result
    }
    let mean = blurred(blurred(picture, 1, side), side, 1)
    return zip(picture, mean).map { $0 - $1 }
  }

  /// The pixels of a range of the face's box, whose middle is the frames' middle.
  private func pixels(_ from: Double, _ to: Double, margin: Int) -> Range<Int> {
    func place(_ part: Double) -> Int {
      let place = Int(Double(side) * (0.5 + (part - 0.5) * faceScale))
      return max(margin, min(side - margin, place))
    }
    return place(from)..<place(to)
  }

  /// Where the shift is measured: eyes, nose, cheeks, with room for the shift.
  private var face: Range<Int> { pixels(3.0 / 16, 13.0 / 16, margin: FaceMotion.reach) }

  /// The mean detail of all frames, each moved back by its shift, rounded to whole pixels.
  func mean(shiftedBy shifts: [SIMD2<Double>]) -> [Float] {
    var sum = [Float](repeating: 0, count: side * side)
    for frame in 0..<count {
      let (dx, dy) = (Int(shifts[frame].x.rounded()), Int(shifts[frame].y.rounded()))
      for row in 0..<side {
        let from = min(max(row + dy, 0), side - 1) * side
        for column in 0..<side {
          sum[row * side + column] += detail[frame][from + min(max(column + dx, 0), side - 1)]
        }
      }
    }
    return sum.map { $0 / Float(max(count, 1)) }
  }

  /// The shift of best normalised correlation with the mean's detail, a parabola between pixels.
  func shift(of frame: Int, against mean: [Float], reach: Int) -> SIMD2<Double> {
    var scores: [SIMD2<Int>: Double] = [:]
    var best = SIMD2(0, 0)
    for dy in -reach...reach {
      for dx in -reach...reach {
        let place = SIMD2(dx, dy)
        scores[place] = score(frame, mean, place)
        if scores[place, default: -1] > scores[best, default: -1] { best = place }
      }
    }
    func vertex(_ axis: SIMD2<Int>) -> Double {
      guard let low = scores[best &- axis], let high = scores[best &+ axis],
        let middle = scores[best]
      else { return 0 }
      let bend = low - 2 * middle + high
      return bend < 0 ? (low - high) / (2 * bend) : 0
    }
    return SIMD2(Double(best.x) + vertex(SIMD2(1, 0)), Double(best.y) + vertex(SIMD2(0, 1)))
  }

  private func score(_ frame: Int, _ mean: [Float], _ shift: SIMD2<Int>) -> Double {
    var (both, one, other) = (Float(0), Float(1e-9), Float(1e-9))
    for row in face {
      let from = (row + shift.y) * side + shift.x
      for column in face {
        let (a, b) = (mean[row * side + column], detail[frame][from + column])
        both += a * b
        one += a * a
        other += b * b
      }
    }
    return Double(both) / Double(one * other).squareRoot()
  }

  /// The deviation of the luminance in the mouth's region of each frame.
  ///
  /// Eyes lie at 0.4 of the side; mouths a little more than the eyes' distance below.
  func openings(_ shifts: [SIMD2<Double>]) -> [Double] {
    let rows = pixels(11.0 / 16, 31.0 / 32, margin: 0)
    let columns = pixels(11.0 / 32, 21.0 / 32, margin: FaceMotion.reach)
    let area = Float(max(rows.count * columns.count, 1))
    return (0..<count).map { frame in
      let (dx, dy) = (Int(shifts[frame].x.rounded()), Int(shifts[frame].y.rounded()))
      var (sum, squares) = (Float(0), Float(0))
      for row in rows {
        let line = min(max(row + dy, 0), side - 1) * side + dx
        for column in columns {
          let value = light[frame][line + column]
          sum += value
          squares += value * value
        }
      }
      let mean = sum / area
      return Double(max(squares / area - mean * mean, 0).squareRoot())
    }
  }
}
