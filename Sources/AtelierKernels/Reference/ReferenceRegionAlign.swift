// The reference twins of ROI align and of its scatter form.

extension Reference {
  /// The two pixels that a point between them reads, with their weights; none where it lies more than one pixel outside.
  private static func taps(at position: Double, _ size: Int) -> [(pixel: Int, weight: Float)] {
    guard position >= -1, position <= Double(size) else { return [] }
    let low = Int(max(position, 0))
    guard low < size - 1 else { return [(size - 1, 1), (size - 1, 0)] }
    let part = Float(max(position, 0) - Double(low))
    return [(low, 1 - part), (low + 1, part)]
  }

  /// Calls `body` with every place (element of x, element of y, weight) in the order of the kernels, channel 0 alone.
  private static func forEachTap(
    _ g: RegionGeometry, boxes: [Float], _ body: (_ x: Int, _ y: Int, _ weight: Float) -> Void
  ) {
    let share = 1 / Float(g.samples * g.samples)
    for region in 0..<boxes.count / 5 {
      let box = boxes[region * 5..<region * 5 + 5].map(Double.init)
      guard box[0] >= 0, box[0] < Double(g.batch) else { continue }
      let scale = Double(g.scale)
      let wide = (box[3] - box[1]) * scale / Double(g.outputWidth)
      let high = (box[4] - box[2]) * scale / Double(g.outputHeight)
      func place(_ start: Double, _ bin: Int, _ sample: Int, _ size: Double) -> Double {
        start * scale - 0.5 + (Double(bin) + (Double(sample) + 0.5) / Double(g.samples)) * size
      }
      for bin in 0..<g.outputHeight * g.outputWidth {
        for sample in 0..<g.samples * g.samples {
          let y = place(box[2], bin / g.outputWidth, sample / g.samples, high)
          let x = place(box[1], bin % g.outputWidth, sample % g.samples, wide)
          for row in taps(at: y, g.height) {
            for column in taps(at: x, g.width) {
              body(
                ((Int(box[0]) * g.height + row.pixel) * g.width + column.pixel) * g.channels,
                (region * g.outputHeight * g.outputWidth + bin) * g.channels,
                row.weight * column.weight * share)
            }
          }
        }
      }
    }
  }

  /// The twin of `Kernels.regionAlign`.
  public static func regionAlign(
    _ geometry: RegionGeometry, _ x: [Float], boxes: [Float]
  ) -> [Float] {
    let bins = geometry.outputHeight * geometry.outputWidth
    var y = [Float](repeating: 0, count: boxes.count / 5 * bins * geometry.channels)
    forEachTap(geometry, boxes: boxes) { from, to, weight in
      for c in 0..<geometry.channels { y[to + c] += x[from + c] * weight }
    }
    return y
  }

  /// The twin of `Kernels.regionAlignGradient`.
  public static func regionAlignGradient(
    _ geometry: RegionGeometry, _ dy: [Float], boxes: [Float]
  ) -> [Float] {
    let count = geometry.batch * geometry.height * geometry.width * geometry.channels
    var dx = [Float](repeating: 0, count: count)
    forEachTap(geometry, boxes: boxes) { to, from, weight in
      for c in 0..<geometry.channels { dx[to + c] += dy[from + c] * weight }
    }
    return dx
  }
}
