// The transform of a block as it is computed: rows of samples as vectors.

/// A row of a block: as many samples as the block's side, then zeros.
protocol BlockRow: SIMD, BitwiseCopyable where Scalar == Float {}
extension SIMD8: BlockRow where Scalar == Float {}
extension SIMD16: BlockRow where Scalar == Float {}

/// The matrices of a block's transform, laid out for rows.
///
/// Used by one thread at a time.
final class BlockRowTransform<Row: BlockRow> {
  /// A matrix by its rows as scalars, and by its columns as vectors.
  private struct Matrix {
    let rows: UnsafeMutablePointer<Float>
    let columns: UnsafeMutablePointer<Row>

    init(_ values: [Double], side: Int) {
      rows = .allocate(capacity: side * side)
      columns = .allocate(capacity: side)
      for column in 0..<side {
        columns[column] = Row.zero
        for row in 0..<side {
          rows[row * side + column] = Float(values[row * side + column])
          columns[column][row] = Float(values[row * side + column])
        }
      }
    }

    func deallocate() {
      rows.deallocate()
      columns.deallocate()
    }
  }

  private let side: Int
  private let ahead: Matrix
  private let back: Matrix
  private let middle: UnsafeMutablePointer<Row>

  init(_ transform: BlockTransform) {
    side = transform.side
    ahead = Matrix(transform.forward, side: side)
    back = Matrix(transform.inverse, side: side)
    middle = .allocate(capacity: side)
  }

  deinit {
    ahead.deallocate()
    back.deallocate()
    middle.deallocate()
  }

  /// The coefficients of the block that starts at a sample.
  func forward(
    _ samples: UnsafePointer<Float>, stride: Int, into block: UnsafeMutablePointer<Row>
  ) {
    apply(ahead, to: samples, stride, block)
  }

  /// The samples of a block's coefficients, in place.
  func inverse(_ block: UnsafeMutablePointer<Row>) {
    let samples = UnsafeRawPointer(block).assumingMemoryBound(to: Float.self)
    apply(back, to: samples, Row.scalarCount, block)
  }

  /// The matrix times the block times the matrix's transpose.
  @inline(__always)
  private func apply(
    _ matrix: Matrix, to samples: UnsafePointer<Float>, _ stride: Int,
    _ block: UnsafeMutablePointer<Row>
  ) {
    for row in 0..<side {
      var sum = Row.zero
      for index in 0..<side {
        sum += (samples + index * stride).row() * matrix.rows[row * side + index]
      }
      middle[row] = sum
    }
    for row in 0..<side {
      var sum = Row.zero
      for index in 0..<side { sum += matrix.columns[index] * middle[row][index] }
      block[row] = sum
    }
  }
}

extension UnsafePointer<Float> {
  /// The samples from here on.
  @inline(__always)
  func row<Row: BlockRow>() -> Row { UnsafeRawPointer(self).loadUnaligned(as: Row.self) }
}

extension UnsafeMutablePointer<Float> {
  /// Adds a row to the samples from here on.
  @inline(__always)
  func accumulate<Row: BlockRow>(_ row: Row) {
    let raw = UnsafeMutableRawPointer(self)
    raw.storeBytes(of: raw.loadUnaligned(as: Row.self) + row, as: Row.self)
  }
}
