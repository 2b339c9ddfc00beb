// The reference twin of the histograms of oriented gradients: one pixel at a time, by the angle.

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

extension Reference {
  /// The histograms of pictures x [batch, height, width, channels], in double precision.
  public static func orientedGradients(
    _ numbers: OrientedGradients, _ x: [Float], batch: Int, height: Int, width: Int, channels: Int
  ) -> [Float] {
    (0..<batch).flatMap { image -> [Float] in
      let size = height * width * channels
      let cells = gradientCells(
        numbers, Array(x[image * size..<(image + 1) * size]), height, width, channels)
      let columns = numbers.cells(width)
      var result: [Float] = []
      for row in 0..<numbers.blocks(height) {
        for column in 0..<numbers.blocks(width) {
          var block: [Double] = []
          for i in row..<row + numbers.block {
            for j in column..<column + numbers.block { block += cells[i * columns + j] }
          }
          result += normalized(block, numbers.normalization).map { Float($0) }
        }
      }
      return result
    }
  }

  /// The histogram of each cell.
  private static func gradientCells(
    _ numbers: OrientedGradients, _ image: [Float], _ height: Int, _ width: Int, _ channels: Int
  ) -> [[Double]] {
    let (rows, columns) = (numbers.cells(height), numbers.cells(width))
    let bins = numbers.orientations
    var cells = [[Double]](
      repeating: [Double](repeating: 0, count: bins), count: rows * columns)
    func value(_ y: Int, _ x: Int, _ channel: Int) -> Double {
      Double(image[(y * width + x) * channels + channel])
    }
    for y in 0..<rows * numbers.cell {
      for x in 0..<columns * numbers.cell {
        var (gx, gy, longest) = (0.0, 0.0, -1.0)
        for c in 0..<channels {
          let dx = x > 0 && x < width - 1 ? value(y, x + 1, c) - value(y, x - 1, c) : 0
          let dy = y > 0 && y < height - 1 ? value(y + 1, x, c) - value(y - 1, x, c) : 0
          let length = hypot(dx, dy)
          if length > longest { (gx, gy, longest) = (dx, dy, length) }
        }
        var angle = atan2(gy, gx) * 180 / Double.pi
        if angle < 0 { angle += 180 }
        if angle >= 180 { angle -= 180 }
        let bin = (0..<bins).last { angle >= 180 / Double(bins) * Double($0) } ?? 0
        cells[y / numbers.cell * columns + x / numbers.cell][bin] +=
          longest / Double(numbers.cell * numbers.cell)
      }
    }
    return cells
  }

  private static func normalized(
    _ block: [Double], _ kind: OrientedGradients.Normalization
  ) -> [Double] {
    func byLength(_ values: [Double]) -> [Double] {
      let length = (values.reduce(1e-10) { $0 + $1 * $1 }).squareRoot()
      return values.map { $0 / length }
    }
    switch kind {
    case .l1: return block.map { $0 / (block.reduce(0, +) + 1e-5) }
    case .l1Sqrt: return block.map { ($0 / (block.reduce(0, +) + 1e-5)).squareRoot() }
    case .l2: return byLength(block)
    case .l2Hys: return byLength(byLength(block).map { min($0, 0.2) })
    }
  }
}
