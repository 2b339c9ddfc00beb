// The picture while it is painted: supersampled, in linear light; and the camera that develops it.

import AtelierImages
import Foundation

/// A supersampled picture in linear light that scenes shade and paint on.
struct Canvas {
  /// The samples of a pixel in each direction.
  static let supersampling = 2
  /// The columns of samples.
  let columns: Int
  /// The rows of samples.
  let rows: Int
  /// Width over height: the largest x.
  let aspect: Float
  /// The size of a sample in picture heights.
  let step: Float
  /// rows · columns colours.
  private(set) var samples: [Color]

  init(width: Int, height: Int) {
    columns = width * Self.supersampling
    rows = height * Self.supersampling
    aspect = Float(width) / Float(height)
    step = 1 / Float(rows)
    samples = [Color](repeating: .zero, count: columns * rows)
  }

  /// The size of a picture's pixel in picture heights.
  var pixel: Float { step * Float(Self.supersampling) }

  /// How many octaves of noise of `frequency` features per height the picture can show.
  func octaves(_ frequency: Float, most: Int = 10) -> Int {
    max(1, min(most, Int(log2(0.7 / (pixel * frequency)).rounded(.up)) + 1))
  }

  /// The colour that was last painted at a place, nearest sample.
  func color(at p: Point) -> Color {
    let x = min(max(Int(p.x * Float(rows)), 0), columns - 1)
    let y = min(max(Int(p.y * Float(rows)), 0), rows - 1)
    return samples[y * columns + x]
  }

  /// Sets every sample to a function of its place, on all cores.
  mutating func shade(_ color: @Sendable (Point) -> Color) { filter { place, _ in color(place) } }

  /// Sets columns of samples on all cores: `draw` gets the column's x and writes rows, top first.
  mutating func shadeColumns(_ draw: @Sendable (Float, UnsafeMutableBufferPointer<Color>) -> Void) {
    let columns = columns
    let rows = rows
    let step = step
    samples.withUnsafeMutableBufferPointer { buffer in
      nonisolated(unsafe) let target = buffer
      DispatchQueue.concurrentPerform(iterations: columns) { column in
        var line = [Color](repeating: .zero, count: rows)
        line.withUnsafeMutableBufferPointer { line in
          for row in 0..<rows { line[row] = target[row * columns + column] }
          draw((Float(column) + 0.5) * step, line)
          for row in 0..<rows { target[row * columns + column] = line[row] }
        }
      }
    }
  }

  /// Changes every sample, knowing its place, on all cores.
  mutating func filter(_ change: @Sendable (Point, Color) -> Color) {
    let columns = columns
    let step = step
    samples.withUnsafeMutableBufferPointer { buffer in
      nonisolated(unsafe) let target = buffer
      DispatchQueue.concurrentPerform(iterations: rows) { row in
        let y = (Float(row) + 0.5) * step
        for index in row * columns..<(row + 1) * columns {
          let x = (Float(index - row * columns) + 0.5) * step
          target[index] = change(Point(x, y), target[index])
        }
      }
    }
  }

  /// Lays a shape over the samples in a rectangle; the closure gives colour and coverage (0...1).
  @inline(__always)
  mutating func paint(
    from low: Point, to high: Point, _ shape: (Point) -> (color: Color, coverage: Float)
  ) {
    let scale = Float(rows)
    let firstX = max(0, Int(clamp(low.x * scale, 0, 1e6)))
    let firstY = max(0, Int(clamp(low.y * scale, 0, 1e6)))
    let lastX = min(columns - 1, Int(clamp(high.x * scale, -1, 1e6).rounded(.down)))
    let lastY = min(rows - 1, Int(clamp(high.y * scale, -1, 1e6).rounded(.down)))
    guard firstX <= lastX, firstY <= lastY else { return }
    let columns = columns
    let step = step
    samples.withUnsafeMutableBufferPointer { buffer in
      for row in firstY...lastY {
        let y = (Float(row) + 0.5) * step
        for column in firstX...lastX {
          let (color, coverage) = shape(Point((Float(column) + 0.5) * step, y))
          if coverage > 0 {
            let index = row * columns + column
            buffer[index] += (color - buffer[index]) * min(coverage, 1)
          }
        }
      }
    }
  }

  /// A tapered stroke with round ends; widths are full widths in picture heights.
  mutating func stroke(
    _ a: Point, _ b: Point, widths: (Float, Float), colors: (Color, Color), opacity: Float = 1
  ) {
    let step = step
    let reach = max(widths.0, widths.1) / 2 + step
    let low = Point(min(a.x, b.x) - reach, min(a.y, b.y) - reach)
    let high = Point(max(a.x, b.x) + reach, max(a.y, b.y) + reach)
    let sharpness = 1 / step
    paint(from: low, to: high) { p in
      let (distance, along) = segmentDistance(p, a, b)
      let half = mix(widths.0, widths.1, along) / 2
      // A stroke thinner than a sample keeps its weight by being fainter.
      let thin = min(1, half * 2 * sharpness)
      let coverage = clamp((max(half, step / 2) - distance) * sharpness + 0.5) * thin
      return (mix(colors.0, colors.1, along), coverage * opacity)
    }
  }

  /// A curved stroke through three places (a quadratic curve), as a few straight ones.
  mutating func curve(
    _ a: Point, _ control: Point, _ b: Point, widths: (Float, Float), colors: (Color, Color),
    opacity: Float = 1, pieces: Int = 4
  ) {
    var last = a
    for piece in 1...pieces {
      let t0 = Float(piece - 1) / Float(pieces)
      let t = Float(piece) / Float(pieces)
      let back: Float = 1 - t
      let start: Point = a * back * back
      let middle: Point = control * 2 * t * back
      let end: Point = b * t * t
      let next: Point = start + middle + end
      stroke(
        last, next, widths: (mix(widths.0, widths.1, t0), mix(widths.0, widths.1, t)),
        colors: (mix(colors.0, colors.1, t0), mix(colors.0, colors.1, t)), opacity: opacity)
      last = next
    }
  }

  /// A disc with an edge that is `softness` wide.
  mutating func disc(
    _ center: Point, _ radius: Float, _ color: Color, softness: Float = 0, opacity: Float = 1
  ) {
    let edge = max(softness, step)
    let reach = Point(radius + edge, radius + edge)
    paint(from: center - reach, to: center + reach) { p in
      (color, opacity * smoothstep(radius + edge / 2, radius - edge / 2, length(p - center)))
    }
  }

  /// Blurs everything painted so far, as a lens does out of focus; radius in picture heights.
  mutating func blur(_ radius: Float) {
    let reach = Int((radius / step).rounded())
    guard reach > 0 else { return }
    // Three box passes come close to a Gaussian at a cost that does not depend on the radius.
    for _ in 0..<3 {
      samples = boxed(samples, reach, count: columns, lines: rows, stride: 1, line: columns)
      samples = boxed(samples, reach, count: rows, lines: columns, stride: columns, line: 1)
    }
  }

  private func boxed(
    _ source: [Color], _ reach: Int, count: Int, lines: Int, stride: Int, line: Int
  ) -> [Color] {
    var result = source
    let scale = 1 / Float(2 * reach + 1)
    result.withUnsafeMutableBufferPointer { buffer in
      nonisolated(unsafe) let target = buffer
      source.withUnsafeBufferPointer { buffer in
        nonisolated(unsafe) let source = buffer
        DispatchQueue.concurrentPerform(iterations: lines) { index in
          let base = index * line
          var sum = Color.zero
          for place in -reach...reach {
            let inside = min(max(place, 0), count - 1)
            sum += source[base + inside * stride]
          }
          for place in 0..<count {
            target[base + place * stride] = sum * scale
            let (ahead, behind) = (min(place + reach + 1, count - 1), max(place - reach, 0))
            sum += source[base + ahead * stride]
            sum -= source[base + behind * stride]
          }
        }
      }
    }
    return result
  }

  /// The finished picture: lens falloff, film curve, sRGB coding, and the pixel's own light spread.
  func developed(exposure: Float = 1, vignette: Float = 0.35) -> FloatImage {
    let width = columns / Self.supersampling
    let height = rows / Self.supersampling
    var linear = [Color](repeating: .zero, count: width * height)
    for y in 0..<height {
      for x in 0..<width {
        let base = 2 * y * columns + 2 * x
        let sum =
          samples[base] + samples[base + 1]
          + (samples[base + columns] + samples[base + columns + 1])
        let offset = Point(
          (Float(x) + 0.5) / Float(height) - aspect / 2, (Float(y) + 0.5) / Float(height) - 0.5)
        let falloff = 1 - vignette * dot(offset, offset) / (0.25 + aspect * aspect / 4)
        linear[y * width + x] = sum * (0.25 * exposure * falloff)
      }
    }
    var coded = [Float](repeating: 0, count: width * height * 3)
    // A lens spreads a point over its neighbours a little: 1-8-1 in both directions.
    for y in 0..<height {
      for x in 0..<width {
        var sum = Color.zero
        for (dy, wy) in [(-1, 0.1), (0, 0.8), (1, 0.1)] as [(Int, Float)] {
          let row = min(max(y + dy, 0), height - 1) * width
          let sides = linear[row + max(x - 1, 0)] + linear[row + min(x + 1, width - 1)]
          sum += (linear[row + x] * 0.8 + sides * 0.1) * wy
        }
        for channel in 0..<3 { coded[(y * width + x) * 3 + channel] = Self.coded(sum[channel]) }
      }
    }
    return FloatImage(width: width, height: height, channels: 3, samples: coded)
  }

  /// sRGB coding with a soft shoulder, so that highlights roll off instead of clipping.
  private static func coded(_ linear: Float) -> Float {
    let value = max(linear, 0)
    let rolled = value < 0.6 ? value : 0.6 + 0.4 * (1 - exp(-(value - 0.6) / 0.4))
    return rolled <= 0.003_130_8 ? 12.92 * rolled : clamp(1.055 * pow(rolled, 1 / 2.4) - 0.055)
  }
}
