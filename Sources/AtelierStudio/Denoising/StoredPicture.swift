// A picture at the precision of its file, so that 16 bits a sample go through a denoiser whole.

import AtelierImages
import AtelierVision

/// A picture of 8 or of 16 bits a sample, as its file stores it.
public enum StoredPicture {
  /// 8 bits a sample; also what files of fewer bits hold.
  case bytes(ByteImage)
  /// 16 bits a sample.
  case words(WordImage)

  /// Reads a picture file at its own precision; throws `ImageError` when it cannot be read.
  public init(reading path: String) throws {
    self =
      try ImageFile.information(path).bitDepth == 16
      ? .words(ImageFile.readWords(path)) : .bytes(ImageFile.read(path))
  }

  /// The picture in 8 bits a sample, rounded when it has 16.
  public var bytes: ByteImage {
    switch self {
    case .bytes(let image): image
    case .words(let image): image.bytes
    }
  }

  /// Whether a sample has 16 bits.
  public var isDeep: Bool { if case .words = self { true } else { false } }

  /// Width and height.
  public var size: PixelSize {
    switch self {
    case .bytes(let image): image.size
    case .words(let image): image.size
    }
  }

  /// Samples in a pixel, 1 to 4.
  public var channels: Int {
    switch self {
    case .bytes(let image): image.channels
    case .words(let image): image.channels
    }
  }

  /// Whether every pixel is gray, also where the file stores red, green and blue.
  public var isColorless: Bool {
    switch self {
    case .bytes(let image): image.isColorless
    case .words(let image): image.isColorless
    }
  }
  /// Whether the last channel is alpha.
  public var hasAlpha: Bool { channels == 2 || channels == 4 }

  /// The estimated noise, of 255.
  public var sigma: Float {
    switch self {
    case .bytes(let image): NoiseEstimator.sigma(ofColors: image)
    case .words(let image): NoiseEstimator.sigma(ofColors: image)
    }
  }

  /// The picture denoised, at the same precision.
  public func denoised(by denoiser: Denoiser, _ options: Denoiser.Options) throws -> StoredPicture {
    switch self {
    case .bytes(let image): .bytes(try denoiser.denoise(image, options))
    case .words(let image): .words(try denoiser.denoise(image, options))
    }
  }

  /// Writes the picture: a PNG at its precision, a JPEG in 8 bits.
  public func write(to path: String, options: ImageWriteOptions) throws {
    if case .words(let image) = self, try ImageFile.format(forWriting: path) == .png {
      try ImageFile.write(image, to: path, options: options)
    } else {
      try ImageFile.write(bytes, to: path, options: options)
    }
  }
}
