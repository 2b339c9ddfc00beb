// How a picture becomes what the network sees: contrast, size, and the way back.

import AtelierDatasets
import AtelierImages
import AtelierWorkbench

/// How pictures are prepared for a network that finds objects; the same in training, validation and
/// use.
package struct PictureReading: Sendable, Hashable {
  /// Whether contrast is stretched to the full range.
  var stretchesContrast = false
  /// Whether pictures on bright ground are seen as on dark ground.
  var darkensGround = false
  /// Whether they keep their colours then.
  var keepsColor = false
  /// How many times as large as it is the network sees a picture.
  var enlargement: Float = 1

  /// How pixels become inputs, the last step.
  private static let plain = "pixel / 255, RGB"
  /// The step before where contrast is stretched.
  private static let stretching = "darkest and brightest half percent of the samples to 0 and 255"
  /// The step after that where pictures on bright ground are seen on dark ground.
  private static let darkening = "gray and negative where most of it is bright"
  /// The same with the colours kept.
  private static let inverting = "negative where most of it is bright"
  /// What comes of colours on dark ground there.
  ///
  /// Models that do not say so are read so, too: the pictures of fluorescence that they learned from
  /// were gray, for which it changes nothing.
  private static let brightest = "else the brightest channel"

  /// The reading in words, as models tell it in their metadata.
  package var text: String {
    let coloured = keepsColor ? [Self.inverting, Self.brightest] : [Self.darkening]
    let ground = darkensGround ? coloured : []
    return ((stretchesContrast ? [Self.stretching] : []) + ground + [Self.plain])
      .joined(separator: ", ")
  }

  /// A reading by its words.
  package init(_ text: String, enlargement: Float = 1) {
    stretchesContrast = text.contains(Self.stretching)
    darkensGround = text.contains(Self.inverting)
    keepsColor = darkensGround && !text.contains(Self.darkening)
    self.enlargement = enlargement
  }

  /// A reading by its steps.
  package init(
    stretchesContrast: Bool = false, darkensGround: Bool = false, keepsColor: Bool = false,
    enlargement: Float = 1
  ) {
    self.stretchesContrast = stretchesContrast
    self.darkensGround = darkensGround
    self.keepsColor = keepsColor
    self.enlargement = enlargement
  }

  /// What the network sees of a picture.
  struct Seen {
    /// RGB in [0, 1], row by row.
    let samples: [Float]
    let size: PixelSize
    /// The picture's pixels in one of the network's.
    let factor: Float
  }

  /// A picture with the contrast and the ground that the network sees.
  package func prepared(_ picture: ByteImage) -> ByteImage {
    let visible = stretchesContrast ? picture.stretched : picture.flattened()
    guard darkensGround else { return visible }
    guard keepsColor, visible.isColored, !visible.isOnBrightGround else {
      return visible.onDarkGround(keepsColor: keepsColor)
    }
    // One stain in one colour, such as a blue nucleus, is as bright as it would be in gray.
    let gray = picture.flattened().brightestChannel
    return (stretchesContrast ? gray.stretched : gray).withChannels(visible.channels)
  }

  /// Prepares a picture of any size and channels; one with a longer side than the longest is
  /// shrunk.
  func seen(_ picture: ByteImage, longestSide: Int) -> Seen {
    let visible = prepared(picture)
    let longest = max(visible.width, visible.height)
    let limit = max(longestSide, 1)
    let wanted = Int((Float(longest) * enlargement).rounded())
    guard wanted != longest || longest > limit else {
      return Seen(samples: visible.rgbFloats, size: visible.size, factor: 1)
    }
    if min(wanted, limit) <= longest {
      let small = visible.fitted(within: max(min(wanted, limit), 1))
      return Seen(
        samples: small.rgbFloats, size: small.size,
        factor: Float(longest) / Float(max(small.width, small.height)))
    }
    let scale = Float(min(wanted, limit)) / Float(longest)
    let size = PixelSize(
      width: max(Int((Float(visible.width) * scale).rounded()), 1),
      height: max(Int((Float(visible.height) * scale).rounded()), 1))
    let map = PictureMap(a: 1 / scale, b: 0, c: 0, d: 0, e: 1 / scale, f: 0)
    return Seen(samples: visible.sampled(by: map, size: size), size: size, factor: 1 / scale)
  }
}

extension MaskRCNNDetector {
  /// Finds the objects of a picture, in the picture's own pixels, surest first.
  func objects(
    in picture: ByteImage, _ reading: PictureReading, _ selection: ObjectSelection, longestSide: Int
  ) throws -> [MaskedObject] {
    let seen = reading.seen(picture, longestSide: longestSide)
    return try detections(seen.samples, size: seen.size, selection)
      .compactMap { $0.object(in: picture.size, factor: seen.factor) }
  }
}

extension ByteImage {
  /// The picture, which has no alpha, as it is where more than half of it is dark; else its
  /// negative, in gray unless colours are kept: stained tissue is dark on bright ground,
  /// fluorescence bright on dark.
  func onDarkGround(keepsColor: Bool) -> ByteImage {
    guard isOnBrightGround else { return self }
    var negative = keepsColor ? self : withChannels(1)
    negative.samples = negative.samples.map { 255 - $0 }
    return negative.withChannels(channels)
  }

  /// Whether more than half of it is bright.
  var isOnBrightGround: Bool {
    let gray = withChannels(1)
    let bright = gray.samples.reduce(0) { $0 + ($1 >= 128 ? 1 : 0) }
    return 2 * bright > gray.samples.count
  }

  /// Whether it has three channels that are not all the same.
  var isColored: Bool {
    guard channels == 3 else { return false }
    for place in stride(from: 0, to: samples.count, by: 3) {
      let red = samples[place]
      if samples[place + 1] != red || samples[place + 2] != red { return true }
    }
    return false
  }

  /// The brightest channel of each pixel of an RGB picture, as gray.
  var brightestChannel: ByteImage {
    guard channels == 3 else { return self }
    let gray = stride(from: 0, to: samples.count, by: 3).map { (place: Int) -> UInt8 in
      max(samples[place], max(samples[place + 1], samples[place + 2]))
    }
    return ByteImage(width: width, height: height, channels: 1, samples: gray)
  }
}
