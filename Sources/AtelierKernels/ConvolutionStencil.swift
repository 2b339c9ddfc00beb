// A convolution's two maps of images as stencils: one for the forward pass, one a stride phase for
// the input gradient.
//
// Input row y gets contributions of the kernel rows i with y + padding − i · dilation divisible by
// the stride. Rows of the same remainder share these kernel rows and form a small convolution of
// stride 1: nothing is scattered.

import CKernels

/// One axis of a stencil; the names are those of `ck_conv_stencil`.
private struct StencilAxis {
  var count = 0
  var origin = 0
  var resultStep = 1
  var sourceStep = 1
  var taps = 0
  var offset = 0
  var offsetStep = 1
  var kernel = 0
  var kernelStep = 1

  /// The axis of a pass; of an input gradient that of phase `phase`: every stride-th input position.
  static func of(
    _ pass: ConvolutionPass, input: Int, output: Int, kernel: Int, stride: Int, padding: Int,
    dilation: Int, phase: Int
  ) -> StencilAxis {
    if pass == .forward {
      return StencilAxis(
        count: output, sourceStep: stride, taps: kernel, offset: -padding, offsetStep: dilation)
    }
    var axis = StencilAxis(
      count: max(0, (input - phase + stride - 1) / stride), origin: phase, resultStep: stride)
    var last = 0
    for i in 0..<kernel where (phase + padding - i * dilation) % stride == 0 {
      if axis.taps > 0 { axis.kernelStep = last - i }
      axis.taps += 1
      last = i
    }
    guard axis.taps > 0 else { return axis }
    // Tap 0 is the last kernel element: source offsets then grow with the tap.
    axis.kernel = last
    axis.offset = (phase + padding - last * dilation) / stride
    axis.offsetStep = axis.taps > 1 ? -axis.kernelStep * dilation / stride : 1
    return axis
  }
}

/// The stencils of one pass, with what the partition needs to know about them.
struct ConvolutionStencils {
  /// How result channels are computed; the same values as `ck_conv_stencil.form`.
  enum Form: Int32 {
    case blocks = 0
    case dots = 1
    case depthwise = 2
  }

  let geometry: ConvolutionGeometry
  let pass: ConvolutionPass
  let form: Form
  let vector: Int
  let block: Int
  /// Operands in a float: 1, or a pair of bfloat16.
  let perFloat: Int
  /// One stencil, or one for each stride phase.
  private(set) var stencils: [ck_conv_stencil] = []
  /// The floats that the packed weights of all stencils take.
  private(set) var packedCount = 0

  init(_ g: ConvolutionGeometry, pass: ConvolutionPass, table: ck_convolution_table) {
    let source = (pass == .forward ? g.inputChannels : g.outputChannels) / g.groups
    let result = (pass == .forward ? g.outputChannels : g.inputChannels) / g.groups
    let isDepthwise = g.groups > 1 && source == 1 && result == 1
    let form: Form = isDepthwise ? .depthwise : result <= 4 && source >= 16 ? .dots : .blocks
    let isPaired = form == .blocks && source % table.per_float == 0
    self.init(
      g, pass, form, vector: table.vector, block: table.block,
      perFloat: isPaired ? table.per_float : 1)
  }

  private init(
    _ g: ConvolutionGeometry, _ pass: ConvolutionPass, _ form: Form, vector: Int, block: Int,
    perFloat: Int
  ) {
    geometry = g
    self.pass = pass
    self.form = form
    self.vector = vector
    self.block = block
    self.perFloat = perFloat
    for phase in 0..<(pass == .forward ? 1 : g.strideHeight * g.strideWidth) {
      var stencil = bare(phase)
      stencil.packed_at = packedCount
      packedCount += ck_conv_packed_count(&stencil, vector, block)
      stencils.append(stencil)
    }
  }

  /// The same pass in float32, with result channels in this form.
  func inSingles(_ form: Form) -> ConvolutionStencils {
    ConvolutionStencils(geometry, pass, form, vector: vector, block: block, perFloat: 1)
  }

  /// Blocks of result channels in a group.
  var channelBlocks: Int {
    let result = pass == .forward ? geometry.outputChannels : geometry.inputChannels
    return form == .blocks ? (result / geometry.groups + block - 1) / block : 1
  }

  /// Stencil `phase` without the place of its weights.
  private func bare(_ phase: Int) -> ck_conv_stencil {
    let g = geometry
    let forward = pass == .forward
    let y = StencilAxis.of(
      pass, input: g.inputHeight, output: g.outputHeight, kernel: g.kernelHeight,
      stride: g.strideHeight, padding: g.paddingTop, dilation: g.dilationHeight,
      phase: phase / g.strideWidth)
    let x = StencilAxis.of(
      pass, input: g.inputWidth, output: g.outputWidth, kernel: g.kernelWidth,
      stride: g.strideWidth, padding: g.paddingLeft, dilation: g.dilationWidth,
      phase: phase % g.strideWidth)
    return ck_conv_stencil(
      batch: g.batch, groups: g.groups,
      src_h: forward ? g.inputHeight : g.outputHeight,
      src_w: forward ? g.inputWidth : g.outputWidth,
      src_c: forward ? g.inputChannels : g.outputChannels,
      dst_h: forward ? g.outputHeight : g.inputHeight,
      dst_w: forward ? g.outputWidth : g.inputWidth,
      dst_c: forward ? g.outputChannels : g.inputChannels,
      q_h: y.count, q_w: x.count, dst_y0: y.origin, dst_x0: x.origin,
      dst_sy: y.resultStep, dst_sx: x.resultStep, src_sy: y.sourceStep, src_sx: x.sourceStep,
      taps_y: x.taps == 0 ? 0 : y.taps, taps_x: y.taps == 0 ? 0 : x.taps,
      off_y: y.offset, off_x: x.offset, step_y: y.offsetStep, step_x: x.offsetStep,
      kernel_y: y.kernel, kernel_x: x.kernel,
      kernel_step_y: y.kernelStep, kernel_step_x: x.kernelStep,
      packed_at: 0, form: form.rawValue, per_float: perFloat)
  }
}
