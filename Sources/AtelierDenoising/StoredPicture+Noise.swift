// The noise of a picture and the picture without it, at the precision of its file.

import AtelierImages
import AtelierVision
import AtelierWorkbench

extension StoredPicture {
  /// The estimated noise, of 255.
  var noise: Float {
    if let words = self as? WordImage { return NoiseEstimator.sigma(storedColors: words) }
    if let floats = self as? FloatImage { return NoiseEstimator.sigma(storedColors: floats) }
    return NoiseEstimator.sigma(storedColors: bytes)
  }

  /// How strong the noise is at which brightness, and how far it is correlated.
  var noiseProfile: NoiseProfile {
    if let words = self as? WordImage { return NoiseProfile(of: words) }
    if let floats = self as? FloatImage { return NoiseProfile(of: floats) }
    return NoiseProfile(of: bytes)
  }

  /// What is seen of a picture whose colours are hidden in part; nil where all is seen.
  var visible: (any StoredPicture)? {
    guard hasAlpha else { return nil }
    if let words = self as? WordImage { return words.hasHiddenPixels ? words.visiblePart : nil }
    if let floats = self as? FloatImage { return floats.hasHiddenPixels ? floats.visiblePart : nil }
    return bytes.hasHiddenPixels ? bytes.visiblePart : nil
  }

  /// How noisy a denoiser that estimates the noise itself finds each part.
  func noiseMap(by denoiser: Denoiser, _ profile: NoiseProfile) throws -> FloatImage {
    if let words = self as? WordImage {
      return try denoiser.noiseMap(of: words.filledWhereHidden, profile: profile)
    }
    if let floats = self as? FloatImage {
      return try denoiser.noiseMap(of: floats.filledWhereHidden, profile: profile)
    }
    return try denoiser.noiseMap(of: bytes.filledWhereHidden, profile: profile)
  }

  /// The picture denoised, at the same precision.
  func denoised(by denoiser: Denoiser, _ options: Denoiser.Options) throws -> any StoredPicture {
    if let words = self as? WordImage { return try denoiser.denoise(words, options) }
    if let floats = self as? FloatImage { return try floats.likeStored(by: denoiser, options) }
    return try denoiser.denoise(bytes, options)
  }
}

extension Image {
  /// The picture denoised as one of a file is: two functions take floats, and this is the one of any
  /// sample type, which knows alpha.
  fileprivate func likeStored(
    by denoiser: Denoiser, _ options: Denoiser.Options
  ) throws -> Image { try denoiser.denoise(self, options) }
}
