// The separable transforms of square blocks, as matrices, and the window of their sum.

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// A linear transform of `side` samples and its inverse, which blocks go through along both axes.
package struct BlockTransform: Sendable {
  /// Samples of a line.
  package let side: Int
  /// [coefficient, sample].
  package let forward: [Double]
  /// [sample, coefficient].
  package let inverse: [Double]

  /// The cosine transform of the second kind, orthonormal.
  package static func cosine(side: Int) -> BlockTransform {
    var rows = [Double](repeating: 0, count: side * side)
    for frequency in 0..<side {
      let scale = ((frequency == 0 ? 1 : 2) / Double(side)).squareRoot()
      for sample in 0..<side {
        let angle = Double.pi * Double((2 * sample + 1) * frequency) / Double(2 * side)
        rows[frequency * side + sample] = scale * cos(angle)
      }
    }
    let columns = (0..<side * side).map { rows[$0 % side * side + $0 / side] }
    return BlockTransform(side: side, forward: rows, inverse: columns)
  }

  /// The biorthogonal spline wavelet 1.5 (Cohen, Daubechies, Feauveau 1992), down to one mean,
  /// circular, scaled so that white noise keeps its deviation within 3 %; the side is a power of
  /// two, at least 4.
  package static func biorthogonal(side: Int) -> BlockTransform {
    var forward = [Double](repeating: 0, count: side * side)
    var inverse = forward
    for index in 0..<side {
      let unit = (0..<side).map { $0 == index ? 1.0 : 0 }
      let (coefficients, samples) = (analyzed(unit), synthesized(unit))
      for other in 0..<side {
        forward[other * side + index] = coefficients[other]
        inverse[other * side + index] = samples[other]
      }
    }
    // All coefficients but the finest share the factor that the coarser of two levels needs for
    // length 1, as in the authors' own program.
    let line = forward[side / 4 * side..<(side / 4 + 1) * side]
    let norm = line.reduce(0) { $0 + $1 * $1 }.squareRoot()
    for index in 0..<side * side {
      if index / side < side / 2 { forward[index] /= norm }
      if index % side < side / 2 { inverse[index] *= norm }
    }
    return BlockTransform(side: side, forward: forward, inverse: inverse)
  }

  /// Means of pairs, lifted by the differences around them, and differences, level by level.
  private static func analyzed(_ samples: [Double]) -> [Double] {
    var line = samples
    var half = line.count / 2
    while half > 0 {
      let pairs = (0..<half).map { (line[2 * $0], line[2 * $0 + 1]) }
      let differences = pairs.map { ($0 - $1) * 0.5.squareRoot() }
      let means = pairs.enumerated().map { index, pair in
        (pair.0 + pair.1) * 0.5.squareRoot() + lift(differences, index)
      }
      line.replaceSubrange(0..<2 * half, with: means + differences)
      half /= 2
    }
    return line
  }

  /// The way back.
  private static func synthesized(_ coefficients: [Double]) -> [Double] {
    var line = coefficients
    var half = 1
    while half < line.count {
      let differences = Array(line[half..<2 * half])
      let pairs = (0..<half).flatMap { index in
        let mean = line[index] - lift(differences, index)
        return [1.0, -1].map { (mean + $0 * differences[index]) * 0.5.squareRoot() }
      }
      line.replaceSubrange(0..<2 * half, with: pairs)
      half *= 2
    }
    return line
  }

  /// What the differences around a pair add to its mean.
  private static func lift(_ differences: [Double], _ index: Int) -> Double {
    let count = differences.count
    return [(-2, 3.0), (-1, -22), (1, 22), (2, -3)].reduce(0) { sum, tap in
      sum + tap.1 / 128 * differences[(index + tap.0 + 2 * count) % count]
    }
  }

  /// The Kaiser window of `side` samples: 1 near the middle, falling towards both ends the more the
  /// larger `beta` is.
  package static func kaiserWindow(side: Int, beta: Double) -> [Double] {
    (0..<side).map { index in
      let place = side > 1 ? 2 * Double(index) / Double(side - 1) - 1 : 0
      return bessel(beta * (1 - place * place).squareRoot()) / bessel(beta)
    }
  }

  /// The modified Bessel function of the first kind and order zero, by its series.
  private static func bessel(_ value: Double) -> Double {
    var (sum, term) = (1.0, 1.0)
    for index in 1...40 {
      term *= value * value / Double(4 * index * index)
      sum += term
    }
    return sum
  }
}
