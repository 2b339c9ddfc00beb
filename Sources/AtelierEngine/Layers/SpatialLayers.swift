// Layers without parameters: pooling, the three unpoolings, resizing, shuffling, shapes, activations, dropout.

import AtelierKernels

/// A layer without parameters: one operation, under a name.
///
/// Each operation has its initializer in an extension, and the layer's name as a type alias.
public struct ParameterlessLayer<Applied: Operation>: Layer {
  /// The operation for an input.
  private let operation: @Sendable (SymbolicTensor) -> Applied
  /// The layer's type as the summary shows it.
  private let layerType: String
  /// The layer's name; the type's in lower case with underscores where none is given.
  public var name: String?

  /// Describes a layer of a type by what it makes of its input.
  init(
    _ layerType: String, _ name: String?,
    _ operation: @escaping @Sendable (SymbolicTensor) -> Applied
  ) {
    self.layerType = layerType
    self.name = name
    self.operation = operation
  }

  /// Describes a layer of a type that does the same to every input.
  init(_ layerType: String, _ name: String?, _ operation: Applied) {
    self.init(layerType, name) { _ in operation }
  }

  /// The operation's first result.
  public func callAsFunction(_ input: SymbolicTensor) -> SymbolicTensor {
    var typeName = ""
    for character in layerType {
      if character.isUppercase, typeName.last?.isLowercase == true { typeName += "_" }
      typeName += character.lowercased()
    }
    return input.applying(operation(input), name: name ?? typeName, layerType: layerType)
  }
}

/// Max pooling with switches: [N, H, W, C] gives [N, H', W', C]; an unpooling can mirror it by name.
public struct MaxPool2D: Layer {
  /// Window, stride, padding.
  public var attributes: PoolAttributes
  /// The layer's name, which `MaxUnpool2D(mirroring:)` asks for.
  public var name: String?

  /// Describes a max pooling; the stride is the window unless given.
  public init(
    window: Extent = 2, stride: Extent? = nil, padding: Padding = .valid, name: String? = nil
  ) {
    attributes = PoolAttributes(window: window, stride: stride, padding: padding)
    self.name = name
  }

  /// The maxima; the builder keeps the switches under the layer's name.
  public func callAsFunction(_ input: SymbolicTensor) -> SymbolicTensor {
    let call = input.builder.uniqueName(name, type: "max_pooling2d")
    let outputs = input.builder.apply(
      MaxPoolOperation(attributes: attributes), [input.value], name: call, layerType: "MaxPooling2D"
    )
    input.builder.pools[call] = PoolTrace(
      input: input, switches: outputs[1], attributes: attributes)
    return outputs[0]
  }
}

/// Max unpooling through the switches of the max pool of a given name: back to exactly that pool's input size.
public struct MaxUnpool2D: Layer {
  /// The name of the max pool to mirror.
  public var pool: String
  /// The layer's name.
  public var name: String?

  /// Describes an unpooling that mirrors the max pool of this name.
  public init(mirroring pool: String, name: String? = nil) {
    self.pool = pool
    self.name = name
  }

  /// [N, H', W', C] gives [N, H, W, C].
  public func callAsFunction(_ input: SymbolicTensor) -> SymbolicTensor {
    guard let trace = input.builder.pools[pool] else {
      let known = input.builder.pools.keys.sorted()
      input.builder.fail(
        "layer \(name ?? "max_unpooling2d"): there is no max pool named \(pool) to mirror; there are \(known)"
      )
      return input
    }
    return input.applying(
      MaxUnpoolOperation(trace.attributes), with: [trace.switches, trace.input],
      name: name ?? "max_unpooling2d", layerType: "MaxUnpooling2D")
  }
}

/// The maximum over all pixels: [N, H, W, C] gives [N, C].
public struct GlobalMaxPool2D: Layer {
  /// The layer's name.
  public var name: String?

  public init(name: String? = nil) { self.name = name }

  public func callAsFunction(_ input: SymbolicTensor) -> SymbolicTensor {
    guard input.shape.rank == 4 else {
      return input.applying(
        MaxPoolOperation(attributes: PoolAttributes(window: 1)),
        name: name ?? "global_max_pooling2d")
    }
    let whole = PoolAttributes(window: Extent(input.shape.height, input.shape.width))
    let maxima = input.applying(
      MaxPoolOperation(attributes: whole), name: name ?? "global_max_pooling2d",
      layerType: "GlobalMaxPooling2D")
    return maxima.applying(ReshapeOperation())
  }
}

/// Average pooling: [N, H, W, C] gives [N, H', W', C].
public typealias AveragePool2D = ParameterlessLayer<AveragePoolOperation>

extension ParameterlessLayer<AveragePoolOperation> {
  /// Describes an average pooling; the stride is the window unless given, and padding counts as zeros where asked.
  public init(
    window: Extent = 2, stride: Extent? = nil, padding: Padding = .valid,
    countIncludesPadding: Bool = false, name: String? = nil
  ) {
    self.init(
      "AveragePooling2D", name,
      AveragePoolOperation(
        attributes: PoolAttributes(window: window, stride: stride, padding: padding),
        countIncludesPadding: countIncludesPadding))
  }
}

/// The mean over all pixels: [N, H, W, C] gives [N, C].
public typealias GlobalAveragePool2D = ParameterlessLayer<GlobalAveragePoolOperation>

extension ParameterlessLayer<GlobalAveragePoolOperation> {
  public init(name: String? = nil) {
    self.init("GlobalAveragePooling2D", name, GlobalAveragePoolOperation())
  }
}

/// Nearest-neighbour unpooling: each value repeated over its window.
public typealias NearestUnpool2D = ParameterlessLayer<NearestUnpoolOperation>

extension ParameterlessLayer<NearestUnpoolOperation> {
  /// Describes an unpooling by the window that each value fills.
  public init(window: Extent = 2, name: String? = nil) {
    self.init("NearestUnpooling2D", name, NearestUnpoolOperation(window: window))
  }
}

/// Bed-of-nails unpooling: each value in the top-left of its window, zeros elsewhere.
public typealias BedOfNailsUnpool2D = ParameterlessLayer<BedOfNailsUnpoolOperation>

extension ParameterlessLayer<BedOfNailsUnpoolOperation> {
  /// Describes an unpooling by the window of each value.
  public init(window: Extent = 2, name: String? = nil) {
    self.init("BedOfNailsUnpooling2D", name, BedOfNailsUnpoolOperation(window: window))
  }
}

/// Bilinear enlargement with half-pixel centres.
public typealias BilinearUpsample2D = ParameterlessLayer<BilinearResizeOperation>

extension ParameterlessLayer<BilinearResizeOperation> {
  /// Describes an enlargement, so many times.
  public init(factor: Extent = 2, name: String? = nil) {
    self.init("BilinearUpsampling2D", name, BilinearResizeOperation(.factor(factor)))
  }
}

/// Pixel shuffle: [N, h, w, b · b · C] gives [N, h · b, w · b, C].
public typealias PixelShuffle2D = ParameterlessLayer<PixelShuffleOperation>

extension ParameterlessLayer<PixelShuffleOperation> {
  /// Describes a shuffle of blocks of side b.
  public init(block: Int = 2, name: String? = nil) {
    self.init("PixelShuffle2D", name, PixelShuffleOperation(block: block))
  }
}

/// Space-to-depth: [N, H, W, C] gives [N, H / b, W / b, b · b · C].
public typealias SpaceToDepth2D = ParameterlessLayer<SpaceToDepthOperation>

extension ParameterlessLayer<SpaceToDepthOperation> {
  /// Describes the layer for blocks of side b.
  public init(block: Int = 2, name: String? = nil) {
    self.init("SpaceToDepth2D", name, SpaceToDepthOperation(block: block))
  }
}

/// One vector per image: [N, …] gives [N, count].
public typealias Flatten = ParameterlessLayer<ReshapeOperation>

/// The same numbers under another shape; the batch axis stays.
public typealias Reshape = ParameterlessLayer<ReshapeOperation>

extension ParameterlessLayer<ReshapeOperation> {
  /// Describes a flattening.
  public init(name: String? = nil) { self.init("Flatten", name, ReshapeOperation()) }

  /// Describes a change of shape to these sizes after the batch axis.
  public init(_ target: [Int], name: String? = nil) {
    self.init("Reshape", name, ReshapeOperation(target))
  }
}

/// Rows and columns around an image.
public typealias Pad2D = ParameterlessLayer<PadOperation>

extension ParameterlessLayer<PadOperation> {
  /// Describes what is added, and with which values.
  public init(_ border: Border, mode: PaddingMode = .zero, name: String? = nil) {
    self.init("Padding2D", name, PadOperation(border: border, mode: mode))
  }
}

/// Rows and columns taken away from an image.
public typealias Crop2D = ParameterlessLayer<CropOperation>

extension ParameterlessLayer<CropOperation> {
  public init(_ border: Border, name: String? = nil) {
    self.init("Cropping2D", name, CropOperation(border: border))
  }
}

/// An activation function by itself.
public typealias Activate = ParameterlessLayer<ActivationOperation>

extension ParameterlessLayer<ActivationOperation> {
  public init(_ activation: Activation, name: String? = nil) {
    self.init("Activation", name, ActivationOperation(activation: activation))
  }
}

/// Softmax over the channels.
public typealias Softmax = ParameterlessLayer<SoftmaxOperation>

extension ParameterlessLayer<SoftmaxOperation> {
  public init(name: String? = nil) { self.init("Softmax", name, SoftmaxOperation()) }
}

/// Dropout: while training each value is zero with probability `rate`, else divided by 1 − rate.
public typealias Dropout = ParameterlessLayer<DropoutOperation>

extension ParameterlessLayer<DropoutOperation> {
  /// Describes a dropout with a probability in [0, 1).
  public init(_ rate: Float, name: String? = nil) {
    self.init("Dropout", name) { DropoutOperation(rate: rate, stream: $0.builder.newStream()) }
  }
}
