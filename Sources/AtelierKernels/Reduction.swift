// The reductions: sums over everything and over the pixels of every channel, and the search for
// values that are not finite.

import CKernels

extension Kernels {
  /// Sums [pixels, channels] over the pixels.
  public func channelSum(
    _ x: UnsafePointer<Float>, _ sums: UnsafeMutablePointer<Float>, pixels: Int, channels: Int
  ) {
    let rows = ChannelRows(channels: channels)
    sumOfChannels(rows, pixels: pixels, kinds: 1) { start, count, partial in
      elementwise.pointee.channel_sums(x + start, count, rows.width, channels, partial)
    } finish: { totals in
      for c in 0..<channels { sums[c] = Float(totals[c]) }
    }
  }

  /// The sum of all values, taken in Double.
  public func sum(_ x: UnsafePointer<Float>, count: Int) -> Double {
    sumOfParts(ElementParts(count: count, limit: 64)) { elementwise.pointee.sum(x + $0, $1) }
  }

  /// The sum of the squares of all values, taken in Double.
  public func sumOfSquares(_ x: UnsafePointer<Float>, count: Int) -> Double {
    let kernel = elementwise.pointee.sum_of_squares
    return sumOfParts(ElementParts(count: count, limit: 64)) { kernel(x + $0, $1) }
  }

  /// Whether no value is infinite or not a number.
  public func allFinite(_ x: UnsafePointer<Float>, count: Int) -> Bool {
    let kernel = elementwise.pointee.all_finite
    return sumOfParts(ElementParts(count: count, limit: 64)) { kernel(x + $0, $1) == 0 ? 1 : 0 }
      == 0
  }
}
