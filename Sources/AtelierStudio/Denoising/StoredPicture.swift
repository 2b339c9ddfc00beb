// A picture at the precision of its file, so that 16 bits a sample go through a denoiser whole.

import AtelierImages
import AtelierVision

/// A picture of 8 or of 16 bits a sample, as its file stores it.
protocol StoredPicture {
  /// Whether a sample has 16 bits.
  var isDeep: Bool { get }
  /// The picture in 8 bits a sample, rounded when it has 16.
  var bytes: ByteImage { get }
  var size: PixelSize { get }
  /// Samples in a pixel, 1 to 4.
  var channels: Int { get }
  /// Whether every pixel is gray, also where the file stores red, green and blue.
  var isColorless: Bool { get }
  /// Whether the last channel is alpha.
  var hasAlpha: Bool { get }
  /// The estimated noise, of 255.
  var noise: Float { get }
  /// How strong the noise is at which brightness, and how far it is correlated.
  var noiseProfile: NoiseProfile { get }
  /// How noisy a denoiser that estimates the noise itself finds each part.
  func noiseMap(by denoiser: Denoiser, _ profile: NoiseProfile) throws -> FloatImage
  /// The picture denoised, at the same precision.
  func denoised(by denoiser: Denoiser, _ options: Denoiser.Options) throws -> any StoredPicture
}

extension Image: StoredPicture {
  var isDeep: Bool { Sample.self == UInt16.self }
  var noise: Float { NoiseEstimator.sigma(storedColors: self) }
  var noiseProfile: NoiseProfile { NoiseProfile(of: self) }
  func noiseMap(by denoiser: Denoiser, _ profile: NoiseProfile) throws -> FloatImage {
    try denoiser.noiseMap(of: self, profile: profile)
  }
  func denoised(by denoiser: Denoiser, _ options: Denoiser.Options) throws -> any StoredPicture {
    try denoiser.denoise(self, options)
  }
}

extension ImageFile {
  /// Reads a picture at its file's precision; throws `ImageError` when it cannot be read.
  static func readStored(_ path: String) throws -> any StoredPicture {
    try information(path).bitDepth == 16 ? readWords(path) : read(path)
  }

  /// Writes a picture: a PNG at its precision, a JPEG in 8 bits.
  static func write(
    stored picture: any StoredPicture, to path: String, options: ImageWriteOptions
  ) throws {
    if let words = picture as? WordImage, try format(forWriting: path) == .png {
      try write(words, to: path, options: options)
    } else {
      try write(picture.bytes, to: path, options: options)
    }
  }
}
