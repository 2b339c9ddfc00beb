// Recurrent layers: simple, long short-term memory and gated units, in one direction or both.

import AtelierKernels

/// A recurrent layer over the rows of its input.
///
/// Input: sequences [N, T, F], or images [N, H, W, C], whose rows are H steps of W · C features. Output: the last state
/// [N, units], or with `returnsSequence` all of them [N, T, 1, units]; in both directions twice as many channels, those of the
/// way back behind, whose last state is that of the first step. U starts orthogonal, the forget gate's bias at 1 (Jozefowicz and others 2015).
public struct Recurrent: Layer {
  /// What a step does.
  public let cell: RecurrentCell
  /// Units of the state.
  public let units: Int
  /// Whether the steps' states come out rather than the last one.
  public let returnsSequence: Bool
  /// Whether a second recurrence goes from the last step to the first.
  public let isBidirectional: Bool
  /// Whether training moves the parameters.
  public let isTrainable: Bool
  /// The layer's name; numbered by type when left out.
  public let name: String?
  private let identities = [LayerIdentity(), LayerIdentity()]

  /// Describes a layer.
  public init(
    _ cell: RecurrentCell, units: Int, returnsSequence: Bool = false, isBidirectional: Bool = false,
    isTrainable: Bool = true, name: String? = nil
  ) {
    self.cell = cell
    self.units = units
    self.returnsSequence = returnsSequence
    self.isBidirectional = isBidirectional
    self.isTrainable = isTrainable
    self.name = name
  }

  /// The last state, or all of them.
  public func callAsFunction(_ input: SymbolicTensor) -> SymbolicTensor {
    let builder = input.builder
    let call = builder.uniqueName(name, type: typeName)
    guard units > 0, input.shape.rank == 3 || input.shape.rank == 4 else {
      builder.fail(
        "layer \(call): expected units and sequences [N, T, F] or images; received \(units) and "
          + "\(input.shape)")
      return input
    }
    let (steps, features) = (input.shape[1], input.shape.dimensions[2...].reduce(1, *))
    // Steps first: what a step reads and writes then lies together.
    let rows = input.helped(ReshapeOperation([steps, 1, features]), "\(call)/rows")
    let sequence = rows.helped(TransposeOperation(order: [1, 0, 2, 3]), "\(call)/steps")
    var results = [states(sequence, features, call, isReversed: false)]
    if isBidirectional { results.append(states(sequence, features, call, isReversed: true)) }
    if !returnsSequence {
      results = results.enumerated().map { way, states in
        let last = GatherOperation(axis: 0, places: [way == 0 ? steps - 1 : 0])
        return states.helped(last, "\(call)/last_\(way)")
      }
    }
    let joined = results.count == 1 ? results[0] : concatenate(results, name: "\(call)_both")
    let samples = joined.helped(TransposeOperation(order: [1, 0, 2, 3]), "\(call)/samples")
    return returnsSequence ? samples : samples.helped(ReshapeOperation(), "\(call)/state")
  }

  private var typeName: String {
    switch cell {
    case .tanh, .relu: "simple_rnn"
    case .lstm: "lstm"
    case .gru: "gru"
    }
  }

  /// The type as the summary shows it.
  private var layerType: String {
    switch cell {
    case .tanh, .relu: "SimpleRNN"
    case .lstm: "LSTM"
    case .gru: "GRU"
    }
  }

  /// All states of one way [T, N, 1, units].
  private func states(
    _ sequence: SymbolicTensor, _ features: Int, _ call: String, isReversed: Bool
  ) -> SymbolicTensor {
    let builder = sequence.builder
    let identity = identities[isReversed ? 1 : 0]
    let scope = builder.parameterScope(identity, isReversed ? "\(call)/back" : call)
    let sums = cell.sums * units
    func parameter(_ name: String, _ shape: Shape, _ initializer: Initializer) -> ValueID {
      builder.parameter(
        identity, scope, name, shape, initializer, isTrainable: isTrainable)
    }
    var start = [Float](repeating: 0, count: sums)
    if cell == .lstm { for unit in units..<2 * units { start[unit] = 1 } }
    let products = builder.apply(
      ConvolutionOperation(epilogue: FusedEpilogue(hasBias: true)),
      [
        sequence.value, parameter("weight", [1, 1, features, sums], .glorotUniform),
        parameter("bias", [sums], .values(start)),
      ], name: isReversed ? "\(call)/back/sums" : "\(call)/sums", layerType: "Sums")
    let bias = cell == .gru ? [parameter("recurrent_bias", [sums], .zeros)] : []
    return builder.apply(
      RecurrentOperation(cell, isReversed: isReversed),
      [products[0].value, parameter("recurrent_weight", [units, sums], .orthogonal(gain: 1))]
        + bias, name: isReversed ? "\(call)/back" : call, layerType: layerType)[0]
  }
}

extension SymbolicTensor {
  /// What a layer does beside its own operation; it has no row in the summary.
  fileprivate func helped(_ operation: any Operation, _ name: String) -> SymbolicTensor {
    builder.apply(operation, [value], name: name, layerType: nil)[0]
  }
}
