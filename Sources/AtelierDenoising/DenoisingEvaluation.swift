// The measure of a denoiser: seeded noise on clean pictures, PSNR and SSIM after, with the protocol
// spelled out.

import AtelierDatasets
import AtelierImages
import AtelierVision
import AtelierWorkbench
import Foundation

/// What an evaluation found; encodes to the JSON that `--json` prints.
public struct DenoisingReport: Sendable, Hashable, Codable {
  /// One picture's figures.
  public struct Row: Sendable, Hashable, Codable {
    /// The picture's path below its folder.
    public var file: String
    /// dB after denoising.
    public var psnr: Double
    /// Structural similarity after denoising.
    public var ssim: Double
    /// dB before denoising, of the noisy values as they are.
    public var noisyPsnr: Double

    enum CodingKeys: String, CodingKey {
      case file, psnr, ssim
      case noisyPsnr = "noisy_psnr"
    }
  }

  /// Means over the pictures.
  public struct Mean: Sendable, Hashable, Codable {
    /// dB after denoising.
    public var psnr: Double
    /// Structural similarity after denoising.
    public var ssim: Double
  }

  /// How the figures came about.
  public var `protocol`: String
  /// The pictures in the order of their names.
  public var images: [Row]
  /// The means.
  public var mean: Mean
}

/// Adds seeded noise to clean pictures, denoises them and measures.
public enum DenoisingEvaluation {
  /// Measures a denoiser on clean pictures of the model's channels, with seeded noise of deviation
  /// `sigma` in units of 8-bit values, which the model is told unless `isBlind`.
  ///
  /// Throws `StudioError` when the pictures have other channels than the model.
  public static func run(
    _ denoiser: Denoiser, on folder: ImageFolder, sigma: Float, seed: UInt64 = 0,
    options: Denoiser.Options = .init(), isBlind: Bool = false,
    progress: (DenoisingReport.Row) -> Void = { _ in }
  ) throws -> DenoisingReport {
    var rows: [DenoisingReport.Row] = []
    for (index, item) in folder.items.enumerated() {
      let clean = item.image
      let noisy = noised(clean, sigma: sigma, seed: seed, index: index)
      var options = options
      options.sigma = isBlind ? NoiseEstimator.sigma(ofColors: noisy.bytes) : sigma
      let result = try denoiser.denoise(noisy, options).bytes
      let row = DenoisingReport.Row(
        file: item.name, psnr: try Metrics.psnr(clean, result),
        ssim: try Metrics.ssim(clean, result), noisyPsnr: try Metrics.psnr(clean.floats, noisy))
      rows.append(row)
      progress(row)
    }
    let count = Double(max(rows.count, 1))
    return DenoisingReport(
      protocol: text(sigma, seed, options, isBlind, denoiser.channels), images: rows,
      mean: .init(
        psnr: rows.reduce(0) { $0 + $1.psnr } / count,
        ssim: rows.reduce(0) { $0 + $1.ssim } / count))
  }

  /// A picture with the protocol's noise, neither clipped nor rounded.
  static func noised(_ clean: ByteImage, sigma: Float, seed: UInt64, index: Int) -> FloatImage {
    var samples = clean.floats.samples
    NoiseModel.addProtocolNoise(to: &samples, sigma: sigma, seed: seed, imageIndex: index)
    return FloatImage(
      width: clean.width, height: clean.height, channels: clean.channels, samples: samples)
  }

  private static func text(
    _ sigma: Float, _ seed: UInt64, _ options: Denoiser.Options, _ isBlind: Bool, _ channels: Int
  ) -> String {
    "white Gaussian noise sigma \(sigma) of 255, seed \(seed), not clipped, not rounded; "
      + (isBlind ? "sigma estimated from the picture; " : "sigma given; ")
      + (options.isEnsemble ? "x8 self-ensemble; " : "")
      + "result clipped and rounded to 8 bits; border 0; PSNR of "
      + (channels == 3 ? "RGB" : "gray (BT.601)")
      + " with peak 255; SSIM 11x11 Gaussian 1.5, valid region, mean over channels"
  }
}
