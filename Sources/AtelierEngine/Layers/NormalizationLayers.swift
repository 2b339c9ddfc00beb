// Batch, group and instance normalization layers, and standardization by known numbers.

/// A normalization that learns scale and shift and may keep statistics: the vectors [C] that its operation reads.
public struct NormalizationLayer<Applied: Operation>: Layer {
  /// The layer's name; numbered by type when left out.
  public var name: String?
  private let typeName: String
  private let layerType: String
  private let operation: Applied
  private let hasStatistics: Bool
  private let isTrainable: Bool
  private let identity = LayerIdentity()

  /// Describes a layer of a type.
  init(
    _ typeName: String, _ layerType: String, _ operation: Applied, hasStatistics: Bool,
    isTrainable: Bool, _ name: String?
  ) {
    (self.typeName, self.layerType, self.name) = (typeName, layerType, name)
    (self.operation, self.hasStatistics) = (operation, hasStatistics)
    self.isTrainable = isTrainable
  }

  /// The normalized tensor, of the same shape.
  public func callAsFunction(_ input: SymbolicTensor) -> SymbolicTensor {
    let builder = input.builder
    let call = builder.uniqueName(name, type: typeName)
    let scope = builder.parameterScope(identity, call)
    var vectors: [(String, Initializer, Graph.Role)] = [
      ("gamma", .ones, .weight), ("beta", .zeros, .weight),
    ]
    if hasStatistics {
      vectors += [("running_mean", .zeros, .statistic), ("running_variance", .ones, .statistic)]
    }
    let values = vectors.map {
      builder.parameter(
        identity, scope, $0.0, [input.shape.channels], $0.1, role: $0.2, isTrainable: isTrainable)
    }
    return builder.apply(operation, [input.value] + values, name: call, layerType: layerType)[0]
  }
}

/// Batch normalization over all axes but the last, with learnt scale and shift and running statistics.
public typealias BatchNormalization = NormalizationLayer<BatchNormalizationOperation>

extension BatchNormalization {
  /// Describes the layer; `momentum` is a new batch's weight, and a frozen one keeps to its running statistics.
  public init(
    epsilon: Float = 1e-5, momentum: Float = 0.1, isTrainable: Bool = true, name: String? = nil
  ) {
    self.init(
      "batch_normalization", "BatchNormalization",
      BatchNormalizationOperation(epsilon: epsilon, momentum: momentum), hasStatistics: true,
      isTrainable: isTrainable, name)
  }
}

/// Group normalization with learnt scale and shift.
public typealias GroupNormalization = NormalizationLayer<GroupNormalizationOperation>

/// Instance normalization: group normalization with one group a channel.
public typealias InstanceNormalization = NormalizationLayer<GroupNormalizationOperation>

extension NormalizationLayer<GroupNormalizationOperation> {
  /// Describes a normalization of so many groups, or with nil of one a channel: instance normalization.
  public init(groups: Int?, epsilon: Float = 1e-5, isTrainable: Bool = true, name: String? = nil) {
    self.init(
      groups == nil ? "instance_normalization" : "group_normalization",
      groups == nil ? "InstanceNormalization" : "GroupNormalization",
      GroupNormalizationOperation(groups: groups ?? 0, epsilon: epsilon), hasStatistics: false,
      isTrainable: isTrainable, name)
  }

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
