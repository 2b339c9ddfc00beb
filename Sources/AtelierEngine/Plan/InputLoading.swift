// Inputs that a convolution puts together while it loads them, so that concatenation and batch
// normalization cost no pass over memory of their own.

import AtelierKernels

/// What a convolution, or a weight gradient, does to its image while it loads it.
///
/// Further inputs, which `roles` names, follow at the end of the node's list: the second of two tensors, or mean, inverse
/// deviation, gamma and beta [C] of a batch normalization.
public struct InputLoading: Sendable, Hashable {
  /// The input's channels from here on are those of a second tensor.
  public internal(set) var restStart: Int?
  /// When set, the input is normalized and what is then negative multiplied by this: 1 without an activation, 0 for ReLU.
  public internal(set) var normalizedSlope: Float?

  /// What the inputs that follow are for.
  var roles: [ConvolutionRole] {
    (restStart == nil ? [] : [.rest])
      + (normalizedSlope == nil ? [] : ConvolutionRole.loadedNormalization)
  }

  /// Floats of scratch memory for the normalization's factors and summands.
  func workspaceCount(_ input: Shape) -> Int {
    normalizedSlope == nil ? 0 : (2 * input.channels + 15) / 16 * 16
  }

  /// The shape of the image that the convolution sees.
  func shape(of input: Shape, _ following: ArraySlice<Shape>) throws(ShapeError) -> Shape {
    var shape = input
    for (role, other) in zip(roles, following) {
      if role == .rest {
        guard input.rank == 4, input.channels == restStart,
          input.dimensions.dropLast() == other.dimensions.dropLast()
        else {
          throw ShapeError(
            "expected image batches of one size, the first of \(restStart ?? 0) channels; received \(input) and \(other)"
          )
        }
        shape = Shape(input.dimensions.dropLast() + [input.channels + other.channels])
      } else if other != [shape.channels] {
        throw ShapeError("expected channel vectors of shape [\(shape.channels)]; received \(other)")
      }
    }
    return shape
  }
}

/// The inputs of a planned convolution or weight gradient by what they are for.
struct ConvolutionInputs: Sendable, Hashable {
  var roles: [ConvolutionRole]

  /// The elements of the input for a role; nil where there is none.
  func pointer(
    _ role: ConvolutionRole, _ context: borrowing ExecutionContext
  ) -> UnsafePointer<Float>? {
    roles.firstIndex(of: role).map { context.input($0) }
  }

  /// The elements of an input that there is.
  func required(
    _ role: ConvolutionRole, _ context: borrowing ExecutionContext
  ) -> UnsafePointer<Float> {
    guard let pointer = pointer(role, context) else {
      preconditionFailure("layer \(context.name) has no input \(role)")
    }
    return pointer
  }

  /// The tensors of a loading; a normalization's factors and summands are worked out in the workspace.
  func bound(
    _ loading: InputLoading?, _ context: borrowing ExecutionContext
  ) -> ConvolutionLoading {
    var bound = ConvolutionLoading()
    guard let loading else { return bound }
    if let restStart = loading.restStart {
      (bound.restStart, bound.rest) = (restStart, required(.rest, context))
    }
    guard let slope = loading.normalizedSlope else { return bound }
    let channels = context.shapes.inputs[0].channels
    let mean = required(.loadedMean, context)
    let inverse = required(.loadedInverseDeviation, context)
    let (gamma, beta) = (required(.loadedGamma, context), required(.loadedBeta, context))
    let scale = context.scratch
    let shift = scale + channels
    for channel in 0..<channels {
      scale[channel] = gamma[channel] * inverse[channel]
      shift[channel] = beta[channel] - mean[channel] * scale[channel]
    }
    (bound.scale, bound.shift, bound.slope) = (UnsafePointer(scale), UnsafePointer(shift), slope)
    return bound
  }
}
