// A denoising model at work: pictures of any size, in tiles whose seams cannot be seen.

import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierVision
import AtelierWorkbench

/// A denoising model, ready for pictures of any size.
///
/// Used by one thread at a time. Programs are planned once per tile size.
public final class Denoiser {
  /// How a picture is denoised.
  public struct Options: Sendable, Hashable {
    /// The noise's deviation in units of 8-bit values; nil estimates it from the picture.
    public var sigma: Float?
    /// 1 removes the noise as estimated; less keeps more of it, more smooths harder.
    public var strength: Float = 1
    /// Whether the eight flips and rotations are denoised and averaged: 8 times slower, about
    /// 0.05–0.1 dB better.
    public var isEnsemble = false
    /// The side of the square tiles in pixels; larger ones need more memory.
    public var tileSize = 640

    /// The default options.
    public init() {}
  }

  /// The task that models of this kind name.
  public static let task = "denoise"

  /// The model at work.
  public let model: RunningModel
  /// The image channels that the network takes: 1 or 3.
  public let channels: Int
  /// Whether the network reads a noise-level map.
  public let hasNoiseMap: Bool

  /// Takes a model that was read; throws `StudioError` when it is of another task.
  public convenience init(_ model: Model, kernels: Kernels = Kernels()) throws {
    // All tiles of a picture are of one size; the next picture's program takes their place.
    try self.init(RunningModel(model, task: Self.task, "denoises", capacity: 1, kernels: kernels))
  }

  /// Takes a model at work; throws `StudioError` when it takes or gives something else than
  /// pictures.
  public init(_ model: RunningModel) throws {
    guard let shape = model.inputShape(), let output = model.outputShape()
    else { throw StudioError(.data, "the model has no input and output of these names") }
    try StudioError.unless(
      shape.rank == 4 && (shape.channels == 1 || shape.channels == 3) && output == shape, .data,
      "expected a model of gray or RGB images, received shape \(shape)")
    self.model = model
    channels = shape.channels
    hasNoiseMap = model.inputShape("noise") != nil
  }

  /// Denoises a picture of any sample type, which it keeps; alpha is kept as it is, and so are the
  /// colours under full transparency, which touch nothing that is seen.
  ///
  /// A gray model takes the channels of a colour picture one by one; a colour model takes a gray
  /// picture as three equal channels. Throws `StudioError` when sigma or strength is negative or
  /// the model does not keep sizes.
  public func denoise<Sample: ImageSample>(
    _ image: Image<Sample>, _ options: Options = .init()
  ) throws -> Image<Sample> {
    let source = image.filledWhereHidden
    var result = source
    let sigma = options.sigma ?? NoiseEstimator.sigma(storedColors: image)
    for planes in planeGroups(image) {
      try run(on: source, planes: planes, sigma: sigma, options) { tile, place in
        Self.write(tile, at: place, planes: planes, into: &result)
      }
    }
    result.restoreHidden(from: image)
    return result
  }

  /// Rounds a tile into the planes of a picture that it stands for.
  private static func write<Sample: ImageSample>(
    _ tile: FloatImage, at place: (x: Int, y: Int), planes: [Int], into image: inout Image<Sample>
  ) {
    let (width, step) = (image.width, image.channels)
    image.samples.withUnsafeMutableBufferPointer { target in
      tile.samples.withUnsafeBufferPointer { source in
        for row in 0..<tile.height {
          var pixel = ((place.y + row) * width + place.x) * step
          for column in 0..<tile.width {
            let start = (row * tile.width + column) * tile.channels
            for (channel, plane) in planes.enumerated() {
              target[pixel + plane] = Sample(unit: source[start + channel])
            }
            pixel += step
          }
        }
      }
    }
  }

  /// Denoises float values in [0, 1], which may lie outside it by noise; nothing is clipped or
  /// rounded.
  ///
  /// The picture has the model's channels, and sigma must be given; else throws `StudioError`.
  public func denoise(_ image: FloatImage, _ options: Options) throws -> FloatImage {
    try StudioError.unless(
      image.channels == channels, .data,
      "the model takes \(channels) channels; the picture has \(image.channels)")
    guard let sigma = options.sigma else {
      throw StudioError(.usage, "denoising float values needs a sigma")
    }
    var result = image
    try run(on: image, planes: Array(0..<channels), sigma: sigma, options) { tile, place in
      result.paste(tile, x: place.x, y: place.y)
    }
    return result
  }

  /// Which channels of a picture go through the network together.
  private func planeGroups<Sample: ImageSample>(_ image: Image<Sample>) -> [[Int]] {
    let colors = image.isGray ? 1 : 3
    return channels == 3 && colors == 3 ? [[0, 1, 2]] : (0..<colors).map { [$0] }
  }

  /// Runs the network tile by tile and hands out the part of each that is sure.
  private func run<Sample: ImageSample>(
    on image: Image<Sample>, planes: [Int], sigma: Float, _ options: Options,
    _ deliver: (FloatImage, (x: Int, y: Int)) -> Void
  ) throws {
    try StudioError.unless(
      sigma >= 0 && sigma < .infinity && options.strength >= 0 && options.strength < .infinity,
      .usage,
      "expected a sigma and a strength of at least 0, received \(sigma) and \(options.strength)")
    // The ensemble also needs the program of the same tile turned.
    if options.isEnsemble { model.capacity = max(model.capacity, 2) }
    let information = model.information
    let granularity = information.granularity
    // An overlap that is a multiple of the granularity keeps every tile on the network's grid.
    let margin = rounded(information.receptiveRadius, to: granularity)
    let wanted = min(max(options.tileSize, 1), 1 << 20)
    let side = max(rounded(wanted, to: granularity), 4 * margin + granularity)
    let columns = TileAxis(image.width, tile: side, margin: margin, granularity: granularity)
    let rows = TileAxis(image.height, tile: side, margin: margin, granularity: granularity)
    let noise = sigma * (hasNoiseMap ? options.strength : 1) / 255
    for row in rows.tiles {
      for column in columns.tiles {
        let input = crop(
          image, planes: planes, x: column.start, y: row.start, width: columns.size,
          height: rows.size)
        var output = try options.isEnsemble ? ensemble(input, noise) : forward(input, noise)
        if !hasNoiseMap, options.strength != 1 { output = blend(input, output, options.strength) }
        let part = output.cropped(
          x: column.keep.lowerBound - column.start, y: row.keep.lowerBound - row.start,
          width: column.keep.count, height: row.keep.count)
        deliver(part, (column.keep.lowerBound, row.keep.lowerBound))
      }
    }
  }

  private func rounded(_ value: Int, to multiple: Int) -> Int {
    (value + multiple - 1) / multiple * multiple
  }

  private func blend(_ noisy: FloatImage, _ clean: FloatImage, _ strength: Float) -> FloatImage {
    FloatImage(
      width: noisy.width, height: noisy.height, channels: noisy.channels,
      samples: zip(noisy.samples, clean.samples).map { $0 + strength * ($1 - $0) })
  }

  /// Planes of a picture as the network's channels; beyond the border its last pixels are repeated.
  private func crop<Sample: ImageSample>(
    _ image: Image<Sample>, planes: [Int], x: Int, y: Int, width: Int, height: Int
  ) -> FloatImage {
    var samples = [Float](repeating: 0, count: width * height * channels)
    let source = image.samples
    let step = image.channels
    for row in 0..<height {
      let line = min(y + row, image.height - 1) * image.width
      for column in 0..<width {
        let pixel = (line + min(x + column, image.width - 1)) * step
        let target = (row * width + column) * channels
        for channel in 0..<channels {
          samples[target + channel] = source[pixel + planes[min(channel, planes.count - 1)]].unit
        }
      }
    }
    return FloatImage(width: width, height: height, channels: channels, samples: samples)
  }

  /// The mean over the eight flips and rotations, each turned back.
  private func ensemble(_ input: FloatImage, _ noise: Float) throws -> FloatImage {
    var sum = [Float](repeating: 0, count: input.samples.count)
    for orientation in Orientation.allCases {
      let turned = try forward(input.oriented(orientation), noise).oriented(orientation.inverse)
      for (index, value) in turned.samples.enumerated() { sum[index] += value / 8 }
    }
    return FloatImage(
      width: input.width, height: input.height, channels: input.channels, samples: sum)
  }

  /// One run of the network on a tile.
  private func forward(_ input: FloatImage, _ noise: Float) throws -> FloatImage {
    let program = try program(for: input.size)
    try program.setInput(
      "input", Tensor([1, input.height, input.width, channels], input.samples))
    if hasNoiseMap {
      try program.withInput("noise") { $0.update(repeating: noise) }
    }
    try program.run()
    return FloatImage(
      width: input.width, height: input.height, channels: channels,
      samples: try program.output("output").elements)
  }

  private func program(for size: PixelSize) throws -> Program {
    try model.program(key: size) {
      let shape: Shape = [1, size.height, size.width, channels]
      var shapes = ["input": shape]
      if hasNoiseMap { shapes["noise"] = [1, size.height, size.width, 1] }
      let graph = try model.graph.reshaped(shapes).specialized(for: .infer)
      guard let output = graph.output(named: "output"), graph.values[output].shape == shape else {
        throw StudioError(.data, "the model gives no picture of \(size) for one of that size")
      }
      return graph
    }
  }
}
