// Products of matrices, and the dense layers among them.

import AtelierEngine
import AtelierKernels

extension ONNXImporter {
  /// Gemm: alpha · A · B + beta · C.
  mutating func generalProduct(_ call: ONNXCall) throws -> ONNXValue {
    var a = try arranged(call, 0)
    guard a.axes.count == 2 else {
      throw ONNXRefusal("expected a matrix, received \(a.dimensions)")
    }
    if try call.integer("transA", 0) != 0 { a = a.transposed([1, 0]) }
    let isTurned = try call.integer("transB", 0) != 0
    let (alpha, beta) = (try call.float("alpha", 1), try call.float("beta", 1))
    let addend: ONNXValue? = call.has(2) ? try input(call, 2) : nil
    if case .constant(var b) = try input(call, 1), b.dimensions.count == 2 {
      if isTurned { b = b.transposed([1, 0]) }
      if alpha != 1 { b = b.mapped(nil) { $0 * alpha } }
      var bias: ConstantTensor?
      if case .constant(let c)? = addend, c.count == b.dimensions[1],
        c.dimensions.last == c.count
      {
        bias = c.reshaped([c.count])
        if beta != 1 { bias = bias?.mapped(nil) { $0 * beta } }
      }
      let product = try dense(
        a, b, bias, call, arrangement: "\(isTurned) \(alpha)", biasArrangement: "\(beta)")
      if addend == nil || bias != nil { return .arranged(product) }
      return .arranged(try added(product, call, beta))
    }
    var b = try arranged(call, 1)
    guard b.axes.count == 2 else {
      throw ONNXRefusal("expected a matrix, received \(b.dimensions)")
    }
    if isTurned { b = b.transposed([1, 0]) }
    var product = try general(a, b)
    if alpha != 1 {
      product = product.with(try one(AffineOperation(scale: alpha), [product.value]))
    }
    return .arranged(addend == nil ? product : try added(product, call, beta))
  }

  /// A product plus beta times input 2.
  private mutating func added(
    _ product: ArrangedValue, _ call: ONNXCall, _ beta: Float
  ) throws -> ArrangedValue {
    var c = try arranged(call, 2)
    if beta != 1 { c = c.with(try one(AffineOperation(scale: beta), [c.value])) }
    return try combined(.add, product, c)
  }

  /// A dense layer over the last axis, its weights [in, out] in the order in which the values lie.
  private mutating func dense(
    _ x: ArrangedValue, _ weights: ConstantTensor, _ bias: ConstantTensor?, _ call: ONNXCall,
    arrangement: String, biasArrangement: String
  ) throws -> ArrangedValue {
    let last = x.axes.count - 1
    let (inner, outer) = (weights.dimensions[0], weights.dimensions[1])
    guard x.dimensions[last] == inner, inner > 0, outer > 0 else {
      throw ONNXRefusal("expected \(inner) features, received \(x.dimensions)")
    }
    let order = x.order(endingWith: [last])
    let rows = try place(x, order, [x.count / inner, inner])
    let permutation = x.permutation(of: [last])
    let weight = try parameter(
      permutation.map { weights.gathered(0, $0) } ?? weights, from: source(call, 1), "weight",
      arrangement: "dense \(arrangement) \(permutation?.hashValue ?? 0)")
    var inputs = [rows, weight]
    if let bias {
      inputs.append(
        try parameter(
          bias, from: source(call, 2), "bias", arrangement: "dense \(biasArrangement)"))
    }
    let result = try one(ConvolutionOperation.dense(hasBias: bias != nil), inputs)
    return replacingLast(x, order, result, outer)
  }

  /// The arrangement of a product of rows: all axes but the last stay, which has `size` now.
  private func replacingLast(
    _ x: ArrangedValue, _ order: [Int], _ result: ValueID, _ size: Int
  ) -> ArrangedValue {
    let last = x.axes.count - 1
    var value = moved(x, order, result)
    let kept = value.factors.count - value.axes[last].count
    value.factors = Array(value.factors[..<kept]) + (size == 1 ? [] : [size])
    value.axes[last] = size == 1 ? [] : [kept]
    return value
  }

  mutating func matrixProduct(_ call: ONNXCall) throws -> ONNXValue {
    let a = try arranged(call, 0)
    if case .constant(let b) = try input(call, 1), b.dimensions.count == 2, a.axes.count >= 1 {
      return .arranged(
        try dense(a, b, nil, call, arrangement: "product", biasArrangement: ""))
    }
    return .arranged(try general(a, try arranged(call, 1)))
  }

  /// Products of matrices in the last two axes, the others repeated to each other's sizes.
  private mutating func general(_ left: ArrangedValue, _ right: ArrangedValue) throws
    -> ArrangedValue
  {
    var (a, b) = (left, right)
    let (isRow, isColumn) = (a.axes.count == 1, b.axes.count == 1)
    if isRow { a.axes.insert([], at: 0) }
    if isColumn { b.axes.append([]) }
    guard a.axes.count >= 2, b.axes.count >= 2,
      let outer = ConstantTensor.common(
        Array(a.dimensions.dropLast(2)), Array(b.dimensions.dropLast(2))),
      a.dimensions[a.axes.count - 1] == b.dimensions[b.axes.count - 2]
    else {
      throw ONNXRefusal("matrices \(left.dimensions) and \(right.dimensions) have no product")
    }
    let (rows, inner) = (a.dimensions[a.axes.count - 2], a.dimensions[a.axes.count - 1])
    let columns = b.dimensions[b.axes.count - 1]
    let batch = outer.reduce(1, *)
    a = try expanded(a, outer + [rows, inner])
    b = try expanded(b, outer + [inner, columns])
    let first = try place(a, a.sequence, [batch, rows, inner])
    let second = try place(b, b.sequence, [batch, inner, columns])
    let result = try one(MatrixProductOperation(), [first, second])
    let sizes = outer + [rows, columns]
    var value = ArrangedValue(
      result, dimensions: sizes, order: Array(sizes.indices), isBatched: false)
    if isColumn { value.axes.removeLast() }
    if isRow { value.axes.remove(at: value.axes.count - (isColumn ? 1 : 2)) }
    return value
  }
}
