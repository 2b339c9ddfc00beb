// What is done about one picture's noise: what it looks like, which model is taken, and why.

import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierVision
import AtelierWorkbench

/// What was found out about a picture's noise and what came of it.
struct NoiseFinding: Sendable, Codable {
  /// What the noise comes from.
  let kind: NoiseProfile.Kind
  /// Its deviation at mid gray, of 255.
  let sigma: Float
  /// Over how many pixels it is correlated.
  let correlation: Int
  /// The largest deviation over the smallest, over brightness.
  let dependence: Float
  /// Whether the picture has so little of it that nothing was done.
  let isLeftAlone: Bool

  enum CodingKeys: String, CodingKey {
    case kind, sigma, correlation, dependence
    case isLeftAlone = "left_alone"
  }

  /// The finding for people.
  var text: String {
    let level = "sigma \(NumberText.fixed(Double(sigma), 1)) of 255"
    switch kind {
    case .none: return "hardly any (\(level))"
    case .white: return "about \(level), white"
    case .camera:
      var parts = ["about \(level) at mid gray"]
      if correlation > 1 { parts.append("correlated over \(correlation) pixels") }
      if dependence > 1.6 {
        parts.append("\(NumberText.fixed(Double(dependence), 1)) times over brightness")
      }
      return parts.joined(separator: ", ") + ": camera noise"
    }
  }
}

/// The denoiser for one picture with all that it is told.
struct DenoiseWork {
  let profile: NoiseProfile
  let finding: NoiseFinding
  let denoiser: Denoiser
  /// How its products are multiplied.
  let precision: Precision
  /// The file of the model.
  let file: String
  /// The deviation that is told or that was measured, of 255.
  let sigma: Float
  private var options = Denoiser.Options()
  /// Who is asked too; nil where one network does it.
  private var second: SecondOpinion?
  /// What that one had to do with the picture that was run last.
  private(set) var opinion: SecondOpinion.Weight?

  /// The files of the models that have worked.
  var files: [String] {
    guard let second, let opinion else { return [file] }
    return opinion.share == 1 ? [second.file] : [file, second.file]
  }

  /// Chooses the model for a picture, or for a film by its first frame.
  init(
    _ picture: any StoredPicture, _ request: DenoiseRunRequest, _ shelf: DenoiserShelf,
    isFilm: Bool = false
  ) throws {
    // Rounding of one part in 256 in a product stays far below half a level of 255 in the result,
    // and takes a quarter of the time away where that counts.
    let isLarge = picture.size.width * picture.size.height > SecondOpinion.mostPixels
    let isQuick = (isLarge || isFilm) && !request.isExact
    precision = shelf.precision(isQuick: isQuick)
    // What is hidden under transparency decides nothing.
    let seen = picture.visible
    profile = (seen ?? picture).noiseProfile
    // The estimate for white noise believes only what looks white: where it finds much, texture
    // without flat parts was what made the profile look like a camera's.
    let isWhite =
      profile.kind == .camera && profile.whiteSigma >= 8
      && profile.whiteSigma >= profile.sigma / 2
    let kind = isWhite ? .white : profile.kind
    // A gray picture stored in colour has the same noise in all channels, which the colour model
    // takes for texture.
    (denoiser, file) = try shelf.denoiser(
      isGray: (seen ?? picture).isColorless, noise: kind, isQuick: isQuick)
    options.noiseMap = try denoiser.estimatesNoise ? picture.noiseMap(by: denoiser, profile) : nil
    // For white noise there is a finer estimate than that of flat parts.
    let measured = denoiser.estimatesNoise && kind != .white ? profile.sigma : profile.whiteSigma
    let level = try denoiser.estimatesNoise ? seen?.noiseMap(by: denoiser, profile) : nil
    sigma = request.sigma ?? measured
    let isHardlyThere =
      (level ?? options.noiseMap).map { 255 * $0.mean < NoiseProfile.leastSigma } ?? false
    finding = NoiseFinding(
      kind: isHardlyThere ? .none : denoiser.estimatesNoise && kind == .none ? .camera : kind,
      sigma: measured,
      correlation: profile.correlationLength, dependence: profile.signalDependence,
      isLeftAlone: isHardlyThere && request.sigma == nil && request.model == nil)
    if !denoiser.estimatesNoise { options.sigma = sigma }
    if request.sigma != nil { (options.sigma, options.noiseMap) = (request.sigma, nil) }
    options.strength = request.strength
    options.isEnsemble = request.ensemble
    options.tileSize = request.tile
    // Of gray pictures it is not known whether it helps.
    if request.model == nil, options.noiseMap != nil, request.strength == 1,
      !(seen ?? picture).isColorless
    {
      let (denoiser, file) = try shelf.denoiser(isGray: false, noise: .white, isQuick: isQuick)
      second = SecondOpinion(denoiser: denoiser, file: file)
    }
  }

  /// The picture without its noise.
  mutating func run(_ picture: any StoredPicture) throws -> any StoredPicture {
    guard !finding.isLeftAlone else { return picture }
    guard let second else { return try picture.denoised(by: denoiser, options) }
    let (result, weight) = try second.denoised(picture, by: denoiser, options)
    opinion = weight
    return result
  }

  /// How noisy each part of another picture with the same noise is, for a model that finds that out
  /// itself; nil for other models, and where sigma is given.
  func noiseMap(of picture: any StoredPicture) throws -> FloatImage? {
    options.noiseMap == nil ? nil : try picture.noiseMap(by: denoiser, profile)
  }

  /// Another picture with the same noise without it, by a map of how noisy each part is.
  func run(_ picture: any StoredPicture, map: FloatImage?) throws -> any StoredPicture {
    var own = options
    if let map, denoiser.hasNoiseMap { (own.sigma, own.noiseMap) = (nil, map) }
    return try picture.denoised(by: denoiser, own)
  }

  /// How noisy each part is as a gray picture, in which a deviation of 32 of 255 is white.
  func mapPicture(_ size: PixelSize) -> ByteImage {
    let noise = PictureNoise(sigma: sigma, map: options.noiseMap)
    let map = noise.tile(x: 0, y: 0, size, strength: 1).map
    return FloatImage(
      width: size.width, height: size.height, channels: 1,
      samples: map?.samples.map { $0 * 255 / 32 }
        ?? [Float](repeating: sigma / 32, count: size.width * size.height)
    ).bytes
  }
}

extension FloatImage {
  /// The mean of all samples.
  fileprivate var mean: Float {
    Float(samples.reduce(0.0) { $0 + Double($1) } / Double(samples.count))
  }
}

extension NoiseProfile {
  /// The noise's level over brightness, and below it the correlation with itself.
  func drawn(title: String) -> ByteImage {
    let names = channels.count == 1 ? ["gray"] : ["red", "green", "blue"]
    let colors: [PixelColor?] =
      channels.count == 1
      ? [nil] : [PixelColor(hex: 0xd1242f), PixelColor(hex: 0x1a7f37), PixelColor(hex: 0x0969da)]
    let levels = LinePlot(
      title: "Noise of \(title)", xLabel: "brightness", yLabel: "sigma of 255",
      series: zip(zip(names, colors), channels).map { name, levels in
        LinePlot.Series(
          name.0, points: levels.map { SIMD2(Double($0.brightness), Double($0.sigma)) },
          color: name.1)
      })
    let correlation = LinePlot(
      title: "Correlation of the noise with itself", xLabel: "pixels apart", yLabel: "correlation",
      series: [LinePlot.Series("", values: autocorrelation.map(Double.init))])
    let (above, below) = (levels.render(), correlation.render())
    var picture = ByteImage(
      width: above.width, height: above.height + below.height, channels: above.channels)
    picture.paste(above, x: 0, y: 0)
    picture.paste(below, x: 0, y: above.height)
    return picture
  }
}
