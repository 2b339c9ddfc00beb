// The slow and obvious convolution and its gradients: the oracle that every fast kernel is held
// against.
//
// Letters: n batch · y, x output pixel · i, j kernel tap · c input channel · k output channel · g
// group.

/// Convolution by plain loops that sum in `Double`; serial and slow, for tests and for reading.
public enum ReferenceConvolution {
  /// The convolution of `input` [N, H, W, C] with `weights` [kh, kw, C / groups, K], times
  /// `outputScale` [K], into `output` [N, H', W', K], with the epilogue applied.
  public static func forward(
    _ g: ConvolutionGeometry, input: UnsafePointer<Float>, weights: UnsafePointer<Float>,
    outputScale: UnsafePointer<Float>?, epilogue: ConvolutionEpilogue,
    output: UnsafeMutablePointer<Float>
  ) {
    var sums = [Double](repeating: 0, count: g.outputChannels)
    for pixel in 0..<g.batch * g.outputHeight * g.outputWidth {
      for k in 0..<g.outputChannels { sums[k] = 0 }
      forEachProduct(g, outputPixel: pixel) { from, weight, k in
        sums[k] += Double(input[from]) * Double(weights[weight])
      }
      for k in 0..<g.outputChannels {
        let sum = sums[k] * Double(outputScale?[k] ?? 1)
        let at = pixel * g.outputChannels + k
        output[at] = finish(sum, epilogue, channel: k, element: at)
      }
    }
  }

  /// The adjoint of `forward`: from `outputGradient` [N, H', W', K] to `inputGradient` [N, H, W,
  /// C], with the epilogue applied to each input pixel, those without any contribution included.
  public static func inputGradient(
    _ g: ConvolutionGeometry, outputGradient: UnsafePointer<Float>, weights: UnsafePointer<Float>,
    epilogue: ConvolutionEpilogue, inputGradient: UnsafeMutablePointer<Float>
  ) {
    var sums = [Double](repeating: 0, count: g.inputCount)
    for pixel in 0..<g.batch * g.outputHeight * g.outputWidth {
      forEachProduct(g, outputPixel: pixel) { to, weight, k in
        sums[to] += Double(outputGradient[pixel * g.outputChannels + k]) * Double(weights[weight])
      }
    }
    for at in 0..<g.inputCount {
      inputGradient[at] = finish(sums[at], epilogue, channel: at % g.inputChannels, element: at)
    }
  }

  /// The gradients of the weights [kh, kw, C / groups, K] and, when asked, of the bias [K].
  public static func weightGradient(
    _ g: ConvolutionGeometry, input: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>,
    weightGradient: UnsafeMutablePointer<Float>, biasGradient: UnsafeMutablePointer<Float>?
  ) {
    var sums = [Double](repeating: 0, count: g.weightCount)
    var biasSums = [Double](repeating: 0, count: g.outputChannels)
    for pixel in 0..<g.batch * g.outputHeight * g.outputWidth {
      for k in 0..<g.outputChannels {
        biasSums[k] += Double(outputGradient[pixel * g.outputChannels + k])
      }
      forEachProduct(g, outputPixel: pixel) { from, weight, k in
        sums[weight] += Double(outputGradient[pixel * g.outputChannels + k]) * Double(input[from])
      }
    }
    for at in 0..<g.weightCount { weightGradient[at] = Float(sums[at]) }
    if let biasGradient {
      for k in 0..<g.outputChannels { biasGradient[k] = Float(biasSums[k]) }
    }
  }

  private static func finish(
    _ sum: Double, _ epilogue: ConvolutionEpilogue, channel: Int, element: Int
  ) -> Float {
    var value = sum
    if let bias = epilogue.bias { value += Double(bias[channel]) }
    if let addend = epilogue.addend { value += Double(addend[element]) }
    value = Reference.value(epilogue.activation, at: value)
    if let mask = epilogue.mask, !(mask[element] > 0) { value *= Double(epilogue.maskSlope) }
    return Float(value)
  }

  /// Calls `body` with the elements of input and weights and the output channel of each product that
  /// an output pixel sums.
  private static func forEachProduct(
    _ g: ConvolutionGeometry, outputPixel: Int,
    _ body: (_ input: Int, _ weight: Int, _ channel: Int) -> Void
  ) {
    let groupInputs = g.inputChannels / g.groups
    let groupOutputs = g.outputChannels / g.groups
    forEachTap(g, outputPixel: outputPixel) { tap, inputPixel in
      for k in 0..<g.outputChannels {
        let first = inputPixel * g.inputChannels + k / groupOutputs * groupInputs
        for c in 0..<groupInputs {
          body(first + c, (tap * groupInputs + c) * g.outputChannels + k, k)
        }
      }
    }
  }

  /// Calls `body` with each kernel tap that meets the input at an output pixel, and with the input
  /// pixel it meets.
  private static func forEachTap(
    _ g: ConvolutionGeometry, outputPixel: Int, _ body: (_ tap: Int, _ inputPixel: Int) -> Void
  ) {
    let x = outputPixel % g.outputWidth
    let y = outputPixel / g.outputWidth % g.outputHeight
    let n = outputPixel / (g.outputWidth * g.outputHeight)
    for i in 0..<g.kernelHeight {
      let row = y * g.strideHeight - g.paddingTop + i * g.dilationHeight
      guard (0..<g.inputHeight).contains(row) else { continue }
      for j in 0..<g.kernelWidth {
        let column = x * g.strideWidth - g.paddingLeft + j * g.dilationWidth
        guard (0..<g.inputWidth).contains(column) else { continue }
        body(i * g.kernelWidth + j, (n * g.inputHeight + row) * g.inputWidth + column)
      }
    }
  }
}
