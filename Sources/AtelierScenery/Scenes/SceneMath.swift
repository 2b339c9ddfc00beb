// The arithmetic of the scene renderer: interpolation, hashes, gradient noise and its sums, cells.

import Foundation

/// A linear-light colour.
typealias Color = SIMD3<Float>
/// A place in the picture: y runs from 0 (top) to 1 (bottom), x from 0 to width over height.
typealias Point = SIMD2<Float>

/// The linear-light colour of an sRGB code such as `0x3366CC`.
func rgb(_ code: UInt32) -> Color {
  func channel(_ shift: UInt32) -> Float {
    let value = Float((code >> shift) & 255) / 255
    return value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4)
  }
  return Color(channel(16), channel(8), channel(0))
}

@inline(__always)
func clamp(_ value: Float, _ low: Float = 0, _ high: Float = 1) -> Float {
  min(max(value, low), high)
}

@inline(__always)
func mix(_ a: Float, _ b: Float, _ t: Float) -> Float { a + (b - a) * t }

@inline(__always)
func mix(_ a: Color, _ b: Color, _ t: Float) -> Color { a + (b - a) * t }

/// 0 below `low`, 1 above `high`, a smooth cubic between; falling when `low > high`.
@inline(__always)
func smoothstep(_ low: Float, _ high: Float, _ value: Float) -> Float {
  let t = clamp((value - low) / (high - low))
  return t * t * (3 - 2 * t)
}

@inline(__always)
func dot(_ a: Point, _ b: Point) -> Float { a.x * b.x + a.y * b.y }

@inline(__always)
func dot(_ a: Color, _ b: Color) -> Float { a.x * b.x + a.y * b.y + a.z * b.z }

@inline(__always)
func length(_ a: Point) -> Float { dot(a, a).squareRoot() }

@inline(__always)
func length(_ a: Color) -> Float { dot(a, a).squareRoot() }

@inline(__always)
func normalized(_ a: Color) -> Color { a * (1 / max(length(a), 1e-12)) }

@inline(__always)
func rotated(_ p: Point, _ angle: Float) -> Point {
  let c = cos(angle)
  let s = sin(angle)
  return Point(c * p.x - s * p.y, s * p.x + c * p.y)
}

/// The distance of `p` from the segment, and how far along it (0...1) the nearest point lies.
@inline(__always)
func segmentDistance(_ p: Point, _ a: Point, _ b: Point) -> (distance: Float, along: Float) {
  let d = b - a
  let t = clamp(dot(p - a, d) / max(dot(d, d), 1e-12))
  return (length(p - a - d * t), t)
}

/// Seeded noise over the plane.
struct Noise: Sendable {
  private let seed: UInt32

  init(_ seed: UInt64, _ index: UInt64 = 0) {
    let mixed = (seed &+ index &* 0x9E37_79B9_7F4A_7C15) &* 0xD134_2543_DE82_EF95
    self.seed = UInt32(truncatingIfNeeded: (mixed ^ (mixed >> 29)) >> 16)
  }

  @inline(__always)
  private func bits(_ x: Int32, _ y: Int32) -> UInt32 {
    var h = seed ^ UInt32(bitPattern: x) &* 0x85EB_CA6B
    h = (h ^ (h >> 15)) &* 0x2C1B_3C6D
    h = (h ^ UInt32(bitPattern: y) &* 0xC2B2_AE35) &* 0x297A_2D39
    h = (h ^ (h >> 15)) &* 0x85EB_CA77
    return h ^ (h >> 13)
  }

  /// A random number in [0, 1) that belongs to a cell.
  @inline(__always)
  func random(_ x: Int, _ y: Int = 0) -> Float {
    Float(bits(Int32(truncatingIfNeeded: x), Int32(truncatingIfNeeded: y)) >> 8) * 0x1p-24
  }

  @inline(__always)
  private func gradient(_ x: Int32, _ y: Int32, _ dx: Float, _ dy: Float) -> Float {
    // Sixteen bits for each component of the gradient: no lookup, no preferred direction visible.
    let h = bits(x, y)
    let gx = Float(Int32(h & 0xFFFF) - 0x8000) * 0x1p-15
    let gy = Float(Int32(h >> 16) - 0x8000) * 0x1p-15
    return gx * dx + gy * dy
  }

  /// Gradient noise (Perlin 2002), about -1 to 1, one feature per unit.
  @inline(__always)
  func callAsFunction(_ p: Point) -> Float {
    let fx = p.x.rounded(.down)
    let fy = p.y.rounded(.down)
    let x = Int32(clamp(fx, -1e9, 1e9))
    let y = Int32(clamp(fy, -1e9, 1e9))
    let dx = p.x - fx
    let dy = p.y - fy
    let u = dx * dx * dx * (dx * (dx * 6 - 15) + 10)
    let v = dy * dy * dy * (dy * (dy * 6 - 15) + 10)
    let top = mix(gradient(x, y, dx, dy), gradient(x &+ 1, y, dx - 1, dy), u)
    let bottom = mix(gradient(x, y &+ 1, dx, dy - 1), gradient(x &+ 1, y &+ 1, dx - 1, dy - 1), u)
    return 1.6 * mix(top, bottom, v)
  }

  /// Fractal noise: octaves of halved size and `gain` times the strength; about -1 to 1.
  func fbm(_ p: Point, _ octaves: Int, gain: Float = 0.5) -> Float {
    var sum: Float = 0
    var amplitude: Float = 1
    var total: Float = 0
    var q = p
    for _ in 0..<octaves {
      sum += amplitude * self(q)
      total += amplitude
      amplitude *= gain
      // Turned between octaves, so that the lattices do not line up.
      q = Point(1.62 * q.x - 1.21 * q.y + 17.3, 1.21 * q.x + 1.62 * q.y - 9.1)
    }
    return sum / total * 1.4
  }

  /// Ridged fractal noise (Musgrave 1993): sharp crests, 0 to about 1.
  func ridged(_ p: Point, _ octaves: Int, gain: Float = 0.5) -> Float {
    var sum: Float = 0
    var amplitude: Float = 0.5
    var weight: Float = 1
    var q = p
    for _ in 0..<octaves {
      var value = 1 - abs(self(q))
      value *= value
      sum += amplitude * value * weight
      weight = clamp(value * 1.6)
      amplitude *= gain
      q = Point(1.62 * q.x - 1.21 * q.y + 5.7, 1.21 * q.x + 1.62 * q.y + 3.9)
    }
    return sum
  }

  /// Fractal noise of coordinates that fractal noise has bent: swirls, as in smoke and stone.
  func warped(_ p: Point, _ octaves: Int, by amount: Float) -> Float {
    let bend = Point(fbm(p, 3), fbm(p + Point(5.2, 1.3), 3))
    return fbm(p + bend * amount, octaves)
  }

  /// The nearest and second nearest of scattered points, one per unit cell (Worley 1996).
  func cells(_ p: Point, jitter: Float = 0.9) -> (
    first: Float, second: Float, offset: Point, cell: (x: Int, y: Int)
  ) {
    let baseX = Int(p.x.rounded(.down))
    let baseY = Int(p.y.rounded(.down))
    var first: Float = 9
    var second: Float = 9
    var offset = Point(0, 0)
    var cell = (x: 0, y: 0)
    for y in baseY - 1...baseY + 1 {
      for x in baseX - 1...baseX + 1 {
        let point = Point(
          Float(x) + 0.5 + jitter * (random(x, y) - 0.5),
          Float(y) + 0.5 + jitter * (random(x &+ 7919, y) - 0.5))
        let difference = p - point
        let distance = length(difference)
        if distance < first {
          second = first
          first = distance
          offset = difference
          cell = (x, y)
        } else if distance < second {
          second = distance
        }
      }
    }
    return (first, second, offset, cell)
  }
}
