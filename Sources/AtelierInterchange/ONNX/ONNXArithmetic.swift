// Arithmetic of values that are repeated to each other's sizes, reductions, and normalizations.

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

  private func withoutFactors(_ value: ArrangedValue, _ gone: Set<Int>) -> ArrangedValue {
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

  // MARK: - Normalization

  /// A value with axis 1 last, under a shape of rows and channels, and the arrangement of results.
  private mutating func channelsLast(
    _ value: ArrangedValue
  ) throws -> (value: ValueID, order: [Int], count: Int) {
    guard value.axes.count >= 2 else {
      throw ONNXRefusal("expected a batch with channels, received \(value.dimensions)")
    }
    let count = value.dimensions[1]
    let order = value.order(endingWith: [1])
    // An image keeps its shape.
    let present = shape(value.value).dimensions
    if order == Array(value.factors.indices), present.count >= 2, present.last == count {
      return (value.value, order, count)
    }
    if value.axes.count == 4 {
      let sizes = value.dimensions
      let images = value.axes[0] + value.axes[2] + value.axes[3] + value.axes[1].sorted()
      let placed = try place(value, images, [sizes[0], sizes[2], sizes[3], count])
      return (placed, images, count)
    }
    return (try place(value, order, [value.count / max(count, 1), count]), order, count)
  }

  mutating func batchNormalization(_ call: ONNXCall) throws -> ONNXValue {
    guard try call.integer("training_mode", 0) == 0 else {
      throw ONNXRefusal("is in training mode; export the network for inference")
    }
    let x = try arranged(call, 0)
    let (value, order, count) = try channelsLast(x)
    let channels = x.permutation(of: [1])
    let roles: [(String, Graph.Role)] = [
      ("gamma", .weight), ("beta", .weight), ("running_mean", .statistic),
      ("running_variance", .statistic),
    ]
    var inputs = [value]
    for (index, role) in roles.enumerated() {
      inputs.append(
        try vector(
          call, index + 1, role.0, count: count, channels: channels, role: role.1))
    }
    let operation = BatchNormalizationOperation(
      try call.float("epsilon", 1e-5), newBatch: 1 - (try call.float("momentum", 0.9)))
    return .arranged(moved(x, order, try one(operation, inputs)))
  }

  mutating func instanceNormalization(_ call: ONNXCall) throws -> ONNXValue {
    let x = try arranged(call, 0)
    let epsilon = try call.float("epsilon", 1e-5)
    guard x.axes.count >= 3 else {
      throw ONNXRefusal("expected an image, received \(x.dimensions)")
    }
    let (batch, channels) = (x.dimensions[0], x.dimensions[1])
    // Groups of channels that lie side by side, as exporters write group normalization.
    let inner = x.axes.dropFirst(2).flatMap { $0 }
    if x.axes[1] == x.axes[1].sorted(), let last = x.axes[1].last, last < x.factors.count - 1,
      x.axes[0].allSatisfy({ $0 == 0 }), x.axes[1].count == 1
    {
      let tail = Array((last + 1)..<x.factors.count)
      let width = tail.reduce(1) { $0 * x.factors[$1] }
      if tail.allSatisfy({ inner.contains($0) }) {
        return .arranged(
          try normalized(
            call, x, Array(x.factors.indices), groups: channels, width: width, batch: batch,
            epsilon))
      }
    }
    let order = x.axes[0] + inner.sorted() + x.axes[1]
    return .arranged(
      try normalized(call, x, order, groups: channels, width: 1, batch: batch, epsilon))
  }

  /// A normalization of groups of `width` channels, with scale and shift (inputs 1 and 2) a group.
  private mutating func normalized(
    _ call: ONNXCall, _ x: ArrangedValue, _ order: [Int], groups: Int, width: Int, batch: Int,
    _ epsilon: Float
  ) throws -> ArrangedValue {
    let channels = groups * width
    let sizes = [batch, x.count / batch / channels, channels]
    let present = shape(x.value).dimensions
    let isImage =
      order == Array(x.factors.indices) && present.first == batch && present.last == channels
    let laid = isImage ? x.value : try place(x, order, sizes)
    let repeats = width == 1 ? nil : (0..<channels).map { $0 / width }
    let gamma = try grouped(call, 1, "gamma", groups, repeats)
    let beta = try grouped(call, 2, "beta", groups, repeats)
    let result = try one(
      GroupNormalizationOperation(width == 1 ? 0 : groups, epsilon), [laid, gamma, beta])
    return moved(x, order, result)
  }

  /// A vector of a number a group, each repeated for its channels.
  private mutating func grouped(
    _ call: ONNXCall, _ index: Int, _ name: String, _ groups: Int, _ repeats: [Int]?
  ) throws -> ValueID {
    guard let repeats else {
      return try vector(call, index, name, count: groups, channels: nil)
    }
    guard let constant = try constant(call, index), constant.count == groups else {
      throw ONNXRefusal("expected \(groups) known numbers as \(name)")
    }
    return try parameter(
      constant.reshaped([groups]).gathered(0, repeats), from: source(call, index), name,
      arrangement: "groups of \(repeats.count)")
  }

  mutating func groupNormalization(_ call: ONNXCall) throws -> ONNXValue {
    let x = try arranged(call, 0)
    let groups = try call.integer("num_groups", 1)
    guard x.axes.count >= 3, groups > 0, x.dimensions[1] % groups == 0 else {
      throw ONNXRefusal("\(x.dimensions) does not divide into \(groups) groups")
    }
    let (batch, channels) = (x.dimensions[0], x.dimensions[1])
    let inner = x.axes.dropFirst(2).flatMap { $0 }
    let order = x.axes[0] + inner.sorted() + x.axes[1]
    let present = shape(x.value).dimensions
    let isImage =
      order == Array(x.factors.indices) && present.first == batch && present.last == channels
    let laid =
      isImage ? x.value : try place(x, order, [batch, x.count / batch / channels, channels])
    // Before opset 21 there is a number a group, since then a number a channel.
    let repeats = version >= 21 ? nil : (0..<channels).map { $0 / (channels / groups) }
    let count = version >= 21 ? channels : groups
    let gamma = try grouped(call, 1, "gamma", count, repeats)
    let beta = try grouped(call, 2, "beta", count, repeats)
    let result = try one(
      GroupNormalizationOperation(groups, try call.float("epsilon", 1e-5)), [laid, gamma, beta])
    return .arranged(moved(x, order, result))
  }

  mutating func layerNormalization(_ call: ONNXCall) throws -> [ONNXValue] {
    let x = try arranged(call, 0)
    let first = try axis(try call.integer("axis", -1), rank: x.axes.count)
    let axes = Array(first..<x.axes.count)
    let count = axes.reduce(1) { $0 * x.dimensions[$1] }
    let order = x.order(endingWith: axes)
    let rows = try place(x, order, [x.count / count, count])
    let channels = x.permutation(of: axes)
    let gamma = try vector(call, 1, "gamma", count: count, channels: channels)
    let beta: ValueID
    if call.has(2) {
      beta = try vector(call, 2, "beta", count: count, channels: channels)
    } else {
      beta = try parameter(
        ConstantTensor(
          dimensions: [count], numbers: .floats([Float](repeating: 0, count: count))),
        from: nil, "beta", arrangement: "")
    }
    let results = try append(
      GroupNormalizationOperation(1, try call.float("epsilon", 1e-5)), [rows, gamma, beta])
    let normalized = moved(x, order, results[0])
    // Mean and inverse deviation have one element along the axes that were normalized.
    let gone = Set(axes.flatMap { normalized.axes[$0] })
    let statistics = withoutFactors(normalized, gone)
    return [.arranged(normalized)]
      + results[1...].map { .arranged(statistics.with($0)) }
  }

  mutating func localResponse(_ call: ONNXCall) throws -> ONNXValue {
    var x = try arranged(call, 0)
    let size = try call.integer("size", 0)
    guard (1...4096).contains(size) else { throw ONNXRefusal("has \(size) neighbours") }
    if x.permutation(of: [1]) != nil { x = try settled(x) }
    let (value, order, _) = try channelsLast(x)
    let numbers = LocalResponse(
      size: size, alpha: try call.float("alpha", 1e-4), beta: try call.float("beta", 0.75),
      bias: try call.float("bias", 1))
    return .arranged(moved(x, order, try one(LocalResponseOperation(numbers), [value])))
  }

  mutating func softmax(_ call: ONNXCall) throws -> ONNXValue {
    let x = try arranged(call, 0)
    let first = try axis(
      try call.integer("axis", version < 13 ? 1 : -1), rank: x.axes.count)
    // Before opset 13 all axes from this one on are one.
    let axes = version < 13 ? Array(first..<x.axes.count) : [first]
    let count = axes.reduce(1) { $0 * x.dimensions[$1] }
    let order = x.order(endingWith: axes)
    let present = shape(x.value).dimensions
    let isLast = order == Array(x.factors.indices) && present.last == count
    let rows = isLast ? x.value : try place(x, order, [x.count / max(count, 1), count])
    var result = try one(SoftmaxOperation.standard, [rows])
    if call.type == "LogSoftmax" { result = try one(ActivationOperation(.logarithm), [result]) }
    return .arranged(moved(x, order, result))
  }
}
