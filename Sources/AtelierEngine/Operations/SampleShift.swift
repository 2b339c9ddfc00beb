// Every picture of a batch moved by its own whole number of pixels: a random change that gradients pass.

import AtelierKernels

/// Pictures moved by whole pixels, zeros where nothing comes from: [N, H, W, C] and rows and columns to move down and to the
/// right [N, 2] give [N, H, W, C].
///
/// Translations of Zhao and others 2020 ("Differentiable augmentation for data-efficient GAN training"); the adjoint moves back.
public struct SampleShift: Operation {
  public static let kind = "sample-shift"
  /// Whether the pictures move the other way.
  public var isBackward = false
  public var treatsSamplesAlone: Bool { true }

  /// Makes the operation.
  public init() {}

  public func outputShapes(_ inputs: [Shape]) throws(ShapeError) -> [Shape] {
    try expectInputs(inputs, 2)
    try expectImage(inputs[0])
    try expectEqual([inputs[0].batch, 2], inputs[1], "distances")
    return [inputs[0]]
  }

  public func run(_ context: borrowing ExecutionContext) {
    let shape = context.shapes.inputs[0]
    let (height, width, channels) = (shape.height, shape.width, shape.channels)
    let (from, to, distances) = (context.input(0), context.output, context.input(1))
    let sign: Float = isBackward ? -1 : 1
    context.kernels.fill(0, to, count: shape.count)
    for sample in 0..<shape.batch {
      let (dy, dx) = (sign * distances[2 * sample], sign * distances[2 * sample + 1])
      // What moves further than the picture is wide leaves nothing, whatever the number.
      guard abs(dy) < Float(height), abs(dx) < Float(width) else { continue }
      let (down, right) = (Int(dy), Int(dx))
      let columns = width - abs(right)
      for row in max(0, down)..<min(height, height + down) {
        let source = ((sample * height + row - down) * width + max(0, -right)) * channels
        let target = ((sample * height + row) * width + max(0, right)) * channels
        (to + target).update(from: from + source, count: columns * channels)
      }
    }
  }

  public func differentiate(_ context: inout Derivation) throws(ShapeError) -> [ValueID?] {
    var back = self
    back.isBackward.toggle()
    return [try context.one(back, [context.upstream, context.inputs[1]]), nil]
  }
}
