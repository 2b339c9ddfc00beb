// What the convolution tests share: cases that print themselves, seeded data, fenced memory, and
// one run of each pass.

import AtelierKernels
import Testing

/// Memory with a fence behind it: a kernel that writes past the end is seen.
///
/// Under a sanitizer there is no fence, and reads past the end are seen, too.
final class FencedFloats {
  static let fence: Float = 777
  #if SANITIZED
  private static let fenceCount = 0
  #else
  private static let fenceCount = 64
  #endif
  let count: Int
  let start: UnsafeMutablePointer<Float>

  /// `count` floats in [-1, 1) from a seed, or all the fence value when the seed is nil.
  init(_ count: Int, seed: UInt64?) {
    self.count = count
    start = .allocate(capacity: count + Self.fenceCount)
    start.initialize(repeating: Self.fence, count: count + Self.fenceCount)
    guard let seed else { return }
    var state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1
    for index in 0..<count {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      start[index] = Float(Int32(truncatingIfNeeded: state >> 33)) / Float(1 << 30) - 1
    }
  }

  deinit { start.deallocate() }

  var read: UnsafePointer<Float> { UnsafePointer(start) }
  var values: [Float] { Array(UnsafeBufferPointer(start: start, count: count)) }
  var isIntact: Bool {
    (count..<count + Self.fenceCount).allSatisfy { start[$0] == Self.fence }
  }
}

/// The length of the difference over the length of the expected values; below 1e-30 both count as
/// zero.
func relativeDistance(_ actual: [Float], _ expected: [Float]) -> Double {
  var difference = 0.0
  var length = 1e-60
  for (a, e) in zip(actual, expected) {
    difference += (Double(a) - Double(e)) * (Double(a) - Double(e))
    length += Double(e) * Double(e)
  }
  return actual.count == expected.count ? (difference / length).squareRoot() : .infinity
}

/// One geometry with a name.
struct ConvolutionCase: CustomTestStringConvertible, Sendable {
  let name: String
  let geometry: ConvolutionGeometry
  var testDescription: String { name }

  /// A convolution of `size` (height, width) with channels (in, out), a kernel (height, width) and
  /// equal settings on both axes; the output size is the largest that fits unless given.
  init(
    _ name: String, batch: Int = 1, size: (Int, Int), channels: (Int, Int), kernel: (Int, Int),
    stride: Int = 1, padding: Int = 0, dilation: Int = 1, groups: Int = 1,
    output: (Int, Int)? = nil
  ) {
    self.name = name
    func extent(_ input: Int, _ kernel: Int) -> Int {
      max(0, (input + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1)
    }
    geometry = ConvolutionGeometry(
      batch: batch, inputHeight: size.0, inputWidth: size.1, inputChannels: channels.0,
      outputHeight: output?.0 ?? extent(size.0, kernel.0),
      outputWidth: output?.1 ?? extent(size.1, kernel.1), outputChannels: channels.1,
      kernelHeight: kernel.0, kernelWidth: kernel.1, strideHeight: stride, strideWidth: stride,
      paddingTop: padding, paddingLeft: padding, dilationHeight: dilation, dilationWidth: dilation,
      groups: groups)
  }

  /// The ragged grid: every path of the kernels, with sizes that no tile divides.
  static let all: [ConvolutionCase] = [
    .init(
      "3x3 same, 3 to 32", batch: 2, size: (9, 13), channels: (3, 32), kernel: (3, 3), padding: 1),
    .init("3x3 same, 1 to 64", size: (11, 25), channels: (1, 64), kernel: (3, 3), padding: 1),
    .init("3x3 same, 64 to 1", size: (12, 17), channels: (64, 1), kernel: (3, 3), padding: 1),
    .init(
      "3x3 same, 32 to 1, wide", batch: 2, size: (5, 41), channels: (32, 1), kernel: (3, 3),
      padding: 1),
    .init(
      "3x3 same, 16 to 2, stride 2", size: (9, 67), channels: (16, 2), kernel: (3, 3), stride: 2,
      padding: 1),
    .init(
      "3x3 same, 21 to 3", batch: 2, size: (9, 6), channels: (21, 3), kernel: (3, 3), padding: 1),
    .init(
      "3x3 same, 48 to 2, dilated", size: (9, 16), channels: (48, 2), kernel: (3, 3), padding: 2,
      dilation: 2),
    .init("3x3 same, 7 to 9", size: (8, 37), channels: (7, 9), kernel: (3, 3), padding: 1),
    .init("3x3 same, 15 to 65", size: (7, 40), channels: (15, 65), kernel: (3, 3), padding: 1),
    .init("3x3 valid, 8 to 48", size: (14, 30), channels: (8, 48), kernel: (3, 3)),
    .init("3x3 wide padding", size: (6, 7), channels: (5, 6), kernel: (3, 3), padding: 4),
    .init("5x5 larger than the input", size: (3, 2), channels: (4, 5), kernel: (5, 5), padding: 3),
    .init("1x1 pointwise", batch: 3, size: (5, 7), channels: (40, 33), kernel: (1, 1)),
    .init("1x1 stride 2", size: (9, 11), channels: (6, 20), kernel: (1, 1), stride: 2),
    .init("1x1 stride 3, 32 to 4", size: (10, 14), channels: (32, 4), kernel: (1, 1), stride: 3),
    .init("2x2 stride 2", batch: 2, size: (12, 22), channels: (16, 36), kernel: (2, 2), stride: 2),
    .init("2x2 stride 2, odd input", size: (11, 17), channels: (18, 8), kernel: (2, 2), stride: 2),
    .init(
      "3x3 stride 2", size: (15, 26), channels: (12, 34), kernel: (3, 3), stride: 2, padding: 1),
    .init("5x5 stride 2", size: (16, 19), channels: (9, 17), kernel: (5, 5), stride: 2, padding: 2),
    .init(
      "4x4 stride 3, dilation 2", size: (19, 23), channels: (3, 5), kernel: (4, 4), stride: 3,
      padding: 2, dilation: 2),
    .init(
      "3x3 stride 2, dilation 2", size: (13, 16), channels: (8, 8), kernel: (3, 3), stride: 2,
      padding: 1, dilation: 2),
    .init(
      "2x2 stride 4: unread input", size: (15, 18), channels: (10, 12), kernel: (2, 2), stride: 4),
    .init(
      "transposed with output padding", size: (10, 12), channels: (7, 11), kernel: (3, 3),
      stride: 3, padding: 1, output: (3, 4)),
    .init("tiny planes", batch: 7, size: (3, 4), channels: (20, 70), kernel: (3, 3), padding: 1),
    .init("one pixel", size: (1, 1), channels: (5, 3), kernel: (3, 3), padding: 1),
    .init("1x7 kernel", size: (6, 31), channels: (4, 24), kernel: (1, 7), padding: 2),
    .init("groups", size: (8, 14), channels: (12, 20), kernel: (3, 3), padding: 1, groups: 4),
    .init(
      "groups of 32 to 3, stride 2", size: (9, 13), channels: (64, 6), kernel: (3, 3), stride: 2,
      padding: 1, groups: 2),
    .init(
      "depthwise", batch: 2, size: (7, 9), channels: (37, 37), kernel: (3, 3), padding: 1,
      groups: 37),
    .init(
      "depthwise stride 2", size: (8, 11), channels: (16, 16), kernel: (5, 5), stride: 2,
      padding: 2, groups: 16),
    .init(
      "depthwise 5x5", size: (13, 17), channels: (48, 48), kernel: (5, 5), padding: 2, groups: 48),
    .init(
      "depthwise 3x3 stride 2", size: (16, 21), channels: (40, 40), kernel: (3, 3), stride: 2,
      padding: 1, groups: 40),
    .init(
      "depthwise 3x7, dilation 2", size: (11, 28), channels: (20, 20), kernel: (3, 7), padding: 3,
      dilation: 2, groups: 20),
    .init(
      "depthwise, larger than the image", size: (4, 5), channels: (16, 16), kernel: (7, 7),
      padding: 3, groups: 16),
    .init(
      "depthwise multiplier 2", size: (6, 9), channels: (10, 20), kernel: (3, 3), padding: 1,
      groups: 10),
    .init("dense 1 x 200 to 300", size: (1, 1), channels: (200, 300), kernel: (1, 1)),
    .init("dense 9 x 600 to 77", size: (1, 9), channels: (600, 77), kernel: (1, 1)),
    .init("dense 250 x 130 to 260", size: (1, 250), channels: (130, 260), kernel: (1, 1)),
    .init("dense 5 x 10 to 12", size: (1, 5), channels: (10, 12), kernel: (1, 1)),
  ]

  /// Geometries that Winograd's form runs.
  static let winograd: [ConvolutionCase] = [
    .init(
      "winograd 16 to 16", batch: 2, size: (16, 20), channels: (16, 16), kernel: (3, 3), padding: 1),
    .init(
      "winograd 40 to 33, ragged", batch: 3, size: (18, 23), channels: (40, 33), kernel: (3, 3),
      padding: 1),
    .init("winograd 64 to 65, valid", batch: 2, size: (17, 22), channels: (64, 65), kernel: (3, 3)),
    .init(
      "winograd 130 to 96, full", batch: 2, size: (13, 14), channels: (130, 96), kernel: (3, 3),
      padding: 2),
    .init(
      "winograd 19 to 150, padding 3", size: (22, 27), channels: (19, 150), kernel: (3, 3),
      padding: 3),
    .init(
      "winograd 256 to 40", batch: 2, size: (16, 16), channels: (256, 40), kernel: (3, 3),
      padding: 1),
    // Tiles ordered by kind: short rows and columns, rows alone, columns alone, two kinds of corners.
    .init(
      "winograd 7x7", batch: 12, size: (7, 7), channels: (32, 48), kernel: (3, 3), padding: 1),
    .init(
      "winograd 7x8", batch: 11, size: (7, 8), channels: (20, 33), kernel: (3, 3), padding: 1),
    .init(
      "winograd 8x7", batch: 13, size: (8, 7), channels: (16, 32), kernel: (3, 3), padding: 1),
    .init(
      "winograd 14x11", batch: 5, size: (14, 11), channels: (48, 16), kernel: (3, 3), padding: 1),
    .init(
      "winograd 5x5 stride 2, 32 to 48", batch: 3, size: (32, 36), channels: (32, 48),
      kernel: (5, 5), stride: 2, padding: 2),
    .init(
      "winograd 5x5 stride 2, 20 to 33, odd", batch: 4, size: (31, 33), channels: (20, 33),
      kernel: (5, 5), stride: 2, padding: 1),
    .init(
      "winograd 5x5 stride 2, 64 to 16, valid", batch: 4, size: (33, 36), channels: (64, 16),
      kernel: (5, 5), stride: 2),
    .init(
      "winograd 6x6 stride 2, 32 to 32, odd", batch: 4, size: (35, 30), channels: (32, 32),
      kernel: (6, 6), stride: 2, padding: 3),
  ]

  /// Multiply-adds that feed one value of the weight gradient.
  var pixels: Int { geometry.batch * geometry.outputHeight * geometry.outputWidth }
}

/// The tensors of one geometry.
struct ConvolutionTensors {
  let input: FencedFloats
  let weights: FencedFloats
  let gradient: FencedFloats

  init(_ g: ConvolutionGeometry) {
    input = FencedFloats(g.inputCount, seed: 1)
    weights = FencedFloats(g.weightCount, seed: 2)
    gradient = FencedFloats(g.outputCount, seed: 3)
  }
}

extension Kernels {
  /// Packs and runs a pass, and checks that nothing was written outside; `result` may hold the
  /// addend.
  func runPass(
    _ g: ConvolutionGeometry, _ pass: ConvolutionPass, _ tensors: ConvolutionTensors,
    scale: FencedFloats? = nil, epilogue: ConvolutionEpilogue = ConvolutionEpilogue(),
    into result: FencedFloats
  ) {
    runPass(ConvolutionPlan(g, pass, self), tensors, scale: scale, epilogue: epilogue, into: result)
  }

  /// The same in a form that was chosen already.
  func runPass(
    _ plan: ConvolutionPlan, _ tensors: ConvolutionTensors, scale: FencedFloats? = nil,
    epilogue: ConvolutionEpilogue = ConvolutionEpilogue(), into result: FencedFloats
  ) {
    let packed = FencedFloats(plan.packedCount, seed: nil)
    let workspace = FencedFloats(plan.workspaceCount, seed: nil)
    plan.pack(weights: tensors.weights.read, outputScale: scale?.read, into: packed.start)
    plan.run(
      plan.pass == .forward ? tensors.input.read : tensors.gradient.read,
      weights: plan.packedCount == 0 ? tensors.weights.read : packed.read, epilogue: epilogue,
      result: result.start, workspace: workspace.start)
    #expect(packed.isIntact && workspace.isIntact && result.isIntact, "\(plan.geometry)")
  }

  /// Runs the weight gradient into new memory: weights, then bias.
  func runWeightGradient(
    _ g: ConvolutionGeometry, _ tensors: ConvolutionTensors, bias: Bool = true
  ) -> (weights: [Float], bias: [Float]) {
    let weightGradient = FencedFloats(g.weightCount, seed: nil)
    let biasGradient = FencedFloats(bias ? g.outputChannels : 0, seed: nil)
    let plan = WeightGradientPlan(g, self)
    let workspace = FencedFloats(plan.workspaceCount, seed: nil)
    plan.run(
      input: tensors.input.read, outputGradient: tensors.gradient.read,
      weightGradient: weightGradient.start, biasGradient: bias ? biasGradient.start : nil,
      workspace: workspace.start)
    #expect(weightGradient.isIntact && biasGradient.isIntact && workspace.isIntact, "\(g)")
    return (weightGradient.values, biasGradient.values)
  }
}

/// The result count of a pass.
func resultCount(_ g: ConvolutionGeometry, _ pass: ConvolutionPass) -> Int {
  pass == .forward ? g.outputCount : g.inputCount
}

/// The reference twin of `runPass`.
func referencePass(
  _ g: ConvolutionGeometry, _ pass: ConvolutionPass, _ tensors: ConvolutionTensors,
  scale: FencedFloats? = nil, epilogue: ConvolutionEpilogue = ConvolutionEpilogue()
) -> [Float] {
  let result = FencedFloats(resultCount(g, pass), seed: nil)
  switch pass {
  case .forward:
    ReferenceConvolution.forward(
      g, input: tensors.input.read, weights: tensors.weights.read, outputScale: scale?.read,
      epilogue: epilogue, output: result.start)
  case .inputGradient:
    ReferenceConvolution.inputGradient(
      g, outputGradient: tensors.gradient.read, weights: tensors.weights.read, epilogue: epilogue,
      inputGradient: result.start)
  }
  return result.values
}
