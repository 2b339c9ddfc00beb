// Colours that nobody sees, under full transparency: filled from what is seen around them, or left out.

import Foundation

extension Image {
  /// Whether a pixel has an alpha of 0.
  public var hasHiddenPixels: Bool {
    @_specialize(where Sample == UInt8)
    @_specialize(where Sample == UInt16)
    @_specialize(where Sample == Float)
    get {
      guard hasAlpha else { return false }
      return stride(from: channels - 1, to: samples.count, by: channels).contains {
        samples[$0] == .zero
      }
    }
  }

  /// The picture with the colours under full transparency taken from the visible pixels around;
  /// itself where nothing is hidden.
  public var filledWhereHidden: Image {
    guard hasHiddenPixels else { return self }
    let last = channels - 1
    return filled { samples[$0 * channels + last].unit }
  }

  /// Takes the colours under full transparency from another picture of the same size and channels.
  @_specialize(where Sample == UInt8)
  @_specialize(where Sample == UInt16)
  @_specialize(where Sample == Float)
  public mutating func restoreHidden(from other: Image) {
    guard hasHiddenPixels, other.size == size, other.channels == channels else { return }
    let last = channels - 1
    for pixel in stride(from: 0, to: samples.count, by: channels)
    where samples[pixel + last] == .zero {
      for index in pixel..<pixel + last { samples[index] = other.samples[index] }
    }
  }

  /// The picture with the colours of every pixel that has no weight taken from the mean around the
  /// nearest one that has; alpha stays.
  ///
  /// The mean, Gaussian with a deviation of 2 pixels, keeps noise from being drawn into stripes. The
  /// weight is that of the pixel of an index, row by row, at least 0.
  @_specialize(where Sample == UInt8)
  @_specialize(where Sample == UInt16)
  @_specialize(where Sample == Float)
  public func filled(weight: (Int) -> Float) -> Image {
    let weights = (0..<pixelCount).map(weight)
    guard weights.contains(0), weights.contains(where: { $0 > 0 }) else { return self }
    let nearest = NearestPixels(width: width, height: height) { weights[$0] > 0 }.indices
    let colors = channels - (hasAlpha ? 1 : 0)
    var means: [Int32: SIMD4<Float>] = [:]
    var result = self
    result.samples.withUnsafeMutableBufferPointer { target in
      for pixel in weights.indices where weights[pixel] == 0 {
        let place = nearest[pixel]
        let mean = means[place] ?? self.mean(around: Int(place), weights, colors)
        means[place] = mean
        for channel in 0..<colors {
          target[pixel * channels + channel] = Sample(unit: mean[channel])
        }
      }
    }
    return result
  }

  /// The Gaussian mean of the colours around a pixel.
  private func mean(around pixel: Int, _ weights: [Float], _ colors: Int) -> SIMD4<Float> {
    let (column, row) = (pixel % width, pixel / width)
    var sum = SIMD4<Float>()
    var total: Float = 0
    for y in max(0, row - 4)...min(height - 1, row + 4) {
      for x in max(0, column - 4)...min(width - 1, column + 4) {
        let index = y * width + x
        guard weights[index] > 0 else { continue }
        let distance = (y - row) * (y - row) + (x - column) * (x - column)
        let share = weights[index] * FillKernel.shares[distance]
        var color = SIMD4<Float>()
        for channel in 0..<colors { color[channel] = storage[index * channels + channel].unit }
        sum += share * color
        total += share
      }
    }
    return sum / total
  }

  /// What is seen of a picture, without alpha, for statistics: its fully visible squares side by
  /// side; all of it where nothing is hidden, the filled picture where no square is visible.
  public var visiblePart: Image {
    guard hasHiddenPixels else { return withoutAlpha }
    for side in [64, 32, 16] {
      let places = visibleSquares(side)
      if places.count >= 4 || (side == 16 && !places.isEmpty) {
        return mosaic(places, side: side)
      }
    }
    return filledWhereHidden.withoutAlpha
  }

  /// The top left corners of the squares of a grid in which nothing is hidden.
  @_specialize(where Sample == UInt8)
  @_specialize(where Sample == UInt16)
  @_specialize(where Sample == Float)
  private func visibleSquares(_ side: Int) -> [(x: Int, y: Int)] {
    let last = channels - 1
    var places: [(x: Int, y: Int)] = []
    for y in stride(from: 0, through: height - side, by: side) {
      for x in stride(from: 0, through: width - side, by: side) {
        let isVisible = (y..<y + side).allSatisfy { row in
          (x..<x + side).allSatisfy { samples[(row * width + $0) * channels + last] != .zero }
        }
        if isVisible { places.append((x, y)) }
      }
    }
    return places
  }

  /// Squares side by side, as many as fill a rectangle.
  @_specialize(where Sample == UInt8)
  @_specialize(where Sample == UInt16)
  @_specialize(where Sample == Float)
  private func mosaic(_ places: [(x: Int, y: Int)], side: Int) -> Image {
    let columns = max(1, Int(Double(places.count).squareRoot()))
    let rows = places.count / columns
    let opaque = withoutAlpha
    var result = Image(
      width: columns * side, height: rows * side, channels: opaque.channels)
    for index in 0..<columns * rows {
      let place = places[index]
      result.paste(
        opaque.cropped(x: place.x, y: place.y, width: side, height: side),
        x: index % columns * side, y: index / columns * side)
    }
    return result
  }
}

/// The Gaussian by which neighbours count.
private enum FillKernel {
  /// By the squared distance in pixels, up to that of a square's corner.
  static let shares = (0...32).map { exp(-Float($0) / 8) }
}

/// For each pixel the nearest chosen one, in two passes over the picture (Danielsson 1980).
private struct NearestPixels {
  /// The index of the nearest chosen pixel, [height, width]; -1 where none is chosen.
  private(set) var indices: [Int32]
  private let width: Int
  private let height: Int

  init(width: Int, height: Int, isChosen: (Int) -> Bool) {
    self.width = width
    self.height = height
    indices = (0..<width * height).map { isChosen($0) ? Int32($0) : -1 }
    for y in 0..<height { sweep(y, from: y - 1) }
    for y in stride(from: height - 1, through: 0, by: -1) { sweep(y, from: y + 1) }
  }

  /// Takes what is nearer from a neighbouring row and along the row, both ways.
  private mutating func sweep(_ y: Int, from other: Int) {
    if other >= 0, other < height {
      for x in 0..<width {
        for neighbor in max(0, x - 1)...min(width - 1, x + 1) { take(x, y, neighbor, other) }
      }
    }
    for x in 1..<max(width, 1) { take(x, y, x - 1, y) }
    for x in stride(from: width - 2, through: 0, by: -1) { take(x, y, x + 1, y) }
  }

  private mutating func take(_ x: Int, _ y: Int, _ otherX: Int, _ otherY: Int) {
    let candidate = indices[otherY * width + otherX]
    guard candidate >= 0 else { return }
    let place = y * width + x
    if indices[place] < 0 || distance(candidate, x, y) < distance(indices[place], x, y) {
      indices[place] = candidate
    }
  }

  private func distance(_ index: Int32, _ x: Int, _ y: Int) -> Int {
    let (dx, dy) = (Int(index) % width - x, Int(index) / width - y)
    return dx * dx + dy * dy
  }
}
