// Numbers as colours: heat maps and pictures of differences.

/// A ramp of colours over [0, 1].
public struct ColorMap: Sendable, Equatable {
  /// The colours at equal distances from 0 to 1.
  public let anchors: [PixelColor]

  /// A ramp through at least two colours.
  /// - Precondition: two or more anchors.
  public init(_ anchors: [PixelColor]) {
    precondition(anchors.count >= 2, "a ramp needs two colours")
    self.anchors = anchors
  }

  /// From dark violet over green to yellow, even in lightness (Smith and van der Walt 2015).
  public static let viridis = ColorMap(
    [
      0x440154, 0x482878, 0x3e4989, 0x31688e, 0x26828e, 0x1f9e89, 0x35b779, 0x6dcd59, 0xb4de2c,
      0xfde725,
    ].map { PixelColor(hex: $0) })

  /// From black over violet and orange to pale yellow (Smith and van der Walt 2015).
  public static let magma = ColorMap(
    [
      0x000004, 0x180f3e, 0x451077, 0x721f81, 0x9e2f7f, 0xcd4071, 0xf1605d, 0xfd9668, 0xfeca8d,
      0xfcfdbf,
    ].map { PixelColor(hex: $0) })

  /// From blue over white to red, for values on both sides of a middle (Brewer 2002).
  public static let diverging = ColorMap(
    [
      0x2166ac, 0x4393c3, 0x92c5de, 0xd1e5f0, 0xf7f7f7, 0xfddbc7, 0xf4a582, 0xd6604d, 0xb2182b,
    ].map { PixelColor(hex: $0) })

  /// The colour of a number; those outside [0, 1] take the end's, NaN the first.
  public subscript(value: Float) -> PixelColor {
    let position = (value > 0 ? min(value, 1) : 0) * Float(anchors.count - 1)
    let index = min(anchors.count - 2, Int(position))
    let part = position - Float(index)
    let (first, second) = (anchors[index], anchors[index + 1])
    func mix(_ low: UInt8, _ high: UInt8) -> UInt8 {
      let (from, to) = (Float(low), Float(high))
      return UInt8(from + (to - from) * part + 0.5)
    }
    return PixelColor(
      mix(first.red, second.red), mix(first.green, second.green), mix(first.blue, second.blue))
  }

  /// A gray picture, or the first channel of another, in colours: three channels.
  ///
  /// The ramp's ends stand for those of `range`, or for the picture's least and largest value.
  public func apply(to image: FloatImage, range: ClosedRange<Float>? = nil) -> ByteImage {
    let values = image.channels == 1 ? image.samples : image.channel(0).samples
    let finite = values.lazy.filter(\.isFinite)
    let low = range?.lowerBound ?? finite.min() ?? 0
    let high = range?.upperBound ?? finite.max() ?? 1
    let scale = high > low ? 1 / (high - low) : 0
    let table = (0...1023).map { self[Float($0) / 1023] }
    return ByteImage(width: image.width, height: image.height, channels: 3) { target in
      for (pixel, value) in values.enumerated() {
        let part = (value - low) * scale
        let color = table[part > 0 ? Int(min(part, 1) * 1023 + 0.5) : 0]
        target[3 * pixel] = color.red
        target[3 * pixel + 1] = color.green
        target[3 * pixel + 2] = color.blue
      }
    }
  }
}

/// Pictures of what differs between two pictures.
public enum Difference {
  /// The signed difference around middle gray, channel by channel: 128 + gain · (second − first).
  /// - Throws: `ImageError` when the shapes differ.
  public static func signed(
    _ first: ByteImage, _ second: ByteImage, gain: Float = 4
  ) throws -> ByteImage {
    try Metrics.checkSameShape(first, second)
    return ByteImage(width: first.width, height: first.height, channels: first.channels) { target in
      for index in 0..<target.count {
        let difference = Float(second.samples[index]) - Float(first.samples[index])
        target[index] = UInt8(max(0, min(255, 128 + gain * difference + 0.5)))
      }
    }
  }

  /// The absolute difference, mean over channels, as a heat map, bright at `peak` byte steps.
  /// - Throws: `ImageError` when the shapes differ.
  public static func heat(
    _ first: ByteImage, _ second: ByteImage, peak: Float = 64, map: ColorMap = .magma
  ) throws -> ByteImage {
    try Metrics.checkSameShape(first, second)
    let channels = first.channels
    let mean = FloatImage(width: first.width, height: first.height, channels: 1) { target in
      for pixel in 0..<target.count {
        var sum = 0
        for channel in 0..<channels {
          let index = pixel * channels + channel
          sum += abs(Int(first.samples[index]) - Int(second.samples[index]))
        }
        target[pixel] = Float(sum) / Float(channels)
      }
    }
    return map.apply(to: mean, range: 0...max(peak, 1))
  }
}
