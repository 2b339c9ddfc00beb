// Stored pictures in the form in which a denoiser reads them, and the way back into their file.

import AtelierImages
import AtelierWorkbench

extension PagedFile {
  /// Lets each page's picture through `work` and writes the results; gives the first picture and its
  /// result.
  ///
  /// A picture of floating-point values comes to `work` with its range laid on [0, 1], and so does
  /// one of 16 bits whose values stay below a quarter of them: cameras of 12 bits store such.
  func denoise(
    _ work: (any StoredPicture) throws -> any StoredPicture
  ) throws -> (before: any StoredPicture, after: any StoredPicture)? {
    var first: (before: any StoredPicture, after: any StoredPicture)?
    try run { image in
      let picture = Readable(image)
      let result = try work(picture.picture)
      if first == nil { first = (picture.picture, result) }
      return picture.stored(result)
    }
    return first
  }
}

/// A stored picture in the form in which a denoiser reads it, and the way back.
private struct Readable {
  /// The picture, its values in [0, 1].
  let picture: any StoredPicture
  /// The range that was laid on [0, 1]; nil where nothing was.
  private let range: ClosedRange<Float>?
  /// The picture as it was, where some of its values are no numbers.
  private let original: FloatImage?
  private let isWords: Bool

  init(_ image: StoredImage) {
    switch image {
    case .bytes(let image): (picture, range, original, isWords) = (image, nil, nil, false)
    case .words(let image):
      let colors = image.withoutAlpha.samples
      let (low, high) = (colors.min() ?? 0, colors.max() ?? 0)
      guard high > low, high < 1 << 14, !image.hasAlpha else {
        (picture, range, original, isWords) = (image, nil, nil, false)
        return
      }
      let used = Float(low) / 65535...Float(high) / 65535
      (picture, range) = (image.floats.rescaled(from: used, to: 0...1), used)
      (original, isWords) = (nil, true)
    case .floats(let image):
      let colors = image.channels - (image.hasAlpha ? 1 : 0)
      let isWhole = image.samples.allSatisfy(\.isFinite)
      let numbers =
        isWhole
        ? image
        : image.finite.filled { pixel in
          (0..<colors).allSatisfy { image.samples[pixel * image.channels + $0].isFinite } ? 1 : 0
        }
      let used = numbers.shownRange
      (picture, range) = (numbers.rescaled(from: used, to: 0...1), used)
      (original, isWords) = (isWhole ? nil : image, false)
    }
  }

  /// A result at the precision and in the range of the file.
  func stored(_ result: any StoredPicture) -> StoredImage {
    switch result {
    case let image as ByteImage: return .bytes(image)
    case let image as WordImage: return .words(image)
    case let image as FloatImage:
      var numbers = range.map { image.rescaled(from: 0...1, to: $0) } ?? image
      if isWords { return .words(numbers.words) }
      if let original {
        for index in original.samples.indices where !original.samples[index].isFinite {
          numbers.samples[index] = original.samples[index]
        }
      }
      return .floats(numbers)
    default: return .bytes(result.bytes)
    }
  }
}

extension Image where Sample == Float {
  /// The picture with 0 for what is no finite number.
  fileprivate var finite: FloatImage {
    FloatImage(
      width: width, height: height, channels: channels,
      samples: samples.map { $0.isFinite ? $0 : 0 })
  }
}
