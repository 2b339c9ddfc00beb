// Convolution, transposed convolution and dense layers: one operation with weights each.

import AtelierKernels

/// A layer of one operation with weights, then a bias and an activation, under a name.
///
/// Each layer has its initializer in an extension, and the layer's name as a type alias.
public struct WeightedLayer<Applied: ConvolutionDescription>: Layer {
  /// The operation for an input's shape, and the shape of its weights.
  typealias Form = @Sendable (Shape) throws(ShapeError) -> (operation: Applied, weights: Shape)

  /// The layer's name; numbered by type when left out.
  public var name: String?
  /// The layer's type in names, and as the summary shows it.
  private let typeName: String
  private let layerType: String
  private let channels: Int
  private let activation: Activation
  private let initializer: Initializer
  private let isTrainable: Bool
  private var isSpectral = false
  private let form: Form
  private let identity = LayerIdentity()

  /// Describes a layer of a type with so many output channels.
  init(
    _ typeName: String, _ layerType: String, channels: Int, _ activation: Activation,
    _ initializer: Initializer?, isTrainable: Bool, _ name: String?, form: @escaping Form
  ) {
    (self.typeName, self.layerType, self.name) = (typeName, layerType, name)
    (self.channels, self.activation, self.isTrainable) = (channels, activation, isTrainable)
    self.initializer = initializer ?? .standard(for: activation)
    self.form = form
  }

  /// The same layer, with its weights divided by their largest singular value where that is wanted.
  public func spectrallyNormalized(_ isWanted: Bool = true) -> Self {
    var copy = self
    copy.isSpectral = isWanted
    return copy
  }

  /// The operation's result, with bias and activation.
  public func callAsFunction(_ input: SymbolicTensor) -> SymbolicTensor {
    let builder = input.builder
    let call = builder.uniqueName(name, type: typeName)
    do throws(ShapeError) {
      let (operation, weights) = try form(input.shape)
      let scope = builder.parameterScope(identity, call)
      var parameters: [(String, Shape, Initializer)] = [("weight", weights, initializer)]
      if operation.epilogue.hasBias { parameters.append(("bias", [channels], .zeros)) }
      var values = parameters.map {
        builder.parameter(identity, scope, $0.0, $0.1, $0.2, isTrainable: isTrainable)
      }
      if isSpectral {
        let vector = builder.parameter(
          identity, scope, "spectral_vector", [weights.channels], .normal(deviation: 1),
          role: .statistic)
        values[0] =
          builder.apply(
            SpectralNormalizationOperation(), [values[0], vector], name: "\(call)/spectral",
            layerType: nil)[0].value
      }
      return builder.apply(operation, [input.value] + values, name: call, layerType: layerType)[0]
        .activated(activation, of: call)
    } catch {
      builder.fail("layer \(call): \(error.description)")
      return input
    }
  }
}

/// Convolution: [N, H, W, C] gives [N, H', W', filters], with bias and activation.
public typealias Convolution2D = WeightedLayer<ConvolutionOperation>

extension WeightedLayer<ConvolutionOperation> {
  /// Describes a convolution; `groups` must divide input channels and filters.
  ///
  /// Without an initializer weights start as He's for ReLUs, Glorot's else.
  public init(
    filters: Int, kernel: Extent, stride: Extent = 1, padding: Padding = .same,
    dilation: Extent = 1, groups: Int = 1, hasBias: Bool = true, activation: Activation = .identity,
    initializer: Initializer? = nil, isTrainable: Bool = true, name: String? = nil
  ) {
    let attributes = ConvolutionAttributes(
      stride: stride, padding: padding, dilation: dilation, groups: groups)
    self.init(
      "conv2d", "Conv2D", channels: filters, activation, initializer, isTrainable: isTrainable, name
    ) { input throws(ShapeError) in
      guard groups > 0, input.channels % groups == 0 else {
        throw ShapeError("\(input.channels) input channels do not divide into \(groups) groups")
      }
      let operation = ConvolutionOperation(
        attributes: attributes, epilogue: FusedEpilogue(hasBias: hasBias))
      return (operation, [kernel.height, kernel.width, input.channels / groups, filters])
    }
  }
}

/// Transposed convolution: [N, H, W, C] gives [N, H', W', filters], with bias and activation.
///
/// Weights are stored as those of the convolution whose adjoint it is: [kernel height, kernel width, filters / groups, C].
public typealias TransposedConvolution2D = WeightedLayer<TransposedConvolutionOperation>

extension WeightedLayer<TransposedConvolutionOperation> {
  /// Describes a transposed convolution, whose padding is cut off the border: `same` gives input · stride.
  ///
  /// `outputPadding` is what to add below and to the right.
  public init(
    filters: Int, kernel: Extent, stride: Extent = 1, padding: Padding = .same,
    outputPadding: Extent = 0, dilation: Extent = 1, groups: Int = 1, hasBias: Bool = true,
    activation: Activation = .identity, initializer: Initializer? = nil, isTrainable: Bool = true,
    name: String? = nil
  ) {
    let attributes = ConvolutionAttributes(
      stride: stride, padding: padding, dilation: dilation, groups: groups)
    self.init(
      "conv2d_transpose", "Conv2DTranspose", channels: filters, activation, initializer,
      isTrainable: isTrainable, name
    ) { input throws(ShapeError) in
      guard groups > 0, filters % groups == 0 else {
        throw ShapeError("\(filters) filters do not divide into \(groups) groups")
      }
      let operation = TransposedConvolutionOperation(
        attributes: attributes, outputPadding: outputPadding,
        epilogue: FusedEpilogue(hasBias: hasBias))
      return (operation, [kernel.height, kernel.width, filters / groups, input.channels])
    }
  }
}

/// Dense layer: [N, C] gives [N, units] with bias and activation.
public typealias Dense = WeightedLayer<ConvolutionOperation>

extension WeightedLayer<ConvolutionOperation> {
  /// Describes a dense layer; without an initializer weights start as those of a convolution.
  public init(
    units: Int, hasBias: Bool = true, activation: Activation = .identity,
    initializer: Initializer? = nil, isTrainable: Bool = true, name: String? = nil
  ) {
    self.init(
      "dense", "Dense", channels: units, activation, initializer, isTrainable: isTrainable, name
    ) { input throws(ShapeError) in
      guard input.rank == 2 else {
        throw ShapeError("expected vectors [batch, features]; received \(input)")
      }
      let operation = ConvolutionOperation(epilogue: FusedEpilogue(hasBias: hasBias))
      return (operation, [input.channels, units])
    }
  }
}

extension Initializer {
  /// He's for (leaky) ReLUs, Glorot's for all else.
  static func standard(for activation: Activation) -> Initializer {
    switch activation {
    case .relu, .leakyReLU, .elu, .silu, .gelu, .hardSwish, .tanhGELU, .softplus: .heNormal
    default: .glorotUniform
    }
  }
}

extension SymbolicTensor {
  /// The activation that belongs to a layer, named after it.
  func activated(_ activation: Activation, of layer: String) -> SymbolicTensor {
    guard activation != .identity else { return self }
    return builder.apply(
      ActivationOperation(activation: activation), [value], name: "\(layer)/activation",
      layerType: nil)[0]
  }
}
