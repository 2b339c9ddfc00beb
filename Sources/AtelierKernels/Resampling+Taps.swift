// Resizing by weights along each axis, and its adjoint: every kind of interpolation is a table of taps.

import CKernels

/// For every place of a resized axis, which places of the original it is blended from: `width` taps
/// each.
public struct ResampleTaps: Sendable, Hashable {
  /// Taps a place.
  public let width: Int
  /// Places of the original, `width` for each place.
  public let indices: [Int]
  /// Their weights.
  public let weights: [Float]

  /// Makes a table; places and weights are as many.
  public init(width: Int, indices: [Int], weights: [Float]) {
    precondition(
      width > 0 && indices.count == weights.count && indices.count % width == 0,
      "expected \(width) taps a place, received \(indices.count) and \(weights.count)")
    (self.width, self.indices, self.weights) = (width, indices, weights)
  }

  /// The number of places of the resized axis.
  public var count: Int { indices.count / width }

  /// The tables' transposition: for every place of an original of `count` places, which resized
  /// places it went to, in their order; short lists end with weights of 0.
  func transposed(count: Int) -> ResampleTaps {
    var lists = [[(Int, Float)]](repeating: [], count: count)
    for (tap, index) in indices.enumerated() where weights[tap] != 0 {
      lists[index].append((tap / width, weights[tap]))
    }
    let longest = max(lists.map(\.count).max() ?? 1, 1)
    for index in lists.indices {
      lists[index] += [(Int, Float)](repeating: (0, 0), count: longest - lists[index].count)
    }
    let flat = lists.flatMap { $0 }
    return ResampleTaps(width: longest, indices: flat.map(\.0), weights: flat.map(\.1))
  }
}

extension Kernels {
  /// Blends x [N, H, W, C] to y [N, rows, columns, C] by the taps of both axes.
  public func resample(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, batch: Int, height: Int,
    width: Int, channels: Int, rows: ResampleTaps, columns: ResampleTaps
  ) {
    precondition(
      rows.indices.allSatisfy { $0 < height } && columns.indices.allSatisfy { $0 < width },
      "taps lie within \(height)×\(width) pixels")
    let blend = elementwise.pointee.blend
    let pitch = columns.count * channels
    forRowBlocks(batch * rows.count, elementsPerRow: pitch * rows.width * columns.width) {
      start, end in
      for row in start..<end {
        let (image, place) = (row / rows.count, row % rows.count)
        for column in 0..<columns.count {
          let to = y + row * pitch + column * channels
          to.update(repeating: 0, count: channels)
          for i in place * rows.width..<(place + 1) * rows.width where rows.weights[i] != 0 {
            let line = x + (image * height + rows.indices[i]) * width * channels
            for j in column * columns.width..<(column + 1) * columns.width
            where columns.weights[j] != 0 {
              let weight = rows.weights[i] * columns.weights[j]
              blend(line + columns.indices[j] * channels, weight, 1, to, channels)
            }
          }
        }
      }
    }
  }

  /// The adjoint: dy [N, rows, columns, C] → dx [N, H, W, C], all of it written.
  public func resampleGradient(
    _ dy: UnsafePointer<Float>, _ dx: UnsafeMutablePointer<Float>, batch: Int, height: Int,
    width: Int, channels: Int, rows: ResampleTaps, columns: ResampleTaps
  ) {
    resample(
      dy, dx, batch: batch, height: rows.count, width: columns.count, channels: channels,
      rows: rows.transposed(count: height), columns: columns.transposed(count: width))
  }
}
