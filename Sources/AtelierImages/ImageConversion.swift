// Conversions between sample kinds, gray and colour, with and without alpha.

extension Image {
  /// The same picture with samples of another kind; see `ImageSample.init(unit:)` for the rounding.
  public func converted<Other: ImageSample>(to kind: Other.Type) -> Image<Other> {
    if let same = self as? Image<Other> { return same }
    return Image<Other>(width: width, height: height, channels: channels) { target in
      storage.withUnsafeBufferPointer { source in
        for index in 0..<source.count { target[index] = Other(unit: source[index].unit) }
      }
    }
  }

  /// The picture as bytes: rounded, clamped.
  public var bytes: ByteImage { converted(to: UInt8.self) }
  /// The picture as 16-bit words: rounded, clamped.
  public var words: WordImage { converted(to: UInt16.self) }
  /// The picture as fractions of full white.
  public var floats: FloatImage { converted(to: Float.self) }

  /// The picture in `count` channels: colour to gray by luma, gray to colour by repetition; alpha
  /// is dropped or added opaque.
  /// - Precondition: `count` is 1 to 4.
  public func withChannels(_ count: Int) -> Image {
    precondition(1...4 ~= count, "a picture has 1 to 4 channels")
    if count == channels { return self }
    let from = channels
    let toGray = count <= 2 && from >= 3
    let alpha = count == 2 || count == 4 ? count - 1 : nil
    return Image(width: width, height: height, channels: count) { target in
      storage.withUnsafeBufferPointer { source in
        for pixel in 0..<width * height {
          let origin = pixel * from
          let place = pixel * count
          if toGray {
            target[place] = Sample.luma(source[origin], source[origin + 1], source[origin + 2])
          } else {
            let last = from >= 3 ? 2 : 0
            for channel in 0..<(count >= 3 ? 3 : 1) {
              target[place + channel] = source[origin + min(channel, last)]
            }
          }
          if let alpha {
            target[place + alpha] = from == 2 || from == 4 ? source[origin + from - 1] : .full
          }
        }
      }
    }
  }

  /// The picture in gray, one channel; alpha is dropped.
  public var gray: Image { withChannels(1) }
  /// The picture in three channels; alpha is dropped.
  public var rgb: Image { withChannels(3) }
  /// The picture without its alpha channel.
  public var withoutAlpha: Image { withChannels(isGray ? 1 : 3) }
  /// The picture with an alpha channel, opaque where it had none.
  public var withAlpha: Image { withChannels(isGray ? 2 : 4) }

  /// One channel as a gray picture.
  /// - Precondition: the channel exists.
  public func channel(_ channel: Int) -> Image {
    precondition(channel >= 0 && channel < channels, "a channel the picture does not have")
    return Image(width: width, height: height, channels: 1) { target in
      for pixel in 0..<width * height { target[pixel] = storage[pixel * channels + channel] }
    }
  }

  /// The picture with its alpha laid over one sample in every channel; itself if it has none.
  public func flattened(over background: Sample = .full) -> Image {
    guard hasAlpha else { return self }
    let count = channels - 1
    return Image(width: width, height: height, channels: count) { target in
      for pixel in 0..<width * height {
        let alpha = storage[pixel * channels + count].unit
        for channel in 0..<count {
          let value = storage[pixel * channels + channel].unit
          target[pixel * count + channel] = Sample(
            unit: value * alpha + background.unit * (1 - alpha))
        }
      }
    }
  }
}
