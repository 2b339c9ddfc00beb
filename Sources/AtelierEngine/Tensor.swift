// A tensor value: a shape and its numbers.

/// A dense tensor of 32-bit floats in row-major order; images are NHWC.
public struct Tensor: Hashable, Sendable {
  /// The sizes.
  public let shape: Shape
  /// The elements, row-major; always `shape.count` of them.
  public var elements: [Float]

  /// Makes a tensor of given elements.
  ///
  /// Precondition: `elements.count == shape.count`.
  public init(_ shape: Shape, _ elements: [Float]) {
    precondition(
      elements.count == shape.count,
      "a tensor of shape \(shape) has \(shape.count) elements; received \(elements.count)")
    self.shape = shape
    self.elements = elements
  }

  /// Makes a tensor filled with one value.
  public init(_ shape: Shape, repeating value: Float = 0) {
    self.shape = shape
    elements = [Float](repeating: value, count: shape.count)
  }

  /// The number of elements.
  public var count: Int { elements.count }

  /// Whether an element is no number; looks at all of them, many at a time.
  package var holdsNaN: Bool {
    elements.withUnsafeBufferPointer { numbers in
      var found: UInt32 = 0
      for number in numbers {
        // Beyond the bits of infinity the difference wraps around to a sign.
        found |= 0x7F80_0000 &- (number.bitPattern & 0x7FFF_FFFF)
      }
      return found >> 31 == 1
    }
  }

  /// The same elements under another shape.
  ///
  /// Precondition: equal counts.
  public func reshaped(_ shape: Shape) -> Tensor { Tensor(shape, elements) }
}
