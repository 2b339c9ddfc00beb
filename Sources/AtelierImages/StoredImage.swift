// A picture at the precision of its file: bytes, words or floating-point values.

/// A picture of whichever sample its file stores.
public enum StoredImage: Sendable, Equatable {
  /// 8 bits a sample.
  case bytes(ByteImage)
  /// 16 bits a sample.
  case words(WordImage)
  /// Floating-point values as they are stored, which may lie outside [0, 1].
  case floats(FloatImage)

  /// Width and height.
  public var size: PixelSize {
    switch self {
    case .bytes(let image): image.size
    case .words(let image): image.size
    case .floats(let image): image.size
    }
  }

  /// Samples in a pixel, 1 to 4.
  public var channels: Int {
    switch self {
    case .bytes(let image): image.channels
    case .words(let image): image.channels
    case .floats(let image): image.channels
    }
  }

  /// Whether the last channel is alpha.
  public var hasAlpha: Bool { channels == 2 || channels == 4 }

  /// The picture in 8 bits a sample; floating-point values are shown in their range.
  public var bytes: ByteImage {
    switch self {
    case .bytes(let image): image
    case .words(let image): image.bytes
    case .floats(let image): image.shown.bytes
    }
  }

  /// The picture in 16 bits a sample; floating-point values are shown in their range.
  public var words: WordImage {
    switch self {
    case .bytes(let image): image.words
    case .words(let image): image
    case .floats(let image): image.shown.words
    }
  }

  /// The picture as fractions of white; floating-point values as they are.
  public var floats: FloatImage {
    switch self {
    case .bytes(let image): image.floats
    case .words(let image): image.floats
    case .floats(let image): image
    }
  }

  /// The picture turned or mirrored.
  public func oriented(_ orientation: Orientation) -> StoredImage {
    if orientation == .upright { return self }
    return switch self {
    case .bytes(let image): .bytes(image.oriented(orientation))
    case .words(let image): .words(image.oriented(orientation))
    case .floats(let image): .floats(image.oriented(orientation))
    }
  }
}

extension Image where Sample == Float {
  /// The smallest and largest of the colours' finite values; nil when there is none.
  public var finiteRange: ClosedRange<Float>? {
    var (low, high) = (Float.infinity, -Float.infinity)
    let colors = channels - (hasAlpha ? 1 : 0)
    samples.withUnsafeBufferPointer { samples in
      for pixel in stride(from: 0, to: samples.count, by: channels) {
        for value in samples[pixel..<pixel + colors] where value.isFinite {
          low = min(low, value)
          high = max(high, value)
        }
      }
    }
    return low <= high ? low...high : nil
  }

  /// The range that is shown from black to white: [0, 1] when all values lie in it, else theirs.
  public var shownRange: ClosedRange<Float> {
    guard let range = finiteRange, range.lowerBound < 0 || range.upperBound > 1 else {
      return 0...1
    }
    return range.lowerBound < range.upperBound
      ? range : range.lowerBound...range.lowerBound.nextUp
  }

  /// The picture with its shown range laid on [0, 1]; alpha stays.
  public var shown: FloatImage { rescaled(from: shownRange, to: 0...1) }

  /// The picture with one range of its colours' values laid on another; alpha stays.
  public func rescaled(
    from range: ClosedRange<Float>, to target: ClosedRange<Float>
  ) -> FloatImage {
    if range == target { return self }
    // In double precision: a range far from zero would lose its small differences.
    let low = Double(range.lowerBound)
    let scale =
      (Double(target.upperBound) - Double(target.lowerBound)) / (Double(range.upperBound) - low)
    let base = Double(target.lowerBound)
    let colors = channels - (hasAlpha ? 1 : 0)
    var result = self
    result.samples.withUnsafeMutableBufferPointer { samples in
      for pixel in stride(from: 0, to: samples.count, by: channels) {
        for index in pixel..<pixel + colors {
          samples[index] = Float((Double(samples[index]) - low) * scale + base)
        }
      }
    }
    return result
  }
}
