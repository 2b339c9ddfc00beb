// A restricted Boltzmann machine as layers over shared parameters: up, down, and the free energy.
//
// Smolensky: Information Processing in Dynamical Systems: Foundations of Harmony Theory (1986);
// Hinton: Training Products of Experts by Minimizing Contrastive Divergence (2002).

import AtelierKernels

/// One machine of visible and hidden units; hidden ones are binary, visible ones binary or Gaussian of deviation 1.
///
/// Its parameters are `NAME/weight` [visible, hidden], `NAME/visible_bias` and `NAME/hidden_bias`; every call in a graph
/// shares them, and graphs over one store do, too.
public struct BoltzmannLevel: Sendable, Hashable, Codable {
  /// What stands before the names of its parameters.
  public var name: String
  /// Visible units.
  public var visible: Int
  /// Hidden units.
  public var hidden: Int
  /// Whether visible units are real numbers rather than bits.
  public var isGaussian: Bool

  /// Describes a machine.
  public init(name: String, visible: Int, hidden: Int, isGaussian: Bool = false) {
    (self.name, self.visible, self.hidden) = (name, visible, hidden)
    self.isGaussian = isGaussian
  }

  /// What hidden units sum up: [N, visible] gives [N, hidden].
  public func hiddenInput(_ visible: SymbolicTensor) -> SymbolicTensor {
    visible.applying(
      ConvolutionOperation(epilogue: FusedEpilogue(hasBias: true)),
      with: [weight(visible), bias(visible, "hidden", hidden)], name: "\(name)/up")
  }

  /// The probability that each hidden unit is 1: [N, visible] gives [N, hidden].
  public func hiddenMean(_ visible: SymbolicTensor) -> SymbolicTensor {
    hiddenInput(visible).activated(.sigmoid, of: "\(name)/up")
  }

  /// The means of the visible units: [N, hidden] gives [N, visible].
  public func visibleMean(_ hidden: SymbolicTensor) -> SymbolicTensor {
    let sums = hidden.applying(
      TransposedConvolutionOperation(
        attributes: ConvolutionAttributes(), epilogue: FusedEpilogue(hasBias: true)),
      with: [weight(hidden), bias(hidden, "visible", visible)], name: "\(name)/down")
    return isGaussian ? sums : sums.activated(.sigmoid, of: "\(name)/down")
  }

  /// The free energy of visible states: [N, visible] gives [N, 1].
  ///
  /// −v·a − Σ log(1 + exp(vW + b)) of bits, ½ |v − a|² − Σ log(1 + exp(vW + b)) of real numbers.
  public func freeEnergy(_ visible: SymbolicTensor) -> SymbolicTensor {
    let above = hiddenInput(visible).activated(.softplus, of: "\(name)/energy")
      .applying(ReduceOperation(.sum, axes: [1]), name: "\(name)/energy")
    let flat = bias(visible, "visible", self.visible)
      .applying(RegroupOperation([1, self.visible]), name: "\(name)/energy")
    let own: SymbolicTensor
    if isGaussian {
      let distance = visible.applying(BroadcastBinaryOperation(.subtract), with: [flat])
      own = 0.5 * (distance * distance).applying(ReduceOperation(.sum, axes: [1]))
    } else {
      let product = visible.applying(BroadcastBinaryOperation(.multiply), with: [flat])
      own = -1 * product.applying(ReduceOperation(.sum, axes: [1]))
    }
    return own - above
  }

  /// The weights, small at first so that hidden units begin undecided (Hinton 2010).
  public func weight(_ neighbor: SymbolicTensor) -> SymbolicTensor {
    neighbor.builder.namedParameter(
      "\(name)/weight", [visible, hidden], .normal(deviation: 0.01))
  }

  private func bias(_ neighbor: SymbolicTensor, _ side: String, _ count: Int) -> SymbolicTensor {
    neighbor.builder.namedParameter("\(name)/\(side)_bias", [count], .zeros)
  }
}

extension GraphBuilder {
  /// A parameter by its whole name that no gradient moves, such as the state of chains.
  public func statistic(
    _ name: String, _ shape: Shape, _ initializer: Initializer
  ) -> SymbolicTensor { namedParameter(name, shape, initializer, role: .statistic) }

  /// A parameter by its whole name, made when it is not there yet: what several layers share.
  func namedParameter(
    _ name: String, _ shape: Shape, _ initializer: Initializer, role: Graph.Role = .weight
  ) -> SymbolicTensor {
    if let known = graph.parameters.firstIndex(where: { $0.name == name }),
      let value = graph.values.firstIndex(where: { $0.source == .parameter(known) })
    {
      if graph.values[value].shape != shape {
        fail("parameter \(name) has shape \(graph.values[value].shape); received \(shape)")
      }
      return symbol(value)
    }
    let value = appendParameter(
      Graph.Parameter(
        name: name, shape: shape, initializer: initializer, role: role,
        isTrainable: role == .weight))
    return symbol(value)
  }
}
