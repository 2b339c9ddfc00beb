// Normal and Poisson numbers in bulk: fast enough to noise every batch of a training on the side.

import AtelierEngine
import Foundation

/// A stream of random numbers for whole patches: SplitMix64 bits (Steele, Lea, Flood 2014) and a
/// ziggurat.
///
/// It is started from one draw of a `RandomGenerator`, so a patch of any size moves that generator
/// by one step, and it is a struct of one word that the compiler keeps in a register.
package struct NormalSource {
  private var state: UInt64

  /// Starts a stream that belongs to the next draw of `generator`.
  package init(from generator: inout RandomGenerator) { state = generator.next() }

  /// 64 random bits.
  @inline(__always)
  mutating func bits() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// A number in [0, 1) with 24 random bits.
  @inline(__always)
  mutating func uniform() -> Float { Float(bits() >> 40) * 0x1p-24 }

  /// A number in (0, 1] with 53 random bits.
  @inline(__always)
  private mutating func positive() -> Double { (Double(bits() >> 11) + 1) * 0x1p-53 }

  /// A number of the standard normal distribution.
  @inline(__always)
  package mutating func normal(_ table: UnsafePointer<Float>) -> Float {
    let word = bits()
    let layer = Int(truncatingIfNeeded: word & 255)
    let value = Float(Int32(truncatingIfNeeded: word >> 32)) * 0x1p-31 * table[layer]
    if abs(value) < table[layer + 1] { return value }
    return rare(table, layer, value)
  }

  /// The tail of the distribution and the edges of the layers: about one draw in a hundred.
  @inline(never)
  private mutating func rare(
    _ table: UnsafePointer<Float>, _ firstLayer: Int, _ first: Float
  ) -> Float {
    var layer = firstLayer
    var value = first
    while true {
      if abs(value) < table[layer + 1] { return value }
      if layer == 0 {
        // Marsaglia's exact tail beyond the outermost layer.
        let start = Double(Ziggurat.tail)
        var x = 0.0
        var y = 0.0
        repeat {
          x = -log(positive()) / start
          y = -log(positive())
        } while y + y < x * x
        return value < 0 ? -Float(start + x) : Float(start + x)
      }
      let lower = exp(-0.5 * Double(table[layer]) * Double(table[layer]))
      let upper = exp(-0.5 * Double(table[layer + 1]) * Double(table[layer + 1]))
      let height = lower + (upper - lower) * positive()
      if height < exp(-0.5 * Double(value) * Double(value)) { return value }
      let word = bits()
      layer = Int(truncatingIfNeeded: word & 255)
      value = Float(Int32(truncatingIfNeeded: word >> 32)) * 0x1p-31 * table[layer]
    }
  }

  /// A number of the Poisson distribution with the given mean.
  ///
  /// Inversion below a mean of 10, transformed rejection above (PTRS, Hörmann 1993); exact in both.
  mutating func poisson(_ mean: Double) -> Double {
    guard mean > 0 else { return 0 }
    if mean < 10 {
      var remaining = positive()
      var probability = exp(-mean)
      var count = 0.0
      while remaining > probability, count < 200 {
        remaining -= probability
        count += 1
        probability *= mean / count
      }
      return count
    }
    let b = 0.931 + 2.53 * mean.squareRoot()
    let a = -0.059 + 0.02483 * b
    let inverseAlpha = 1.1239 + 1.1328 / (b - 3.4)
    let bound = 0.9277 - 3.6224 / (b - 2)
    let logarithm = log(mean)
    while true {
      let u = positive() - 0.5
      let v = positive()
      let distance = 0.5 - abs(u)
      let count = ((2 * a / distance + b) * u + mean + 0.43).rounded(.down)
      if distance >= 0.07, v <= bound { return count }
      if count < 0 || (distance < 0.013 && v > distance) { continue }
      let left = log(v * inverseAlpha / (a / (distance * distance) + b))
      if left <= count * logarithm - mean - Self.logFactorial(count) { return count }
    }
  }

  /// The logarithm of `count`!, by Stirling's series beyond small counts.
  private static func logFactorial(_ count: Double) -> Double {
    if count < 16 {
      var product = 1.0
      var factor = 2.0
      while factor <= count {
        product *= factor
        factor += 1
      }
      return log(product)
    }
    let n = count + 1
    let series = (1 / 12.0 - (1 / 360.0 - 1 / (1260.0 * n * n)) / (n * n)) / n
    return (n - 0.5) * log(n) - n + 0.918_938_533_204_672_8 + series
  }
}

/// The layers of the normal ziggurat (Marsaglia and Tsang 2000), 256 of equal area.
package enum Ziggurat {
  /// Where the tail starts.
  static let tail: Float = 3.654_152_885_361_009

  /// The right edges of the layers, outermost first; entry 0 is the stretched base layer, entry 256
  /// is 0.
  package static let edges: [Float] = {
    let area = 0.004_928_673_233_99
    let start = 3.654_152_885_361_009
    var edges = [Double](repeating: 0, count: 257)
    var density = exp(-0.5 * start * start)
    edges[0] = area / density
    edges[1] = start
    for layer in 2..<256 {
      density += area / edges[layer - 1]
      edges[layer] = (-2 * log(density)).squareRoot()
    }
    return edges.map { Float($0) }
  }()
}
