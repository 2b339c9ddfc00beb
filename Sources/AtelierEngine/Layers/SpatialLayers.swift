// Layers without parameters: pooling, the three unpoolings, resizing, shuffling, shapes, activations, dropout.

import AtelierKernels

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
      MaxPoolOperation(attributes), [input.value], name: call, layerType: "MaxPooling2D")
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

/// Average pooling: [N, H, W, C] gives [N, H', W', C].
public struct AveragePool2D: Layer {
  /// Window, stride, padding.
  public var attributes: PoolAttributes
  /// Whether padding counts as zeros.
  public var countIncludesPadding: Bool
  /// The layer's name.
  public var name: String?

  /// Describes an average pooling; the stride is the window unless given.
  public init(
    window: Extent = 2, stride: Extent? = nil, padding: Padding = .valid,
    countIncludesPadding: Bool = false, name: String? = nil
  ) {
    attributes = PoolAttributes(window: window, stride: stride, padding: padding)
    self.countIncludesPadding = countIncludesPadding
    self.name = name
  }

  /// [N, H, W, C] gives [N, H', W', C].
  public func callAsFunction(_ input: SymbolicTensor) -> SymbolicTensor {
    input.applying(
      AveragePoolOperation(attributes, countIncludesPadding: countIncludesPadding),
      name: name ?? "average_pooling2d", layerType: "AveragePooling2D")
  }
}

/// The mean over all pixels: [N, H, W, C] gives [N, C].
public struct GlobalAveragePool2D: Layer {
  /// The layer's name.
  public var name: String?

  /// Describes the layer.
  public init(name: String? = nil) {
    self.name = name
  }

  /// The mean over all pixels: [N, H, W, C] gives [N, C].
  public func callAsFunction(_ input: SymbolicTensor) -> SymbolicTensor {
    input.applying(
      GlobalAveragePoolOperation(), name: name ?? "global_average_pooling2d",
      layerType: "GlobalAveragePooling2D")
  }
}

/// The maximum over all pixels: [N, H, W, C] gives [N, C].
public struct GlobalMaxPool2D: Layer {
  /// The layer's name.
  public var name: String?

  /// Describes the layer.
  public init(name: String? = nil) {
    self.name = name
  }

  /// The maximum over all pixels: [N, H, W, C] gives [N, C].
  public func callAsFunction(_ input: SymbolicTensor) -> SymbolicTensor {
    guard input.shape.rank == 4 else {
      return input.applying(
        MaxPoolOperation(PoolAttributes(window: 1)), name: name ?? "global_max_pooling2d")
    }
    let whole = PoolAttributes(window: Extent(input.shape.height, input.shape.width))
    let maxima = input.applying(
      MaxPoolOperation(whole), name: name ?? "global_max_pooling2d",
      layerType: "GlobalMaxPooling2D")
    return maxima.applying(ReshapeOperation())
  }
}

/// Nearest-neighbour unpooling: each value repeated over its window.
public struct NearestUnpool2D: Layer {
  /// The window that each value fills.
  public var window: Extent
  /// The layer's name.
  public var name: String?

  /// Describes the layer.
  public init(window: Extent = 2, name: String? = nil) {
    self.window = window
    self.name = name
  }

  /// Nearest-neighbour unpooling: each value repeated over its window.
  public func callAsFunction(_ input: SymbolicTensor) -> SymbolicTensor {
    input.applying(
      NearestUnpoolOperation(window: window), name: name ?? "nearest_unpooling2d",
      layerType: "NearestUnpooling2D")
  }
}

/// Bed-of-nails unpooling: each value in the top-left of its window, zeros elsewhere.
public struct BedOfNailsUnpool2D: Layer {
  /// The window of each value.
  public var window: Extent
  /// The layer's name.
  public var name: String?

  /// Describes the layer.
  public init(window: Extent = 2, name: String? = nil) {
    self.window = window
    self.name = name
  }

  /// Bed-of-nails unpooling: each value in the top-left of its window, zeros elsewhere.
  public func callAsFunction(_ input: SymbolicTensor) -> SymbolicTensor {
    input.applying(
      BedOfNailsUnpoolOperation(window: window), name: name ?? "bed_of_nails_unpooling2d",
      layerType: "BedOfNailsUnpooling2D")
  }
}

/// Bilinear enlargement with half-pixel centres.
public struct BilinearUpsample2D: Layer {
  /// How many times larger.
  public var factor: Extent
  /// The layer's name.
  public var name: String?

  /// Describes the layer.
  public init(factor: Extent = 2, name: String? = nil) {
    self.factor = factor
    self.name = name
  }

  /// Bilinear enlargement with half-pixel centres.
  public func callAsFunction(_ input: SymbolicTensor) -> SymbolicTensor {
    input.applying(
      BilinearResizeOperation(.factor(factor)), name: name ?? "bilinear_upsampling2d",
      layerType: "BilinearUpsampling2D")
  }
}

/// Pixel shuffle: [N, h, w, b · b · C] gives [N, h · b, w · b, C].
public struct PixelShuffle2D: Layer {
  /// The block's side b.
  public var block: Int
  /// The layer's name.
  public var name: String?

  /// Describes the layer.
  public init(block: Int = 2, name: String? = nil) {
    self.block = block
    self.name = name
  }

  /// Pixel shuffle: [N, h, w, b · b · C] gives [N, h · b, w · b, C].
  public func callAsFunction(_ input: SymbolicTensor) -> SymbolicTensor {
    input.applying(
      PixelShuffleOperation(block: block), name: name ?? "pixel_shuffle2d",
      layerType: "PixelShuffle2D")
  }
}

/// Space-to-depth: [N, H, W, C] gives [N, H / b, W / b, b · b · C].
public struct SpaceToDepth2D: Layer {
  /// The block's side b.
  public var block: Int
  /// The layer's name.
  public var name: String?

  /// Describes the layer.
  public init(block: Int = 2, name: String? = nil) {
    self.block = block
    self.name = name
  }

  /// Space-to-depth: [N, H, W, C] gives [N, H / b, W / b, b · b · C].
  public func callAsFunction(_ input: SymbolicTensor) -> SymbolicTensor {
    input.applying(
      SpaceToDepthOperation(block: block), name: name ?? "space_to_depth2d",
      layerType: "SpaceToDepth2D")
  }
}

/// One vector per image: [N, …] gives [N, count].
public struct Flatten: Layer {
  /// The layer's name.
  public var name: String?

  /// Describes the layer.
  public init(name: String? = nil) {
    self.name = name
  }

  /// One vector per image: [N, …] gives [N, count].
  public func callAsFunction(_ input: SymbolicTensor) -> SymbolicTensor {
    input.applying(
      ReshapeOperation(), name: name ?? "flatten", layerType: "Flatten")
  }
}

/// The same numbers under another shape; the batch axis stays.
public struct Reshape: Layer {
  /// The sizes after the batch axis.
  public var target: [Int]
  /// The layer's name.
  public var name: String?

  /// Describes the layer.
  public init(_ target: [Int], name: String? = nil) {
    self.target = target
    self.name = name
  }

  /// The same numbers under another shape; the batch axis stays.
  public func callAsFunction(_ input: SymbolicTensor) -> SymbolicTensor {
    input.applying(
      ReshapeOperation(target), name: name ?? "reshape", layerType: "Reshape")
  }
}

/// Rows and columns around an image.
public struct Pad2D: Layer {
  /// What is added.
  public var border: Border
  /// With which values.
  public var mode: PaddingMode
  /// The layer's name.
  public var name: String?

  /// Describes the layer.
  public init(_ border: Border, mode: PaddingMode = .zero, name: String? = nil) {
    self.border = border
    self.mode = mode
    self.name = name
  }

  /// Rows and columns around an image.
  public func callAsFunction(_ input: SymbolicTensor) -> SymbolicTensor {
    input.applying(
      PadOperation(border, mode: mode), name: name ?? "padding2d", layerType: "Padding2D")
  }
}

/// Rows and columns taken away from an image.
public struct Crop2D: Layer {
  /// What is taken away.
  public var border: Border
  /// The layer's name.
  public var name: String?

  /// Describes the layer.
  public init(_ border: Border, name: String? = nil) {
    self.border = border
    self.name = name
  }

  /// Rows and columns taken away from an image.
  public func callAsFunction(_ input: SymbolicTensor) -> SymbolicTensor {
    input.applying(
      CropOperation(border), name: name ?? "cropping2d", layerType: "Cropping2D")
  }
}

/// An activation function by itself.
public struct Activate: Layer {
  /// Which function.
  public var activation: Activation
  /// The layer's name.
  public var name: String?

  /// Describes the layer.
  public init(_ activation: Activation, name: String? = nil) {
    self.activation = activation
    self.name = name
  }

  /// An activation function by itself.
  public func callAsFunction(_ input: SymbolicTensor) -> SymbolicTensor {
    input.applying(
      ActivationOperation(activation), name: name ?? "activation", layerType: "Activation")
  }
}

/// Softmax over the channels.
public struct Softmax: Layer {
  /// The layer's name.
  public var name: String?

  /// Describes the layer.
  public init(name: String? = nil) {
    self.name = name
  }

  /// Softmax over the channels.
  public func callAsFunction(_ input: SymbolicTensor) -> SymbolicTensor {
    input.applying(
      SoftmaxOperation(), name: name ?? "softmax", layerType: "Softmax")
  }
}

/// Dropout: while training each value is zero with probability `rate`, else divided by 1 − rate.
public struct Dropout: Layer {
  /// The probability of zero, in [0, 1).
  public var rate: Float
  /// The layer's name.
  public var name: String?

  /// Describes the layer.
  public init(_ rate: Float, name: String? = nil) {
    self.rate = rate
    self.name = name
  }

  /// Drops values while training, does nothing else.
  public func callAsFunction(_ input: SymbolicTensor) -> SymbolicTensor {
    input.applying(
      DropoutOperation(rate: rate, stream: input.builder.newStream()), name: name ?? "dropout",
      layerType: "Dropout")
  }
}
