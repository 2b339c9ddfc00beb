// The surfaces of the shapes scenes: two tones of one colour laid out as grain, stripes, checks, dots.

import AtelierEngine
import Foundation

/// A surface: two tones and how they alternate over the plane.
struct ShapeTexture {
  private enum Pattern: CaseIterable { case plain, clouds, stripes, checks, dots, cells }

  private let pattern: Pattern
  private let first: Color
  private let second: Color
  private let angle: Float
  private let frequency: Float
  private let noise: Noise

  /// The colour halfway between the tones, sRGB-coded.
  var mean: Color { (first + second) / 2 }

  /// A surface for an object: a vivid colour that stands out from others, no pattern finer than
  /// pixels of `pixel` shorter sides of the picture show.
  init(objectUsing generator: inout RandomGenerator, pixel: Float, apartFrom others: [Color]) {
    var best = Color.zero
    var bestGap: Float = -1
    // The first colour that is far enough from the others, or the farthest of those tried.
    for _ in 0..<24 where bestGap < Self.apart {
      let color = Self.color(
        hue: generator.uniform(), saturation: generator.uniform(0.35...1),
        value: generator.uniform(0.3...1))
      let gap = others.map { length(color - $0) }.min() ?? 2
      if gap > bestGap { (best, bestGap) = (color, gap) }
    }
    self.init(
      using: &generator, color: best, contrast: generator.uniform(0.04...0.16), pixel: pixel,
      frequencies: 5...16)
  }

  /// A surface for the ground: a duller colour, a calmer pattern.
  init(groundUsing generator: inout RandomGenerator, pixel: Float) {
    let color = Self.color(
      hue: generator.uniform(), saturation: generator.uniform(0...0.5),
      value: generator.uniform(0.15...0.85))
    self.init(
      using: &generator, color: color, contrast: generator.uniform(0.03...0.14), pixel: pixel,
      frequencies: 3...12)
  }

  /// How far colours of objects that may touch lie apart, of at most the square root of 3.
  private static let apart: Float = 0.42

  private init(
    using generator: inout RandomGenerator, color: Color, contrast: Float, pixel: Float,
    frequencies: ClosedRange<Float>
  ) {
    let tone = Color(repeating: contrast)
    first = (color + tone).clamped(lowerBound: .zero, upperBound: .one)
    second = (color - tone).clamped(lowerBound: .zero, upperBound: .one)
    pattern = Pattern.allCases[generator.index(below: Pattern.allCases.count)]
    angle = generator.uniform(0...(.pi))
    frequency = min(generator.uniform(frequencies), 0.2 / pixel)
    noise = Noise(generator.next())
  }

  /// The colour at a place, in shorter sides of the picture.
  func color(_ place: Point) -> Color {
    let p = rotated(place, angle) * frequency
    let share: Float
    switch pattern {
    case .plain: share = 0.5 + 0.15 * noise(p * 3)
    case .clouds: share = clamp(0.5 + 0.7 * noise.fbm(p * 0.7, 3))
    case .stripes: share = smoothstep(-0.35, 0.35, sin(p.x * 2 * .pi))
    case .checks: share = smoothstep(-0.2, 0.2, sin(p.x * .pi) * sin(p.y * .pi))
    case .dots:
      let x = p.x - p.x.rounded()
      let y = p.y - p.y.rounded()
      share = smoothstep(0.4, 0.25, length(Point(x, y)))
    case .cells:
      let cell = noise.cells(p)
      share = noise.random(cell.cell.x, cell.cell.y &+ 31)
    }
    return mix(second, first, share)
  }

  /// An sRGB-coded colour by hue, saturation and value, each in 0...1.
  private static func color(hue: Float, saturation: Float, value: Float) -> Color {
    func channel(_ offset: Float) -> Float {
      let k = (offset + hue * 6).truncatingRemainder(dividingBy: 6)
      return value * (1 - saturation * clamp(min(k, 4 - k)))
    }
    return Color(channel(5), channel(3), channel(1))
  }
}
