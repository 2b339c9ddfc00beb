// The reference twins of pooling and its switches: one output value at a time, in row-major order.

extension Reference {
  /// The input pixels (row, column) of the window of output pixel (oy, ox), those in the padding
  /// left out.
  private static func window(_ g: PoolGeometry, _ oy: Int, _ ox: Int) -> [(row: Int, column: Int)] {
    var pixels: [(row: Int, column: Int)] = []
    for i in 0..<g.windowHeight {
      for j in 0..<g.windowWidth {
        let row = oy * g.strideHeight - g.paddingTop + i
        let column = ox * g.strideWidth - g.paddingLeft + j
        if (0..<g.inputHeight).contains(row) && (0..<g.inputWidth).contains(column) {
          pixels.append((row, column))
        }
      }
    }
    return pixels
  }

  private static func inputIndex(_ g: PoolGeometry, _ n: Int, _ pixel: Int, _ c: Int) -> Int {
    (n * g.inputHeight * g.inputWidth + pixel) * g.channels + c
  }

  /// Calls `body(n, oy, ox, c, index)` for every output element in row-major order.
  private static func forOutputs(
    _ g: PoolGeometry, _ body: (_ n: Int, _ oy: Int, _ ox: Int, _ c: Int, _ index: Int) -> Void
  ) {
    var index = 0
    for n in 0..<g.batch {
      for oy in 0..<g.outputHeight {
        for ox in 0..<g.outputWidth {
          for c in 0..<g.channels {
            body(n, oy, ox, c, index)
            index += 1
          }
        }
      }
    }
  }

  /// The twin of `Kernels.maxPool`.
  public static func maxPool(
    _ g: PoolGeometry, _ x: [Float]
  ) -> (values: [Float], switches: [Int32]) {
    var values = [Float](repeating: 0, count: g.outputCount)
    var switches = [Int32](repeating: -1, count: g.outputCount)
    forOutputs(g) { n, oy, ox, c, index in
      for (row, column) in window(g, oy, ox) {
        let pixel = row * g.inputWidth + column
        let value = x[inputIndex(g, n, pixel, c)]
        let isFirst = switches[index] == -1
        let isFirstNaN = value.isNaN && !values[index].isNaN
        if isFirst || isFirstNaN || value > values[index] {
          values[index] = value
          switches[index] = Int32(pixel)
        }
      }
    }
    return (values, switches)
  }

  /// Calls `body` with the element of the input and of the output for every switch that names a
  /// pixel; returns the number of those that name none and are not −1.
  private static func forSwitches(
    _ g: PoolGeometry, _ switches: [Int32], _ body: (_ input: Int, _ output: Int) -> Void
  ) -> Int {
    var outOfRange = 0
    forOutputs(g) { n, _, _, c, index in
      let pixel = Int(switches[index])
      if (0..<g.inputHeight * g.inputWidth).contains(pixel) {
        body(inputIndex(g, n, pixel, c), index)
      } else if pixel != -1 {
        outOfRange += 1
      }
    }
    return outOfRange
  }

  /// The twin of `Kernels.gatherSwitches`.
  public static func gatherSwitches(
    _ g: PoolGeometry, _ x: [Float], switches: [Int32]
  ) -> (values: [Float], outOfRange: Int) {
    var values = [Float](repeating: 0, count: g.outputCount)
    let outOfRange = forSwitches(g, switches) { input, output in values[output] = x[input] }
    return (values, outOfRange)
  }

  /// The twin of `Kernels.scatterSwitches`.
  public static func scatterSwitches(
    _ g: PoolGeometry, _ y: [Float], switches: [Int32]
  ) -> (values: [Float], outOfRange: Int) {
    var values = [Float](repeating: 0, count: g.inputCount)
    let outOfRange = forSwitches(g, switches) { input, output in values[input] += y[output] }
    return (values, outOfRange)
  }

  private static func divisor(_ g: PoolGeometry, _ pixels: Int, _ includesPadding: Bool) -> Float {
    Float(includesPadding ? g.windowHeight * g.windowWidth : pixels)
  }

  /// The twin of `Kernels.averagePool`.
  public static func averagePool(
    _ g: PoolGeometry, _ x: [Float], countIncludesPadding: Bool
  ) -> [Float] {
    var values = [Float](repeating: 0, count: g.outputCount)
    forOutputs(g) { n, oy, ox, c, index in
      let pixels = window(g, oy, ox)
      if pixels.isEmpty { return }
      var sum: Float = 0
      for (row, column) in pixels { sum += x[inputIndex(g, n, row * g.inputWidth + column, c)] }
      values[index] = sum / divisor(g, pixels.count, countIncludesPadding)
    }
    return values
  }

  /// The twin of `Kernels.averagePoolGradient`.
  public static func averagePoolGradient(
    _ g: PoolGeometry, _ dy: [Float], countIncludesPadding: Bool
  ) -> [Float] {
    var values = [Float](repeating: 0, count: g.inputCount)
    forOutputs(g) { n, oy, ox, c, index in
      let pixels = window(g, oy, ox)
      for (row, column) in pixels {
        values[inputIndex(g, n, row * g.inputWidth + column, c)] +=
          dy[index] / divisor(g, pixels.count, countIncludesPadding)
      }
    }
    return values
  }

  /// The twin of `Kernels.globalAveragePool`, summed in Double.
  public static func globalAveragePool(
    _ x: [Float], batch: Int, pixels: Int, channels: Int
  ) -> [Float] {
    var values: [Float] = []
    for n in 0..<batch {
      for c in 0..<channels {
        var sum = 0.0
        for p in 0..<pixels { sum += Double(x[(n * pixels + p) * channels + c]) }
        values.append(Float(sum / Double(pixels)))
      }
    }
    return values
  }

  /// The twin of `Kernels.globalAveragePoolGradient`.
  public static func globalAveragePoolGradient(
    _ dy: [Float], batch: Int, pixels: Int, channels: Int
  ) -> [Float] {
    var values: [Float] = []
    for n in 0..<batch {
      for _ in 0..<pixels {
        for c in 0..<channels { values.append(dy[n * channels + c] / Float(pixels)) }
      }
    }
    return values
  }
}
