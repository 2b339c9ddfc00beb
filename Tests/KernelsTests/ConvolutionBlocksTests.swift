// Winograd's convolutions that transform their weights block by block while they run.

import AtelierKernels
import Testing

@Suite("Convolutions that pack their weights while they run")
struct ConvolutionBlocksTests {
  /// Weights beyond the caches: plain, ordered tiles of an odd number, and the four phases of a strided kernel.
  static let cases: [ConvolutionCase] = [
    .init(
      "256 to 512", batch: 6, size: (12, 8), channels: (256, 512), kernel: (3, 3), padding: 1),
    .init(
      "320 to 400, 7x9", batch: 12, size: (7, 9), channels: (320, 400), kernel: (3, 3), padding: 1),
    .init(
      "288 to 448, more tiles than a batch holds", batch: 5, size: (20, 12), channels: (288, 448),
      kernel: (3, 3), padding: 1),
    // Nine tiles an image, ordered by kind: batches hold whole images, an odd number of tiles.
    .init(
      "256 to 512, 11x11", batch: 9, size: (11, 11), channels: (256, 512), kernel: (3, 3),
      padding: 1),
    .init(
      "5x5 stride 2, 128 to 256", batch: 12, size: (16, 16), channels: (128, 256), kernel: (5, 5),
      stride: 2, padding: 2),
  ]

  /// Cases whose weight gradient is compared: one under a sanitizer, where the reference takes seconds
  /// a case.
  #if SANITIZED
  static let casesOfWeightGradient = [cases[1]]
  #else
  static let casesOfWeightGradient = cases
  #endif

  /// The sums run over the same channels in the same order, so not a bit may differ.
  @Test(arguments: cases, InstructionSet.available)
  func sameBitsAsPackedWeights(_ item: ConvolutionCase, _ isa: InstructionSet) {
    let tensors = ConvolutionTensors(item.geometry)
    let precisions: [Precision] = isa == .avx512 ? [.float32, .bfloat16] : [.float32]
    for precision in precisions {
      for pass in ConvolutionTests.passes {
        let g = item.geometry
        for number in [1, 3] {
          let kernels = Kernels(
            pool: ThreadPool(threads: number), instructionSet: isa, precision: precision)
          let whole = ConvolutionPlan(g, pass, kernels)
          guard let blocks = whole.packingInRun else {
            // bfloat16 halves what is packed.
            #expect(precision == .bfloat16, "\(pass)")
            continue
          }
          #expect(blocks.packedCount == 0 && blocks.name == "Winograd in blocks")
          #expect(blocks.workspaceCount < whole.packedCount, "\(number) threads")
          let bias = FencedFloats(max(g.inputChannels, g.outputChannels), seed: 4)
          let epilogue = ConvolutionEpilogue(bias: bias.read, activation: .leakyReLU(slope: 0.1))
          let result = FencedFloats(resultCount(g, pass), seed: nil)
          kernels.runPass(blocks, tensors, epilogue: epilogue, into: result)
          let expected = FencedFloats(resultCount(g, pass), seed: nil)
          kernels.runPass(whole, tensors, epilogue: epilogue, into: expected)
          // A plain Bool: listing the differences of so many values would take minutes.
          let isSame = result.values == expected.values
          #expect(isSame, "\(pass), \(number) threads, \(precision)")
        }
      }
    }
  }

  @Test(arguments: casesOfWeightGradient)
  func weightGradientEqualsReference(_ item: ConvolutionCase) {
    let g = item.geometry
    let tensors = ConvolutionTensors(g)
    let weights = FencedFloats(g.weightCount, seed: nil)
    let bias = FencedFloats(g.outputChannels, seed: nil)
    ReferenceConvolution.weightGradient(
      g, input: tensors.input.read, outputGradient: tensors.gradient.read,
      weightGradient: weights.start, biasGradient: bias.start)
    for isa in InstructionSet.available {
      var first: [UInt32]?
      for threads in [1, 3] {
        let kernels = Kernels(pool: ThreadPool(threads: threads), instructionSet: isa)
        let actual = kernels.runWeightGradient(g, tensors)
        #expect(relativeDistance(actual.weights, weights.values) < 2e-6, "\(isa)")
        #expect(relativeDistance(actual.bias, bias.values) < 2e-6, "\(isa)")
        let bits = (actual.weights + actual.bias).map(\.bitPattern)
        let isSame = bits == first ?? bits
        #expect(isSame, "\(isa), \(threads) threads")
        first = first ?? bits
      }
    }
    guard BFloat16Tests.isThere else { return }
    let half = BFloat16Tests.kernels().runWeightGradient(g, tensors)
    #expect(relativeDistance(half.weights, weights.values) < BFloat16Tests.tolerance)
    #expect(relativeDistance(half.bias, bias.values) < 2e-6)
  }
}
