// Histograms of oriented gradients: which way edges run in each cell of a picture, block by block.

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// The numbers of a histogram of oriented gradients (Dalal and Triggs 2005), as scikit-image has it.
///
/// Each pixel gives the length of its gradient (central differences, 0 at the border; of several
/// channels the longest) to the bin of its direction, without regard to its sign, in its cell.
/// Blocks of cells, one at each cell, are normalized and stand one after the other.
public struct OrientedGradients: Sendable, Hashable, Codable {
  /// How a block is normalized; ε is 1e-5.
  public enum Normalization: String, Sendable, Hashable, Codable, CaseIterable {
    /// Over the sum and ε.
    case l1
    /// The square root of that.
    case l1Sqrt = "l1-sqrt"
    /// Over the root of the sum of squares and ε².
    case l2
    /// That, cut off at 0.2, and the same again.
    case l2Hys = "l2-hys"
  }

  /// Bins of directions over half a turn.
  public var orientations: Int
  /// Pixels in a row and in a column of a cell.
  public var cell: Int
  /// Cells in a row and in a column of a block.
  public var block: Int
  /// How a block is normalized.
  public var normalization: Normalization

  /// Makes numbers; those left out are for digits.
  public init(
    orientations: Int = 9, cell: Int = 4, block: Int = 2, normalization: Normalization = .l2Hys
  ) {
    self.orientations = orientations
    self.cell = cell
    self.block = block
    self.normalization = normalization
  }

  /// Whether the numbers make sense: 1 to 64 orientations, cells and blocks of a side of 1 to 256.
  public var isSound: Bool {
    (1...64).contains(orientations) && (1...256).contains(cell) && (1...256).contains(block)
  }

  /// Whole cells in a picture's height or width.
  public func cells(_ length: Int) -> Int { length / cell }

  /// Blocks along a picture's height or width, less than 1 where it is too small.
  public func blocks(_ length: Int) -> Int { cells(length) - block + 1 }

  /// The features of a block: [block, block, orientations] of them.
  public var features: Int { block * block * orientations }

  /// Cosine and sine of the lower edge of each bin but the first.
  var edges: [(cosine: Float, sine: Float)] {
    (1..<max(orientations, 1)).map {
      let angle = Double.pi * Double($0) / Double(orientations)
      // Half a turn's half has no cosine, and no rounding of one either.
      return (2 * $0 == orientations ? 0 : Float(cos(angle)), Float(sin(angle)))
    }
  }
}

extension Kernels {
  /// Histograms of pictures x [batch, height, width, channels]: y [batch, blocks down, blocks
  /// across, features].
  /// - Precondition: the numbers are sound, a picture has at least one block.
  public func orientedGradients(
    _ numbers: OrientedGradients, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>,
    batch: Int, height: Int, width: Int, channels: Int
  ) {
    let (across, down) = (numbers.blocks(width), numbers.blocks(height))
    precondition(
      numbers.isSound && across > 0 && down > 0,
      "a picture of \(height)x\(width) has no block of \(numbers)")
    let size = down * across * numbers.features
    let edges = numbers.edges
    pool.parallelFor(batch) { index in
      let image = x + index * height * width * channels
      let work = GradientHistogram(numbers, edges, height, width, channels)
      let count = work.rows * work.columns * numbers.orientations
      withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { cells in
        guard let cells = cells.baseAddress else { return }
        work.fill(image, cells)
        work.normalize(cells, y + index * size)
      }
    }
  }

  /// The histograms of cells [rows, columns, orientations], the mean over a cell's pixels, of one
  /// picture.
  public func gradientCells(
    _ numbers: OrientedGradients, _ x: UnsafePointer<Float>, height: Int, width: Int, channels: Int
  ) -> [Float] {
    let work = GradientHistogram(numbers, numbers.edges, height, width, channels)
    var cells = [Float](repeating: 0, count: work.rows * work.columns * numbers.orientations)
    cells.withUnsafeMutableBufferPointer { cells in
      if let cells = cells.baseAddress { work.fill(x, cells) }
    }
    return cells
  }
}

/// One picture's histograms.
private struct GradientHistogram {
  let numbers: OrientedGradients
  let edges: [(cosine: Float, sine: Float)]
  let height: Int
  let width: Int
  let channels: Int
  /// Cells down and across.
  let rows: Int
  let columns: Int

  static let lanes = 8

  init(
    _ numbers: OrientedGradients, _ edges: [(cosine: Float, sine: Float)], _ height: Int,
    _ width: Int, _ channels: Int
  ) {
    self.numbers = numbers
    self.edges = edges
    (self.height, self.width, self.channels) = (height, width, channels)
    (rows, columns) = (numbers.cells(height), numbers.cells(width))
  }

  /// Adds up the cells.
  func fill(_ image: UnsafePointer<Float>, _ cells: UnsafeMutablePointer<Float>) {
    let (cell, bins) = (numbers.cell, numbers.orientations)
    cells.update(repeating: 0, count: rows * columns * bins)
    let used = columns * cell
    let line = (used + Self.lanes - 1) / Self.lanes * Self.lanes
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 3 * line) { memory in
      guard let gx = memory.baseAddress else { return }
      memory.initialize(repeating: 0)
      let (gy, length) = (gx + line, gx + 2 * line)
      for y in 0..<rows * cell {
        gradients(image, y, used, gx, gy)
        turnedToBins(gx, gy, length, line)
        let histogram = cells + y / cell * columns * bins
        for x in 0..<used { histogram[x / cell * bins + Int(gx[x])] += length[x] }
      }
    }
    let share = 1 / Float(cell * cell)
    for index in 0..<rows * columns * bins { cells[index] *= share }
  }

  /// The differences of a row, of several channels those of the longest gradient.
  private func gradients(
    _ image: UnsafePointer<Float>, _ y: Int, _ used: Int, _ gx: UnsafeMutablePointer<Float>,
    _ gy: UnsafeMutablePointer<Float>
  ) {
    let pitch = width * channels
    let row = image + y * pitch
    let isInside = y > 0 && y < height - 1
    for x in 0..<used {
      var longest: Float = -1
      for channel in 0..<channels {
        let place = row + x * channels + channel
        let dx = x > 0 && x < width - 1 ? place[channels] - place[-channels] : 0
        let dy = isInside ? place[pitch] - place[-pitch] : 0
        let square = dx * dx + dy * dy
        if square > longest { (gx[x], gy[x], longest) = (dx, dy, square) }
      }
    }
  }

  /// Replaces differences across by the number of their bin, and writes lengths.
  private func turnedToBins(
    _ gx: UnsafeMutablePointer<Float>, _ gy: UnsafeMutablePointer<Float>,
    _ length: UnsafeMutablePointer<Float>, _ count: Int
  ) {
    typealias Vector = SIMD8<Float>
    let (zero, one) = (Vector(), Vector(repeating: 1))
    for first in stride(from: 0, to: count, by: Self.lanes) {
      var x = UnsafeRawPointer(gx + first).loadUnaligned(as: Vector.self)
      var y = UnsafeRawPointer(gy + first).loadUnaligned(as: Vector.self)
      let root = (x * x + y * y).squareRoot()
      // A direction and its opposite are one: take the one in the upper half.
      let isTurned = (y .< zero) .| ((y .== zero) .& (x .< zero))
      x.replace(with: -x, where: isTurned)
      y.replace(with: -y, where: isTurned)
      var bin = zero
      for edge in edges {
        let side = edge.cosine * y - edge.sine * x
        bin += zero.replacing(with: one, where: side .>= zero)
      }
      // Without a gradient there is no direction.
      bin.replace(with: zero, where: root .== zero)
      UnsafeMutableRawPointer(gx + first).storeBytes(of: bin, as: Vector.self)
      UnsafeMutableRawPointer(length + first).storeBytes(of: root, as: Vector.self)
    }
  }

  /// Gathers and normalizes the blocks.
  func normalize(_ cells: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>) {
    let (block, bins, features) = (numbers.block, numbers.orientations, numbers.features)
    var to = y
    for row in 0...rows - block {
      for column in 0...columns - block {
        for line in 0..<block {
          (to + line * block * bins).update(
            from: cells + ((row + line) * columns + column) * bins, count: block * bins)
        }
        normalize(to, features)
        to += features
      }
    }
  }

  private func normalize(_ block: UnsafeMutablePointer<Float>, _ count: Int) {
    let epsilon: Float = 1e-5
    switch numbers.normalization {
    case .l1, .l1Sqrt:
      var sum: Float = 0
      for index in 0..<count { sum += block[index] }
      let factor = 1 / (sum + epsilon)
      let hasRoot = numbers.normalization == .l1Sqrt
      for index in 0..<count {
        block[index] = hasRoot ? (block[index] * factor).squareRoot() : block[index] * factor
      }
    case .l2: scaleByLength(block, count, epsilon)
    case .l2Hys:
      scaleByLength(block, count, epsilon)
      for index in 0..<count { block[index] = block[index] < 0.2 ? block[index] : 0.2 }
      scaleByLength(block, count, epsilon)
    }
  }

  private func scaleByLength(
    _ block: UnsafeMutablePointer<Float>, _ count: Int, _ epsilon: Float
  ) {
    var sum: Float = 0
    for index in 0..<count { sum += block[index] * block[index] }
    let factor = 1 / (sum + epsilon * epsilon).squareRoot()
    for index in 0..<count { block[index] *= factor }
  }
}
