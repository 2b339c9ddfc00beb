// Batch, group and instance normalization layers, and standardization by known numbers.

/// Batch normalization over all axes but the last, with learnt scale and shift and running statistics.
public struct BatchNormalization: Layer {
  /// Added to the variance.
  public var epsilon: Float
  /// The weight of the new batch in the running statistics.
  public var momentum: Float
  /// Whether training moves the parameters; a frozen one keeps to its running statistics.
  public var isTrainable: Bool
  /// The layer's name.
  public var name: String?
  private let identity = LayerIdentity()

  /// Describes the layer.
  public init(
    epsilon: Float = 1e-5, momentum: Float = 0.1, isTrainable: Bool = true, name: String? = nil
  ) {
    self.epsilon = epsilon
    self.momentum = momentum
    self.isTrainable = isTrainable
    self.name = name
  }

  /// The normalized tensor, of the same shape.
  public func callAsFunction(_ input: SymbolicTensor) -> SymbolicTensor {
    let builder = input.builder
    let call = builder.uniqueName(name, type: "batch_normalization")
    let scope = builder.parameterScope(identity, call)
    let shape: Shape = [input.shape.channels]
    let vectors: [(String, Initializer, Graph.Role)] = [
      ("gamma", .ones, .weight), ("beta", .zeros, .weight), ("running_mean", .zeros, .statistic),
      ("running_variance", .ones, .statistic),
    ]
    let parameters = vectors.map {
      builder.parameter(identity, scope, $0.0, shape, $0.1, role: $0.2, isTrainable: isTrainable)
    }
    return builder.apply(
      BatchNormalizationOperation(epsilon: epsilon, momentum: momentum), [input.value] + parameters,
      name: call, layerType: "BatchNormalization")[0]
  }
}

/// Group normalization with learnt scale and shift.
public struct GroupNormalization: Layer {
  /// The number of groups, or nil for one a channel: instance normalization.
  public var groups: Int?
  /// Added to the variance.
  public var epsilon: Float
  /// Whether training moves the parameters.
  public var isTrainable: Bool
  /// The layer's name.
  public var name: String?
  private let identity = LayerIdentity()

  /// Describes the layer.
  public init(groups: Int?, epsilon: Float = 1e-5, isTrainable: Bool = true, name: String? = nil) {
    self.groups = groups
    self.epsilon = epsilon
    self.isTrainable = isTrainable
    self.name = name
  }

  /// The normalized tensor, of the same shape.
  public func callAsFunction(_ input: SymbolicTensor) -> SymbolicTensor {
    let builder = input.builder
    let call = builder.uniqueName(
      name, type: groups == nil ? "instance_normalization" : "group_normalization")
    let scope = builder.parameterScope(identity, call)
    let shape: Shape = [input.shape.channels]
    let gamma = builder.parameter(identity, scope, "gamma", shape, .ones, isTrainable: isTrainable)
    let beta = builder.parameter(identity, scope, "beta", shape, .zeros, isTrainable: isTrainable)
    return builder.apply(
      GroupNormalizationOperation(groups: groups ?? 0, epsilon: epsilon),
      [input.value, gamma, beta],
      name: call, layerType: groups == nil ? "InstanceNormalization" : "GroupNormalization")[0]
  }
}

/// Instance normalization: group normalization with one group a channel.
public typealias InstanceNormalization = GroupNormalization

extension InstanceNormalization {
  /// Describes an instance normalization.
  public init(epsilon: Float = 1e-5, isTrainable: Bool = true, name: String? = nil) {
    self.init(groups: nil, epsilon: epsilon, isTrainable: isTrainable, name: name)
  }
}

/// (x − mean) / deviation, channel by channel, with numbers that are known beforehand.
///
/// A network that begins with it carries its data's normalization in its own graph. The numbers are
/// constants: nothing learns them, and they do not count as parameters.
public struct Standardization: Layer {
  /// One mean a channel.
  public var mean: [Float]
  /// One deviation a channel, each above 0.
  public var deviation: [Float]
  /// The layer's name.
  public var name: String?

  /// Describes the layer.
  public init(mean: [Float], deviation: [Float], name: String? = nil) {
    self.mean = mean
    self.deviation = deviation
    self.name = name
  }

  /// [..., C] gives the same shape.
  public func callAsFunction(_ input: SymbolicTensor) -> SymbolicTensor {
    let channels = input.shape.channels
    guard mean.count == channels, deviation.count == channels,
      deviation.allSatisfy({ $0 > 0 && $0 < .infinity }), mean.allSatisfy(\.isFinite)
    else {
      input.builder.fail(
        "layer \(name ?? "standardization"): expected \(channels) means and deviations above 0; "
          + "received \(mean) and \(deviation)")
      return input
    }
    let scales = deviation.map { 1 / $0 }
    let shifts = zip(mean, scales).map { -$0 * $1 }
    let call = name ?? "standardization"
    if channels == 1 {
      return input.applying(
        AffineOperation(scale: scales[0], shift: shifts[0]), name: call,
        layerType: "Standardization")
    }
    let weight = input.constant("\(call)_scale", [1, 1, 1, channels], .values(scales))
    let bias = input.constant("\(call)_shift", [channels], .values(shifts))
    return input.applying(
      ConvolutionOperation(
        attributes: ConvolutionAttributes(groups: channels), epilogue: FusedEpilogue(hasBias: true)),
      with: [weight, bias], name: call, layerType: "Standardization")
  }
}
