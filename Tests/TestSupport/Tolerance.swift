// How tests compare numbers, take numeric derivatives, and draw seeded tensors.

import AtelierEngine
import Testing

/// ‖received − expected‖ / ‖expected‖ in Euclidean norms, or the absolute norm where all expected
/// values are zero.
///
/// Infinity for unequal counts and for any value that is not finite where the other one differs,
/// so that no comparison with a tolerance passes by accident.
public func relativeError(_ received: [Float], _ expected: [Float]) -> Float {
  guard received.count == expected.count else { return .infinity }
  var difference = 0.0
  var norm = 0.0
  for (a, b) in zip(received, expected) {
    if a.isNaN || b.isNaN { return .infinity }
    if a == b && a.isInfinite { continue }
    difference += (Double(a) - Double(b)) * (Double(a) - Double(b))
    norm += Double(b) * Double(b)
  }
  let error = norm > 0 ? (difference / norm).squareRoot() : difference.squareRoot()
  return error.isNaN ? .infinity : Float(error)
}

/// The largest |received − expected| / (|expected| + floor) over the elements; sees what a norm
/// hides beside large values.
public func largestError(_ received: [Float], _ expected: [Float], floor: Float) -> Float {
  guard received.count == expected.count else { return .infinity }
  var largest: Float = 0
  for (a, b) in zip(received, expected) {
    if a == b { continue }
    let error = abs(a - b) / (abs(b) + floor)
    if error.isNaN { return .infinity }
    largest = max(largest, error)
  }
  return largest
}

/// Records an issue unless the counts are equal, nothing is NaN, and `relativeError` is at most
/// `tolerance`.
public func expectClose(
  _ received: [Float], _ expected: [Float], tolerance: Float, _ comment: String = "",
  sourceLocation: SourceLocation = #_sourceLocation
) {
  let error = relativeError(received, expected)
  if error <= tolerance { return }
  report(received, expected, "error \(error) over \(tolerance)", comment, sourceLocation)
}

/// Records an issue unless the shapes are equal, nothing is NaN, and `relativeError` is at most
/// `tolerance`.
public func expectClose(
  _ received: Tensor, _ expected: Tensor, tolerance: Float, _ comment: String = "",
  sourceLocation: SourceLocation = #_sourceLocation
) {
  guard received.shape == expected.shape else {
    let text = "shape \(received.shape), expected \(expected.shape)"
    Issue.record("\(comment): \(text)", sourceLocation: sourceLocation)
    return
  }
  expectClose(
    received.elements, expected.elements, tolerance: tolerance, comment,
    sourceLocation: sourceLocation)
}

/// Records an issue unless every element is within `tolerance` · (|expected| + floor).
public func expectEveryClose(
  _ received: [Float], _ expected: [Float], tolerance: Float, floor: Float,
  _ comment: String = "", sourceLocation: SourceLocation = #_sourceLocation
) {
  let error = largestError(received, expected, floor: floor)
  if error <= tolerance { return }
  report(received, expected, "element error \(error) over \(tolerance)", comment, sourceLocation)
}

private func report(
  _ received: [Float], _ expected: [Float], _ error: String, _ comment: String,
  _ sourceLocation: SourceLocation
) {
  var text = "\(comment): \(error)"
  if received.count != expected.count {
    text = "\(comment): \(received.count) values, expected \(expected.count)"
  }
  let pairs = zip(received, expected).enumerated()
  let worst = pairs.max { distance($0.element) < distance($1.element) }
  if let worst {
    text += "; worst at \(worst.offset): \(worst.element.0), expected \(worst.element.1)"
  }
  Issue.record("\(text)", sourceLocation: sourceLocation)
}

private func distance(_ pair: (Float, Float)) -> Float {
  let difference = abs(pair.0 - pair.1)
  return difference.isNaN ? .infinity : difference
}

/// The gradient of a scalar function by central differences, one pair of evaluations per element.
///
/// The error is of order step² from the curve and 1e-7 · |f| / step from rounding, so `function`
/// should sum in Double.
public func centralDifference(
  at point: [Float], step: Float = 1e-2, of function: ([Float]) throws -> Double
) rethrows -> [Float] {
  var probe = point
  var gradient = [Float](repeating: 0, count: point.count)
  for index in point.indices {
    let above = point[index] + step
    let below = point[index] - step
    probe[index] = above
    let high = try function(probe)
    probe[index] = below
    let low = try function(probe)
    probe[index] = point[index]
    // The step that was really taken, after rounding.
    gradient[index] = Float((high - low) / (Double(above) - Double(below)))
  }
  return gradient
}

/// Σ a · b in Double.
///
/// Precondition: equal counts.
public func innerProduct(_ a: [Float], _ b: [Float]) -> Double {
  precondition(a.count == b.count, "\(a.count) and \(b.count) values have no inner product")
  var sum = 0.0
  for (left, right) in zip(a, b) { sum += Double(left) * Double(right) }
  return sum
}

extension Tensor {
  /// Seeded numbers of a normal distribution with mean 0 and standard deviation `scale`.
  public static func random(_ shape: Shape, seed: UInt64, scale: Float = 1) -> Tensor {
    var generator = RandomGenerator(seed: seed)
    return Tensor(shape, (0..<shape.count).map { _ in scale * generator.normal() })
  }

  /// Seeded numbers of [range.lowerBound, range.upperBound).
  public static func uniform(
    _ shape: Shape, in range: ClosedRange<Float>, seed: UInt64
  ) -> Tensor {
    var generator = RandomGenerator(seed: seed)
    return Tensor(shape, (0..<shape.count).map { _ in generator.uniform(range) })
  }

  /// A seeded permutation of 0..<count as numbers, spaced by `spacing`: no two are equal, for
  /// pooling and ReLU.
  public static func distinct(_ shape: Shape, seed: UInt64, spacing: Float = 0.1) -> Tensor {
    var generator = RandomGenerator(seed: seed)
    let middle = Float(shape.count) / 2 - 0.25
    let order = generator.permutation(shape.count)
    return Tensor(shape, order.map { (Float($0) - middle) * spacing })
  }
}
