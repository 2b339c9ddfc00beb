// The kernels that the workloads run, with their sizes: what the micro-benchmarks time.

import AtelierEngine
import AtelierKernels

/// A kernel with its sizes.
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

extension KernelCase {
  /// The kernel of a node; nil for the kinds that are not timed alone.
  init?(_ node: Graph.Node, _ shapes: NodeShapes) {
    let (inputs, outputs) = (shapes.inputs, shapes.outputs)
    switch node.operation {
    case let operation as ConvolutionOperation:
      self = .convolution(operation.geometry(shapes))
    case let operation as TransposedConvolutionOperation:
      self = .inputGradient(operation.geometry(shapes))
    case let operation as ConvolutionWeightGradient:
      self = .weightGradient(operation.geometry(shapes))
    case let operation as MaxPoolOperation:
      self = .maxPool(operation.attributes.sizes(inputs[0], pooled: outputs[0]))
    case let operation as MaxUnpoolOperation:
      self = .maxUnpool(operation.attributes.sizes(outputs[0], pooled: inputs[0]))
    case let operation as SwitchGather:
      self = .switchGather(operation.attributes.sizes(inputs[0], pooled: outputs[0]))
    case let operation as BatchNormalizationOperation where operation.isTraining:
      let channels = inputs[0].channels
      self = .batchNormalization(
        pixels: inputs[0].count / channels, channels: channels, activation: operation.activation)
    case let operation as BatchNormalizationGradient where operation.isTraining:
      let channels = inputs[0].channels
      self = .batchNormalizationGradient(
        pixels: inputs[0].count / channels, channels: channels, activation: operation.activation)
    case is SparseCrossEntropy:
      let channels = inputs[0].channels
      self = .crossEntropy(rows: inputs[0].count / channels, channels: channels)
    case is SparseCrossEntropyGradient:
      let channels = inputs[0].channels
      self = .crossEntropyGradient(rows: inputs[0].count / channels, channels: channels)
    default: return nil
    }
  }
}

extension Workload {
  /// The distinct kernels of training and inference in running order, Adam's sweep last.
  ///
  /// - Parameter kernels: Asked for the sizes of packed weights while planning.
  /// - Returns: Each case once.
  /// - Throws: `ShapeError` never in practice; the layers fit.
  public func kernelCases(_ kernels: Kernels = Kernels()) throws(ShapeError) -> [KernelCase] {
    let training = try trainingGraph()
    var seen: Set<KernelCase> = []
    var cases: [KernelCase] = []
    for graph in [training, try inferenceGraph().specialized(for: .infer)] {
      let fused = Plan(graph, kernels: kernels).graph
      for node in fused.nodes {
        guard let kernel = KernelCase(node, fused.shapes(of: node)) else { continue }
        if seen.insert(kernel).inserted { cases.append(kernel) }
      }
    }
    let moved = training.parameterGradients.map { training.parameters[$0.parameter].shape.count }
    return cases + [.adam(count: moved.reduce(0, +))]
  }
}

extension PoolAttributes {
  /// The sizes of a pooling of `image` to `pooled`, which fit already.
  fileprivate func sizes(_ image: Shape, pooled: Shape) -> PoolGeometry {
    PoolGeometry(
      batch: image.batch, inputHeight: image.height, inputWidth: image.width,
      channels: image.channels, outputHeight: pooled.height, outputWidth: pooled.width,
      windowHeight: window.height, windowWidth: window.width, strideHeight: stride.height,
      strideWidth: stride.width,
      paddingTop: padding.leading(
        image.height, pooled.height, window: window.height, stride: stride.height,
        isVertical: true),
      paddingLeft: padding.leading(
        image.width, pooled.width, window: window.width, stride: stride.width, isVertical: false))
  }
}

extension Padding {
  /// Rows above, or columns to the left.
  fileprivate func leading(
    _ input: Int, _ output: Int, window: Int, stride: Int, isVertical: Bool
  ) -> Int {
    switch self {
    case .valid: 0
    case .explicit(let top, _, let left, _): isVertical ? top : left
    case .same: max((output - 1) * stride + window - input, 0) / 2
    }
  }
}
