// Kernels over tensors of any rank whose axes are read in another order, repeated or summed.

import CKernels

/// How one or two inputs lie under the axes of a result: a stride in elements per axis and input, 0
/// where the input is repeated along the axis.
///
/// Axes of one element are left out and neighbours that run on in every input are one, so that rows
/// are as long as they can be.
public struct StridedLayout: Sendable {
  /// The sizes of the result's axes, outermost first; at least one.
  private(set) var sizes: [Int] = []
  private(set) var first: [Int] = []
  private(set) var second: [Int] = []

  /// Describes a result of these sizes; without a second input its strides are all 0.
  public init(sizes: [Int], first: [Int], second: [Int]? = nil) {
    let other = second ?? [Int](repeating: 0, count: sizes.count)
    precondition(
      sizes.count == first.count && sizes.count == other.count,
      "expected \(sizes.count) strides, received \(first.count) and \(other.count)")
    for axis in sizes.indices where sizes[axis] != 1 {
      if let last = self.sizes.indices.last, self.first[last] == first[axis] * sizes[axis],
        self.second[last] == other[axis] * sizes[axis]
      {
        self.sizes[last] *= sizes[axis]
        self.first[last] = first[axis]
        self.second[last] = other[axis]
      } else {
        self.sizes.append(sizes[axis])
        self.first.append(first[axis])
        self.second.append(other[axis])
      }
    }
    if self.sizes.isEmpty { (self.sizes, self.first, self.second) = ([1], [1], [1]) }
  }

  /// The strides of a row-major tensor of these sizes.
  public static func strides(_ sizes: [Int]) -> [Int] {
    var strides = [Int](repeating: 1, count: sizes.count)
    for axis in sizes.indices.dropLast().reversed() {
      strides[axis] = strides[axis + 1] * sizes[axis + 1]
    }
    return strides
  }

  /// The elements of a row: the last axis.
  var width: Int { sizes[sizes.count - 1] }
  /// The number of rows.
  var rows: Int { sizes.dropLast().reduce(1, *) }

  /// The inputs' first elements of a row.
  func offsets(ofRow row: Int) -> (first: Int, second: Int) {
    var rest = row
    var result = (first: 0, second: 0)
    for axis in sizes.indices.dropLast().reversed() {
      let index = rest % sizes[axis]
      rest /= sizes[axis]
      result.first += index * first[axis]
      result.second += index * second[axis]
    }
    return result
  }
}

extension Kernels {
  /// Gathers: y in row-major order of the layout's sizes, x at its first strides.
  ///
  /// A transposition, a repetition or both; x and y must not overlap.
  public func gather(
    _ layout: StridedLayout, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>
  ) {
    let width = layout.width
    let stride = layout.first[layout.sizes.count - 1]
    forRowBlocks(layout.rows, elementsPerRow: width) { start, end in
      for row in start..<end {
        let from = x + layout.offsets(ofRow: row).first
        let to = y + row * width
        if stride == 1 {
          to.update(from: from, count: width)
        } else {
          for index in 0..<width { to[index] = from[index * stride] }
        }
      }
    }
  }

  /// Combines two tensors element by element, each read at its strides; `out` may be neither.
  public func binary(
    _ operation: BinaryOperator, _ layout: StridedLayout, _ x: UnsafePointer<Float>,
    _ y: UnsafePointer<Float>, _ out: UnsafeMutablePointer<Float>
  ) {
    let width = layout.width
    let last = layout.sizes.count - 1
    let (xStep, yStep) = (layout.first[last], layout.second[last])
    let kernel = elementwise.pointee.binary
    let code = operation.code
    // Where a row of one input is a single value or scattered, it is laid out first, in parts.
    let part = min(width, 1024)
    forRowBlocks(layout.rows, elementsPerRow: width) { start, end in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * part) { buffer in
        let spare = buffer.write
        for row in start..<end {
          let (xAt, yAt) = layout.offsets(ofRow: row)
          if xStep == 1 && yStep == 1 {
            kernel(code, x + xAt, y + yAt, out + row * width, width)
            continue
          }
          for begin in Swift.stride(from: 0, to: width, by: part) {
            let count = min(part, width - begin)
            let left = laid(x + xAt + begin * xStep, xStep, count, spare)
            let right = laid(y + yAt + begin * yStep, yStep, count, spare + part)
            kernel(code, left, right, out + row * width + begin, count)
          }
        }
      }
    }
  }

  /// `count` elements side by side: where they lie already, or copied to `spare`.
  private func laid(
    _ x: UnsafePointer<Float>, _ step: Int, _ count: Int, _ spare: UnsafeMutablePointer<Float>
  ) -> UnsafePointer<Float> {
    if step == 1 { return x }
    if step == 0 {
      spare.update(repeating: x[0], count: count)
    } else {
      for index in 0..<count { spare[index] = x[index * step] }
    }
    return UnsafePointer(spare)
  }

  /// Folds, for each element of `kept`, the elements of x that `reduced` reaches from it.
  ///
  /// Both layouts have x's strides. Sums and means are taken in double precision, in row-major order.
  public func reduce(
    _ reduction: Reduction, kept: StridedLayout, reduced: StridedLayout,
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>
  ) {
    let count = reduced.rows * reduced.width
    let (width, rows) = (kept.width, kept.rows)
    let step = kept.first[kept.sizes.count - 1]
    forRowBlocks(rows * width, elementsPerRow: count) { start, end in
      for index in start..<end {
        let from = x + kept.offsets(ofRow: index / width).first + index % width * step
        y[index] = folded(reduction, reduced, from, count)
      }
    }
  }

  private func folded(
    _ reduction: Reduction, _ layout: StridedLayout, _ x: UnsafePointer<Float>, _ count: Int
  ) -> Float {
    let step = layout.first[layout.sizes.count - 1]
    var sum = 0.0
    var largest = -Float.infinity
    for row in 0..<layout.rows {
      let from = x + layout.offsets(ofRow: row).first
      switch reduction {
      case .sum, .mean: for index in 0..<layout.width { sum += Double(from[index * step]) }
      case .maximum:
        for index in 0..<layout.width {
          let value = from[index * step]
          if value > largest || value.isNaN { largest = value }
        }
      }
    }
    switch reduction {
    case .sum: return Float(sum)
    case .mean: return Float(sum / Double(count))
    case .maximum: return largest
    }
  }

  /// y [B, M, N] = a [B, M, K] · b [B, K, N], row-major; sums run over k in order.
  public func matrixProduct(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>,
    batch: Int, rows: Int, inner: Int, columns: Int
  ) {
    let blend = elementwise.pointee.blend
    forRowBlocks(batch * rows, elementsPerRow: inner * columns) { start, end in
      for row in start..<end {
        let to = y + row * columns
        let right = b + row / rows * inner * columns
        to.update(repeating: 0, count: columns)
        for k in 0..<inner { blend(right + k * columns, a[row * inner + k], 1, to, columns) }
      }
    }
  }
}

/// How the elements along some axes become one.
public enum Reduction: String, Codable, Sendable {
  /// Their sum.
  case sum
  /// Their mean.
  case mean
  /// The largest.
  case maximum
}
