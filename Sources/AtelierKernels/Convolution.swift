// The direct algorithm of convolution and of its adjoint: packing of the weights and the run of all
// parts on the pool.

import CKernels

extension Kernels {
  /// The convolution family of this instruction set and precision.
  var convolutionTable: UnsafePointer<ck_convolution_table> {
    // Only AVX-512 has bfloat16.
    ck_convolution_kernels(precision == .bfloat16 ? 3 : instructionSet.code)
  }

  /// Packs the weights of a pass for the direct algorithm.
  func packDirect(
    _ set: ConvolutionStencils, weights: UnsafePointer<Float>,
    outputScale: UnsafePointer<Float>?, packed: UnsafeMutablePointer<Float>
  ) {
    let g = set.geometry
    let blocks = set.channelBlocks
    pool.parallelFor(set.stencils.count * g.groups * blocks) { index in
      var stencil = set.stencils[index / (g.groups * blocks)]
      let block = index % blocks
      ck_conv_pack(
        &stencil, set.pass == .forward ? 0 : 1, g.kernelWidth, g.inputChannels / g.groups,
        g.outputChannels, set.vector, set.block, index / blocks % g.groups, block, block + 1,
        weights, outputScale, packed)
    }
  }

  /// Runs all parts of a pass with the direct algorithm.
  func runDirect(
    _ set: ConvolutionStencils, _ partition: ConvolutionPartition, _ call: ConvolutionCall
  ) {
    let table = convolutionTable.pointee
    let scratch = Self.paddedScratch(partition.scratch)
    precondition(scratch == 0 || call.workspace != nil, "this convolution needs a workspace")
    pool.parallelFor(lanes: partition.parts) { index, lane in
      var part = partition.part(index)
      var ending = call.epilogue
      let buffer = call.workspace.map { $0 + lane * scratch }
      for var stencil in set.stencils {
        if partition.usesPatches {
          table.patches(
            &stencil, &ending, &part, part.q0, part.q1, call.source, call.weights, call.result,
            buffer)
        } else if set.form == .depthwise {
          table.depthwise(&stencil, &ending, &part, call.source, call.weights, call.result)
        } else {
          table.rows(&stencil, &ending, &part, call.source, call.weights, call.result, buffer)
        }
      }
    }
  }

  /// A lane's scratch size, rounded up so that two threads never write to one cache line.
  static func paddedScratch(_ count: Int) -> Int { count == 0 ? 0 : (count + 63) / 32 * 32 }
}

extension ck_conv_epilogue {
  init(_ epilogue: ConvolutionEpilogue) {
    var (code, parameter) = epilogue.activation.code
    var limit = Float.infinity
    if case .cappedReLU(let most) = epilogue.activation { (code, limit) = (Int32(CK_RELU), most) }
    self.init(
      bias: epilogue.bias, addend: epilogue.addend, mask: epilogue.mask,
      mask_slope: epilogue.maskSlope, parameter: parameter, limit: limit,
      activation: code)
  }
}
