// How noisy a picture is, from the picture alone.
//
// Chen, Zhu, Heng: An Efficient Statistical Method for Image Noise Level Estimation (2015): the
// covariance of small patches has a few large eigenvalues from the picture's structure, and the
// rest scatter around the noise's variance.
// Liu, Tanaka, Okutomi: Single-Image Noise Level Estimation for Blind Denoising (2013): only
// patches whose gradients noise alone could explain are looked at, so that texture is not taken for
// noise; what noise could explain follows from the estimate, in turns.

import AtelierImages
import AtelierKernels

/// Estimates the deviation of white Gaussian noise.
public enum NoiseEstimator {
  /// The noise's deviation in units of 8-bit values, from one channel of a picture.
  ///
  /// - Returns: 0 for a flat picture or less than 16 pixels on a side; about 0.2 for a natural one
  ///   without noise.
  public static func sigma<Sample: ImageSample>(
    of image: Image<Sample>, channel: Int = 0
  ) -> Float {
    guard min(image.width, image.height) >= 2 * Patches.side else { return 0 }
    let patches = image.samples.withUnsafeBufferPointer { samples in
      // For bytes exactly their values: 255 · (v / 255) rounds back to v for each of the 256.
      Patches(width: image.width, height: image.height) {
        255 * samples[$0 * image.channels + channel].unit
      }
    }
    return sigma(patches, range: 0...255)
  }

  /// The mean of what the colour channels of a picture give, or its gray one; alpha is left out.
  public static func sigma<Sample: ImageSample>(ofColors image: Image<Sample>) -> Float {
    let colors = image.isGray ? 1 : 3
    let sum = (0..<colors).reduce(Float(0)) { $0 + sigma(of: image, channel: $1) }
    return sum / Float(colors)
  }

  /// As `sigma(ofColors:)`, of what is seen: colours under full transparency do not count.
  package static func sigma<Sample: ImageSample>(storedColors image: Image<Sample>) -> Float {
    sigma(ofColors: image.visiblePart)
  }

  /// The noise's deviation in the own units of one channel's row-major samples, which are not
  /// clipped; 0 when a side has less than 16 samples.
  public static func sigma(samples: [Float], width: Int, height: Int) -> Float {
    precondition(samples.count == width * height, "the samples do not fill the picture")
    guard min(width, height) >= 2 * Patches.side else { return 0 }
    let patches = samples.withUnsafeBufferPointer { samples in
      Patches(width: width, height: height) { samples[$0] }
    }
    return sigma(patches, range: nil)
  }

  /// Estimates in turns: which patches noise alone could explain, and how strong it is in those.
  private static func sigma(_ patches: Patches, range: ClosedRange<Float>?) -> Float {
    let fewest = min(patches.count, 300)
    let least = patches.energies.sorted()[fewest - 1]
    var sigma = deviation(patches.eigenvalues(of: Array(0..<patches.count)))
    for _ in 0..<8 {
      let limit = max(sigma * sigma * Patches.largestEnergyOfNoise, least)
      var chosen = (0..<patches.count).filter { patches.energies[$0] <= limit }
      if let range, patches.isClipped(to: range) {
        // Near black and white half of the noise has been cut off.
        let (low, high) = (range.lowerBound + 2 * sigma, range.upperBound - 2 * sigma)
        let whole = chosen.filter { patches.means[$0] > low && patches.means[$0] < high }
        if whole.count >= fewest { chosen = whole }
      }
      let former = sigma
      sigma = deviation(patches.eigenvalues(of: chosen))
      if abs(sigma - former) <= 0.005 * former { break }
    }
    return sigma
  }

  /// The noise's deviation: its variance is where the mean of the remaining eigenvalues meets their
  /// median.
  private static func deviation(_ sorted: [Double]) -> Float {
    var count = sorted.count
    var sum = sorted.reduce(0, +)
    while count > 1 {
      let mean = sum / Double(count)
      let median = (sorted[(count - 1) / 2] + sorted[count / 2]) / 2
      if mean <= median { return Float(max(mean, 0).squareRoot()) }
      count -= 1
      sum -= sorted[count]
    }
    return Float(max(sorted[0], 0).squareRoot())
  }
}

/// Patches of 8×8 samples, evenly spread over a picture.
private struct Patches {
  static let side = 8
  static let size = side * side
  /// No more patches than these are cut out.
  private static let most = 50_000
  /// The gradient energy that noise of deviation 1 hardly exceeds: mean 48, three deviations of 10.
  static let largestEnergyOfNoise: Float = 78

  let count: Int
  /// Patch by patch, row-major.
  private let samples: [Float]
  /// The sum of the squared central differences of each patch.
  let energies: [Float]
  /// The mean of each patch.
  let means: [Float]

  /// Cuts patches out of a picture whose sample at an index `value` gives.
  init(width: Int, height: Int, value: (Int) -> Float) {
    let (columns, rows) = (width - Self.side + 1, height - Self.side + 1)
    var stride = (columns * rows - 1) / Self.most + 1
    // A stride that divides the row would look at the same columns in every row.
    while stride > 1, columns % stride == 0 { stride += 1 }
    let count = (columns * rows - 1) / stride + 1
    var samples = [Float](repeating: 0, count: count * Self.size)
    var energies = [Float](repeating: 0, count: count)
    var means = energies
    samples.withUnsafeMutableBufferPointer { copies in
      for index in 0..<count {
        let position = index * stride
        let start = position / columns * width + position % columns
        let patch = index * Self.size
        var sum: Float = 0
        for row in 0..<Self.side {
          for column in 0..<Self.side {
            let sample = value(start + row * width + column)
            copies[patch + row * Self.side + column] = sample
            sum += sample
          }
        }
        means[index] = sum / Float(Self.size)
        energies[index] = Self.energy(copies, patch)
      }
    }
    self.count = count
    self.samples = samples
    self.energies = energies
    self.means = means
  }

  private static func energy(_ samples: UnsafeMutableBufferPointer<Float>, _ patch: Int) -> Float {
    var energy: Float = 0
    for major in 0..<side {
      for minor in 1..<side - 1 {
        let (row, column) = (patch + major * side + minor, patch + minor * side + major)
        let along = samples[row + 1] - samples[row - 1]
        let down = samples[column + side] - samples[column - side]
        energy += along * along + down * down
      }
    }
    return energy / 4
  }

  /// Whether more than a thousandth of the samples lies at a bound.
  func isClipped(to range: ClosedRange<Float>) -> Bool {
    let clipped = samples.withUnsafeBufferPointer { samples in
      samples.reduce(0) { $0 + ($1 <= range.lowerBound || $1 >= range.upperBound ? 1 : 0) }
    }
    return clipped * 1000 > samples.count
  }

  /// The eigenvalues of the covariance of some of the patches, smallest first.
  func eigenvalues(of chosen: [Int]) -> [Double] {
    let size = Self.size
    let mean = mean(of: chosen)
    var products = [Double](repeating: 0, count: size * size)
    // Single precision sums 256 products at vector speed; doubles take them before digits are lost.
    var block = [Float](repeating: 0, count: size * size)
    var four = [Float](repeating: 0, count: 4 * size)
    samples.withUnsafeBufferPointer { samples in
      block.withUnsafeMutableBufferPointer { block in
        four.withUnsafeMutableBufferPointer { four in
          for first in Swift.stride(from: 0, to: chosen.count, by: 4) {
            for index in 0..<4 {
              let isThere = first + index < chosen.count
              let patch = isThere ? chosen[first + index] * size : 0
              for i in 0..<size {
                four[index * size + i] = isThere ? samples[patch + i] - mean[i] : 0
              }
            }
            Self.addProducts(four, to: block)
            if first % 256 == 252 || first + 4 >= chosen.count {
              Self.flush(block, into: &products)
            }
          }
        }
      }
    }
    for i in 0..<size {
      for j in 0...i {
        let value = products[i * size + j] / Double(max(chosen.count, 1))
        products[i * size + j] = value
        products[j * size + i] = value
      }
    }
    return SymmetricEigenvalues.of(products, size: size)
  }

  private func mean(of chosen: [Int]) -> [Float] {
    var sum = [Double](repeating: 0, count: Self.size)
    samples.withUnsafeBufferPointer { samples in
      for patch in chosen {
        for i in 0..<Self.size { sum[i] += Double(samples[patch * Self.size + i]) }
      }
    }
    return sum.map { Float($0 / Double(max(chosen.count, 1))) }
  }

  /// Adds the outer products of four patches, the lower half alone.
  private static func addProducts(
    _ four: UnsafeMutableBufferPointer<Float>, to block: UnsafeMutableBufferPointer<Float>
  ) {
    for i in 0..<size {
      let (a, b, c, d) = (four[i], four[size + i], four[2 * size + i], four[3 * size + i])
      for j in 0...i {
        block[i * size + j] +=
          a * four[j] + b * four[size + j] + c * four[2 * size + j] + d * four[3 * size + j]
      }
    }
  }

  private static func flush(
    _ block: UnsafeMutableBufferPointer<Float>, into products: inout [Double]
  ) {
    for index in block.indices {
      products[index] += Double(block[index])
      block[index] = 0
    }
  }
}
