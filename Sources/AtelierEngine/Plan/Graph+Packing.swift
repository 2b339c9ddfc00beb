// Which convolutions of a training pack their weights while they run.

extension Graph {
  /// The graph in which convolutions with large weights that are packed anew in each run do so block by block, instead of all
  /// before the first product: the packed form of a whole layer is up to six times as large as its weights.
  ///
  /// Programs without parameter gradients keep what they packed, so they stay as they are.
  func packingInRun() -> Graph {
    guard !parameterGradients.isEmpty else { return self }
    var result = self
    for (index, node) in nodes.enumerated() {
      guard node.inputs.count > 1, case .parameter = values[node.inputs[1]].source else { continue }
      let packing: (any Operation)?
      switch node.operation {
      case let planned as PlannedConvolution<ConvolutionOperation>: packing = planned.packingInRun
      case let planned as PlannedConvolution<TransposedConvolutionOperation>:
        packing = planned.packingInRun
      default: packing = nil
      }
      if let packing { result.nodes[index].operation = packing }
    }
    return result
  }
}
