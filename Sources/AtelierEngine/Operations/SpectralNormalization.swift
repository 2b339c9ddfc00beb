// Weights divided by their largest singular value, so that a critic's slope stays bounded.

import AtelierKernels

/// Spectral normalization (Miyato and others 2018): weights W / σ, with the largest singular value σ of the matrix [everything
/// else, out] by power iteration.
///
/// Inputs: weights [..., out] and the vector [out] that the iteration keeps from run to run. Outputs: the normalized weights, σ
/// (a scalar) and the singular vectors u [everything else] and v [out]. In training form the kept vector moves.
public struct SpectralNormalizationOperation: Operation {
  public static let kind = "spectral-normalization"
  /// Whether the vector moves; a graph of a model says false, a plan for training sets it.
  public var isTraining = false
  public var movedInputs: [Int] { isTraining ? [1] : [] }
  /// Below this a matrix counts as zero and stays as it is.
  static let least: Float = 1e-12

  /// Makes the operation.
  public init() {}

  /// The weights' shape, a scalar, [everything else], [out].
  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 2)
    guard inputs[0].rank >= 2 else {
      throw ShapeError("expected weights [..., out]; received \(inputs[0])")
    }
    try expectEqual([inputs[0].channels], inputs[1], "a vector")
    return [inputs[0], .scalar, [inputs[0].count / inputs[0].channels], inputs[1]]
  }

  public func workspaceCount(_ shapes: NodeShapes, _ kernels: Kernels) -> Int {
    shapes.outputs[2].count + shapes.inputs[1].count
  }

  public func run(_ context: borrowing ExecutionContext) {
    let (rows, columns) = context.shapes.inputs[0].matrix
    let (weights, kept) = (context.input(0), context.input(1))
    let left = context.output(2) ?? context.scratch
    let right = context.output(3) ?? context.scratch + rows
    // u = W v, v = Wᵀ u, each then of length 1: one turn of the power iteration.
    for row in 0..<rows { left[row] = Self.dot(weights + row * columns, kept, columns) }
    Self.normalize(left, rows)
    context.kernels.matrixProduct(
      UnsafePointer(left), weights, right, batch: 1, rows: 1, inner: rows, columns: columns)
    let sigma = Self.normalize(right, columns)
    if isTraining { context.mutableInput(1).update(from: right, count: columns) }
    let scale = sigma > Self.least ? 1 / sigma : 1
    context.output(1)?[0] = 1 / scale
    context.kernels.affine(
      weights, scale: scale, shift: 0, context.output, count: rows * columns)
  }

  /// The inner product, summed in eight lanes so that it is fast and always the same.
  private static func dot(
    _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, _ count: Int
  ) -> Float {
    var lanes = SIMD8<Float>()
    let whole = count / 8 * 8
    for index in stride(from: 0, to: whole, by: 8) {
      let a = UnsafeRawPointer(x + index).loadUnaligned(as: SIMD8<Float>.self)
      lanes += a * UnsafeRawPointer(y + index).loadUnaligned(as: SIMD8<Float>.self)
    }
    var sum = lanes.sum()
    for index in whole..<count { sum += x[index] * y[index] }
    return sum
  }

  /// Divides a vector by its length, which is the result, unless it is zero.
  @discardableResult private static func normalize(
    _ vector: UnsafeMutablePointer<Float>, _ count: Int
  ) -> Float {
    var sum = 0.0
    for index in 0..<count { sum += Double(vector[index]) * Double(vector[index]) }
    let length = Float(sum.squareRoot())
    if length > least { for index in 0..<count { vector[index] /= length } }
    return length
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    [
      try context.one(SpectralNormalizationGradient(), [context.upstream] + context.outputs), nil,
    ]
  }
}

/// The gradient of spectral normalization to the weights: (G − ⟨G, W/σ⟩ u vᵀ) / σ.
///
/// The singular vectors count as constants, as in the paper. Inputs: upstream G, W / σ, σ, u and v.
public struct SpectralNormalizationGradient: Operation {
  public static let kind = "spectral-normalization-gradient"

  /// Makes the operation.
  public init() {}

  /// The weights' shape.
  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 5)
    try expectEqual(inputs[0], inputs[1], "normalized weights")
    try expectScalars(inputs[2..<3])
    guard inputs[0].rank >= 2 else {
      throw ShapeError("expected weights [..., out]; received \(inputs[0])")
    }
    try expectEqual([inputs[0].count / inputs[0].channels], inputs[3], "a left vector")
    try expectEqual([inputs[0].channels], inputs[4], "a right vector")
    return [inputs[0]]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let (rows, columns) = context.shapes.inputs[0].matrix
    let (upstream, normalized) = (context.input(0), context.input(1))
    let (u, v, scale) = (context.input(3), context.input(4), 1 / context.input(2)[0])
    var product = 0.0
    for index in 0..<rows * columns {
      product += Double(upstream[index]) * Double(normalized[index])
    }
    let share = Float(product)
    for row in 0..<rows {
      let factor = share * u[row]
      for column in 0..<columns {
        let index = row * columns + column
        context.output[index] = (upstream[index] - factor * v[column]) * scale
      }
    }
  }
}
