// Convolution, transposed convolution and dense layers.

import AtelierKernels

/// Convolution: [N, H, W, C] gives [N, H', W', filters], with bias and activation.
public struct Convolution2D: Layer {
  /// The number of output channels.
  public var filters: Int
  /// The kernel's size.
  public var kernel: Extent
  /// Stride, padding, dilation, groups.
  public var attributes: ConvolutionAttributes
  /// Whether a bias is added.
  public var hasBias: Bool
  /// Applied after the bias.
  public var activation: Activation
  /// How the weights start.
  public var initializer: Initializer
  /// Whether training moves the parameters.
  public var isTrainable: Bool
  /// The layer's name; numbered by type when left out.
  public var name: String?
  private let identity = LayerIdentity()

  /// Describes a convolution.
  ///
  /// - Parameters:
  ///   - filters: The number of output channels.
  ///   - kernel: The kernel's size.
  ///   - stride: The step between windows.
  ///   - padding: The border.
  ///   - dilation: The step between kernel elements.
  ///   - groups: Separate channel groups; must divide input channels and filters.
  ///   - hasBias: Whether a bias is added.
  ///   - activation: Applied after the bias.
  ///   - initializer: How the weights start; He's for ReLUs, Glorot's else, when left out.
  ///   - isTrainable: Whether training moves the parameters.
  ///   - name: The layer's name.
  public init(
    filters: Int, kernel: Extent, stride: Extent = 1, padding: Padding = .same,
    dilation: Extent = 1, groups: Int = 1, hasBias: Bool = true, activation: Activation = .identity,
    initializer: Initializer? = nil, isTrainable: Bool = true, name: String? = nil
  ) {
    self.filters = filters
    self.kernel = kernel
    attributes = ConvolutionAttributes(
      stride: stride, padding: padding, dilation: dilation, groups: groups)
    self.hasBias = hasBias
    self.activation = activation
    self.initializer = initializer ?? .standard(for: activation)
    self.isTrainable = isTrainable
    self.name = name
  }

  /// [N, H, W, C] gives [N, H', W', filters].
  public func callAsFunction(_ input: SymbolicTensor) -> SymbolicTensor {
    let builder = input.builder
    let call = builder.uniqueName(name, type: "conv2d")
    guard attributes.groups > 0, input.shape.channels % attributes.groups == 0 else {
      builder.fail(
        "layer \(call): \(input.shape.channels) input channels do not divide into \(attributes.groups) groups"
      )
      return input
    }
    let operation = ConvolutionOperation(attributes, epilogue: FusedEpilogue(hasBias: hasBias))
    return input.weighted(
      operation, [kernel.height, kernel.width, input.shape.channels / attributes.groups, filters],
      of: identity, initializer, isTrainable: isTrainable, channels: filters, name: call,
      layerType: "Conv2D"
    ).activated(activation, of: call)
  }
}

/// Transposed convolution: [N, H, W, C] gives [N, H', W', filters], with bias and activation.
///
/// Weights are stored as those of the convolution whose adjoint it is: [kernel height, kernel width, filters / groups, C].
public struct TransposedConvolution2D: Layer {
  /// The number of output channels.
  public var filters: Int
  /// The kernel's size.
  public var kernel: Extent
  /// Stride, padding, dilation, groups.
  public var attributes: ConvolutionAttributes
  /// Rows and columns to add below and to the right.
  public var outputPadding: Extent
  /// Whether a bias is added.
  public var hasBias: Bool
  /// Applied after the bias.
  public var activation: Activation
  /// How the weights start.
  public var initializer: Initializer
  /// Whether training moves the parameters.
  public var isTrainable: Bool
  /// The layer's name; numbered by type when left out.
  public var name: String?
  private let identity = LayerIdentity()

  /// Describes a transposed convolution.
  ///
  /// - Parameters:
  ///   - filters: The number of output channels.
  ///   - kernel: The kernel's size.
  ///   - stride: The step between painted kernels.
  ///   - padding: What is cut off the border; `same` gives input · stride.
  ///   - outputPadding: Rows and columns to add below and to the right.
  ///   - dilation: The step between kernel elements.
  ///   - groups: Separate channel groups.
  ///   - hasBias: Whether a bias is added.
  ///   - activation: Applied after the bias.
  ///   - initializer: How the weights start.
  ///   - isTrainable: Whether training moves the parameters.
  ///   - name: The layer's name.
  public init(
    filters: Int, kernel: Extent, stride: Extent = 1, padding: Padding = .same,
    outputPadding: Extent = 0, dilation: Extent = 1, groups: Int = 1, hasBias: Bool = true,
    activation: Activation = .identity, initializer: Initializer? = nil, isTrainable: Bool = true,
    name: String? = nil
  ) {
    self.filters = filters
    self.kernel = kernel
    attributes = ConvolutionAttributes(
      stride: stride, padding: padding, dilation: dilation, groups: groups)
    self.outputPadding = outputPadding
    self.hasBias = hasBias
    self.activation = activation
    self.initializer = initializer ?? .standard(for: activation)
    self.isTrainable = isTrainable
    self.name = name
  }

  /// [N, H, W, C] gives [N, H', W', filters].
  public func callAsFunction(_ input: SymbolicTensor) -> SymbolicTensor {
    let builder = input.builder
    let call = builder.uniqueName(name, type: "conv2d_transpose")
    guard attributes.groups > 0, filters % attributes.groups == 0 else {
      builder.fail(
        "layer \(call): \(filters) filters do not divide into \(attributes.groups) groups")
      return input
    }
    let operation = TransposedConvolutionOperation(
      attributes, outputPadding: outputPadding, epilogue: FusedEpilogue(hasBias: hasBias))
    return input.weighted(
      operation, [kernel.height, kernel.width, filters / attributes.groups, input.shape.channels],
      of: identity, initializer, isTrainable: isTrainable, channels: filters, name: call,
      layerType: "Conv2DTranspose"
    ).activated(activation, of: call)
  }
}

/// Dense layer: [N, C] gives [N, units] with bias and activation.
public struct Dense: Layer {
  /// The number of outputs.
  public var units: Int
  /// Whether a bias is added.
  public var hasBias: Bool
  /// Applied after the bias.
  public var activation: Activation
  /// How the weights start.
  public var initializer: Initializer
  /// Whether training moves the parameters.
  public var isTrainable: Bool
  /// The layer's name; numbered by type when left out.
  public var name: String?
  private let identity = LayerIdentity()

  /// Describes a dense layer.
  ///
  /// - Parameters:
  ///   - units: The number of outputs.
  ///   - hasBias: Whether a bias is added.
  ///   - activation: Applied after the bias.
  ///   - initializer: How the weights start.
  ///   - isTrainable: Whether training moves the parameters.
  ///   - name: The layer's name.
  public init(
    units: Int, hasBias: Bool = true, activation: Activation = .identity,
    initializer: Initializer? = nil, isTrainable: Bool = true, name: String? = nil
  ) {
    self.units = units
    self.hasBias = hasBias
    self.activation = activation
    self.initializer = initializer ?? .standard(for: activation)
    self.isTrainable = isTrainable
    self.name = name
  }

  /// [N, C] gives [N, units].
  public func callAsFunction(_ input: SymbolicTensor) -> SymbolicTensor {
    let builder = input.builder
    let call = builder.uniqueName(name, type: "dense")
    guard input.shape.rank == 2 else {
      builder.fail("layer \(call): expected vectors [batch, features]; received \(input.shape)")
      return input
    }
    return input.weighted(
      ConvolutionOperation(epilogue: FusedEpilogue(hasBias: hasBias)),
      [input.shape.channels, units], of: identity, initializer, isTrainable: isTrainable,
      channels: units, name: call, layerType: "Dense"
    ).activated(activation, of: call)
  }
}

extension Initializer {
  /// He's for (leaky) ReLUs, Glorot's for all else.
  static func standard(for activation: Activation) -> Initializer {
    switch activation {
    case .relu, .leakyReLU, .elu, .silu, .gelu: .heNormal
    case .identity, .sigmoid, .tanh: .glorotUniform
    }
  }
}

extension SymbolicTensor {
  /// The result of an operation with weights, and a bias where its epilogue has one, that a layer owns.
  fileprivate func weighted(
    _ operation: some ConvolutionDescription, _ weights: Shape, of layer: LayerIdentity,
    _ initializer: Initializer, isTrainable: Bool, channels: Int, name: String, layerType: String
  ) -> SymbolicTensor {
    let scope = builder.parameterScope(layer, name)
    var inputs = [value]
    inputs.append(
      builder.parameter(layer, scope, "weight", weights, initializer, isTrainable: isTrainable))
    if operation.epilogue.hasBias {
      inputs.append(
        builder.parameter(layer, scope, "bias", [channels], .zeros, isTrainable: isTrainable))
    }
    return builder.apply(operation, inputs, name: name, layerType: layerType)[0]
  }

  /// The activation that belongs to a layer, named after it.
  func activated(_ activation: Activation, of layer: String) -> SymbolicTensor {
    guard activation != .identity else { return self }
    return builder.apply(
      ActivationOperation(activation), [value], name: "\(layer)/activation", layerType: nil)[0]
  }
}
