// The picture as a value: its size and its samples, nothing about files.

/// A picture of 8-bit samples.
public typealias ByteImage = Image<UInt8>
/// A picture of 16-bit samples.
public typealias WordImage = Image<UInt16>
/// A picture of floating-point samples, nominally in [0, 1].
public typealias FloatImage = Image<Float>

/// A rectangle of pixels with 1 (gray), 2 (gray, alpha), 3 (RGB) or 4 (RGB, alpha) channels.
///
/// Samples lie row by row from the top, each pixel's channels side by side: sample
/// (x, y, channel) is at (y · width + x) · channels + channel. Alpha is not premultiplied.
public struct Image<Sample: ImageSample>: Sendable, Equatable {
  /// Pixels in a row, at least 1.
  public let width: Int
  /// Rows, at least 1.
  public let height: Int
  /// Samples in a pixel, 1 to 4.
  public let channels: Int
  /// height · width · channels samples.
  @usableFromInline var storage: [Sample]

  /// The samples, [height, width, channels]; they may be changed in place, their number may not.
  @inlinable public var samples: [Sample] {
    get { storage }
    set {
      precondition(newValue.count == storage.count, "the number of samples of a picture is fixed")
      storage = newValue
    }
    _modify {
      yield &storage
      precondition(
        storage.count == width * height * channels, "the number of samples of a picture is fixed")
    }
  }

  /// A picture of given samples.
  /// - Precondition: sizes are positive, channels is 1 to 4, the samples' number fits.
  public init(width: Int, height: Int, channels: Int, samples: [Sample]) {
    precondition(width > 0 && height > 0, "a picture needs a positive size")
    precondition(1...4 ~= channels, "a picture has 1 to 4 channels")
    precondition(samples.count == width * height * channels, "samples do not fit the size")
    self.width = width
    self.height = height
    self.channels = channels
    self.storage = samples
  }

  /// A picture of one colour in all channels, black without one.
  /// - Precondition: sizes are positive, channels is 1 to 4.
  public init(width: Int, height: Int, channels: Int, filledWith sample: Sample = .zero) {
    self.init(
      width: width, height: height, channels: channels,
      samples: [Sample](repeating: sample, count: width * height * channels))
  }

  /// A picture whose samples are written by `fill`, which must set every one of them.
  /// - Precondition: sizes are positive, channels is 1 to 4.
  public init(
    width: Int, height: Int, channels: Int,
    fill: (UnsafeMutableBufferPointer<Sample>) throws -> Void
  ) rethrows {
    let count = width * height * channels
    let samples = try [Sample](unsafeUninitializedCapacity: count) { buffer, initialized in
      try fill(UnsafeMutableBufferPointer(rebasing: buffer[0..<count]))
      initialized = count
    }
    self.init(width: width, height: height, channels: channels, samples: samples)
  }

  /// Width and height.
  public var size: PixelSize { PixelSize(width: width, height: height) }
  /// Samples in a row: width · channels.
  @inlinable public var rowLength: Int { width * channels }
  /// Pixels: width · height.
  @inlinable public var pixelCount: Int { width * height }
  /// Whether the last channel is alpha.
  @inlinable public var hasAlpha: Bool { channels == 2 || channels == 4 }
  /// Whether the picture has no colour: 1 or 2 channels.
  @inlinable public var isGray: Bool { channels <= 2 }

  /// Whether every pixel is gray: no colour channels, or red, green and blue all equal.
  public var isColorless: Bool {
    if isGray { return true }
    return storage.withUnsafeBufferPointer { samples -> Bool in
      for first in stride(from: 0, to: samples.count, by: channels) {
        let red = samples[first]
        if red != samples[first + 1] || red != samples[first + 2] { return false }
      }
      return true
    }
  }

  /// One sample.
  /// - Precondition: the place lies in the picture.
  @inlinable public subscript(x: Int, y: Int, channel: Int) -> Sample {
    get { storage[index(x, y, channel)] }
    set { storage[index(x, y, channel)] = newValue }
  }

  @inlinable func index(_ x: Int, _ y: Int, _ channel: Int) -> Int {
    precondition(
      x >= 0 && x < width && y >= 0 && y < height && channel >= 0 && channel < channels,
      "a place outside the picture")
    return (y * width + x) * channels + channel
  }
}

/// The size of a picture in pixels.
public struct PixelSize: Sendable, Hashable, Codable, CustomStringConvertible {
  /// Pixels in a row.
  public var width: Int
  /// Rows.
  public var height: Int

  /// A size of `width` by `height` pixels.
  public init(width: Int, height: Int) {
    self.width = width
    self.height = height
  }

  /// Width times height, such as "481x321".
  public var description: String { "\(width)x\(height)" }
}
