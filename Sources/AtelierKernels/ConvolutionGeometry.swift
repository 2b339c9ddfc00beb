// The sizes of one convolution, shared by its forward pass and its two gradients.

/// The sizes of a two-dimensional convolution from an input [N, H, W, C] to an output [N, H', W', K].
///
/// Output row y reads the input rows y · strideHeight − paddingTop + i · dilationHeight for i in 0..<kernelHeight; rows and
/// columns outside the input read as zero, so the padding below and to the right is implied by the output size.
/// Weights are [kernelHeight, kernelWidth, C / groups, K]; group g maps its C / groups input channels to its K / groups output channels.
public struct ConvolutionGeometry: Hashable, Sendable {
  public var batch: Int
  public var inputHeight: Int
  public var inputWidth: Int
  public var inputChannels: Int
  public var outputHeight: Int
  public var outputWidth: Int
  public var outputChannels: Int
  public var kernelHeight: Int
  public var kernelWidth: Int
  public var strideHeight: Int
  public var strideWidth: Int
  public var paddingTop: Int
  public var paddingLeft: Int
  public var dilationHeight: Int
  public var dilationWidth: Int
  public var groups: Int

  /// Describes a convolution; the sizes must agree with each other, which the operation that calls has checked.
  public init(
    batch: Int, inputHeight: Int, inputWidth: Int, inputChannels: Int,
    outputHeight: Int, outputWidth: Int, outputChannels: Int,
    kernelHeight: Int, kernelWidth: Int, strideHeight: Int = 1, strideWidth: Int = 1,
    paddingTop: Int = 0, paddingLeft: Int = 0, dilationHeight: Int = 1, dilationWidth: Int = 1,
    groups: Int = 1
  ) {
    self.batch = batch
    self.inputHeight = inputHeight
    self.inputWidth = inputWidth
    self.inputChannels = inputChannels
    self.outputHeight = outputHeight
    self.outputWidth = outputWidth
    self.outputChannels = outputChannels
    self.kernelHeight = kernelHeight
    self.kernelWidth = kernelWidth
    self.strideHeight = strideHeight
    self.strideWidth = strideWidth
    self.paddingTop = paddingTop
    self.paddingLeft = paddingLeft
    self.dilationHeight = dilationHeight
    self.dilationWidth = dilationWidth
    self.groups = groups
  }

  /// The number of input elements.
  public var inputCount: Int { batch * inputHeight * inputWidth * inputChannels }
  /// The number of output elements.
  public var outputCount: Int { batch * outputHeight * outputWidth * outputChannels }
  /// The number of weights.
  public var weightCount: Int {
    kernelHeight * kernelWidth * (inputChannels / max(groups, 1)) * outputChannels
  }
  /// Multiply-adds of the direct algorithm, padding included.
  public var multiplyAdds: Int { batch * outputHeight * outputWidth * weightCount }
}

/// Which of a convolution's two linear maps of images is meant; packed weights differ between them.
public enum ConvolutionPass: Hashable, Sendable {
  /// From the input [N, H, W, C] to the output [N, H', W', K].
  case forward
  /// The adjoint: from the output [N, H', W', K] to the input [N, H, W, C] (also the forward pass of a transposed convolution).
  case inputGradient
}

/// What a convolution does to each value of its result before it stores it:
/// `result = activation(sum + bias + addend) · (mask > 0 ? 1 : maskSlope)`, with the absent parts left out.
public struct ConvolutionEpilogue {
  /// One value per channel of the result.
  public var bias: UnsafePointer<Float>?
  /// A tensor of the result's shape; may be the result's own memory.
  public var addend: UnsafePointer<Float>?
  /// Applied after bias and addend.
  public var activation: Activation
  /// A tensor of the result's shape: the output of a (leaky) ReLU whose gradient is taken on the way.
  public var mask: UnsafePointer<Float>?
  /// The factor where `mask` is not positive: 0 for ReLU.
  public var maskSlope: Float

  /// Describes an epilogue; the default stores the sum as it is.
  public init(
    bias: UnsafePointer<Float>? = nil, addend: UnsafePointer<Float>? = nil,
    activation: Activation = .identity, mask: UnsafePointer<Float>? = nil, maskSlope: Float = 0
  ) {
    self.bias = bias
    self.addend = addend
    self.activation = activation
    self.mask = mask
    self.maskSlope = maskSlope
  }
}
