// The noise of a picture and the picture without it, at the precision of its file.

import AtelierImages
import AtelierVision
import AtelierWorkbench

extension StoredPicture {
  /// The estimated noise, of 255.
  var noise: Float {
    if let words = self as? WordImage { return NoiseEstimator.sigma(storedColors: words) }
    return NoiseEstimator.sigma(storedColors: bytes)
  }

  /// The picture denoised, at the same precision.
  func denoised(by denoiser: Denoiser, _ options: Denoiser.Options) throws -> any StoredPicture {
    if let words = self as? WordImage { return try denoiser.denoise(words, options) }
    return try denoiser.denoise(bytes, options)
  }
}
