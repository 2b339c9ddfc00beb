// The soft Dice loss with one class index per row, as segmentation has it, and its gradient.

import AtelierKernels

/// Soft Dice loss (Milletari and others 2016) against class indices: 1 − the mean over channels of
/// (2 Σ p·t + s) / (Σ p + Σ t + s), where t is 1 for a row's own class.
///
/// Inputs: probabilities [..., C] and labels [...] or [..., 1], class indices stored as floats.
/// Outputs: the loss, and the three sums a channel, [3, C], which the gradient reads. Rows with the
/// ignored label do not count; another label outside 0..<C is a data fault.
public struct SparseDiceLoss: Operation {
  public static let kind = "sparse-dice-loss"
  /// Added above and below, so that an absent class costs nothing.
  public var smooth: Float
  /// Rows with this label do not count.
  public var ignoreLabel: Int?

  /// Makes a loss.
  public init(smooth: Float = 1, ignoreLabel: Int? = nil) {
    self.smooth = smooth
    self.ignoreLabel = ignoreLabel
  }

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 2)
    try expectLabels(inputs, "probabilities")
    return [.scalar, [3, inputs[0].channels]]
  }

  public func workspaceCount(_ shapes: NodeShapes, _ kernels: Kernels) -> Int {
    shapes.outputs[1].count
  }

  public func run(_ context: borrowing ExecutionContext) {
    let (rows, channels) = context.shapes.inputs[0].matrix
    let (prediction, labels) = (context.input(0), context.input(1))
    let sums = context.output(1) ?? context.scratch
    var invalid = 0
    // Double sums: a class may have hundreds of thousands of small probabilities.
    withUnsafeTemporaryAllocation(of: Double.self, capacity: 3 * channels) { exact in
      exact.initialize(repeating: 0)
      for row in 0..<rows {
        guard let label = counted(labels[row], channels) else {
          if labels[row] != ignoreLabel.map(Float.init) { invalid += 1 }
          continue
        }
        let place = row &* channels
        for channel in 0..<channels {
          exact[channels &+ channel] += Double(prediction[place &+ channel])
        }
        exact[label] += Double(prediction[place &+ label])
        exact[2 &* channels &+ label] += 1
      }
      var score = 0.0
      for channel in 0..<channels {
        let (both, predicted) = (exact[channel], exact[channels + channel])
        let own = exact[2 * channels + channel]
        score += (2 * both + Double(smooth)) / (predicted + own + Double(smooth))
      }
      for index in 0..<3 * channels { sums[index] = Float(exact[index]) }
      context.output[0] = Float(1 - score / Double(channels))
    }
    if invalid > 0 { context.report("\(invalid) labels lie outside the classes 0..<\(channels)") }
  }

  /// The class of a row that counts.
  func counted(_ label: Float, _ channels: Int) -> Int? {
    guard label >= 0, label < Float(channels), label != ignoreLabel.map(Float.init) else {
      return nil
    }
    return Int(label)
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    try context.first(
      SparseDiceLossGradient(loss: self), context.inputs + [context.outputs[1], context.upstream])
  }
}

/// The gradient of the sparse Dice loss to the probabilities.
///
/// Inputs: probabilities, labels, sums, upstream scalar.
public struct SparseDiceLossGradient: Operation {
  public static let kind = "sparse-dice-loss-gradient"
  /// The loss.
  public var loss: SparseDiceLoss

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 4)
    _ = try loss.outputShapes(Array(inputs.prefix(2)))
    try expectEqual([3, inputs[0].channels], inputs[2], "sums")
    try expectScalars(inputs[3...])
    return [inputs[0]]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let (rows, channels) = context.shapes.inputs[0].matrix
    let (labels, sums) = (context.input(1), context.input(2))
    let (gradient, smooth) = (context.output, loss.smooth)
    let scale = context.input(3)[0] / Float(channels)
    // What each probability gets, and what that of the row's own class gets besides.
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * channels) { factors in
      for channel in 0..<channels {
        let above = 2 * sums[channel] + smooth
        let below = sums[channels + channel] + sums[2 * channels + channel] + smooth
        factors[channel] = below > 0 ? scale * above / (below * below) : 0
        factors[channels + channel] = below > 0 ? -2 * scale / below : 0
      }
      for row in 0..<rows {
        let place = row &* channels
        guard let label = loss.counted(labels[row], channels) else {
          for channel in 0..<channels { gradient[place &+ channel] = 0 }
          continue
        }
        for channel in 0..<channels { gradient[place &+ channel] = factors[channel] }
        gradient[place &+ label] += factors[channels &+ label]
      }
    }
  }
}
