// Arithmetic of values that are repeated to each other's sizes, and reductions.

import AtelierEngine
import AtelierKernels

extension ONNXImporter {
  mutating func arithmetic(_ call: ONNXCall) throws -> ONNXValue {
    switch call.type {
    case "Neg":
      let value = try arranged(call, 0)
      return .arranged(value.with(try one(AffineOperation(scale: -1), [value.value])))
    case "Reciprocal":
      let one = try ones(call)
      return .arranged(try combined(.divide, one, try arranged(call, 0)))
    case "Pow": return try power(call)
    default: break
    }
    let operators: [String: BinaryOperator] = [
      "Add": .add, "Sum": .add, "Mean": .add, "Sub": .subtract, "Mul": .multiply, "Div": .divide,
      "Max": .maximum, "Min": .maximum,
    ]
    guard let binary = operators[call.type], let count = Optional(call.node.inputs.count), count > 0
    else { throw ONNXRefusal("lacks its inputs") }
    let isTurned = call.type == "Min"
    var result: ArrangedValue?
    var scalar: Float?
    for index in 0..<count {
      // A single number scales or shifts; it needs no tensor of its own.
      if case .constant(let constant) = try input(call, index), constant.count == 1,
        constant.dimensions.count <= 1, count == 2, binary != .maximum,
        abs(constant.floats[0]) <= 1e9
      {
        if let present = result {
          return .arranged(try scaled(present, binary, constant.floats[0], isLeft: false))
        }
        scalar = constant.floats[0]
        continue
      }
      var value = try arranged(call, index)
      if let scalar { return .arranged(try scaled(value, binary, scalar, isLeft: true)) }
      if isTurned { value = value.with(try one(AffineOperation(scale: -1), [value.value])) }
      result = try result.map { try combined(binary, $0, value) } ?? value
    }
    guard var result else { throw ONNXRefusal("has constants alone") }
    if call.type == "Mean", count > 1 {
      result = result.with(try one(AffineOperation(scale: 1 / Float(count)), [result.value]))
    }
    if isTurned { result = result.with(try one(AffineOperation(scale: -1), [result.value])) }
    return .arranged(result)
  }

  /// A value and a single number.
  private mutating func scaled(
    _ value: ArrangedValue, _ binary: BinaryOperator, _ number: Float, isLeft: Bool
  ) throws -> ArrangedValue {
    let operation: AffineOperation
    switch (binary, isLeft) {
    case (.add, _): operation = AffineOperation(shift: number)
    case (.subtract, false): operation = AffineOperation(shift: -number)
    case (.subtract, true): operation = AffineOperation(scale: -1, shift: number)
    case (.divide, false) where number != 0 && abs(1 / number) <= 1e9:
      operation = AffineOperation(scale: 1 / number)
    case (.multiply, _): operation = AffineOperation(scale: number)
    default:
      let constant = try parameter(
        ConstantTensor(dimensions: [1], numbers: .floats([number])), from: nil, "constant",
        arrangement: "")
      let other = ArrangedValue(constant, dimensions: [], order: [], isBatched: false)
      return isLeft
        ? try combined(binary, other, value) : try combined(binary, value, other)
    }
    return value.with(try one(operation, [value.value]))
  }

  private mutating func ones(_ call: ONNXCall) throws -> ArrangedValue {
    let value = try parameter(
      ConstantTensor(dimensions: [1], numbers: .floats([1])), from: nil, "one", arrangement: "")
    return ArrangedValue(value, dimensions: [], order: [], isBatched: false)
  }

  private mutating func power(_ call: ONNXCall) throws -> ONNXValue {
    let value = try arranged(call, 0)
    guard let exponents = try constant(call, 1), let first = exponents.floats.first,
      exponents.floats.allSatisfy({ $0 == first })
    else { throw ONNXRefusal("its exponent is not one known number") }
    let x = value.value
    switch first {
    case 1: return .arranged(value)
    case 0.5: return .arranged(value.with(try one(ActivationOperation(.squareRoot), [x])))
    case 2: return .arranged(value.with(try one(BinaryOperation(.multiply), [x, x])))
    case 3:
      let square = try one(BinaryOperation(.multiply), [x, x])
      return .arranged(value.with(try one(BinaryOperation(.multiply), [square, x])))
    case -1: return .arranged(try combined(.divide, try ones(call), value))
    case -0.5:
      let root = value.with(try one(ActivationOperation(.squareRoot), [x]))
      return .arranged(try combined(.divide, try ones(call), root))
    default:
      let logarithm = try one(ActivationOperation(.logarithm), [x])
      let scaled = try one(AffineOperation(scale: first), [logarithm])
      return .arranged(value.with(try one(ActivationOperation(.exponential), [scaled])))
    }
  }

  // MARK: - Two values

  /// Two values combined, each repeated to the other's sizes.
  mutating func combined(
    _ binary: BinaryOperator, _ left: ArrangedValue, _ right: ArrangedValue
  ) throws -> ArrangedValue {
    let rank = max(left.axes.count, right.axes.count)
    func padded(_ value: ArrangedValue) -> ArrangedValue {
      var result = value
      result.axes = [[Int]](repeating: [], count: rank - value.axes.count) + value.axes
      return result
    }
    var (a, b) = (padded(left), padded(right))
    guard let sizes = ConstantTensor.common(a.dimensions, b.dimensions) else {
      throw ONNXRefusal("sizes \(left.dimensions) and \(right.dimensions) do not fit")
    }
    if a.factors == b.factors, a.axes == b.axes, shape(a.value) == shape(b.value) {
      return a.with(try one(BinaryOperation(binary), [a.value, b.value]))
    }
    if let common = aligned(a, b) {
      (a, b) = common
    } else {
      (a, b) = (try settled(a), try settled(b))
      // A batch that one of them keeps apart must not hinder.
      (a.isBatched, b.isBatched) = (false, false)
      guard let common = aligned(plain(a), plain(b)) else {
        throw ONNXRefusal("sizes \(left.dimensions) and \(right.dimensions) do not fit")
      }
      (a, b) = common
    }
    return try combinedFactors(binary, a, b, sizes)
  }

  /// The value without factors of one element.
  private func plain(_ value: ArrangedValue) -> ArrangedValue {
    guard value.factors.first == 1 else { return value }
    var result = value
    result.factors.removeFirst()
    result.axes = value.axes.map { $0.compactMap { $0 == 0 ? nil : $0 - 1 } }
    result.isBatched = false
    return result
  }

  /// Both values with each axis that both have made of factors of the same sizes; nil where no
  /// splitting gives that.
  private func aligned(
    _ left: ArrangedValue, _ right: ArrangedValue
  ) -> (ArrangedValue, ArrangedValue)? {
    var (a, b) = (left, right)
    for axis in a.axes.indices {
      if a.dimensions[axis] == 1 || b.dimensions[axis] == 1 { continue }
      var index = 0
      while index < a.axes[axis].count, index < b.axes[axis].count {
        let (x, y) = (a.axes[axis][index], b.axes[axis][index])
        let (m, n) = (a.factors[x], b.factors[y])
        if m != n {
          guard m > 0, n > 0 else { return nil }
          if m > n, m % n == 0 {
            a = a.splitting(x, outer: n)
          } else if n > m, n % m == 0 {
            b = b.splitting(y, outer: m)
          } else {
            return nil
          }
        }
        index += 1
      }
      guard a.axes[axis].count == b.axes[axis].count else { return nil }
    }
    return (a, b)
  }

  /// Combines two values whose common axes are made of equal factors.
  private mutating func combinedFactors(
    _ binary: BinaryOperator, _ a: ArrangedValue, _ b: ArrangedValue, _ sizes: [Int]
  ) throws -> ArrangedValue {
    let (first, second) = (a.dimensions, b.dimensions)
    let aCovers = zip(first, sizes).allSatisfy { $0 == $1 }
    let bCovers = zip(second, sizes).allSatisfy { $0 == $1 }
    // The larger value's numbers stay as they lie; where neither has all axes, the file's order is taken.
    var leader: ArrangedValue
    if aCovers || bCovers {
      leader = aCovers ? a : b
    } else {
      var factors: [Int] = []
      var axes: [[Int]] = []
      for axis in sizes.indices {
        let source = first[axis] == 1 ? b : a
        axes.append(source.axes[axis].indices.map { factors.count + $0 })
        factors += source.axes[axis].map { source.factors[$0] }
      }
      leader = ArrangedValue(0, factors: factors, axes: axes, isBatched: false)
    }
    let left = try under(leader, a)
    let right = try under(leader, b)
    let isEqual = left.sizes == right.sizes
    let operation: any Operation =
      isEqual ? BinaryOperation(binary) : BroadcastBinaryOperation(binary)
    var inputs = [left.value, right.value]
    if !isEqual {
      inputs = [try regroup(left.value, left.sizes), try regroup(right.value, right.sizes)]
    } else {
      // Equal values keep the leader's own shape, so that what stands before can take them in.
      let shape = self.shape(leader.value).dimensions
      for index in inputs.indices { inputs[index] = try regroup(inputs[index], shape) }
    }
    leader.value = try one(operation, inputs)
    return leader
  }

  /// A value in the order of a leader's factors, with one element where it is repeated.
  private mutating func under(
    _ leader: ArrangedValue, _ value: ArrangedValue
  ) throws -> (value: ValueID, sizes: [Int]) {
    var sizes = [Int](repeating: 1, count: leader.factors.count)
    var places: [(place: Int, factor: Int)] = []
    var covered = Set<Int>()
    for (axis, factors) in leader.axes.enumerated() {
      let own = value.axes[axis]
      let isRepeated = value.dimensions[axis] == 1 && own.count != factors.count
      for (index, place) in factors.enumerated() where !isRepeated && index < own.count {
        sizes[place] = value.factors[own[index]]
        places.append((place, own[index]))
        covered.insert(own[index])
      }
    }
    // Factors of one element that have no counterpart lie anywhere.
    let rest = value.factors.indices.filter { !covered.contains($0) }
    let order = rest + places.sorted { $0.place < $1.place }.map(\.factor)
    // As it lies where that needs no change: shapes of an image stay shapes of an image.
    let whole = sizes == leader.factors && order == Array(value.factors.indices)
    if whole { return (value.value, sizes) }
    let moved = try place(value, order, sizes)
    return (moved, sizes)
  }

  /// A value repeated to larger sizes.
  mutating func expanded(_ value: ArrangedValue, _ sizes: [Int]) throws -> ArrangedValue {
    var result = value
    result.axes =
      [[Int]](repeating: [], count: max(sizes.count - value.axes.count, 0)) + value.axes
    let present = result.dimensions
    guard present.count == sizes.count,
      zip(present, sizes).allSatisfy({ $0 == $1 || $0 == 1 && $1 > 0 })
    else { throw ONNXRefusal("\(value.dimensions) cannot be repeated to \(sizes)") }
    for axis in sizes.indices where present[axis] != sizes[axis] {
      result = try repeating(result, axis, sizes[axis])
    }
    return result
  }

  /// A value with an axis as many times after each other; the new factor lies outermost but for the batch.
  mutating func repeating(
    _ value: ArrangedValue, _ axis: Int, _ count: Int
  ) throws -> ArrangedValue {
    guard count != 1 else { return value }
    guard count > 1, count <= 1 << 24 else { throw ONNXRefusal("repeats \(count) times") }
    let place = value.isBatched ? 1 : 0
    var sizes = value.factors
    sizes.insert(1, at: place)
    let laid = try regroup(value.value, sizes)
    sizes[place] = count
    var result = value
    result.value = try one(ExpandOperation(Shape(sizes)), [laid])
    result.factors = sizes
    result.axes = value.axes.map { $0.map { $0 >= place ? $0 + 1 : $0 } }
    result.axes[axis].insert(place, at: 0)
    return result
  }

  mutating func repeated(_ call: ONNXCall) throws -> ONNXValue {
    let value = try arranged(call, 0)
    let sizes = try integers(call, 1, "sizes")
    guard sizes.count <= 16, sizes.allSatisfy({ (1...1 << 24).contains($0) }) else {
      throw ONNXRefusal("repeats to \(sizes.prefix(8))")
    }
    if call.type == "Expand" {
      guard let common = ConstantTensor.common(value.dimensions, sizes) else {
        throw ONNXRefusal("\(value.dimensions) cannot be repeated to \(sizes)")
      }
      return .arranged(try expanded(value, common))
    }
    guard sizes.count == value.axes.count else {
      throw ONNXRefusal("expected a number for each axis of \(value.dimensions), received \(sizes)")
    }
    var result = value
    for (axis, count) in sizes.enumerated() { result = try repeating(result, axis, count) }
    return .arranged(result)
  }

  // MARK: - Reductions

  mutating func reduced(_ call: ONNXCall) throws -> ONNXValue {
    let value = try arranged(call, 0)
    var axes = try call.integers("axes")
    if call.has(1) { axes = try integers(call, 1, "axes") }
    let keeps = try call.integer("keepdims", 1) != 0
    if axes?.isEmpty ?? true {
      if try call.integer("noop_with_empty_axes", 0) != 0 { return .arranged(value) }
      axes = Array(value.axes.indices)
    }
    let chosen = try self.axes(axes ?? [], rank: value.axes.count)
    func all(_ reduction: Reduction, _ value: ArrangedValue) throws -> ArrangedValue {
      try folded(value, reduction, axes: chosen, keeps: keeps)
    }
    let x = value.value
    switch call.type {
    case "ReduceMean": return .arranged(try all(.mean, value))
    case "ReduceSum": return .arranged(try all(.sum, value))
    case "ReduceMax": return .arranged(try all(.maximum, value))
    case "ReduceMin":
      let turned = value.with(try one(AffineOperation(scale: -1), [x]))
      let largest = try all(.maximum, turned)
      return .arranged(largest.with(try one(AffineOperation(scale: -1), [largest.value])))
    default:
      let squares = value.with(try one(BinaryOperation(.multiply), [x, x]))
      let sum = try all(.sum, squares)
      if call.type == "ReduceSumSquare" { return .arranged(sum) }
      return .arranged(sum.with(try one(ActivationOperation(.squareRoot), [sum.value])))
    }
  }

  /// A value reduced over some axes, which stay with one element where `keeps`.
  mutating func folded(
    _ value: ArrangedValue, _ reduction: Reduction, axes: [Int], keeps: Bool
  ) throws -> ArrangedValue {
    var result = value
    if value.axes.count == 4, axes == [2, 3], value.isBatched, value.axes[0] == [0],
      reduction != .sum
    {
      let channels = value.axes[1].sorted()
      let (image, permutation) = try image(value)
      if reduction == .mean {
        result.value = try one(GlobalAveragePoolOperation.standard, [image])
      } else {
        let window = Extent(shape(image).height, shape(image).width)
        result.value = try one(MaxPoolOperation(PoolAttributes(window: window)), [image])
      }
      _ = permutation
      result.factors = [value.factors[0]] + channels.map { value.factors[$0] }
      result.axes = [[0], value.axes[1].map { 1 + (channels.firstIndex(of: $0) ?? 0) }, [], []]
    } else {
      // The batch stays where all of its axis but one element is left.
      let gone = Set(axes.flatMap { value.axes[$0] })
      let laid = try regroup(value.value, value.factors.isEmpty ? [1] : value.factors)
      result.value =
        gone.isEmpty
        ? value.value : try one(ReduceOperation(reduction, axes: gone.sorted()), [laid])
      result.factors = value.factors.indices.map { gone.contains($0) ? 1 : value.factors[$0] }
      for axis in axes { result.axes[axis] = [] }
      result = withoutFactors(result, gone)
    }
    if !keeps {
      result.axes = result.axes.indices.filter { !axes.contains($0) }.map { result.axes[$0] }
    }
    return result
  }

  func withoutFactors(_ value: ArrangedValue, _ gone: Set<Int>) -> ArrangedValue {
    var places: [Int: Int] = [:]
    var factors: [Int] = []
    for (index, factor) in value.factors.enumerated() where !gone.contains(index) {
      places[index] = factors.count
      factors.append(factor)
    }
    return ArrangedValue(
      value.value, factors: factors, axes: value.axes.map { $0.compactMap { places[$0] } },
      isBatched: value.isBatched && !gone.contains(0))
  }
}
