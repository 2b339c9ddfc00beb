// What a convolution and its adjoint do beside the plain sums that `KernelCaseTests` compares: epilogues,
// scaled filters, the adjoint law.

import AtelierKernels
import Testing

@Suite struct ConvolutionTests {
  static let passes: [ConvolutionPass] = [.forward, .inputGradient]
  /// The distance that a float sum in any order may have: measured below 1e-6 over all cases.
  static let tolerance = 2e-6

  @Test(arguments: ConvolutionCase.all + ConvolutionCase.winograd, InstructionSet.available)
  func appliesTheEpilogue(_ item: ConvolutionCase, _ isa: InstructionSet) {
    let g = item.geometry
    let kernels = Kernels(pool: ThreadPool(threads: 2), instructionSet: isa)
    let tensors = ConvolutionTensors(g)
    let bias = FencedFloats(max(g.inputChannels, g.outputChannels), seed: 4)
    for pass in Self.passes {
      let count = resultCount(g, pass)
      let addend = FencedFloats(count, seed: 5)
      let mask = FencedFloats(count, seed: 6)
      var epilogue = ConvolutionEpilogue(
        bias: bias.read, addend: addend.read, activation: .leakyReLU(slope: 0.25),
        mask: mask.read, maskSlope: 0.125)
      let expected = referencePass(g, pass, tensors, epilogue: epilogue)
      // The addend is the result's own memory here.
      let result = FencedFloats(count, seed: 5)
      epilogue.addend = result.read
      kernels.runPass(g, pass, tensors, epilogue: epilogue, into: result)
      #expect(relativeDistance(result.values, expected) < Self.tolerance, "\(pass)")
    }
  }

  static let activations: [Activation] = [
    .identity, .relu, .cappedReLU(limit: 0.4), .leakyReLU(slope: 0.2), .elu(alpha: 1.5), .silu,
    .gelu, .sigmoid, .tanh,
    .hardSwish, .tanhGELU, .softplus, .absolute, .errorFunction,
  ]
  /// One geometry for each way in which results are stored.
  static let stores: [ConvolutionCase] =
    ConvolutionCase.all.filter {
      [
        "3x3 same, 7 to 9", "3x3 same, 64 to 1", "1x1 pointwise", "2x2 stride 2", "tiny planes",
        "groups", "depthwise", "dense 9 x 600 to 77",
      ].contains($0.name)
    } + ConvolutionCase.winograd.prefix(2)

  @Test(arguments: stores, activations)
  func appliesEveryActivation(_ item: ConvolutionCase, _ activation: Activation) {
    #expect(Self.stores.count == 10)
    let g = item.geometry
    let tensors = ConvolutionTensors(g)
    let bias = FencedFloats(max(g.inputChannels, g.outputChannels), seed: 4)
    for isa in InstructionSet.available {
      let kernels = Kernels(pool: ThreadPool(threads: 2), instructionSet: isa)
      for pass in Self.passes {
        let mask = FencedFloats(resultCount(g, pass), seed: 6)
        let epilogue = ConvolutionEpilogue(
          bias: bias.read, activation: activation, mask: mask.read, maskSlope: 0.5)
        let expected = referencePass(g, pass, tensors, epilogue: epilogue)
        let result = FencedFloats(resultCount(g, pass), seed: nil)
        kernels.runPass(g, pass, tensors, epilogue: epilogue, into: result)
        // A sum's rounding, of the size of the sum, is a relative error of its exponential.
        let most: Double = activation == .exponential ? 4e-5 : 4e-6
        #expect(relativeDistance(result.values, expected) < most, "\(pass) \(isa)")
      }
    }
  }

  @Test(arguments: ConvolutionCase.all + ConvolutionCase.winograd)
  func scalesTheFilters(_ item: ConvolutionCase) {
    let g = item.geometry
    let tensors = ConvolutionTensors(g)
    let scale = FencedFloats(g.outputChannels, seed: 7)
    for isa in InstructionSet.available {
      let kernels = Kernels(instructionSet: isa)
      guard ConvolutionPlan(g, .forward, kernels).packedCount > 0 else { continue }
      let expected = referencePass(g, .forward, tensors, scale: scale)
      let result = FencedFloats(g.outputCount, seed: nil)
      kernels.runPass(g, .forward, tensors, scale: scale, into: result)
      #expect(relativeDistance(result.values, expected) < Self.tolerance, "\(isa)")
    }
  }

  @Test(arguments: ConvolutionCase.all + ConvolutionCase.winograd)
  func isAdjoint(_ item: ConvolutionCase) {
    let g = item.geometry
    let tensors = ConvolutionTensors(g)
    let output = FencedFloats(g.outputCount, seed: nil)
    let back = FencedFloats(g.inputCount, seed: nil)
    Kernels().runPass(g, .forward, tensors, into: output)
    Kernels().runPass(g, .inputGradient, tensors, into: back)
    func product(_ a: FencedFloats, _ b: FencedFloats) -> (sum: Double, size: Double) {
      zip(a.values, b.values).reduce(into: (0, 0)) { total, pair in
        total.0 += Double(pair.0) * Double(pair.1)
        total.1 += abs(Double(pair.0) * Double(pair.1))
      }
    }
    let left = product(output, tensors.gradient)
    let right = product(tensors.input, back)
    #expect(abs(left.sum - right.sum) <= 1e-6 * max(left.size, right.size))
  }

  @Test func pixelsWithoutContributionHoldTheBias() {
    // Stride 4 with a 2x2 kernel: input rows 2 and 3 of each four are read by no output.
    let item = ConvolutionCase(
      "", size: (8, 8), channels: (3, 2), kernel: (2, 2), stride: 4, output: (2, 2))
    let g = item.geometry
    let bias = FencedFloats(3, seed: 4)
    for isa in InstructionSet.available {
      let result = FencedFloats(g.inputCount, seed: nil)
      Kernels(instructionSet: isa).runPass(
        g, .inputGradient, ConvolutionTensors(g), epilogue: .init(bias: bias.read), into: result)
      for y in 0..<8 {
        for x in 0..<8 where y % 4 >= 2 || x % 4 >= 2 {
          for c in 0..<3 { #expect(result.start[(y * 8 + x) * 3 + c] == bias.start[c]) }
        }
      }
    }
  }

  @Test func notANumberPassesThroughReLU() {
    let item = ConvolutionCase("", size: (1, 2), channels: (1, 1), kernel: (1, 1))
    let tensors = ConvolutionTensors(item.geometry)
    tensors.input.start[0] = .nan
    for isa in InstructionSet.available {
      let result = FencedFloats(2, seed: nil)
      Kernels(instructionSet: isa).runPass(
        item.geometry, .forward, tensors, epilogue: .init(activation: .relu), into: result)
      #expect(result.start[0].isNaN && !result.start[1].isNaN)
    }
  }
}
