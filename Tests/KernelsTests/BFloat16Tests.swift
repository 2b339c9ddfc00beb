// Products of bfloat16 pairs: how far they may lie from the reference twin, the same bits for any
// number of threads, and float32 wherever the machine does not multiply them.

import AtelierKernels
import Testing

@Suite struct BFloat16Tests {
  /// Whether this machine multiplies bfloat16; says so where it does not.
  static let isThere: Bool = {
    let isThere = Kernels(instructionSet: .preferred, precision: .bfloat16).precision == .bfloat16
    if !isThere { print("BFloat16Tests: no AVX512-BF16 here; only the fallback is tested") }
    return isThere
  }()

  /// The distance that rounded factors may make.
  ///
  /// Rounding both factors to eight bits puts a direct convolution of white noise 0.0021 of its
  /// length from the exact one; Winograd's transforms, which take differences of larger values,
  /// make 0.0114 of it (the same transforms in `Double` with rounded factors). Measured here, over
  /// all cases and passes: 0.0105 to 0.0120.
  static let tolerance = 0.013
  /// The largest error beside the largest value of the result; measured 0.013 to 0.025.
  static let largestTolerance = 0.032

  /// Winograd's cases, and odd and small numbers of channels that leave half a pair empty.
  static let cases: [ConvolutionCase] =
    ConvolutionCase.winograd + [
      .init(
        "winograd 17 to 23, odd", batch: 3, size: (15, 19), channels: (17, 23), kernel: (3, 3),
        padding: 1),
      .init(
        "winograd 33 to 31, odd tiles", batch: 5, size: (12, 12), channels: (33, 31),
        kernel: (3, 3), padding: 1),
      .init(
        "winograd 5x5 stride 2, 19 to 17", batch: 4, size: (32, 32), channels: (19, 17),
        kernel: (5, 5), stride: 2, padding: 2),
    ]

  /// Cases of the direct form from an even number of channels to more than four, both ways.
  static let direct: [ConvolutionCase] = [
    .init(
      "direct 3x3 stride 2, 16 to 32", batch: 3, size: (28, 28), channels: (16, 32),
      kernel: (3, 3), stride: 2, padding: 1),
    .init(
      "direct 3x3 stride 2, 12 to 34", size: (15, 26), channels: (12, 34), kernel: (3, 3),
      stride: 2, padding: 1),
    .init("direct 2x2 stride 2", size: (12, 22), channels: (16, 36), kernel: (2, 2), stride: 2),
    .init(
      "direct 7x7, 10 to 24", batch: 2, size: (9, 33), channels: (10, 24), kernel: (7, 7),
      padding: 3),
    .init("direct 1x1, 40 to 66", batch: 3, size: (20, 21), channels: (40, 66), kernel: (1, 1)),
    .init("direct 1x1, 6 to 16", batch: 2, size: (25, 31), channels: (6, 16), kernel: (1, 1)),
    .init(
      "direct groups of 8 to 12", size: (8, 15), channels: (16, 24), kernel: (3, 3), padding: 1,
      groups: 2),
    .init(
      "direct patches", batch: 7, size: (3, 4), channels: (20, 70), kernel: (3, 3), padding: 1),
    .init(
      "direct dilation 2", size: (13, 16), channels: (8, 14), kernel: (3, 3), padding: 2,
      dilation: 2),
  ]

  static func kernels(threads: Int = 2) -> Kernels {
    Kernels(pool: ThreadPool(threads: threads), precision: .bfloat16)
  }

  @Test(.enabled(if: isThere), arguments: cases)
  func passesLieCloseToTheReference(_ item: ConvolutionCase) {
    let g = item.geometry
    let kernels = Self.kernels()
    let tensors = ConvolutionTensors(g)
    for pass in ConvolutionTests.passes {
      let half = ConvolutionPlan(g, pass, kernels).packedCount
      let whole = ConvolutionPlan(g, pass, Kernels()).packedCount
      let expected = referencePass(g, pass, tensors)
      let result = FencedFloats(resultCount(g, pass), seed: nil)
      kernels.runPass(g, pass, tensors, into: result)
      let distance = relativeDistance(result.values, expected)
      let largest = expected.map(abs).max() ?? 0
      let error = zip(result.values, expected).map { abs($0 - $1) }.max() ?? .infinity
      guard half < whole else {
        // A pass that runs in float32: some input gradients from an odd number of channels.
        #expect(pass == .inputGradient && distance < ConvolutionTests.tolerance)
        continue
      }
      #expect(distance < Self.tolerance, "\(pass)")
      #expect(Double(error / largest) < Self.largestTolerance, "\(pass)")
      // Rounded operands cannot give the float32 result: it is bfloat16 that ran.
      #expect(distance > 1e-4, "\(pass)")
      #expect(half >= whole / 2)
    }
  }

  /// Rounded factors alone: about 0.0021 of the length; half of the memory holds them.
  @Test(.enabled(if: isThere), arguments: direct)
  func directPassesLieCloseToTheReference(_ item: ConvolutionCase) {
    let g = item.geometry
    let kernels = Self.kernels()
    let tensors = ConvolutionTensors(g)
    for pass in ConvolutionTests.passes {
      let result = FencedFloats(resultCount(g, pass), seed: nil)
      kernels.runPass(g, pass, tensors, into: result)
      let distance = relativeDistance(result.values, referencePass(g, pass, tensors))
      #expect(distance < 0.003, "\(pass)")
      #expect(distance > 1e-3, "\(pass)")
      #expect(result.isIntact)
      let whole = ConvolutionPlan(g, pass, Kernels()).packedCount
      #expect(2 * ConvolutionPlan(g, pass, kernels).packedCount == whole, "\(pass)")
    }
    let distance = weightGradientDistance(g, tensors, kernels)
    if g.kernelHeight * g.kernelWidth < 4 {
      #expect(distance.weights < ConvolutionTests.tolerance)
    } else {
      #expect(distance.weights < 0.003 && distance.weights > 1e-3)
    }
    #expect(distance.bias < 2e-6)
  }

  /// How far the gradients of weights and bias lie from the reference.
  private func weightGradientDistance(
    _ g: ConvolutionGeometry, _ tensors: ConvolutionTensors, _ kernels: Kernels
  ) -> (weights: Double, bias: Double) {
    let weights = FencedFloats(g.weightCount, seed: nil)
    let bias = FencedFloats(g.outputChannels, seed: nil)
    ReferenceConvolution.weightGradient(
      g, input: tensors.input.read, outputGradient: tensors.gradient.read,
      weightGradient: weights.start, biasGradient: bias.start)
    let actual = kernels.runWeightGradient(g, tensors)
    return (
      relativeDistance(actual.weights, weights.values), relativeDistance(actual.bias, bias.values)
    )
  }

  /// From an odd number of channels, to few, a channel each: float32; everything stays close.
  @Test(.enabled(if: isThere), arguments: ConvolutionCase.all)
  func allDirectPassesStayAsCloseAsTheirFormAllows(_ item: ConvolutionCase) {
    let g = item.geometry
    let kernels = Self.kernels()
    let tensors = ConvolutionTensors(g)
    for pass in ConvolutionTests.passes {
      let source = pass == .forward ? g.inputChannels : g.outputChannels
      let result = FencedFloats(resultCount(g, pass), seed: nil)
      kernels.runPass(g, pass, tensors, into: result)
      let distance = relativeDistance(result.values, referencePass(g, pass, tensors))
      let isPaired =
        2 * ConvolutionPlan(g, pass, kernels).packedCount
        <= ConvolutionPlan(g, pass, Kernels()).packedCount
        && ConvolutionPlan(g, pass, Kernels()).packedCount > 0
      #expect(!isPaired || source / g.groups % 2 == 0, "\(pass)")
      #expect(distance < (isPaired ? 0.003 : ConvolutionTests.tolerance), "\(pass)")
    }
    let distance = weightGradientDistance(g, tensors, kernels)
    let isDepthwise = g.groups > 1 && g.inputChannels == g.groups
    let isSingle = isDepthwise && g.outputChannels == g.groups || g.kernelHeight * g.kernelWidth < 4
    // A sum of very few products may lie at the far end of what rounding two factors can do.
    #expect(distance.weights < (isSingle ? ConvolutionTests.tolerance : 0.004))
    #expect(distance.bias < 2e-6)
  }

  @Test(.enabled(if: isThere), arguments: cases)
  func weightGradientLiesCloseToTheReference(_ item: ConvolutionCase) {
    let g = item.geometry
    let distance = weightGradientDistance(g, ConvolutionTensors(g), Self.kernels())
    #expect(distance.weights < Self.tolerance)
    #expect(distance.weights > 1e-4)
    // Sums of the gradient itself multiply nothing.
    #expect(distance.bias < 2e-6)
  }

  @Test(.enabled(if: isThere), arguments: cases + direct)
  func epilogueAndScaleStayFloat32(_ item: ConvolutionCase) {
    let g = item.geometry
    let kernels = Self.kernels()
    let tensors = ConvolutionTensors(g)
    let bias = FencedFloats(g.outputChannels, seed: 4)
    let addend = FencedFloats(g.outputCount, seed: 5)
    let plain = FencedFloats(g.outputCount, seed: nil)
    kernels.runPass(g, .forward, tensors, into: plain)
    let result = FencedFloats(g.outputCount, seed: nil)
    kernels.runPass(
      g, .forward, tensors,
      epilogue: .init(bias: bias.read, addend: addend.read, activation: .relu), into: result)
    let expected = (0..<g.outputCount).map {
      max(0, plain.start[$0] + bias.start[$0 % g.outputChannels] + addend.start[$0])
    }
    #expect(relativeDistance(result.values, expected) < 1e-6)
    // A power of two as the filters' scale changes no rounding.
    let scale = FencedFloats(g.outputChannels, seed: nil)
    for k in 0..<g.outputChannels { scale.start[k] = k % 2 == 0 ? 4 : 0.5 }
    kernels.runPass(g, .forward, tensors, scale: scale, into: result)
    for (index, value) in plain.values.enumerated() {
      #expect(result.start[index] == value * scale.start[index % g.outputChannels])
    }
  }

  /// A channel that is alone in its source must meet its own weights, whichever half of a pair it
  /// is.
  @Test(.enabled(if: isThere), arguments: [0, 1, 16, 29], [1, 2])
  func everyChannelMeetsItsOwnWeights(_ channel: Int, _ stride: Int) {
    let item = ConvolutionCase(
      "", size: (16, 16), channels: (stride == 1 ? 31 : 30, 20), kernel: (3, 3), stride: stride,
      padding: 1)
    let g = item.geometry
    let tensors = ConvolutionTensors(g)
    for index in 0..<g.inputCount where index % g.inputChannels != channel {
      tensors.input.start[index] = 0
    }
    let expected = referencePass(g, .forward, tensors)
    let result = FencedFloats(g.outputCount, seed: nil)
    Self.kernels().runPass(g, .forward, tensors, into: result)
    #expect(relativeDistance(result.values, expected) < Self.tolerance)
  }

  @Test(.enabled(if: isThere), arguments: cases + direct)
  func hasTheSameBitsForAnyNumberOfThreads(_ item: ConvolutionCase) {
    let g = item.geometry
    let tensors = ConvolutionTensors(g)
    var first: [[UInt32]] = []
    for threads in [1, 2, 3, 8] {
      let kernels = Self.kernels(threads: threads)
      var all: [[UInt32]] = []
      for pass in ConvolutionTests.passes {
        let result = FencedFloats(resultCount(g, pass), seed: nil)
        kernels.runPass(g, pass, tensors, into: result)
        all.append(result.values.map(\.bitPattern))
      }
      let gradient = kernels.runWeightGradient(g, tensors)
      all.append((gradient.weights + gradient.bias).map(\.bitPattern))
      if first.isEmpty { first = all }
      #expect(all == first, "\(threads) threads")
    }
  }

  /// What is no number stays none, and what is too large becomes infinite.
  @Test(
    .enabled(if: isThere),
    arguments: [
      Float.nan, Float(bitPattern: 0x7F80_0001), Float(bitPattern: 0xFFFF_FFFF), .infinity,
      .greatestFiniteMagnitude,
    ])
  func notANumberAndInfinityPassThroughPairs(_ value: Float) {
    let item = ConvolutionCase("", size: (32, 48), channels: (2, 16), kernel: (1, 1))
    let g = item.geometry
    for isWeight in [false, true] {
      let tensors = ConvolutionTensors(g)
      for index in 0..<g.inputCount { tensors.input.start[index] = index % 2 == 0 ? 1 : 0 }
      for index in 0..<g.weightCount { tensors.weights.start[index] = index < 16 ? 1 : 0 }
      (isWeight ? tensors.weights : tensors.input).start[0] = value
      let result = FencedFloats(g.outputCount, seed: nil)
      Self.kernels().runPass(g, .forward, tensors, into: result)
      let first = result.start[0]
      #expect(value.isNaN ? first.isNaN : first == .infinity)
      #expect(result.start[isWeight ? 1 : 16] == 1)
    }
  }

  @Test(.enabled(if: isThere))
  func notANumberReachesItsOwnTilesAlone() {
    let item = ConvolutionCase(
      "", batch: 2, size: (16, 16), channels: (17, 16), kernel: (3, 3), padding: 1)
    let g = item.geometry
    let tensors = ConvolutionTensors(g)
    tensors.input.start[16] = .nan
    let result = FencedFloats(g.outputCount, seed: nil)
    Self.kernels().runPass(g, .forward, tensors, into: result)
    #expect(result.start[0].isNaN)
    let second = result.values.suffix(g.outputCount / 2)
    #expect(second.allSatisfy { $0.isFinite })
  }

  @Test(arguments: InstructionSet.available)
  func elsewhereItIsFloat32(_ isa: InstructionSet) {
    let asked = Kernels(instructionSet: isa, precision: .bfloat16)
    guard asked.precision == .float32 else {
      #expect(isa == .avx512)
      return
    }
    let item = ConvolutionCase.winograd[0]
    let tensors = ConvolutionTensors(item.geometry)
    let results = [asked, Kernels(instructionSet: isa)].map { kernels in
      let result = FencedFloats(item.geometry.outputCount, seed: nil)
      kernels.runPass(item.geometry, .forward, tensors, into: result)
      return result.values.map(\.bitPattern)
    }
    #expect(results[0] == results[1])
  }
}
