// Arithmetic of shapes and other constants, done while a network is read.

import AtelierEngine
import Foundation

/// Why a node is not taken; the importer adds the node's name and goes on to the next.
struct ONNXRefusal: Error {
  let text: String
  init(_ text: String) { self.text = text }
}

extension ConstantTensor {
  /// One number.
  static func scalar(_ value: Int) -> ConstantTensor {
    ConstantTensor(dimensions: [], numbers: .integers([value]))
  }

  /// A row of numbers.
  static func row(_ values: [Int]) -> ConstantTensor {
    ConstantTensor(dimensions: [values.count], numbers: .integers(values))
  }

  /// The elements at these places of the row-major order, under new sizes.
  func picking(_ places: [Int], _ dimensions: [Int]) -> ConstantTensor {
    switch numbers {
    case .floats(let values):
      ConstantTensor(dimensions: dimensions, numbers: .floats(places.map { values[$0] }))
    case .integers(let values):
      ConstantTensor(dimensions: dimensions, numbers: .integers(places.map { values[$0] }))
    }
  }

  /// The same numbers under other sizes of the same product.
  func reshaped(_ dimensions: [Int]) -> ConstantTensor {
    ConstantTensor(dimensions: dimensions, numbers: numbers)
  }

  /// The row-major places of a walk over `sizes` with a stride per axis.
  static func places(_ sizes: [Int], _ strides: [Int], start: Int = 0) -> [Int] {
    var result = [start]
    for (size, stride) in zip(sizes, strides) {
      result = result.flatMap { base in (0..<size).map { base + $0 * stride } }
    }
    return result
  }

  /// Strides of row-major order.
  static func strides(_ sizes: [Int]) -> [Int] {
    var result = [Int](repeating: 1, count: sizes.count)
    for axis in sizes.indices.dropLast().reversed() {
      result[axis] = result[axis + 1] * sizes[axis + 1]
    }
    return result
  }

  /// Axes in another order.
  func transposed(_ order: [Int]) -> ConstantTensor {
    let strides = Self.strides(dimensions)
    let sizes = order.map { dimensions[$0] }
    return picking(Self.places(sizes, order.map { strides[$0] }), sizes)
  }

  /// Some places of an axis.
  func gathered(_ axis: Int, _ indices: [Int]) -> ConstantTensor {
    var sizes = dimensions
    sizes[axis] = indices.count
    let inner = dimensions[(axis + 1)...].reduce(1, *)
    let outer = dimensions[..<axis].reduce(1, *)
    var places: [Int] = []
    places.reserveCapacity(outer * indices.count * inner)
    for block in 0..<outer {
      for index in indices {
        let start = (block * dimensions[axis] + index) * inner
        places.append(contentsOf: start..<start + inner)
      }
    }
    return picking(places, sizes)
  }

  /// The numbers repeated to larger sizes; nil where they do not fit.
  func expanded(_ sizes: [Int]) -> ConstantTensor? {
    guard sizes.count >= dimensions.count else { return nil }
    let padded = [Int](repeating: 1, count: sizes.count - dimensions.count) + dimensions
    guard zip(padded, sizes).allSatisfy({ $0 == $1 || $0 == 1 }) else { return nil }
    if padded == sizes { return reshaped(sizes) }
    let strides = zip(Self.strides(padded), padded).map { $1 == 1 ? 0 : $0 }
    return picking(Self.places(sizes, strides), sizes)
  }

  /// A function of each number.
  func mapped(_ integers: ((Int) -> Int)?, _ floats: (Float) -> Float) -> ConstantTensor {
    switch numbers {
    case .integers(let values):
      if let integers {
        return ConstantTensor(dimensions: dimensions, numbers: .integers(values.map(integers)))
      }
      return ConstantTensor(
        dimensions: dimensions, numbers: .floats(values.map { floats(Float($0)) }))
    case .floats(let values):
      return ConstantTensor(dimensions: dimensions, numbers: .floats(values.map(floats)))
    }
  }

  /// The sizes that two tensors are repeated to; nil where they do not fit.
  static func common(_ first: [Int], _ second: [Int]) -> [Int]? {
    let rank = max(first.count, second.count)
    let a = [Int](repeating: 1, count: rank - first.count) + first
    let b = [Int](repeating: 1, count: rank - second.count) + second
    guard zip(a, b).allSatisfy({ $0 == $1 || $0 == 1 || $1 == 1 }) else { return nil }
    return zip(a, b).map { $0 == 1 ? $1 : $0 }
  }

  /// A function of each pair of numbers.
  func combined(
    _ other: ConstantTensor, _ sizes: [Int], _ integers: (Int, Int) -> Int,
    _ floats: (Float, Float) -> Float
  ) -> ConstantTensor? {
    guard let a = expanded(sizes), let b = other.expanded(sizes) else { return nil }
    if let x = a.integers, let y = b.integers {
      return ConstantTensor(dimensions: sizes, numbers: .integers(zip(x, y).map(integers)))
    }
    return ConstantTensor(
      dimensions: sizes, numbers: .floats(zip(a.floats, b.floats).map(floats)))
  }
}

/// Arithmetic on sizes that may come from a hostile file: it wraps instead of trapping.
enum FoldedArithmetic {
  /// The function of two whole numbers and of two floats that an operator stands for.
  static func function(
    _ type: String
  ) -> (integers: (Int, Int) -> Int, floats: (Float, Float) -> Float)? {
    switch type {
    case "Add", "Sum": (({ $0 &+ $1 }), { $0 + $1 })
    case "Sub": (({ $0 &- $1 }), { $0 - $1 })
    case "Mul": (({ $0 &* $1 }), { $0 * $1 })
    case "Div": (({ quotient($0, $1) }), { $0 / $1 })
    case "Max": (({ max($0, $1) }), { max($0, $1) })
    case "Min": (({ min($0, $1) }), { min($0, $1) })
    case "Pow": (({ power($0, $1) }), { pow($0, $1) })
    case "Mod": (({ $1 == 0 || $1 == -1 ? 0 : (($0 % $1) + $1) % $1 }), { fmod($0, $1) })
    case "Equal": (({ $0 == $1 ? 1 : 0 }), { $0 == $1 ? 1 : 0 })
    case "Less": (({ $0 < $1 ? 1 : 0 }), { $0 < $1 ? 1 : 0 })
    case "Greater": (({ $0 > $1 ? 1 : 0 }), { $0 > $1 ? 1 : 0 })
    case "LessOrEqual": (({ $0 <= $1 ? 1 : 0 }), { $0 <= $1 ? 1 : 0 })
    case "GreaterOrEqual": (({ $0 >= $1 ? 1 : 0 }), { $0 >= $1 ? 1 : 0 })
    case "And": (({ $0 != 0 && $1 != 0 ? 1 : 0 }), { $0 != 0 && $1 != 0 ? 1 : 0 })
    case "Or": (({ $0 != 0 || $1 != 0 ? 1 : 0 }), { $0 != 0 || $1 != 0 ? 1 : 0 })
    default: nil
    }
  }

  private static func quotient(_ a: Int, _ b: Int) -> Int {
    b == 0 ? 0 : a.dividedReportingOverflow(by: b).partialValue
  }

  private static func power(_ base: Int, _ exponent: Int) -> Int {
    guard exponent > 0 else { return exponent == 0 ? 1 : 0 }
    return (0..<min(exponent, 64)).reduce(1) { product, _ in product &* base }
  }

  /// The function of one float that an operator stands for.
  static func unary(_ type: String) -> ((Float) -> Float)? {
    switch type {
    case "Neg": { -$0 }
    case "Abs": { abs($0) }
    case "Sqrt": { $0.squareRoot() }
    case "Reciprocal": { 1 / $0 }
    case "Exp": { exp($0) }
    case "Log": { log($0) }
    case "Floor": { $0.rounded(.down) }
    case "Ceil": { $0.rounded(.up) }
    case "Round": { $0.rounded(.toNearestOrEven) }
    case "Sigmoid": { 1 / (1 + exp(-$0)) }
    case "Tanh": { tanh($0) }
    case "Relu": { max($0, 0) }
    case "Erf": { erf($0) }
    default: nil
    }
  }
}
