// The measure of denoisers: seeded noise on clean pictures, or pairs of noisy and clean files; PSNR
// and SSIM after, with the protocol spelled out.

import AtelierDatasets
import AtelierFiles
import AtelierImages
import AtelierKernels
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
    /// dB after the baseline; nil without one.
    public var baselinePsnr: Double?
    /// Structural similarity after the baseline; nil without one.
    public var baselineSsim: Double?

    enum CodingKeys: String, CodingKey {
      case file, psnr, ssim
      case noisyPsnr = "noisy_psnr"
      case baselinePsnr = "baseline_psnr"
      case baselineSsim = "baseline_ssim"
    }
  }

  /// Means over the pictures.
  public struct Mean: Sendable, Hashable, Codable {
    /// dB after denoising.
    public var psnr: Double
    /// Structural similarity after denoising.
    public var ssim: Double
    /// dB before denoising.
    public var noisyPsnr: Double
    /// dB after the baseline; nil without one.
    public var baselinePsnr: Double?
    /// Structural similarity after the baseline; nil without one.
    public var baselineSsim: Double?

    enum CodingKeys: String, CodingKey {
      case psnr, ssim
      case noisyPsnr = "noisy_psnr"
      case baselinePsnr = "baseline_psnr"
      case baselineSsim = "baseline_ssim"
    }
  }

  /// How the figures came about.
  public var `protocol`: String
  /// The pictures in the order of their names.
  public var images: [Row]
  /// The means.
  public var mean: Mean

  /// Takes the figures of pictures, of which there is at least one.
  init(protocol text: String, images: [Row]) {
    func mean(_ figure: (Row) -> Double) -> Double {
      images.reduce(0) { $0 + figure($1) } / Double(max(images.count, 1))
    }
    let hasBaseline = images.contains { $0.baselinePsnr != nil }
    self.protocol = text
    self.images = images
    self.mean = Mean(
      psnr: mean(\.psnr), ssim: mean(\.ssim), noisyPsnr: mean(\.noisyPsnr),
      baselinePsnr: hasBaseline ? mean { $0.baselinePsnr ?? 0 } : nil,
      baselineSsim: hasBaseline ? mean { $0.baselineSsim ?? 0 } : nil)
  }
}

/// A denoiser that learnt nothing, measured beside a model.
public enum DenoisingBaseline: String, ChoiceValue, Codable {
  /// Block matching and collaborative filtering, `BlockMatching`.
  case bm3d

  /// As papers call it.
  var title: String { "BM3D" }

  /// The picture without noise of a deviation, of 255.
  func denoised(_ noisy: FloatImage, sigma: Float, pool: ThreadPool) -> FloatImage {
    BlockMatching.denoised(noisy, sigma: sigma, pool: pool)
  }
}

/// Denoises pictures whose clean originals are known, and measures.
public enum DenoisingEvaluation {
  /// A clean picture of the channels that its denoiser takes.
  struct Original {
    let name: String
    let clean: ByteImage
    /// The picture in 16 bits where its file has more than 8.
    let words: WordImage?
    let denoiser: Denoiser

    /// Takes a picture of a folder, in so many channels where they are said.
    init(_ item: ImageFolder.Item, _ denoiser: Denoiser, channels: Int? = nil) {
      (name, self.denoiser) = (item.name, denoiser)
      clean = item.image.withChannels(channels ?? item.image.channels)
      words = item.words?.withChannels(channels ?? item.image.channels)
    }
  }

  /// Measures a denoiser on clean pictures of the model's channels, with seeded noise of deviation
  /// `sigma` in units of 8-bit values, which the model is told unless `isBlind`.
  ///
  /// Pictures of more than 8 bits a sample keep 16 of them. Throws `StudioError` when the pictures
  /// have other channels than the model.
  public static func run(
    _ denoiser: Denoiser, on folder: ImageFolder, sigma: Float, seed: UInt64 = 0,
    options: Denoiser.Options = .init(), isBlind: Bool = false,
    baseline: DenoisingBaseline? = nil, progress: (DenoisingReport.Row) -> Void = { _ in }
  ) throws -> DenoisingReport {
    let originals = folder.items.map {
      Original($0, denoiser)
    }
    return try run(
      on: originals, sigma: sigma, seed: seed, options: options, isBlind: isBlind,
      baseline: baseline, progress: progress)
  }

  /// The same, each picture with a denoiser of its own.
  static func run(
    on originals: [Original], sigma: Float, seed: UInt64, options: Denoiser.Options,
    isBlind: Bool, baseline: DenoisingBaseline?, progress: (DenoisingReport.Row) -> Void
  ) throws -> DenoisingReport {
    var rows: [DenoisingReport.Row] = []
    var channels: Set<Int> = []
    var bits: Set<Int> = []
    for (index, original) in originals.enumerated() {
      let (clean, denoiser) = (original.clean, original.denoiser)
      let values = original.words?.floats ?? clean.floats
      let noisy = noised(values, sigma: sigma, seed: seed, index: index)
      let told = isBlind ? NoiseEstimator.sigma(ofColors: noisy.bytes) : sigma
      var options = options
      options.sigma = told
      let results = (
        model: try denoiser.denoise(noisy, options),
        baseline: baseline?.denoised(noisy, sigma: told, pool: denoiser.model.kernels.pool)
      )
      let before = try Metrics.psnr(values, noisy)
      let row =
        try original.words.map { try Self.row(original.name, $0, before, results) }
        ?? Self.row(original.name, clean, before, results)
      rows.append(row)
      channels.insert(clean.channels)
      bits.insert(original.words == nil ? 8 : 16)
      progress(row)
    }
    let text =
      "white Gaussian noise sigma \(sigma) of 255, seed \(seed), not clipped, not rounded; "
      + (isBlind ? "sigma estimated from the picture; " : "sigma given; ")
      + text(options, channels, bits: bits, baseline)
    return DenoisingReport(protocol: text, images: rows)
  }

  /// Measures on noisy pictures and their clean originals, as their files store them, but alpha,
  /// which is left out.
  ///
  /// The denoiser of each is that of its kind. Options without a sigma leave the noise to an
  /// estimate. Throws what reading throws, and `StudioError` when the sizes of a pair differ.
  static func run(
    pairs: [PicturePair], options: Denoiser.Options, baseline: DenoisingBaseline?,
    pool: ThreadPool, progress: (DenoisingReport.Row) -> Void,
    denoise: (any StoredPicture) throws -> any StoredPicture
  ) throws -> DenoisingReport {
    var rows: [DenoisingReport.Row] = []
    var channels: Set<Int> = []
    var bits: Set<Int> = []
    for pair in pairs {
      let noisy = try ImageFile.readStored(pair.noisy)
      let clean = try ImageFile.readStored(pair.clean)
      try StudioError.unless(
        noisy.size == clean.size, .data,
        "\(pair.noisy): expected \(clean.size) pixels, the size of \(pair.clean); "
          + "received \(noisy.size)")
      let colors = noisy.channels <= 2 && clean.channels <= 2 ? 1 : 3
      // A gray picture stored in colour has the same noise in all channels.
      let values = noisy.isColorless ? noisy.floats.channel(0) : noisy.floats
      let results = (
        model: try denoise(noisy).floats,
        baseline: baseline?.denoised(values, sigma: options.sigma ?? noisy.noise, pool: pool)
      )
      func measured<Sample: ImageSample>(in kind: Sample.Type) throws -> DenoisingReport.Row {
        let clean = clean.floats.converted(to: kind).withChannels(colors)
        let before = noisy.floats.converted(to: kind).withChannels(colors)
        return try Self.row(pair.name, clean, Metrics.psnr(clean, before), results)
      }
      let isDeep = noisy.isDeep && clean.isDeep
      let row = try isDeep ? measured(in: UInt16.self) : measured(in: UInt8.self)
      rows.append(row)
      channels.insert(colors)
      bits.insert(isDeep ? 16 : 8)
      progress(row)
    }
    let text =
      "noisy and clean files as stored; sigma "
      + (options.sigma.map { "\($0) of 255 given; " } ?? "estimated from the picture; ")
      + text(options, channels, bits: bits, baseline)
    return DenoisingReport(protocol: text, images: rows)
  }

  /// The figures of one picture: its results in the channels and sample type of the clean one.
  private static func row<Sample: ImageSample>(
    _ name: String, _ clean: Image<Sample>, _ noisyPsnr: Double,
    _ results: (model: FloatImage, baseline: FloatImage?)
  ) throws -> DenoisingReport.Row {
    func stored(_ image: FloatImage) -> Image<Sample> {
      image.converted(to: Sample.self).withChannels(clean.channels)
    }
    let result = stored(results.model)
    let baseline = results.baseline.map(stored)
    do {
      return DenoisingReport.Row(
        file: name, psnr: try Metrics.psnr(clean, result), ssim: try Metrics.ssim(clean, result),
        noisyPsnr: noisyPsnr, baselinePsnr: try baseline.map { try Metrics.psnr(clean, $0) },
        baselineSsim: try baseline.map { try Metrics.ssim(clean, $0) })
    } catch let error as ImageError {
      // A measure knows no file: what does not suit it is the picture.
      throw ImageError(
        .unsupported, name: "\(name), \(error.name)", expected: error.expected,
        received: error.received)
    }
  }

  /// A picture with the protocol's noise, neither clipped nor rounded.
  static func noised(_ clean: FloatImage, sigma: Float, seed: UInt64, index: Int) -> FloatImage {
    var samples = clean.samples
    NoiseModel.addProtocolNoise(to: &samples, sigma: sigma, seed: seed, imageIndex: index)
    return FloatImage(
      width: clean.width, height: clean.height, channels: clean.channels, samples: samples)
  }

  /// What all protocols share.
  private static func text(
    _ options: Denoiser.Options, _ channels: Set<Int>, bits: Set<Int>,
    _ baseline: DenoisingBaseline?
  ) -> String {
    let kinds = channels.sorted().map { $0 == 3 ? "RGB" : "gray (BT.601)" }
    return (options.isEnsemble ? "x8 self-ensemble; " : "")
      + "result clipped and rounded to \(bits.sorted().map(String.init).joined(separator: " or ")) "
      + "bits; border 0; PSNR of "
      + kinds.joined(separator: " or ")
      + " with peak 255, the noisy one of the values as they are; "
      + "SSIM 11x11 Gaussian 1.5, valid region, mean over channels"
      + (baseline.map { "; \($0.title) without training, told the same sigma" } ?? "")
  }
}
