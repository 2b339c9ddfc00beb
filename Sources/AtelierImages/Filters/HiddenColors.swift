// Colours that nobody sees, under full transparency: filled from what is seen around them, or left out.

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

  /// The picture with the colours of every pixel that has no weight taken from those around that
  /// have one; alpha stays.
  ///
  /// Means of ever larger squares (pull and push: Gortler and others, The Lumigraph, 1996).
  /// The weight is that of the pixel of an index, row by row, at least 0.
  @_specialize(where Sample == UInt8)
  @_specialize(where Sample == UInt16)
  @_specialize(where Sample == Float)
  public func filled(weight: (Int) -> Float) -> Image {
    let colors = channels - (hasAlpha ? 1 : 0)
    var levels = [FillLevel(self, colors: colors, weight)]
    while let last = levels.last, last.width > 1 || last.height > 1 { levels.append(last.halved) }
    for index in stride(from: levels.count - 2, through: 0, by: -1) {
      levels[index].fill(from: levels[index + 1])
    }
    let level = levels[0]
    var result = self
    for y in 0..<height {
      for x in 0..<width where weight(y * width + x) == 0 {
        let source = (y / 2 * level.width + x / 2) * colors
        for channel in 0..<colors {
          result.samples[(y * width + x) * channels + channel] =
            Sample(unit: level.values[source + channel])
        }
      }
    }
    return result
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

/// The mean colours of squares, and how much of each square counts.
private struct FillLevel {
  let width: Int
  let height: Int
  let colors: Int
  /// [height, width, colors], fractions of white.
  var values: [Float]
  /// [height, width].
  var weights: [Float]

  /// The squares of two pixels of a picture.
  init<Sample: ImageSample>(_ image: Image<Sample>, colors: Int, _ weight: (Int) -> Float) {
    self.init(width: (image.width + 1) / 2, height: (image.height + 1) / 2, colors: colors)
    for y in 0..<image.height {
      for x in 0..<image.width {
        let pixel = y * image.width + x
        let share = weight(pixel)
        guard share > 0 else { continue }
        let target = y / 2 * width + x / 2
        weights[target] += share
        for channel in 0..<colors {
          values[target * colors + channel] +=
            share * image.samples[pixel * image.channels + channel].unit
        }
      }
    }
    divide()
  }

  private init(width: Int, height: Int, colors: Int) {
    self.width = width
    self.height = height
    self.colors = colors
    values = [Float](repeating: 0, count: width * height * colors)
    weights = [Float](repeating: 0, count: width * height)
  }

  private mutating func divide() {
    for square in weights.indices where weights[square] > 0 {
      for index in square * colors..<(square + 1) * colors { values[index] /= weights[square] }
    }
  }

  /// Squares of twice the side; what counts much counts no more than a whole square.
  var halved: FillLevel {
    var half = FillLevel(width: (width + 1) / 2, height: (height + 1) / 2, colors: colors)
    for y in 0..<height {
      for x in 0..<width {
        let (source, target) = (y * width + x, y / 2 * half.width + x / 2)
        let share = min(weights[source], 1)
        half.weights[target] += share
        for channel in 0..<colors {
          half.values[target * colors + channel] += share * values[source * colors + channel]
        }
      }
    }
    half.divide()
    return half
  }

  /// Takes the colours of squares in which nothing counts from the next larger ones.
  mutating func fill(from larger: FillLevel) {
    for y in 0..<height {
      for x in 0..<width where weights[y * width + x] == 0 {
        let source = (y / 2 * larger.width + x / 2) * colors
        for channel in 0..<colors {
          values[(y * width + x) * colors + channel] = larger.values[source + channel]
        }
      }
    }
  }
}
