// The noise that a denoiser learns to remove, and the noise of the published figures.

import AtelierEngine
import AtelierImages
import Foundation

/// How clean patches become noisy; strengths are drawn per patch from a range.
///
/// Sigmas are in the units of 8-bit images (0 to 255), as the literature quotes them; pixel values
/// are in [0, 1]. Nothing is clipped: values may leave [0, 1], as in the protocol of the published
/// figures.
public enum NoiseModel: Codable, Hashable, Sendable {
  /// White Gaussian noise of a standard deviation drawn from `sigma` (0 to 255).
  case gaussian(sigma: ClosedRange<Float>)
  /// Photon noise: a value v becomes Poisson(v · peak) / peak, with the count at white drawn
  /// from `peak`, evenly in its logarithm.
  case poisson(peak: ClosedRange<Float>)
  /// Each sample becomes 0 or 1, equally likely, with a chance from `probability` (0 to 1).
  case saltAndPepper(probability: ClosedRange<Float>)
  /// Gaussian noise blurred by a Gaussian of `blurRadius` pixels (standard deviation), of marginal
  /// deviation `sigma`.
  case correlated(sigma: ClosedRange<Float>, blurRadius: Float)
  /// A camera's: noise of sensor and reading, filled-in colours, the camera's processing, JPEG. Its
  /// deviation in a mid gray, before colours are filled in, is drawn from `sigma`, evenly in its
  /// logarithm; what comes of it in the file differs with brightness, colour and camera.
  case camera(sigma: ClosedRange<Float>)
  /// The loss of JPEG of a quality (1 to 100) drawn from `quality`, colour halved or not.
  case jpeg(quality: ClosedRange<Float>)

  /// The range of a camera's noise where none is given.
  public static let cameraSigma: ClosedRange<Float> = 0.3...5
  /// The range of JPEG's quality where none is given.
  public static let jpegQuality: ClosedRange<Float> = 40...100

  /// Whether the target of a training is not the clean patch but what a camera makes of it.
  public var changesTarget: Bool {
    if case .camera = self { return true }
    return false
  }

  /// Checks the ranges, which may come from a command line or a file.
  ///
  /// - Throws: `DatasetError` that says which bounds were expected.
  public func validate() throws {
    func check(_ range: ClosedRange<Float>, within bounds: ClosedRange<Float>, _ name: String)
      throws
    {
      guard bounds.contains(range.lowerBound), bounds.contains(range.upperBound) else {
        throw DatasetError(
          "noise '\(self)': \(name) must be in \(bounds.lowerBound)...\(bounds.upperBound)")
      }
    }
    switch self {
    case .gaussian(let sigma): try check(sigma, within: 0...255, "sigma")
    case .poisson(let peak): try check(peak, within: 0.01...1_000_000, "peak")
    case .saltAndPepper(let probability): try check(probability, within: 0...1, "probability")
    case .correlated(let sigma, let blurRadius):
      try check(sigma, within: 0...255, "sigma")
      try check(blurRadius...blurRadius, within: 0...16, "blur radius")
    case .camera(let sigma): try check(sigma, within: 0.01...255, "sigma")
    case .jpeg(let quality): try check(quality, within: 1...100, "quality")
    }
  }

  /// Adds noise to one patch in place.
  ///
  /// The generator moves by exactly two draws, whatever the size, so patches stay independent of
  /// each other.
  ///
  /// - Parameters:
  ///   - values: height · width · channels values in [0, 1], row-major, interleaved.
  ///   - width: The columns.
  ///   - height: The rows.
  ///   - channels: The values per pixel.
  ///   - generator: Where strength and noise are drawn from.
  /// - Returns: The standard deviation of the noise in units of [0, 1]: exact for Gaussian noise,
  ///   for the others the root of the expected squared error over this patch, which a noise map can
  ///   carry.
  @discardableResult
  public func apply(
    to values: UnsafeMutableBufferPointer<Float>, width: Int, height: Int, channels: Int,
    using generator: inout RandomGenerator
  ) -> Float {
    precondition(values.count == width * height * channels, "the patch has another size")
    let position = generator.uniform()
    var source = NormalSource(from: &generator)
    func drawn(_ range: ClosedRange<Float>) -> Float {
      range.lowerBound + (range.upperBound - range.lowerBound) * position
    }
    switch self {
    case .gaussian(let range):
      let sigma = drawn(range) / 255
      Self.addNormals(to: values, sigma: sigma, &source)
      return sigma
    case .poisson(let range):
      let peak = range.lowerBound * pow(range.upperBound / range.lowerBound, position)
      return Self.countPhotons(values, peak: Double(peak), &source)
    case .saltAndPepper(let range): return Self.strew(values, probability: drawn(range), &source)
    case .correlated(let range, let blurRadius):
      let sigma = drawn(range) / 255
      Self.addCorrelated(
        to: values, width: width, height: height, channels: channels, sigma: sigma,
        radius: blurRadius, &source)
      return sigma
    case .camera(let range):
      let sigma = range.lowerBound * pow(range.upperBound / range.lowerBound, position)
      var clean = Array(values)
      return clean.withUnsafeMutableBufferPointer {
        CameraNoise(sigma: sigma, using: &source).expose(
          clean: $0, noisy: values, width: width, height: height, channels: channels,
          using: &source)
        return Self.deviation($0, values)
      }
    case .jpeg(let range):
      var clean = Array(values)
      return clean.withUnsafeMutableBufferPointer {
        Self.compress(
          values, width, height, channels, quality: Int(drawn(range).rounded()), &source)
        return Self.deviation($0, values)
      }
    }
  }

  /// JPEG's loss, rounded to 8 bits.
  private static func compress(
    _ values: UnsafeMutableBufferPointer<Float>, _ width: Int, _ height: Int, _ channels: Int,
    quality: Int, _ source: inout NormalSource
  ) {
    let compression = BlockCompression(
      quality: quality, halvesColor: source.uniform() < 0.5,
      offset: (source.index(below: 16), source.index(below: 16)))
    var planes = ColorPlanes(
      interleaved: UnsafeBufferPointer(values), width: width, height: height, channels: channels)
    compression.apply(to: &planes)
    planes.write(to: values, channels: channels)
    for index in values.indices { values[index] = (values[index] * 255).rounded() / 255 }
  }

  /// Adds noise to one patch and says what a denoiser should make of it.
  ///
  /// - Parameters:
  ///   - clean: The clean patch, height · width · channels values; a camera's noise puts what the
  ///     camera would have given without noise in its place.
  ///   - noisy: The same patch, to which the noise comes.
  ///   - width: The columns.
  ///   - height: The rows.
  ///   - channels: The values per pixel; 1 or 3 for a camera and JPEG.
  ///   - generator: Where strength and noise are drawn from; moves by two draws.
  /// - Returns: As the form that takes one patch.
  func apply(
    clean: UnsafeMutableBufferPointer<Float>, noisy: UnsafeMutableBufferPointer<Float>, width: Int,
    height: Int, channels: Int, using generator: inout RandomGenerator
  ) -> Float {
    guard case .camera(let range) = self else {
      return apply(to: noisy, width: width, height: height, channels: channels, using: &generator)
    }
    let sigma = range.lowerBound * pow(range.upperBound / range.lowerBound, generator.uniform())
    var source = NormalSource(from: &generator)
    CameraNoise(sigma: sigma, using: &source).expose(
      clean: clean, noisy: noisy, width: width, height: height, channels: channels, using: &source)
    return Self.deviation(clean, noisy)
  }

  /// A whole picture with this noise, by seed and place, and what a denoiser should make of it.
  ///
  /// - Parameters:
  ///   - image: The clean picture, of 1 or 3 channels.
  ///   - seed: The seed.
  ///   - index: The picture's number: another gets other noise.
  /// - Returns: Both pictures and the noise's deviation in units of [0, 1].
  public func pair(
    of image: ByteImage, seed: UInt64, index: Int
  ) -> (noisy: FloatImage, clean: FloatImage, deviation: Float) {
    var (noisy, clean) = (image.floats, image.floats)
    var generator = RandomGenerator(seed: seed, UInt64(index))
    let deviation = noisy.samples.withUnsafeMutableBufferPointer { noisy in
      clean.samples.withUnsafeMutableBufferPointer { clean in
        apply(
          clean: clean, noisy: noisy, width: image.width, height: image.height,
          channels: image.channels, using: &generator)
      }
    }
    return (noisy, clean, deviation)
  }

  /// The root of the mean squared difference.
  private static func deviation(
    _ first: UnsafeMutableBufferPointer<Float>, _ second: UnsafeMutableBufferPointer<Float>
  ) -> Float {
    let sum = first.indices.reduce(0.0) {
      let difference = Double(first[$1] - second[$1])
      return $0 + difference * difference
    }
    return Float((sum / Double(max(first.count, 1))).squareRoot())
  }

  /// Adds noise to one patch in place; see the form with a buffer.
  @discardableResult
  public func apply(
    to values: inout [Float], width: Int, height: Int, channels: Int,
    using generator: inout RandomGenerator
  ) -> Float {
    values.withUnsafeMutableBufferPointer {
      apply(to: $0, width: width, height: height, channels: channels, using: &generator)
    }
  }

  /// Adds the noise of the published protocol to values in [0, 1]: Gaussian, not clipped, the
  /// picture's own stream of `seed`.
  ///
  /// `sigma` is in the units of 8-bit images, `imageIndex` a place in the sorted folder.
  public static func addProtocolNoise(
    to values: inout [Float], sigma: Float, seed: UInt64, imageIndex: Int
  ) {
    var generator = RandomGenerator(seed: seed, UInt64(imageIndex))
    var source = NormalSource(from: &generator)
    values.withUnsafeMutableBufferPointer { addNormals(to: $0, sigma: sigma / 255, &source) }
  }

  private static func addNormals(
    to values: UnsafeMutableBufferPointer<Float>, sigma: Float, _ source: inout NormalSource
  ) {
    var local = source
    Ziggurat.edges.withUnsafeBufferPointer { table in
      guard let edges = table.baseAddress else { return }
      for index in values.indices { values[index] += sigma * local.normal(edges) }
    }
    source = local
  }

  private static func countPhotons(
    _ values: UnsafeMutableBufferPointer<Float>, peak: Double, _ source: inout NormalSource
  ) -> Float {
    var sum = 0.0
    for index in values.indices {
      let mean = Double(max(values[index], 0)) * peak
      sum += mean
      values[index] = Float(source.poisson(mean) / peak)
    }
    return values.isEmpty ? 0 : Float((sum / Double(values.count)).squareRoot() / peak)
  }

  private static func strew(
    _ values: UnsafeMutableBufferPointer<Float>, probability: Float, _ source: inout NormalSource
  ) -> Float {
    var sum = 0.0
    for index in values.indices {
      let value = values[index]
      sum += Double(value * value + (1 - value) * (1 - value)) / 2
      let chance = source.uniform()
      if chance < probability { values[index] = chance < probability / 2 ? 0 : 1 }
    }
    return values.isEmpty
      ? 0 : Float((Double(probability) * sum / Double(values.count)).squareRoot())
  }

  private static func addCorrelated(
    to values: UnsafeMutableBufferPointer<Float>, width: Int, height: Int, channels: Int,
    sigma: Float, radius: Float, _ source: inout NormalSource
  ) {
    let reach = Int((3 * radius).rounded(.up))
    guard radius > 0, reach > 0 else { return addNormals(to: values, sigma: sigma, &source) }
    var taps = (-reach...reach).map { exp(-0.5 * Float($0 * $0) / (radius * radius)) }
    // Each pass keeps the variance, so the marginal deviation is sigma whatever the radius.
    let norm = taps.reduce(0) { $0 + $1 * $1 }.squareRoot()
    for index in taps.indices { taps[index] /= norm }
    // The white field is larger by the reach on every side: the border is as correlated as the
    // middle.
    let wide = width + 2 * reach
    let tall = height + 2 * reach
    var field = [Float](repeating: 0, count: wide * tall)
    var rows = [Float](repeating: 0, count: width * tall)
    for channel in 0..<channels {
      for index in field.indices { field[index] = 0 }
      field.withUnsafeMutableBufferPointer { addNormals(to: $0, sigma: sigma, &source) }
      for y in 0..<tall {
        for x in 0..<width {
          var sum: Float = 0
          for tap in taps.indices { sum += taps[tap] * field[y * wide + x + tap] }
          rows[y * width + x] = sum
        }
      }
      for y in 0..<height {
        for x in 0..<width {
          var sum: Float = 0
          for tap in taps.indices { sum += taps[tap] * rows[(y + tap) * width + x] }
          values[(y * width + x) * channels + channel] += sum
        }
      }
    }
  }
}

extension NoiseModel: CustomStringConvertible {
  /// The form that `init(parsing:)` reads, as `gaussian:0-50`.
  public var description: String {
    func text(_ value: Float) -> String {
      value == value.rounded() && abs(value) < 1e7 ? String(Int(value)) : String(value)
    }
    func text(_ range: ClosedRange<Float>) -> String {
      range.lowerBound == range.upperBound
        ? text(range.lowerBound) : "\(text(range.lowerBound))-\(text(range.upperBound))"
    }
    switch self {
    case .gaussian(let sigma): return "gaussian:\(text(sigma))"
    case .poisson(let peak): return "poisson:\(text(peak))"
    case .saltAndPepper(let probability): return "salt-and-pepper:\(text(probability))"
    case .correlated(let sigma, let radius): return "correlated:\(text(sigma)),\(text(radius))"
    case .camera(let sigma): return "camera:\(text(sigma))"
    case .jpeg(let quality): return "jpeg:\(text(quality))"
    }
  }

  /// Reads `gaussian:25`, `gaussian:0-50`, `poisson:10-60`, `salt-and-pepper:0.05`,
  /// `correlated:10-40,1.5`, `camera:2-20` or `jpeg:40-90`; the last two also without numbers.
  ///
  /// - Parameter text: The kind, a colon, and a number or a range; `correlated` adds the blur
  ///   radius in pixels.
  /// - Throws: `DatasetError` that shows the accepted forms or the bound that was broken.
  public init(parsing text: String) throws {
    let mistake = DatasetError(
      "noise '\(text)': expected gaussian:SIGMA, gaussian:LOW-HIGH, poisson:PEAK, "
        + "salt-and-pepper:PROBABILITY, correlated:SIGMA,RADIUS, camera, camera:SIGMA, jpeg or "
        + "jpeg:QUALITY (each number may be LOW-HIGH)")
    if text == "camera" {
      self = .camera(sigma: Self.cameraSigma)
      return
    }
    if text == "jpeg" {
      self = .jpeg(quality: Self.jpegQuality)
      return
    }
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2 else { throw mistake }
    let fields = parts[1].split(separator: ",", omittingEmptySubsequences: false)
    guard let field = fields.first, let range = Self.range(field) else { throw mistake }
    switch (parts[0], fields.count) {
    case ("gaussian", 1): self = .gaussian(sigma: range)
    case ("poisson", 1): self = .poisson(peak: range)
    case ("salt-and-pepper", 1): self = .saltAndPepper(probability: range)
    case ("camera", 1): self = .camera(sigma: range)
    case ("jpeg", 1): self = .jpeg(quality: range)
    case ("correlated", 2):
      guard let radius = Float(fields[1]), radius.isFinite else { throw mistake }
      self = .correlated(sigma: range, blurRadius: radius)
    default: throw mistake
    }
    try validate()
  }

  private static func range(_ text: Substring) -> ClosedRange<Float>? {
    let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { Float($0) }
    guard let first = ends.first, let low = first, low.isFinite else { return nil }
    if ends.count == 1 { return low...low }
    guard ends.count == 2, let high = ends[1], high.isFinite, low <= high else { return nil }
    return low...high
  }
}
