// The reference twins of bilinear resizing, padding and block copies.

extension Reference {
  /// The two input coordinates of one output coordinate of a bilinear resize, with their weights.
  private static func taps(_ output: Int, _ inputs: Int, _ outputs: Int) -> [(Int, Float)] {
    let position = (Double(output) + 0.5) * (Double(inputs) / Double(outputs)) - 0.5
    let clamped = min(max(position, 0), Double(inputs - 1))
    let low = Int(clamped)
    let weight = Float(clamped - Double(low))
    return [(low, 1 - weight), (weight == 0 ? low : low + 1, weight)]
  }

  /// The twin of `Kernels.resizeBilinear`.
  public static func resizeBilinear(
    _ x: [Float], batch: Int, inputHeight: Int, inputWidth: Int, outputHeight: Int,
    outputWidth: Int, channels: Int
  ) -> [Float] {
    var values: [Float] = []
    for n in 0..<batch {
      for oy in 0..<outputHeight {
        let rows = taps(oy, inputHeight, outputHeight)
        for ox in 0..<outputWidth {
          let columns = taps(ox, inputWidth, outputWidth)
          for c in 0..<channels {
            func at(_ row: Int, _ column: Int) -> Float {
              x[((n * inputHeight + row) * inputWidth + column) * channels + c]
            }
            let blended = rows.map { row, _ in
              at(row, columns[0].0) * columns[0].1 + at(row, columns[1].0) * columns[1].1
            }
            values.append(blended[0] * rows[0].1 + blended[1] * rows[1].1)
          }
        }
      }
    }
    return values
  }

  /// The twin of `Kernels.resizeBilinearGradient`.
  public static func resizeBilinearGradient(
    _ dy: [Float], batch: Int, inputHeight: Int, inputWidth: Int, outputHeight: Int,
    outputWidth: Int, channels: Int
  ) -> [Float] {
    var dx = [Float](repeating: 0, count: batch * inputHeight * inputWidth * channels)
    for n in 0..<batch {
      for oy in 0..<outputHeight {
        for ox in 0..<outputWidth {
          for (row, rowWeight) in taps(oy, inputHeight, outputHeight) where rowWeight != 0 {
            for (column, columnWeight) in taps(ox, inputWidth, outputWidth)
            where columnWeight != 0 {
              for c in 0..<channels {
                dx[((n * inputHeight + row) * inputWidth + column) * channels + c] +=
                  dy[((n * outputHeight + oy) * outputWidth + ox) * channels + c]
                  * (rowWeight * columnWeight)
              }
            }
          }
        }
      }
    }
    return dx
  }

  /// The input coordinate that padded coordinate `index` (counted from the input's first) shows;
  /// nil stands for zero.
  public static func paddedIndex(_ index: Int, count: Int, mode: PaddingMode) -> Int? {
    switch mode {
    case .zero: return (0..<count).contains(index) ? index : nil
    case .replicate: return min(max(index, 0), count - 1)
    case .reflect:
      var index = index
      while !(0..<count).contains(index) {
        if count == 1 { return 0 }
        index = index < 0 ? -index : 2 * (count - 1) - index
      }
      return index
    }
  }

  /// For every element of the padded image, the input element that it shows.
  private static func paddedSources(
    batch: Int, inputHeight: Int, inputWidth: Int, channels: Int, top: Int, bottom: Int,
    left: Int, right: Int, mode: PaddingMode
  ) -> [Int?] {
    var sources: [Int?] = []
    for n in 0..<batch {
      for oy in -top..<inputHeight + bottom {
        for ox in -left..<inputWidth + right {
          let row = paddedIndex(oy, count: inputHeight, mode: mode)
          let column = paddedIndex(ox, count: inputWidth, mode: mode)
          for c in 0..<channels {
            if let row, let column {
              sources.append(((n * inputHeight + row) * inputWidth + column) * channels + c)
            } else {
              sources.append(nil)
            }
          }
        }
      }
    }
    return sources
  }

  /// The twin of `Kernels.pad`.
  public static func pad(
    _ x: [Float], batch: Int, inputHeight: Int, inputWidth: Int, channels: Int, top: Int,
    bottom: Int, left: Int, right: Int, mode: PaddingMode
  ) -> [Float] {
    paddedSources(
      batch: batch, inputHeight: inputHeight, inputWidth: inputWidth, channels: channels, top: top,
      bottom: bottom, left: left, right: right, mode: mode
    ).map { source in source.map { x[$0] } ?? 0 }
  }

  /// The twin of `Kernels.padGradient`.
  public static func padGradient(
    _ dy: [Float], batch: Int, inputHeight: Int, inputWidth: Int, channels: Int, top: Int,
    bottom: Int, left: Int, right: Int, mode: PaddingMode
  ) -> [Float] {
    var dx = [Float](repeating: 0, count: batch * inputHeight * inputWidth * channels)
    let sources = paddedSources(
      batch: batch, inputHeight: inputHeight, inputWidth: inputWidth, channels: channels, top: top,
      bottom: bottom, left: left, right: right, mode: mode)
    for (value, source) in zip(dy, sources) {
      if let source { dx[source] += value }
    }
    return dx
  }

  /// The twin of `Kernels.copyBlock`.
  public static func copyBlock(
    from source: [Float], sourceStart: Int, sourceStrides: (Int, Int, Int),
    to destination: inout [Float], destinationStart: Int, destinationStrides: (Int, Int, Int),
    batch: Int, height: Int, width: Int, channels: Int, accumulate: Bool
  ) {
    for n in 0..<batch {
      for row in 0..<height {
        for column in 0..<width {
          for c in 0..<channels {
            let from =
              sourceStart + n * sourceStrides.0 + row * sourceStrides.1
              + column * sourceStrides.2 + c
            let to =
              destinationStart + n * destinationStrides.0 + row * destinationStrides.1
              + column * destinationStrides.2 + c
            destination[to] = accumulate ? destination[to] + source[from] : source[from]
          }
        }
      }
    }
  }
}
