// What noise looks like in a picture: how strong at which brightness, and how far it is correlated.
//
// The noise level function is Liu, Szeliski, Kang, Zitnick, Freeman: Automatic Estimation and
// Removal of Noise from a Single Image (2008): the flattest blocks of each brightness bound the
// noise there from above, and neighbouring brightnesses cannot differ much.

import AtelierImages
import Foundation

/// The noise of one picture, in units of 8-bit values.
public struct NoiseProfile: Sendable, Equatable {
  /// The noise of one brightness.
  public struct Level: Sendable, Equatable {
    /// The mean of the samples, 0 to 255.
    public let brightness: Float
    /// The deviation of the noise, of 255.
    public let sigma: Float
    /// How many blocks of 16×16 samples have this brightness.
    public let blocks: Int
  }

  /// How many distances `autocorrelation` tells of, 0 among them.
  public static let lags = 9

  /// The levels of each colour channel, darkest first; empty where nothing is flat enough.
  public let channels: [[Level]]
  /// The deviation that `NoiseEstimator` finds, which takes noise for white.
  public let whiteSigma: Float
  /// The correlation of the noise with itself, moved by 0, 1, 2 … pixels across or down: 1 at 0.
  public let autocorrelation: [Float]

  /// The deviation at mid gray: that of the levels next to 128, over all channels; 0 where there is
  /// none.
  public var sigma: Float {
    var (sum, weights): (Float, Float) = (0, 0)
    for level in channels.joined() {
      let distance = (level.brightness - 128) / 32
      let weight = Float(level.blocks) / (1 + distance * distance * distance * distance)
      sum += weight * level.sigma
      weights += weight
    }
    return weights > 0 ? sum / weights : 0
  }

  /// The deviation at a brightness of a channel, of 255, between the levels or that of the nearest
  /// one; nil where nothing is known.
  public func sigma(channel: Int, at brightness: Float) -> Float? {
    let levels = channels[channel]
    guard let next = levels.firstIndex(where: { $0.brightness >= brightness }) else {
      return levels.last?.sigma
    }
    guard next > 0 else { return levels[0].sigma }
    let (low, high) = (levels[next - 1], levels[next])
    let share = (brightness - low.brightness) / max(high.brightness - low.brightness, 1e-3)
    return low.sigma + share * (high.sigma - low.sigma)
  }

  /// Over how many pixels the noise is correlated: 1 where neighbours know nothing of each other.
  public var correlationLength: Int {
    1 + autocorrelation.dropFirst().prefix { $0 >= Self.leastCorrelation }.count
  }

  /// The least correlation that counts as one.
  private static let leastCorrelation: Float = 0.15

  /// The largest deviation over the smallest, of levels that many blocks tell of.
  public var signalDependence: Float {
    channels.map { levels in
      let most = levels.map(\.blocks).max() ?? 0
      let sure = levels.filter { 8 * $0.blocks >= most && (16...239).contains($0.brightness) }
        .map(\.sigma)
      guard let least = sure.min(), let largest = sure.max(), least > 0 else { return 1 }
      return largest / least
    }.max() ?? 1
  }

  /// What the noise comes from, as far as it can be seen.
  public enum Kind: String, Sendable, Codable {
    /// So little that nothing need be done.
    case none
    /// The same everywhere, each pixel for itself: what the models for Gaussian noise are made for.
    case white
    /// Correlated, or different with brightness.
    case camera
  }

  /// The deviation below which noise cannot be told from fine texture and rounding.
  public static let leastSigma: Float = 0.6

  /// Whether any part was flat enough to tell.
  public var isKnown: Bool { channels.contains { !$0.isEmpty } }

  /// What the noise comes from; what nothing is known of may be a camera's.
  ///
  /// White noise has its full strength in the direction of patches in which it is weakest, and that
  /// is what `whiteSigma` measures; of correlated noise a tenth is found there.
  public var kind: Kind {
    if isKnown, sigma < Self.leastSigma { return .none }
    let isWhite = whiteSigma >= 3 && whiteSigma > 0.7 * sigma
    return isWhite && autocorrelation[1] < 0.3 ? .white : .camera
  }

  /// Measures the noise of a picture of at least 32 pixels a side; smaller ones tell nothing.
  ///
  /// Alpha is left out.
  public init<Sample: ImageSample>(of image: Image<Sample>) {
    var autocovariance = [Double](repeating: 0, count: Self.lags)
    var channels: [[Level]] = []
    for channel in 0..<(image.isGray ? 1 : 3) {
      let blocks = NoiseBlocks(image, channel: channel)
      channels.append(blocks.levels(adding: &autocovariance))
    }
    self.channels = channels
    whiteSigma = NoiseEstimator.sigma(ofColors: image)
    let whole = autocovariance[0]
    autocorrelation =
      whole > 0
      ? autocovariance.map { Float($0 / whole) }
      : [1] + [Float](repeating: 0, count: Self.lags - 1)
  }
}

/// Blocks of one channel, with what is left in each when its plane is taken away.
private struct NoiseBlocks {
  static let side = 16
  /// No more blocks than these are looked at.
  private static let most = 6000
  private static let bins = 16

  /// A block's measures.
  private struct Block {
    let index: Int
    let mean: Float
    /// The variance of its samples about the plane.
    let variance: Float
  }

  private let samples: [Float]
  private let blocks: [Block]

  init<Sample: ImageSample>(_ image: Image<Sample>, channel: Int) {
    let side = Self.side
    let (columns, rows) = (image.width / side, image.height / side)
    guard columns >= 2, rows >= 2 else {
      (samples, blocks) = ([], [])
      return
    }
    var stride = (columns * rows - 1) / Self.most + 1
    // A stride that divides the row would look at the same columns in every row.
    while stride > 1, columns % stride == 0 { stride += 1 }
    var samples: [Float] = []
    var blocks: [Block] = []
    var values = [Float](repeating: 0, count: side * side)
    image.samples.withUnsafeBufferPointer { source in
      for place in Swift.stride(from: 0, to: columns * rows, by: stride) {
        let start =
          (place / columns * side * image.width + place % columns * side) * image.channels + channel
        var clipped = 0
        for row in 0..<side {
          for column in 0..<side {
            let value = 255 * source[start + (row * image.width + column) * image.channels].unit
            values[row * side + column] = value
            if value <= 0.5 || value >= 254.5 { clipped += 1 }
          }
        }
        // Where noise has been cut off nothing can be measured.
        guard clipped * 50 <= side * side else { continue }
        blocks.append(Self.flatten(&values, index: blocks.count))
        samples += values
      }
    }
    self.samples = samples
    self.blocks = blocks
  }

  /// Takes the plane of least squares away and measures what is left.
  private static func flatten(_ values: inout [Float], index: Int) -> Block {
    let half = Float(side - 1) / 2
    var (mean, across, down): (Float, Float, Float) = (0, 0, 0)
    for row in 0..<side {
      for column in 0..<side {
        let value = values[row * side + column]
        mean += value
        across += value * (Float(column) - half)
        down += value * (Float(row) - half)
      }
    }
    let count = Float(side * side)
    let spread = count * Float(side * side - 1) / 12
    (mean, across, down) = (mean / count, across / spread, down / spread)
    var variance: Float = 0
    for row in 0..<side {
      for column in 0..<side {
        let plane = mean + across * (Float(column) - half) + down * (Float(row) - half)
        let value = values[row * side + column] - plane
        values[row * side + column] = value
        variance += value * value
      }
    }
    // The plane took three degrees of freedom.
    return Block(index: index, mean: mean, variance: variance / (count - 3))
  }

  /// The mean product of samples that are `lag` apart, across and down.
  private static func covariance(_ values: [Float], lag: Int) -> Float {
    var sum: Float = 0
    values.withUnsafeBufferPointer { values in
      for major in 0..<side {
        for minor in 0..<side - lag {
          let (row, column) = (major * side + minor, minor * side + major)
          sum += values[row] * values[row + lag] + values[column] * values[column + lag * side]
        }
      }
    }
    return sum / Float(2 * side * (side - lag))
  }

  /// The levels of brightness that have enough blocks; adds how the flattest of those resemble
  /// themselves moved.
  func levels(adding autocovariance: inout [Double]) -> [NoiseProfile.Level] {
    let width = 256 / Float(Self.bins)
    var sorted = [[Block]](repeating: [], count: Self.bins)
    for block in blocks { sorted[min(Int(block.mean / width), Self.bins - 1)].append(block) }
    for bin in sorted.indices {
      sorted[bin].sort { ($0.variance, $0.index) < ($1.variance, $1.index) }
    }
    let limits = Self.smoothed(
      sorted.map {
        $0.count < 12 ? nil : Self.bias * $0[max($0.count / 20, 1)].variance.squareRoot()
      })
    var levels: [NoiseProfile.Level] = []
    for (bin, limit) in zip(sorted, limits) {
      guard let limit, !bin.isEmpty else { continue }
      levels.append(
        .init(
          brightness: bin.reduce(0) { $0 + $1.mean } / Float(bin.count), sigma: limit,
          blocks: bin.count))
      // Blocks of about this noise and no more: texture resembles itself elsewhere.
      for block in bin.prefix(max(bin.count / 10, 2)) where block.variance < 1.5 * limit * limit {
        let size = Self.side * Self.side
        let values = Array(samples[block.index * size..<(block.index + 1) * size])
        for lag in 0..<NoiseProfile.lags {
          autocovariance[lag] += Double(Self.covariance(values, lag: lag))
        }
      }
    }
    return levels
  }

  /// How much more noise there is than in the flattest twentieth of blocks that hold nothing else.
  private static let bias: Float = 1.1
  /// How much more noise there may be than at the next brightness.
  private static let steepest: Float = 1.5

  /// No level more than `steepest` times its neighbours', except for what lies next to black and
  /// white, where noise is cut off.
  private static func smoothed(_ levels: [Float?]) -> [Float?] {
    var result = levels
    for order in [Array(levels.indices), levels.indices.reversed()] {
      var (former, distance): (Float, Int) = (.infinity, 1)
      for bin in order {
        guard let level = result[bin] else {
          distance += 1
          continue
        }
        let limited = min(level, former * pow(steepest, Float(distance)))
        result[bin] = limited
        guard bin > 0, bin < levels.count - 1 else { continue }
        (former, distance) = (limited, 1)
      }
    }
    return result
  }

}
