// The one list of kernels with sizes: tests compare each with its twin, micro-benchmarks time it.

/// A kernel with its sizes; `KernelTrial` runs it.
public enum KernelCase: Sendable, Hashable {
  /// A convolution, or the input gradient of a transposed one.
  case convolution(ConvolutionGeometry)
  /// A transposed convolution, or the input gradient of a convolution.
  case inputGradient(ConvolutionGeometry)
  /// The weight gradient of either.
  case weightGradient(ConvolutionGeometry)
  /// Max pooling with its switches.
  case maxPool(PoolGeometry)
  /// Max unpooling, which is also the gradient of max pooling.
  case maxUnpool(PoolGeometry)
  /// The gradient of max unpooling.
  case switchGather(PoolGeometry)
  /// Batch normalization with the statistics of the batch [pixels, channels].
  case batchNormalization(pixels: Int, channels: Int, activation: Activation)
  /// Its gradient.
  case batchNormalizationGradient(pixels: Int, channels: Int, activation: Activation)
  /// Softmax cross-entropy of rows of logits.
  case crossEntropy(rows: Int, channels: Int)
  /// Its gradient.
  case crossEntropyGradient(rows: Int, channels: Int)
  /// Adam's sweep over this many parameters.
  case adam(count: Int)

  /// The kernel's name.
  public var name: String {
    switch self {
    case .convolution: "convolution"
    case .inputGradient: "input-gradient"
    case .weightGradient: "weight-gradient"
    case .maxPool: "max-pool"
    case .maxUnpool: "max-unpool"
    case .switchGather: "switch-gather"
    case .batchNormalization: "batch-normalization"
    case .batchNormalizationGradient: "batch-normalization-gradient"
    case .crossEntropy: "cross-entropy"
    case .crossEntropyGradient: "cross-entropy-gradient"
    case .adam: "adam"
    }
  }

  /// The sizes: `batch x height x width` of the larger side, channels, window.
  public var shape: String {
    switch self {
    case .convolution(let g), .inputGradient(let g), .weightGradient(let g): Self.text(g)
    case .maxPool(let g), .maxUnpool(let g), .switchGather(let g):
      "\(g.batch)x\(g.inputHeight)x\(g.inputWidth) \(g.channels) \(g.windowHeight)x\(g.windowWidth)"
    case .batchNormalization(let pixels, let channels, _),
      .batchNormalizationGradient(let pixels, let channels, _):
      "\(pixels)x\(channels)"
    case .crossEntropy(let rows, let channels), .crossEntropyGradient(let rows, let channels):
      "\(rows)x\(channels)"
    case .adam(let count): "\(count)"
    }
  }

  private static func text(_ g: ConvolutionGeometry) -> String {
    var text = "\(g.batch)x\(g.inputHeight)x\(g.inputWidth) \(g.inputChannels)->"
    text += "\(g.outputChannels) \(g.kernelHeight)x\(g.kernelWidth)"
    if g.strideHeight > 1 || g.strideWidth > 1 { text += " stride \(g.strideHeight)" }
    if g.dilationHeight > 1 || g.dilationWidth > 1 { text += " dilation \(g.dilationHeight)" }
    if g.groups > 1 { text += " groups \(g.groups)" }
    return text
  }

  /// Multiply-adds of the direct algorithm; 0 where memory traffic is all that counts.
  public var multiplyAdds: Int {
    switch self {
    case .convolution(let g), .inputGradient(let g), .weightGradient(let g): g.multiplyAdds
    default: 0
    }
  }

  /// How far a result may lie from the twin's: the length of the difference over that of the twin's
  /// result; 0 where not a bit may differ.
  public var tolerance: Double {
    switch self {
    case .convolution, .inputGradient, .weightGradient: 2e-6
    case .maxPool, .maxUnpool, .switchGather: 0
    case .batchNormalization, .batchNormalizationGradient: 4e-6
    case .crossEntropy, .crossEntropyGradient, .adam: 2e-6
    }
  }

  /// The bytes that are read and written, if each element is touched once.
  public var bytes: Int {
    switch self {
    case .convolution(let g), .inputGradient(let g), .weightGradient(let g):
      4 * (g.inputCount + g.outputCount + g.weightCount)
    case .maxPool(let g), .maxUnpool(let g), .switchGather(let g):
      4 * (g.inputCount + 2 * g.outputCount)
    case .batchNormalization(let pixels, let channels, _): 8 * pixels * channels
    case .batchNormalizationGradient(let pixels, let channels, let activation):
      4 * (activation == .identity ? 3 : 4) * pixels * channels
    case .crossEntropy(let rows, let channels): 4 * rows * (channels + 1)
    case .crossEntropyGradient(let rows, let channels): 4 * rows * (2 * channels + 1)
    // Parameters, gradients and both moments are read, all but the gradients written.
    case .adam(let count): 28 * count
    }
  }
}
