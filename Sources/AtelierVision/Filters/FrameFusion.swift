// Frames of a film averaged along their motion: what is still noise behind that is for a denoiser.
//
// Blocks are matched from coarse to fine, as in Dabov, Foi, Egiazarian: Video Denoising by Sparse
// 3D Transform-Domain Collaborative Filtering (2007); the noise's level decides what counts as the
// same, and how much of the noise is left goes on to the denoiser as a map.

import AtelierImages
import AtelierKernels

/// Averages a frame with its neighbours wherever they show the same.
public struct FrameFusion: Sendable {
  /// A frame with less noise than it came with.
  public struct Fused: Sendable {
    /// The frame, values in [0, 1].
    public let image: FloatImage
    /// For each block of 4×4 pixels what is left of the noise's deviation, in (0, 1].
    public let shares: FloatImage
  }

  /// The side of the blocks of `Fused.shares`.
  public static let block = 4
  /// Pixels between the middles of the blocks that are matched, and half of such a block's side.
  private static let step = 8
  /// How far motion is looked for, in pixels of the halved frame.
  private static let reach = 7

  /// The noise's variance, of 255².
  private let variance: Float

  /// Prepares for noise of a deviation, of 255.
  /// - Precondition: sigma is finite and above 0.
  public init(sigma: Float) {
    precondition(sigma > 0 && sigma < .infinity, "a deviation is finite and above 0")
    variance = sigma * sigma
  }

  /// A frame averaged with others of the same size and channels; the bits do not depend on the
  /// pool's threads.
  public func fused(
    _ frame: ByteImage, with neighbours: [ByteImage], pool: ThreadPool = .shared
  ) -> Fused {
    let block = Self.block
    let (columns, rows) = ((frame.width + block - 1) / block, (frame.height + block - 1) / block)
    let present = BrightnessPlanes(frame)
    let others = neighbours.map { neighbour -> Neighbour in
      precondition(neighbour.size == frame.size && neighbour.channels == frame.channels)
      let planes = BrightnessPlanes(neighbour)
      return Neighbour(
        image: neighbour, planes: planes, motion: motion(from: present, to: planes, pool))
    }
    var samples = [Float](repeating: 0, count: frame.samples.count)
    var shares = [Float](repeating: 1, count: columns * rows)
    samples.withUnsafeMutableBufferPointer { samples in
      shares.withUnsafeMutableBufferPointer { shares in
        // Each part writes rows of its own.
        nonisolated(unsafe) let (samples, shares) = (samples, shares)
        pool.parallelFor(rows) { row in
          var sums = BlockSums(channels: frame.channels)
          for column in 0..<columns {
            sums.begin(frame, row: row * block, column: column * block)
            for other in others { add(other, to: &sums, present, row, column) }
            sums.write(to: samples, width: frame.width)
            shares[row * columns + column] = sums.share
          }
        }
      }
    }
    return Fused(
      image: FloatImage(
        width: frame.width, height: frame.height, channels: frame.channels, samples: samples),
      shares: FloatImage(width: columns, height: rows, channels: 1, samples: shares))
  }

  // MARK: - Motion

  /// Where a block's content lies in another frame, in pixels from its own place.
  struct Vector: Hashable, Sendable {
    var x = 0
    var y = 0
  }

  /// The vectors of a frame's blocks.
  struct Motion: Sendable {
    let columns: Int
    let rows: Int
    var vectors: [Vector]

    subscript(row: Int, column: Int) -> Vector {
      vectors[min(max(row, 0), rows - 1) * columns + min(max(column, 0), columns - 1)]
    }
  }

  private struct Neighbour: Sendable {
    let image: ByteImage
    let planes: BrightnessPlanes
    let motion: Motion
  }

  /// For each block the place in the other frame that looks most like it.
  func motion(
    from present: BrightnessPlanes, to other: BrightnessPlanes, _ pool: ThreadPool
  ) -> Motion {
    let step = Self.step
    let columns = max((present.full.width + step - 1) / step, 1)
    let rows = max((present.full.height + step - 1) / step, 1)
    let common = commonVector(present, other, columns: columns, rows: rows)
    // Half an odd number lies between two.
    let halves = Set([common.x >> 1, (common.x + 1) >> 1]).sorted().flatMap { x in
      Set([common.y >> 1, (common.y + 1) >> 1]).sorted().map { Vector(x: x, y: $0) }
    }
    var result = (0..<rows).map { _ in [Vector](repeating: Vector(), count: columns) }
    result.withUnsafeMutableBufferPointer { result in
      // Each part writes a row of its own.
      nonisolated(unsafe) let result = result
      pool.parallelFor(rows) { row in
        var before = Vector()
        var line = [Vector](repeating: Vector(), count: columns)
        for column in 0..<columns {
          let coarse = coarseVector(row, column, present, other, hints: [before] + halves)
          before = coarse
          line[column] = fineVector(
            row, column, present, other, from: coarse, common: common)
        }
        result[row] = line
      }
    }
    return Motion(columns: columns, rows: rows, vectors: result.flatMap { $0 })
  }

  /// The vector that most of some blocks have, to a pixel: what a camera's motion gives to blocks in
  /// which noise hides it.
  private func commonVector(
    _ present: BrightnessPlanes, _ other: BrightnessPlanes, columns: Int, rows: Int
  ) -> Vector {
    var votes: [Vector: Int] = [:]
    for row in stride(from: 1, to: rows, by: 3) {
      for column in stride(from: 1, to: columns, by: 3) {
        votes[coarseVector(row, column, present, other, hints: []), default: 0] += 1
      }
    }
    votes[Vector()] = nil
    let coarse =
      votes.max {
        ($0.value, $1.key.y, $1.key.x) < ($1.value, $0.key.y, $0.key.x)
      }?.key ?? Vector()
    // Over many blocks at once chance says little.
    var best = Vector()
    var least = Float.infinity
    for dy in -1...1 {
      for dx in -1...1 {
        let vector = Vector(x: 2 * coarse.x + dx, y: 2 * coarse.y + dy)
        var sum: Float = 0
        for row in stride(from: 1, to: rows, by: 3) {
          for column in stride(from: 1, to: columns, by: 3) {
            // Blocks that move otherwise do not decide.
            sum += min(fineDifference(row, column, present, other, vector), 1500 * variance)
          }
        }
        if sum < least { (best, least) = (vector, sum) }
      }
    }
    return best
  }

  /// The vector in the halved frames.
  ///
  /// Noise alone makes one of many places the most alike by chance: a place that nothing speaks for
  /// must be better by more than that.
  private func coarseVector(
    _ row: Int, _ column: Int, _ present: BrightnessPlanes, _ other: BrightnessPlanes,
    hints: [Vector]
  ) -> Vector {
    let half = Self.step / 2
    // The middles of the blocks, less half their side.
    let (x, y) = (column * half + half / 2 - half, row * half + half / 2 - half)
    func difference(_ vector: Vector) -> Float {
      present.half.difference(
        at: x, y, from: other.half, at: x + vector.x, y + vector.y, side: 2 * half)
    }
    var best = Vector()
    var least = difference(best)
    for hint in hints where hint != best {
      let found = difference(hint)
      if found < least { (best, least) = (hint, found) }
    }
    // 64 values, each the mean of four: a quarter of the variance, twice.
    guard least > 36 * variance else { return best }
    least -= 16 * variance
    for dy in -Self.reach...Self.reach {
      for dx in -Self.reach...Self.reach {
        let found = difference(Vector(x: dx, y: dy))
        if found < least { (best, least) = (Vector(x: dx, y: dy), found) }
      }
    }
    return best
  }

  /// The vector in the frames themselves: that of all the frame, unless one about twice that of the
  /// halved frames is better by more than chance.
  private func fineVector(
    _ row: Int, _ column: Int, _ present: BrightnessPlanes, _ other: BrightnessPlanes,
    from coarse: Vector, common: Vector
  ) -> Vector {
    let middle = Vector(x: 2 * coarse.x, y: 2 * coarse.y)
    func difference(_ vector: Vector) -> Float {
      fineDifference(row, column, present, other, vector)
    }
    let isCommon = max(abs(common.x - middle.x), abs(common.y - middle.y)) <= 2
    var best = isCommon ? common : middle
    var least = difference(best) - (isCommon ? 45 : 15) * variance
    for dy in -1...1 {
      for dx in -1...1 {
        let vector = Vector(x: middle.x + dx, y: middle.y + dy)
        let found = difference(vector)
        if found < least { (best, least) = (vector, found) }
      }
    }
    return best
  }

  private func fineDifference(
    _ row: Int, _ column: Int, _ present: BrightnessPlanes, _ other: BrightnessPlanes,
    _ vector: Vector
  ) -> Float {
    let (x, y) = (column * Self.step - Self.step / 2, row * Self.step - Self.step / 2)
    return present.full.difference(
      at: x, y, from: other.full, at: x + vector.x, y + vector.y, side: 2 * Self.step)
  }

  // MARK: - Averages

  /// Adds what the four nearest vectors say of a block of 4×4 pixels, by how sure it is.
  private func add(
    _ other: Neighbour, to sums: inout BlockSums, _ present: BrightnessPlanes, _ row: Int,
    _ column: Int
  ) {
    let block = Self.block
    // Two small blocks lie between the middles of two matched ones.
    let (top, left) = ((row + 1) / 2 - 1, (column + 1) / 2 - 1)
    let (lower, right): (Float, Float) = (
      row.isMultiple(of: 2) ? 0.75 : 0.25, column.isMultiple(of: 2) ? 0.75 : 0.25
    )
    var seen: [(vector: Vector, weight: Float)] = []
    for (y, vertical) in [(top, 1 - lower), (top + 1, lower)] {
      for (x, horizontal) in [(left, 1 - right), (left + 1, right)] {
        let vector = other.motion[y, x]
        if let known = seen.firstIndex(where: { $0.vector == vector }) {
          seen[known].weight += vertical * horizontal
        } else {
          seen.append((vector, vertical * horizontal))
        }
      }
    }
    for (vector, weight) in seen {
      // What is the same differs by twice the variance. In a small window chance adds up to a third
      // of that and would hide fine texture that moved; in a large one a tenth, which hides edges.
      var trust: Float = 1
      for (side, chance) in [(2 * block, Float(0.7)), (4 * block, 0.25)] {
        let (x, y) = (
          column * block + block / 2 - side / 2, row * block + block / 2 - side / 2
        )
        let difference =
          present.full.difference(
            at: x, y, from: other.planes.full, at: x + vector.x, y + vector.y, side: side)
          / (Float(side * side) * variance)
        let excess = max(difference - 2 - chance, 0)
        trust = min(trust, 1 / (1 + 16 * excess * excess))
      }
      guard trust > 0.02 else { continue }
      sums.add(other.image, vector, weight: weight * trust)
    }
  }
}

/// The weighted sum of one block's pixels over frames.
private struct BlockSums {
  private static let side = FrameFusion.block
  private let channels: Int
  private var values: [Float]
  private var row = 0
  private var column = 0
  private var width = 0
  private var height = 0
  private var weight: Float = 0
  private var squares: Float = 0

  init(channels: Int) {
    self.channels = channels
    values = [Float](repeating: 0, count: Self.side * Self.side * channels)
  }

  /// What is left of the noise's deviation.
  var share: Float { squares.squareRoot() / weight }

  /// Starts with the frame's own pixels.
  mutating func begin(_ frame: ByteImage, row: Int, column: Int) {
    (self.row, self.column) = (row, column)
    width = min(Self.side, frame.width - column)
    height = min(Self.side, frame.height - row)
    for index in values.indices { values[index] = 0 }
    (weight, squares) = (0, 0)
    add(frame, FrameFusion.Vector(), weight: 1)
  }

  /// Adds another frame's pixels, those beyond its edge as at the edge.
  mutating func add(_ frame: ByteImage, _ vector: FrameFusion.Vector, weight: Float) {
    self.weight += weight
    squares += weight * weight
    frame.samples.withUnsafeBufferPointer { samples in
      for y in 0..<height {
        let fromRow = min(max(row + y + vector.y, 0), frame.height - 1)
        for x in 0..<width {
          let fromColumn = min(max(column + x + vector.x, 0), frame.width - 1)
          let source = (fromRow * frame.width + fromColumn) * channels
          let target = (y * Self.side + x) * channels
          for channel in 0..<channels {
            values[target + channel] += weight * Float(samples[source + channel])
          }
        }
      }
    }
  }

  /// Writes the mean as fractions of white.
  func write(to samples: UnsafeMutableBufferPointer<Float>, width stride: Int) {
    let factor = 1 / (255 * weight)
    for y in 0..<height {
      let target = ((row + y) * stride + column) * channels
      for index in 0..<width * channels {
        samples[target + index] = factor * values[y * Self.side * channels + index]
      }
    }
  }
}

/// A frame's brightness, of 255, at its own and at half its size, edges repeated around.
struct BrightnessPlanes: Sendable {
  let full: BrightnessPlane
  let half: BrightnessPlane

  init(_ image: ByteImage) {
    let (width, height, channels) = (image.width, image.height, image.channels)
    full = BrightnessPlane(width: width, height: height) { line, row in
      image.samples.withUnsafeBufferPointer { samples in
        let start = row * width * channels
        for column in 0..<width {
          let pixel = start + column * channels
          line[column] =
            channels < 3
            ? Float(samples[pixel])
            : 0.299 * Float(samples[pixel]) + 0.587 * Float(samples[pixel + 1])
              + 0.114 * Float(samples[pixel + 2])
        }
      }
    }
    let full = full
    half = BrightnessPlane(width: (width + 1) / 2, height: (height + 1) / 2) { line, row in
      for column in line.indices {
        line[column] = full.mean(row: 2 * row, column: 2 * column)
      }
    }
  }
}

/// One plane with a border around, so that blocks may begin outside of it.
struct BrightnessPlane: Sendable {
  /// Pixels around: as far as a block may lie outside, and more than any vector and refinement.
  private static let border = 40

  let width: Int
  let height: Int
  private let stride: Int
  private let values: [Float]

  /// Makes a plane of its lines.
  init(width: Int, height: Int, _ fill: (UnsafeMutableBufferPointer<Float>, Int) -> Void) {
    let (border, stride) = (Self.border, width + 2 * Self.border)
    var values = [Float](repeating: 0, count: stride * (height + 2 * border))
    values.withUnsafeMutableBufferPointer { values in
      for row in 0..<height {
        let start = (row + border) * stride
        let line = UnsafeMutableBufferPointer(
          rebasing: values[start + border..<start + border + width])
        fill(line, row)
        for column in 0..<border {
          values[start + column] = line[0]
          values[start + border + width + column] = line[width - 1]
        }
      }
      for row in 0..<border {
        for column in 0..<stride {
          values[row * stride + column] = values[border * stride + column]
          values[(border + height + row) * stride + column] =
            values[(border + height - 1) * stride + column]
        }
      }
    }
    (self.width, self.height, self.stride, self.values) = (width, height, stride, values)
  }

  /// The mean of four pixels.
  func mean(row: Int, column: Int) -> Float {
    let place = (row + Self.border) * stride + column + Self.border
    let upper = values[place] + values[place + 1]
    return (upper + values[place + stride] + values[place + stride + 1]) / 4
  }

  /// The sum of squared differences of a block and one of another plane; a block that lies outside
  /// by more than the border is like nothing.
  @inline(__always)
  func difference(
    at x: Int, _ y: Int, from other: BrightnessPlane, at otherX: Int, _ otherY: Int, side: Int
  ) -> Float {
    let border = Self.border
    guard otherX >= -border, otherY >= -border, otherX + side <= width + border,
      otherY + side <= height + border
    else { return .infinity }
    var sums = SIMD8<Float>.zero
    values.withUnsafeBytes { own in
      other.values.withUnsafeBytes { others in
        for row in 0..<side {
          let first = 4 * ((y + row + border) * stride + x + border)
          let second = 4 * ((otherY + row + border) * stride + otherX + border)
          for part in Swift.stride(from: 0, to: 4 * side, by: 32) {
            let difference =
              own.loadUnaligned(fromByteOffset: first + part, as: SIMD8<Float>.self)
              - others.loadUnaligned(fromByteOffset: second + part, as: SIMD8<Float>.self)
            sums += difference * difference
          }
        }
      }
    }
    return sums.sum()
  }
}
