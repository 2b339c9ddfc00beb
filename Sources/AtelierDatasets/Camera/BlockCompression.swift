// The loss of JPEG without the file: blocks of 8×8, their cosine transform, rounded coefficients.
//
// ITU-T T.81 (1992), the tables of its annex K scaled as the Independent JPEG Group's library does.
// Unlike a file this may start anywhere inside a block, as a crop of a photograph does, and may
// keep or halve the colour at any quality.

import Foundation

/// JPEG's loss of one quality.
struct BlockCompression {
  /// 1 to 100.
  var quality: Int
  /// Whether colour has half the columns and rows.
  var halvesColor: Bool
  /// Where the first block starts left of and above the picture, 0 to 15 pixels.
  var offset: (x: Int, y: Int)

  /// Compresses and expands colours in [0, 1].
  func apply(to planes: inout ColorPlanes) {
    planes.toLuminance()
    let (width, height) = (planes.width, planes.height)
    // Whole blocks of 16: the unit of halved colour.
    let wide = (width + offset.x + 15) / 16 * 16
    let tall = (height + offset.y + 15) / 16 * 16
    for channel in 0..<3 {
      var grid = [Float](repeating: 0, count: wide * tall)
      let first = channel * planes.area
      for row in 0..<tall {
        let source = first + min(max(row - offset.y, 0), height - 1) * width
        for column in 0..<wide {
          grid[row * wide + column] =
            255 * planes.values[source + min(max(column - offset.x, 0), width - 1)]
        }
      }
      let table = Self.table(channel == 0 ? Self.luminance : Self.chrominance, quality: quality)
      if channel > 0, halvesColor {
        var half = Self.halved(grid, wide)
        Self.roundCoefficients(&half, width: wide / 2, table)
        grid = Self.doubled(half, wide / 2)
      } else {
        Self.roundCoefficients(&grid, width: wide, table)
      }
      for row in 0..<height {
        for column in 0..<width {
          planes.values[first + row * width + column] =
            grid[(row + offset.y) * wide + column + offset.x] / 255
        }
      }
    }
    planes.fromLuminance()
    for index in planes.values.indices {
      planes.values[index] = min(max(planes.values[index], 0), 1)
    }
  }

  private static func table(_ base: [Float], quality: Int) -> [Float] {
    let scale = quality < 50 ? 5000 / quality : 200 - 2 * quality
    return base.map { min(max(((Float(scale) * $0 + 50) / 100).rounded(.down), 1), 255) }
  }

  private static func halved(_ grid: [Float], _ width: Int) -> [Float] {
    let height = grid.count / width
    var half = [Float](repeating: 0, count: grid.count / 4)
    for row in 0..<height / 2 {
      for column in 0..<width / 2 {
        let index = 2 * row * width + 2 * column
        half[row * (width / 2) + column] =
          (grid[index] + grid[index + 1] + grid[index + width] + grid[index + width + 1]) / 4
      }
    }
    return half
  }

  /// Twice the columns and rows, three quarters of the nearer neighbour and one of the further.
  private static func doubled(_ half: [Float], _ width: Int) -> [Float] {
    let height = half.count / width
    var tall = [Float](repeating: 0, count: 2 * half.count)
    for row in 0..<2 * height {
      let near = row / 2
      let far = min(max(near + (row & 1 == 0 ? -1 : 1), 0), height - 1)
      for column in 0..<width {
        tall[row * width + column] =
          0.75 * half[near * width + column] + 0.25 * half[far * width + column]
      }
    }
    var grid = [Float](repeating: 0, count: 4 * half.count)
    for row in 0..<2 * height {
      for column in 0..<2 * width {
        let near = column / 2
        let far = min(max(near + (column & 1 == 0 ? -1 : 1), 0), width - 1)
        grid[row * 2 * width + column] =
          0.75 * tall[row * width + near] + 0.25 * tall[row * width + far]
      }
    }
    return grid
  }

  private static func roundCoefficients(_ grid: inout [Float], width: Int, _ table: [Float]) {
    var block = [Float](repeating: 0, count: 64)
    var half = block
    let height = grid.count / width
    grid.withUnsafeMutableBufferPointer { grid in
      block.withUnsafeMutableBufferPointer { block in
        half.withUnsafeMutableBufferPointer { half in
          for top in stride(from: 0, to: height, by: 8) {
            for left in stride(from: 0, to: width, by: 8) {
              for row in 0..<8 {
                for column in 0..<8 {
                  block[8 * row + column] = grid[(top + row) * width + left + column]
                }
              }
              // Each product turns the block over: two of them are the whole transform.
              multiply(cosines, block, into: half)
              multiply(cosines, half, into: block)
              for index in 0..<64 {
                block[index] = (block[index] / table[index]).rounded() * table[index]
              }
              multiply(transposedCosines, block, into: half)
              multiply(transposedCosines, half, into: block)
              for row in 0..<8 {
                for column in 0..<8 {
                  grid[(top + row) * width + left + column] = block[8 * row + column]
                }
              }
            }
          }
        }
      }
    }
  }

  /// The transpose of matrix · block, 8×8.
  @inline(__always)
  private static func multiply(
    _ matrix: [SIMD8<Float>], _ block: UnsafeMutableBufferPointer<Float>,
    into result: UnsafeMutableBufferPointer<Float>
  ) {
    for row in 0..<8 {
      var sum = SIMD8<Float>.zero
      for inner in 0..<8 {
        // Columns of the matrix at once: the result's row is a column of the product.
        sum += matrix[inner] * block[8 * inner + row]
      }
      for column in 0..<8 { result[8 * row + column] = sum[column] }
    }
  }

  /// By sample, then by frequency.
  private static let cosines: [SIMD8<Float>] = (0..<8).map { sample in
    var row = SIMD8<Float>.zero
    for frequency in 0..<8 { row[frequency] = cosine(sample, frequency) }
    return row
  }

  /// By frequency, then by sample.
  private static let transposedCosines: [SIMD8<Float>] = (0..<8).map { frequency in
    var row = SIMD8<Float>.zero
    for sample in 0..<8 { row[sample] = cosine(sample, frequency) }
    return row
  }

  private static func cosine(_ sample: Int, _ frequency: Int) -> Float {
    let norm = frequency == 0 ? (1.0 / 8).squareRoot() : 0.5
    return Float(norm * cos(Double((2 * sample + 1) * frequency) * Double.pi / 16))
  }

  private static let luminance: [Float] = [
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113,
    92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
  ]

  private static let chrominance: [Float] = [
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
  ]
}
