// The weight gradient and Winograd's accuracy against the reference twin.

import AtelierKernels
import Testing

@Suite struct ConvolutionWeightGradientTests {
  @Test(arguments: ConvolutionCase.all + ConvolutionCase.winograd, InstructionSet.available)
  func equalsReference(_ item: ConvolutionCase, _ isa: InstructionSet) {
    let g = item.geometry
    let tensors = ConvolutionTensors(g)
    let weights = FencedFloats(g.weightCount, seed: nil)
    let bias = FencedFloats(g.outputChannels, seed: nil)
    ReferenceConvolution.weightGradient(
      g, input: tensors.input.read, outputGradient: tensors.gradient.read,
      weightGradient: weights.start, biasGradient: bias.start)
    let kernels = Kernels(pool: ThreadPool(threads: 2), instructionSet: isa)
    let actual = kernels.runWeightGradient(g, tensors)
    #expect(relativeDistance(actual.weights, weights.values) < 2e-6)
    #expect(relativeDistance(actual.bias, bias.values) < 2e-6)
    let alone = kernels.runWeightGradient(g, tensors, bias: false)
    #expect(alone.weights == actual.weights)
  }

  @Test(arguments: ConvolutionCase.all + ConvolutionCase.winograd, InstructionSet.available)
  func hasTheSameBitsForAnyNumberOfThreads(_ item: ConvolutionCase, _ isa: InstructionSet) {
    let tensors = ConvolutionTensors(item.geometry)
    var first: [UInt32]?
    for threads in [1, 2, 3, 8] {
      let kernels = Kernels(pool: ThreadPool(threads: threads), instructionSet: isa)
      let actual = kernels.runWeightGradient(item.geometry, tensors)
      let bits = (actual.weights + actual.bias).map(\.bitPattern)
      #expect(bits == first ?? bits, "\(threads) threads")
      first = first ?? bits
    }
  }

  /// Winograd's form loses digits in its transforms; with these points the largest error stays
  /// below 1e-5 of the largest value, against sums in `Double`.
  @Test(arguments: ConvolutionCase.winograd, InstructionSet.available)
  func winogradErrorIsBounded(_ item: ConvolutionCase, _ isa: InstructionSet) {
    let g = item.geometry
    let kernels = Kernels(instructionSet: isa)
    #expect(ConvolutionPlan(g, .forward, kernels).name == "Winograd")
    let tensors = ConvolutionTensors(g)
    for pass in ConvolutionTests.passes {
      let expected = referencePass(g, pass, tensors)
      let result = FencedFloats(resultCount(g, pass), seed: nil)
      kernels.runPass(g, pass, tensors, into: result)
      let largest = expected.map(abs).max() ?? 0
      let error = zip(result.values, expected).map { abs($0 - $1) }.max() ?? .infinity
      #expect(error < 1e-5 * largest, "\(pass)")
    }
  }
}
