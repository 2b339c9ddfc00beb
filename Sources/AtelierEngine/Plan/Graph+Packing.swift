// Which convolutions of a training pack their weights while they run.

import AtelierKernels

extension Graph {
  /// The graph in which convolutions with large weights that are packed anew in each run do so block by block, instead of all
  /// before the first product: the packed form of a whole layer is up to six times as large as its weights.
  ///
  /// Programs without parameter gradients keep what they packed, so they stay as they are.
  func packingInRun(_ kernels: Kernels) -> Graph {
    guard !parameterGradients.isEmpty else { return self }
    var result = self
    for (index, node) in nodes.enumerated() {
      guard node.inputs.count > 1, case .parameter = values[node.inputs[1]].source else { continue }
      let shapes = shapes(of: node)
      if var convolution = node.operation as? ConvolutionOperation,
        convolution.foldedNormalization == nil, convolution.loading == nil,
        convolution.momentParts == nil, !convolution.poolsResult,
        kernels.convolutionPacksInRun(convolution.geometry(shapes), pass: .forward)
      {
        convolution.packsInRun = true
        result.nodes[index].operation = convolution
      } else if var convolution = node.operation as? TransposedConvolutionOperation,
        convolution.foldedNormalization == nil,
        kernels.convolutionPacksInRun(convolution.geometry(shapes), pass: .inputGradient)
      {
        convolution.packsInRun = true
        result.nodes[index].operation = convolution
      }
    }
    return result
  }
}
