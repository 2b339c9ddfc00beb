// How far two pictures are apart: squared error and PSNR.

import Foundation

/// Measures between two pictures of one size.
///
/// All take pictures as they are: round a float picture with `bytes` first where a protocol says
/// that the output is rounded. The peak is 255 for bytes, 65535 for words and 1 for floats.
public enum Metrics {
  /// The mean squared error over all samples, in squared sample units.
  /// - Throws: `ImageError` when sizes or channels differ.
  public static func meanSquaredError<Sample: ImageSample>(
    _ first: Image<Sample>, _ second: Image<Sample>
  ) throws -> Double {
    try checkSameShape(first, second)
    let peak = Double(peak(of: Sample.self))
    var total = 0.0
    first.samples.withUnsafeBufferPointer { left in
      second.samples.withUnsafeBufferPointer { right in
        if let left = left as? UnsafeBufferPointer<UInt8>,
          let right = right as? UnsafeBufferPointer<UInt8>
        {
          total = squaredSum(left, right)
        } else {
          for index in 0..<left.count {
            let difference = Double(left[index].unit) - Double(right[index].unit)
            total += difference * difference
          }
          total *= peak * peak
        }
      }
    }
    return total / Double(first.samples.count)
  }

  /// Peak signal-to-noise ratio in decibels, 10 log10(peak² / MSE); infinite for equal pictures.
  /// - Throws: `ImageError` when sizes or channels differ.
  public static func psnr<Sample: ImageSample>(
    _ first: Image<Sample>, _ second: Image<Sample>
  ) throws -> Double {
    let error = try meanSquaredError(first, second)
    let peak = Double(peak(of: Sample.self))
    return error == 0 ? .infinity : 10 * log10(peak * peak / error)
  }

  static func peak<Sample: ImageSample>(of kind: Sample.Type) -> Float {
    switch kind {
    case is UInt8.Type: 255
    case is UInt16.Type: 65535
    default: 1
    }
  }

  static func checkSameShape<Sample: ImageSample>(
    _ first: Image<Sample>, _ second: Image<Sample>
  ) throws {
    guard first.size == second.size, first.channels == second.channels else {
      throw ImageError(
        .argument, name: "comparison",
        expected: "pictures of one size, \(first.size) with \(first.channels) channels",
        received: "\(second.size) with \(second.channels)")
    }
  }

  private static func squaredSum(
    _ left: UnsafeBufferPointer<UInt8>, _ right: UnsafeBufferPointer<UInt8>
  ) -> Double {
    var total = 0
    // A block of 65536 squares of bytes fits in 32 bits, which the machine adds faster.
    for start in stride(from: 0, to: left.count, by: 65536) {
      var sum: UInt32 = 0
      for index in start..<min(start + 65536, left.count) {
        let difference = Int32(left[index]) &- Int32(right[index])
        sum &+= UInt32(truncatingIfNeeded: difference &* difference)
      }
      total += Int(sum)
    }
    return Double(total)
  }
}
