// A semantic model at work: pictures of any size in, a class and its probability for every pixel
// out.

import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierWorkbench

/// What a semantic model finds in a picture.
public struct SemanticSegmentation: Sendable, Equatable {
  /// The likeliest class of every pixel.
  public var labels: LabelMap
  /// Its probability, one channel of the picture's size.
  public var confidence: FloatImage

  /// Puts labels and their probabilities together.
  /// - Precondition: both have one size, the confidence one channel.
  public init(labels: LabelMap, confidence: FloatImage) {
    precondition(
      labels.size == confidence.size && confidence.channels == 1, "labels and confidence differ")
    self.labels = labels
    self.confidence = confidence
  }
}

/// A semantic model, ready for pictures of any size, a few programs of which are kept; used by one
/// thread at a time.
public final class Segmenter {
  /// How a picture is segmented.
  public struct Options: Sendable, Hashable {
    /// Whether the mirrored picture is looked at, too, and the probabilities are averaged.
    public var isFlipAveraged = false
    /// The sizes at which it is looked at, as factors; the probabilities are averaged.
    public var scales: [Float] = [1]
    /// Pixels whose likeliest class is less probable than this get no class; 0 keeps all.
    public var threshold: Float = 0
    /// The side of the square tiles in pixels; smaller pictures are taken whole.
    public var tileSize = 1024

    public init() {}
  }

  /// The task that models of this kind name.
  public static let task = "segment"
  /// Sizes whose programs are kept.
  static let keptSizes = 2

  /// Names and colours of the classes, in the order of the outputs.
  public let palette: ClassPalette
  /// The image channels that the network takes: 1 or 3.
  public let channels: Int

  private let model: RunningModel

  /// Takes a model of the task `segment`; throws `StudioError` when the model does something else.
  public convenience init(_ model: Model, kernels: Kernels = Kernels()) throws {
    try self.init(
      RunningModel(
        model, task: Self.task, "gives pixels classes", capacity: Self.keptSizes, kernels: kernels))
  }

  /// Takes a model at work, such as one over the parameters of a training; throws `StudioError`
  /// when it has not the shapes of a semantic model.
  init(_ model: RunningModel) throws {
    let (shape, logits) = try model.ends()
    let names = model.information.classNames
    guard shape.rank == 4, shape.channels == 1 || shape.channels == 3,
      logits
        == .image(
          batch: shape.batch, height: shape.height, width: shape.width, channels: names.count),
      (2...255).contains(names.count)
    else {
      throw StudioError(
        .data,
        "expected a model from gray or RGB images to \(names.count) classes for each pixel, "
          + "received \(shape) to \(logits)")
    }
    let colors = model.information.classColors ?? []
    palette = ClassPalette(
      names.enumerated().map { index, name in
        let color = index < colors.count ? colors[index] : []
        return .init(
          name: name, color: color.count == 3 ? color : ClassPalette.standardColor(index))
      })
    self.model = model
    channels = shape.channels
  }

  /// Gives every pixel of a picture of any size and 1 to 4 channels, alpha laid over white, its
  /// likeliest class; throws `StudioError` or `ShapeError` when the model does not give what it
  /// should.
  public func segment(
    _ image: ByteImage, _ options: Options = .init()
  ) throws -> SemanticSegmentation {
    let picture = image.flattened().withChannels(channels)
    var labels = [UInt8](repeating: 0, count: image.pixelCount)
    var confidence = [Float](repeating: 0, count: image.pixelCount)
    let information = model.information
    let granularity = information.granularity
    func rounded(_ value: Int) -> Int { (value + granularity - 1) / granularity * granularity }
    let margin = rounded(information.receptiveRadius)
    let side = max(rounded(min(max(options.tileSize, 1), 1 << 20)), 4 * margin + granularity)
    let columns = TileAxis(image.width, tile: side, margin: margin, granularity: granularity)
    let rows = TileAxis(image.height, tile: side, margin: margin, granularity: granularity)
    for row in rows.tiles {
      for column in columns.tiles {
        let size = PixelSize(width: columns.size, height: rows.size)
        let tile = PictureTile(picture: picture, x: column.start, y: row.start, size: size)
        let probabilities = try probabilities(tile, options)
        decide(
          probabilities, size, threshold: options.threshold, x: column.start, y: row.start,
          columns: column.keep, rows: row.keep, width: image.width, &labels, &confidence)
      }
    }
    return SemanticSegmentation(
      labels: LabelMap(width: image.width, height: image.height, labels: labels),
      confidence: FloatImage(
        width: image.width, height: image.height, channels: 1, samples: confidence))
  }

  /// The probabilities of a tile, [height, width, classes]: the mean over all looks at it.
  private func probabilities(_ tile: PictureTile, _ options: Options) throws -> [Float] {
    var sum: [Float] = []
    var count: Float = 0
    func add(_ look: [Float]) {
      count += 1
      if sum.isEmpty { sum = look } else { for index in sum.indices { sum[index] += look[index] } }
    }
    for scale in options.scales {
      add(try look(at: tile, scale: scale, isMirrored: false))
      if options.isFlipAveraged { add(try look(at: tile, scale: scale, isMirrored: true)) }
    }
    if count > 1 { for index in sum.indices { sum[index] /= count } }
    return sum
  }

  /// The probabilities of one look at a tile, laid back on its pixels.
  private func look(at tile: PictureTile, scale: Float, isMirrored: Bool) throws -> [Float] {
    let unit = model.information.granularity
    func scaled(_ side: Int) -> Int {
      max(Int((Float(side) * scale / Float(unit)).rounded()), 1) * unit
    }
    let size =
      scale == 1
      ? tile.size : PixelSize(width: scaled(tile.size.width), height: scaled(tile.size.height))
    let program = try program(for: size)
    if size == tile.size {
      try program.withInput("input") { tile.write(to: $0, isMirrored: isMirrored) }
    } else {
      var seen = FloatImage(
        width: tile.size.width, height: tile.size.height, channels: channels, filledWith: 0)
      seen.samples.withUnsafeMutableBufferPointer { tile.write(to: $0, isMirrored: isMirrored) }
      let resized = seen.resized(width: size.width, height: size.height)
      try program.withInput("input") { target in
        for (index, sample) in resized.samples.enumerated() { target[index] = sample }
      }
    }
    try program.run()
    var found = try program.output("probabilities").elements
    if size != tile.size { found = resized(found, from: size, to: tile.size) }
    return isMirrored ? mirrored(found, tile.size) : found
  }

  /// The same for the pixels of another size, class by class.
  private func resized(_ values: [Float], from size: PixelSize, to other: PixelSize) -> [Float] {
    let classes = palette.count
    var result = [Float](repeating: 0, count: other.width * other.height * classes)
    for index in 0..<classes {
      let plane = FloatImage(
        width: size.width, height: size.height, channels: 1,
        samples: (0..<size.width * size.height).map { values[$0 * classes + index] })
      let laid = plane.resized(width: other.width, height: other.height, filter: .bilinear)
      for (pixel, value) in laid.samples.enumerated() { result[pixel * classes + index] = value }
    }
    return result
  }

  /// The same for the pixels of the mirrored tile.
  private func mirrored(_ values: [Float], _ size: PixelSize) -> [Float] {
    let classes = palette.count
    var result = values
    for row in 0..<size.height {
      for column in 0..<size.width {
        let place = (row * size.width + column) * classes
        let other = (row * size.width + size.width - 1 - column) * classes
        for index in 0..<classes { result[place + index] = values[other + index] }
      }
    }
    return result
  }

  /// Writes the likeliest classes of the pixels that a tile is responsible for.
  private func decide(
    _ probabilities: [Float], _ size: PixelSize, threshold: Float, x: Int, y: Int,
    columns: Range<Int>, rows: Range<Int>, width: Int, _ labels: inout [UInt8],
    _ confidence: inout [Float]
  ) {
    let classes = palette.count
    probabilities.withUnsafeBufferPointer { values in
      for row in rows {
        for column in columns {
          let start = ((row &- y) &* size.width &+ column &- x) &* classes
          var best = 0
          var value = values[start]
          for index in 1..<classes where values[start &+ index] > value {
            best = index
            value = values[start &+ index]
          }
          let place = row &* width &+ column
          labels[place] = value < threshold ? LabelMap.ignored : UInt8(best)
          confidence[place] = value
        }
      }
    }
  }

  private func program(for size: PixelSize) throws -> Program {
    let shape = Shape.image(height: size.height, width: size.width, channels: channels)
    return try model.program(["input": shape]) { graph in
      let extended = try graph.extended { builder, symbols in
        guard let logits = symbols["output"] else { return }
        builder.output("probabilities", Softmax(name: "probabilities")(logits))
      }
      let wanted = Shape.image(height: size.height, width: size.width, channels: palette.count)
      guard let output = extended.output(named: "probabilities"),
        extended.values[output].shape == wanted
      else { throw StudioError(.data, "the model gives no classes of \(size) for a picture of it") }
      return extended
    }
  }
}
