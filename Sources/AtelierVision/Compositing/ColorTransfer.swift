// Giving one picture the colours of another within a mask: by means, by deviations, by histograms.
//
// Reinhard, Ashikhmin, Gooch, Shirley: Color Transfer between Images (2001); here in CIE Lab, as
// the face-swap tools have it.

import AtelierImages
import Foundation

/// How a swapped face gets the colours of the face that it replaces.
public enum ColorTransfer: String, Sendable, CaseIterable, Codable {
  /// Not at all.
  case none
  /// The means of red, green and blue are moved.
  case mean
  /// Means and deviations in Lab are matched (Reinhard and others 2001).
  case reinhard
  /// The distributions of red, green and blue are matched.
  case histogram

  /// The bins of a histogram over [0, 1]; finer than a byte, so that bytes come out as they are.
  private static let bins = 1024
  /// Deviations are stretched at most by this, so that a flat face does not turn to noise.
  private static let largestStretch = 4.0

  /// The picture with the reference's colours; both RGB, sRGB-encoded, and of one size.
  ///
  /// Statistics are taken within the mask, one channel of the same size with weights in [0, 1]; all
  /// pixels are changed. A mask without a pixel above 0 changes nothing. Values may leave [0, 1]
  /// with `mean`.
  /// - Throws: `ImageError` when sizes or channels do not fit.
  public func apply(
    to picture: FloatImage, matching reference: FloatImage, mask: FloatImage? = nil
  ) throws -> FloatImage {
    try Self.check(picture, name: "colour transfer's picture", channels: 3, like: picture)
    try Self.check(reference, name: "colour transfer's reference", channels: 3, like: picture)
    if let mask {
      try Self.check(mask, name: "colour transfer's mask", channels: 1, like: picture)
    }
    let weights = mask?.samples ?? [Float](repeating: 1, count: picture.pixelCount)
    guard self != .none, weights.contains(where: { $0 > 0 }) else { return picture }
    var result = picture
    switch self {
    case .none: break
    case .mean: Self.match(&result, reference, weights, stretches: false)
    case .reinhard:
      var other = reference
      result.samples.withUnsafeMutableBufferPointer { LabColor.fromRGB($0) }
      other.samples.withUnsafeMutableBufferPointer { LabColor.fromRGB($0) }
      Self.match(&result, other, weights, stretches: true)
      result.samples.withUnsafeMutableBufferPointer { LabColor.toRGB($0) }
    case .histogram: Self.matchHistograms(&result, reference, weights)
    }
    return result
  }

  static func check(
    _ image: FloatImage, name: String, channels: Int, like other: FloatImage
  ) throws {
    guard image.size == other.size, image.channels == channels else {
      throw ImageError(
        .argument, name: name, expected: "\(other.size) with \(channels) channels",
        received: "\(image.size) with \(image.channels)")
    }
  }

  /// Mean and deviation of each channel, weighed.
  private static func moments(
    _ image: FloatImage, _ weights: [Float]
  ) -> (means: [Double], deviations: [Double]) {
    var total = 0.0
    var sums = [0.0, 0.0, 0.0]
    var squares = [0.0, 0.0, 0.0]
    image.samples.withUnsafeBufferPointer { samples in
      weights.withUnsafeBufferPointer { weights in
        for channel in 0..<3 {
          var (sum, square, mass) = (0.0, 0.0, 0.0)
          for pixel in 0..<weights.count {
            let weight = Double(max(0, weights[pixel]))
            let value = Double(samples[pixel * 3 + channel])
            sum += weight * value
            square += weight * value * value
            mass += weight
          }
          (sums[channel], squares[channel], total) = (sum, square, mass)
        }
      }
    }
    let means = sums.map { $0 / total }
    let deviations = (0..<3).map {
      max(0, squares[$0] / total - means[$0] * means[$0]).squareRoot()
    }
    return (means, deviations)
  }

  private static func match(
    _ image: inout FloatImage, _ reference: FloatImage, _ weights: [Float], stretches: Bool
  ) {
    let own = moments(image, weights)
    let other = moments(reference, weights)
    var factors: [Float] = [1, 1, 1]
    var shifts: [Float] = [0, 0, 0]
    for channel in 0..<3 {
      var factor = 1.0
      if stretches, own.deviations[channel] > 1e-6 {
        factor = min(other.deviations[channel] / own.deviations[channel], largestStretch)
      }
      factors[channel] = Float(factor)
      shifts[channel] = Float(other.means[channel] - factor * own.means[channel])
    }
    image.samples.withUnsafeMutableBufferPointer { samples in
      for channel in 0..<3 {
        let (factor, shift) = (factors[channel], shifts[channel])
        for place in stride(from: channel, to: samples.count, by: 3) {
          samples[place] = factor * samples[place] + shift
        }
      }
    }
  }

  private static func limited(_ value: Float) -> Float { value > 0 ? (value < 1 ? value : 1) : 0 }

  /// The share of weight below each bin's left edge, and below the last one's right edge.
  private static func cumulative(
    _ image: FloatImage, _ channel: Int, _ weights: [Float]
  ) -> [Double] {
    var counts = [Double](repeating: 0, count: bins + 1)
    image.samples.withUnsafeBufferPointer { samples in
      for pixel in 0..<weights.count {
        let bin = min(bins - 1, Int(limited(samples[pixel * 3 + channel]) * Float(bins)))
        counts[bin + 1] += Double(max(0, weights[pixel]))
      }
    }
    for bin in 1...bins { counts[bin] += counts[bin - 1] }
    return counts.map { $0 / counts[bins] }
  }

  private static func matchHistograms(
    _ image: inout FloatImage, _ reference: FloatImage, _ weights: [Float]
  ) {
    for channel in 0..<3 {
      let own = cumulative(image, channel, weights)
      let other = cumulative(reference, channel, weights)
      // Where each of the own bins' edges goes: left edges to the upper end of what has the same
      // share, right edges to the lower one, so that empty bins of the reference are jumped over.
      let starts = inverse(of: other, at: own, isUpper: true)
      let ends = inverse(of: other, at: own, isUpper: false)
      image.samples.withUnsafeMutableBufferPointer { samples in
        for place in stride(from: channel, to: samples.count, by: 3) {
          let position = limited(samples[place]) * Float(bins)
          let bin = min(bins - 1, Int(position))
          let share = own[bin] + Double(position - Float(bin)) * (own[bin + 1] - own[bin])
          let value = quantile(share, other, from: starts[bin], through: ends[bin + 1])
          samples[place] = Float(value)
        }
      }
    }
  }

  /// The bin edges of `other` at which its share reaches each of `shares`.
  private static func inverse(of other: [Double], at shares: [Double], isUpper: Bool) -> [Int] {
    var edge = 0
    return shares.map { share in
      while edge < bins, isUpper ? other[edge + 1] <= share : other[edge] < share { edge += 1 }
      return edge
    }
  }

  /// The value below which `share` of the reference lies, looked for between two bin edges.
  private static func quantile(
    _ share: Double, _ other: [Double], from start: Int, through end: Int
  ) -> Double {
    var low = min(start, bins - 1)
    var high = max(low, min(end, bins) - 1)
    // The last bin of the span whose left edge has at most the share.
    while low < high {
      let middle = (low + high + 1) / 2
      if other[middle] <= share { low = middle } else { high = middle - 1 }
    }
    let mass = other[low + 1] - other[low]
    let part = mass > 0 ? min(1, max(0, (share - other[low]) / mass)) : 0.5
    return (Double(low) + part) / Double(bins)
  }
}
