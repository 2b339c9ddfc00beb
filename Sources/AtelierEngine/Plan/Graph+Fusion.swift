// Fusion: neighbouring nodes that one kernel can do in one pass over memory become one node.

import AtelierKernels

extension Graph {
  /// The graph with every fusion that applies; results are the same up to the order of two additions.
  ///
  /// Convolution takes in a batch normalization in inference form (into its weights), a bias, an addition, an activation, and as an
  /// input gradient the gradient of a (leaky) ReLU. Batch normalization in training form takes in a (leaky) ReLU.
  func fused() -> Graph {
    var result = pruned()
    var fusion = Fusion(graph: result)
    var index = 0
    while index < fusion.graph.nodes.count {
      // A node may take in several neighbours, one after the other: convolution, addition, activation.
      if !fusion.fuseNext(into: index) { index += 1 }
    }
    result = fusion.graph
    return result.reordered(result.nodes.indices.filter { !fusion.isRemoved[$0] })
  }
}

/// The state of the fusion pass.
///
/// Nodes keep their numbers; those taken in are marked removed.
private struct Fusion {
  var graph: Graph
  var isRemoved: [Bool]
  private var uses: [Int]
  /// The only reader of a value, when there is just one and it is a node.
  private var reader: [Int?]

  init(graph: Graph) {
    self.graph = graph
    isRemoved = [Bool](repeating: false, count: graph.nodes.count)
    uses = graph.useCounts()
    reader = [Int?](repeating: nil, count: graph.values.count)
    for (index, node) in graph.nodes.enumerated() {
      for input in node.inputs { reader[input] = index }
    }
  }

  /// Takes one neighbour into node `index`; false when none fits.
  mutating func fuseNext(into index: Int) -> Bool {
    guard !isRemoved[index] else { return false }
    let node = graph.nodes[index]
    let output = node.outputs[0]
    guard uses[output] == 1, let next = reader[output], !isRemoved[next] else { return false }
    let follower = graph.nodes[next]
    if var normalization = node.operation as? BatchNormalizationOperation,
      normalization.activation == .identity,
      let activation = (follower.operation as? ActivationOperation)?.activation,
      activation.negativeSlope != nil
    {
      normalization.activation = activation
      return replace(index, by: normalization, inputs: node.inputs, removing: next)
    }
    if let gradient = node.operation as? ActivationGradient,
      var normalization = follower.operation as? BatchNormalizationGradient,
      normalization.activation == .identity, gradient.activation.negativeSlope != nil,
      follower.inputs[0] == output,
      let beta = beta(of: node.inputs[1], gradient.activation, x: follower.inputs[1])
    {
      normalization.activation = gradient.activation
      graph.nodes[next].operation = normalization
      graph.nodes[next].inputs[0] = node.inputs[0]
      graph.nodes[next].inputs.append(beta)
      isRemoved[index] = true
      for input in [node.inputs[0], beta] where reader[input] == index { reader[input] = next }
      return true
    }
    if let operation = node.operation as? any ConvolutionDescription {
      return fuse(index, next, operation)
    }
    return false
  }

  /// The beta of the normalization of `x` whose output, through a fused activation, is `value`.
  private func beta(of value: ValueID, _ activation: Activation, x: ValueID) -> ValueID? {
    guard case .node(let index, output: 0) = graph.values[value].source,
      let normalization = graph.nodes[index].operation as? BatchNormalizationOperation,
      normalization.isTraining, normalization.activation == activation,
      graph.nodes[index].inputs[0] == x
    else { return nil }
    return graph.nodes[index].inputs[2]
  }

  /// Whether the gradient of a batch normalization follows that can do this activation gradient without reading a mask.
  private func isLeftToNormalization(_ index: Int, _ gradient: ActivationGradient) -> Bool {
    let node = graph.nodes[index]
    guard uses[node.outputs[0]] == 1, let next = reader[node.outputs[0]],
      let normalization = graph.nodes[next].operation as? BatchNormalizationGradient,
      normalization.activation == .identity, gradient.activation.negativeSlope != nil,
      graph.nodes[next].inputs[0] == node.outputs[0]
    else { return false }
    return beta(of: node.inputs[1], gradient.activation, x: graph.nodes[next].inputs[1]) != nil
  }

  /// Fuses into a (transposed) convolution.
  private mutating func fuse(
    _ index: Int, _ next: Int, _ operation: some ConvolutionDescription
  ) -> Bool {
    let epilogue = operation.epilogue
    guard epilogue.activation == .identity, epilogue.maskSlope == nil else { return false }
    let (node, follower) = (graph.nodes[index], graph.nodes[next])
    let output = node.outputs[0]
    let isFolded = operation.foldedNormalization != nil
    var fused = operation
    var inputs = Dictionary(uniqueKeysWithValues: zip(operation.roles, node.inputs))
    switch follower.operation {
    case let normalization as BatchNormalizationOperation
    where !normalization.isTraining && !epilogue.hasAddend && !isFolded
      && graph.values[output].shape.rank == 4 && uses[follower.outputs[1]] == 0
      && uses[follower.outputs[2]] == 0 && follower.inputs[0] == output
      && follower.inputs.dropFirst().allSatisfy { isComputed($0, before: index) }:
      fused.epilogue.activation = normalization.activation
      fused.foldedNormalization = normalization.epsilon
      for (role, value) in zip(ConvolutionRole.normalization, follower.inputs.dropFirst()) {
        inputs[role] = value
      }
    case let activation as ActivationOperation: fused.epilogue.activation = activation.activation
    case let clamp as ClampOperation where clamp.lower == 0 && clamp.upper > 0:
      fused.epilogue.activation = .cappedReLU(limit: clamp.upper)
    case let binary as BinaryOperation where binary.operator == .add && !epilogue.hasAddend:
      let other = follower.inputs[0] == output ? follower.inputs[1] : follower.inputs[0]
      guard other != output, isComputed(other, before: index) else { return false }
      fused.epilogue.hasAddend = true
      inputs[.addend] = other
    case let gradient as ActivationGradient
    where follower.inputs[0] == output && !isFolded && !isLeftToNormalization(next, gradient):
      guard let slope = gradient.activation.negativeSlope, slope < 1,
        isComputed(follower.inputs[1], before: index)
      else { return false }
      fused.epilogue.maskSlope = slope
      inputs[.mask] = follower.inputs[1]
    default: return false
    }
    return replace(index, by: fused, inputs: fused.roles.compactMap { inputs[$0] }, removing: next)
  }

  /// Whether a value exists when node `index` runs.
  private func isComputed(_ value: ValueID, before index: Int) -> Bool {
    if case .node(let source, _) = graph.values[value].source { return source < index }
    return true
  }

  private mutating func replace(
    _ index: Int, by operation: any Operation, inputs: [ValueID], removing next: Int
  ) -> Bool {
    let follower = graph.nodes[next]
    graph.nodes[index].operation = operation
    graph.nodes[index].inputs = inputs
    graph.nodes[index].outputs[0] = follower.outputs[0]
    graph.values[follower.outputs[0]].source = .node(index, output: 0)
    isRemoved[next] = true
    for input in inputs where reader[input] == next { reader[input] = index }
    return true
  }
}
