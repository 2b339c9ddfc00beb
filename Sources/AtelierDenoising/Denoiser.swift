// A denoising model at work: pictures of any size, in tiles whose seams cannot be seen.

import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierVision
import AtelierWorkbench
import AtelierZoo

/// A denoising model, ready for pictures of any size.
///
/// Used by one thread at a time. Programs are planned once per tile size.
public final class Denoiser {
  /// How a picture is denoised.
  public struct Options: Sendable, Equatable {
    /// The noise's deviation in units of 8-bit values; nil estimates it from the picture.
    public var sigma: Float?
    /// How noisy each part is, as `noiseMap(of:)` gives it, in place of an estimate; `sigma` goes
    /// first.
    public var noiseMap: FloatImage?
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
  /// Whether the model estimates that map by itself.
  public let estimatesNoise: Bool

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
    estimatesNoise = hasNoiseMap && model.outputShape("level") != nil
    // The estimate is a program of its own.
    if estimatesNoise { model.capacity += 1 }
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
    let noise = try options.noise(for: self, source) { NoiseEstimator.sigma(storedColors: image) }
    // Gray stays gray, also where the file stores red, green and blue.
    let isColorless = channels == 3 && source.isColorless
    for planes in planeGroups(image) {
      try run(on: source, planes: planes, noise: noise, options) { tile, place in
        Self.write(
          isColorless ? tile.averagedOverChannels : tile, at: place, planes: planes, into: &result)
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
  /// The picture has the model's channels, and sigma must be given unless the model estimates the
  /// noise; else throws `StudioError`.
  public func denoise(_ image: FloatImage, _ options: Options) throws -> FloatImage {
    try StudioError.unless(
      image.channels == channels, .data,
      "the model takes \(channels) channels; the picture has \(image.channels)")
    let noise = try options.noise(for: self, image) {
      throw StudioError(.usage, "denoising float values needs a sigma")
    }
    var result = image
    try run(on: image, planes: Array(0..<channels), noise: noise, options) { tile, place in
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
    on image: Image<Sample>, planes: [Int], noise: PictureNoise, _ options: Options,
    _ deliver: (FloatImage, (x: Int, y: Int)) -> Void
  ) throws {
    try StudioError.unless(
      noise.sigma >= 0 && noise.sigma < .infinity && options.strength >= 0
        && options.strength < .infinity, .usage,
      "expected a sigma and a strength of at least 0, received \(noise.sigma) and "
        + "\(options.strength)")
    // The ensemble also needs the program of the same tile turned.
    if options.isEnsemble { model.capacity = max(model.capacity, estimatesNoise ? 3 : 2) }
    let strength = hasNoiseMap ? options.strength : 1
    try forEachTile(
      of: image.size, side: options.tileSize, margin: model.information.receptiveRadius
    ) { columns, rows, size in
      let input = crop(
        image, planes: planes, x: columns.start, y: rows.start, width: size.width,
        height: size.height)
      let tile = noise.tile(x: columns.start, y: rows.start, size, strength: strength)
      var output = try options.isEnsemble ? ensemble(input, tile) : forward(input, tile)
      if !hasNoiseMap, options.strength != 1 { output = blend(input, output, options.strength) }
      let part = output.cropped(
        x: columns.keep.lowerBound - columns.start, y: rows.keep.lowerBound - rows.start,
        width: columns.keep.count, height: rows.keep.count)
      deliver(part, (columns.keep.lowerBound, rows.keep.lowerBound))
    }
  }

  /// Cuts a picture into tiles on the network's grid, row by row.
  private func forEachTile(
    of size: PixelSize, side: Int, margin: Int,
    _ body: (_ columns: TileAxis.Tile, _ rows: TileAxis.Tile, _ tile: PixelSize) throws -> Void
  ) throws {
    let granularity = model.information.granularity
    // An overlap that is a multiple of the granularity keeps every tile on the network's grid.
    let margin = rounded(margin, to: granularity)
    let wanted = min(max(side, 1), 1 << 20)
    let side = max(rounded(wanted, to: granularity), 4 * margin + granularity)
    let columns = TileAxis(size.width, tile: side, margin: margin, granularity: granularity)
    let rows = TileAxis(size.height, tile: side, margin: margin, granularity: granularity)
    let tile = PixelSize(width: columns.size, height: rows.size)
    for row in rows.tiles {
      for column in columns.tiles { try body(column, row, tile) }
    }
  }

  /// How noisy each part of a picture is: one channel of deviations in units of [0, 1], a value for
  /// each block of 4×4 pixels.
  ///
  /// It follows from the profile of the picture's noise (its own when none is given) and the model's
  /// estimate. Throws `StudioError` when the model makes no such estimate.
  public func noiseMap<Sample: ImageSample>(
    of image: Image<Sample>, profile: NoiseProfile? = nil
  ) throws -> FloatImage {
    let estimate = try estimatedNoiseMap(of: image)
    return (profile ?? NoiseProfile(of: image)).noiseMap(of: image, estimate: estimate)
  }

  /// The model's own estimate.
  private func estimatedNoiseMap<Sample: ImageSample>(of image: Image<Sample>) throws -> FloatImage
  {
    try StudioError.unless(estimatesNoise, .data, "the model does not estimate the noise itself")
    let block = BlindUNet.levelBlock
    var map = FloatImage(
      width: (image.width + block - 1) / block, height: (image.height + block - 1) / block,
      channels: 1)
    let planes = image.isGray ? [0] : Array(0..<channels)
    try forEachTile(of: image.size, side: 512, margin: BlindUNet.estimateRadius) {
      columns, rows, size in
      let input = crop(
        image, planes: planes, x: columns.start, y: rows.start, width: size.width,
        height: size.height)
      let program = try program(for: size, output: "level")
      try program.setInput("input", Tensor([1, size.height, size.width, channels], input.samples))
      try program.run()
      let level = try program.output("level").elements
      let stride = size.width / block
      for row in rows.keep.lowerBound / block..<(rows.keep.upperBound + block - 1) / block {
        for column in columns.keep.lowerBound / block..<(columns.keep.upperBound + block - 1)
          / block
        {
          let value = level[
            (row - rows.start / block) * stride + column - columns.start / block]
          map.samples[row * map.width + column] = value * value
        }
      }
    }
    return map
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
  private func ensemble(_ input: FloatImage, _ noise: PictureNoise) throws -> FloatImage {
    var sum = [Float](repeating: 0, count: input.samples.count)
    for orientation in Orientation.allCases {
      let turned = try forward(input.oriented(orientation), noise.oriented(orientation))
        .oriented(orientation.inverse)
      for (index, value) in turned.samples.enumerated() { sum[index] += value / 8 }
    }
    return FloatImage(
      width: input.width, height: input.height, channels: input.channels, samples: sum)
  }

  /// One run of the network on a tile.
  private func forward(_ input: FloatImage, _ noise: PictureNoise) throws -> FloatImage {
    let program = try program(for: input.size, output: "output")
    try program.setInput(
      "input", Tensor([1, input.height, input.width, channels], input.samples))
    if hasNoiseMap {
      try program.withInput("noise") { values in
        if let map = noise.map {
          for index in values.indices { values[index] = map.samples[index] }
        } else {
          values.update(repeating: noise.sigma / 255)
        }
      }
    }
    try program.run()
    return FloatImage(
      width: input.width, height: input.height, channels: channels,
      samples: try program.output("output").elements)
  }

  /// What a program is kept by.
  private struct ProgramKey: Hashable {
    let size: PixelSize
    let output: String
  }

  /// The program that gives one of the model's outputs and computes nothing else.
  private func program(for size: PixelSize, output name: String) throws -> Program {
    try model.program(key: ProgramKey(size: size, output: name)) {
      let shape: Shape = [1, size.height, size.width, channels]
      var shapes = ["input": shape]
      if hasNoiseMap { shapes["noise"] = [1, size.height, size.width, 1] }
      let graph = try model.graph.reshaped(shapes).specialized(for: .infer).extended {
        builder, symbols in
        if let wanted = symbols[name] { builder.output(name, wanted) }
      }
      let isPicture = graph.output(named: name).map { graph.values[$0].shape } == shape
      guard name != "output" || isPicture else {
        throw StudioError(.data, "the model gives no picture of \(size) for one of that size")
      }
      return graph
    }
  }
}

extension FloatImage {
  /// The picture with the mean of its channels in all of them.
  fileprivate var averagedOverChannels: FloatImage {
    var result = self
    for pixel in stride(from: 0, to: samples.count, by: channels) {
      let mean = (pixel..<pixel + channels).reduce(0) { $0 + samples[$1] } / Float(channels)
      for channel in 0..<channels { result.samples[pixel + channel] = mean }
    }
    return result
  }
}
