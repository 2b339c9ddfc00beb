// What a classifier's decision rests on: occlusion, gradient saliency, Grad-CAM, and what its layers
// see.

import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierWorkbench

/// Looks into one classifying model; used by one thread at a time.
public final class ClassifierExplainer {
  public let classifier: Classifier
  /// The layers whose results are maps of the picture, from the first to the last.
  public let mapLayers: [String]
  private let model: Model
  private let store: ParameterStore
  private let kernels: Kernels

  /// Takes a classifying model; throws `StudioError` when the model does something else.
  public init(_ model: Model, kernels: Kernels = Kernels()) throws {
    classifier = try Classifier([model], kernels: kernels)
    self.model = model
    self.kernels = kernels
    store = try model.store()
    mapLayers = Self.layers(model.graph) { _ in true }
  }

  /// The histograms of oriented gradients that the model reads instead of pixels; nil for none.
  public var histograms: OrientedGradients? {
    model.graph.nodes.lazy.compactMap { ($0.operation as? OrientedGradientsOperation)?.numbers }
      .first
  }

  /// The layers whose results are maps of a kind.
  private static func layers(_ graph: Graph, _ isWanted: (Shape) -> Bool) -> [String] {
    graph.nodes.filter { node in
      guard let shape = node.outputs.first.map({ graph.values[$0].shape }) else { return false }
      return shape.rank == 4 && isWanted(shape)
    }.map(\.name)
  }

  /// The layer that Grad-CAM looks at unless told otherwise: the last whose maps have more than one
  /// pixel.
  public var lastMapLayer: String? { Self.layers(model.graph) { $0.height * $0.width > 1 }.last }

  /// A picture of any size and 1 to 4 channels as the model takes it, also as a tensor [1, height,
  /// width, channels] in [0, 1].
  public func fitted(_ image: ByteImage) -> (picture: ByteImage, tensor: Tensor) {
    let picture = image.fitted(to: classifier.size, channels: classifier.channels)
    let shape = Shape.image(
      height: picture.height, width: picture.width, channels: picture.channels)
    return (picture, Tensor(shape, picture.floats.samples))
  }

  // MARK: - Where the decision comes from

  /// How much a class's lead falls when a square is covered (after Zeiler and Fergus 2014), one
  /// channel of the model's size; throws `StudioError` when there is no such class or the square
  /// does not fit.
  ///
  /// The lead is the class's logit less the largest other one: a probability near 1 would hide what
  /// is going on. Squares, of a quarter of the shorter side unless told otherwise, are filled with
  /// the picture's mean and laid `patch / 2` apart; a pixel gets the mean over the squares that
  /// cover it.
  public func occlusion(
    _ image: ByteImage, class index: Int, patch: Int? = nil
  ) throws -> FloatImage {
    try check(index)
    let (picture, whole) = fitted(image)
    let (width, height, channels) = (picture.width, picture.height, picture.channels)
    let side = patch ?? max(1, min(width, height) / 4)
    guard (1...min(width, height)).contains(side) else {
      throw StudioError(
        .usage, "a covering square has 1 to \(min(width, height)) pixels a side; received \(side)")
    }
    var places: [(x: Int, y: Int)] = []
    for y in Self.starts(height, side) {
      for x in Self.starts(width, side) { places.append((x, y)) }
    }
    let means = (0..<channels).map { channel in
      stride(from: channel, to: whole.count, by: channels).reduce(Float(0)) {
        $0 + whole.elements[$1]
      } / Float(width * height)
    }
    let before = try classifier.logits(whole).lead(of: index, row: 0)
    var sums = [Float](repeating: 0, count: width * height)
    var counts = [Float](repeating: 0, count: width * height)
    for first in stride(from: 0, to: places.count, by: 200) {
      let part = places[first..<min(first + 200, places.count)]
      var covered = Tensor(
        .image(batch: part.count, height: height, width: width, channels: channels))
      for (row, place) in part.enumerated() {
        let base = row * whole.count
        for sample in 0..<whole.count { covered.elements[base + sample] = whole.elements[sample] }
        for pixel in Self.pixels(place, side, width) {
          for channel in 0..<channels {
            covered.elements[base + pixel * channels + channel] = means[channel]
          }
        }
      }
      let after = try classifier.logits(covered)
      for (row, place) in part.enumerated() {
        let drop = before - after.lead(of: index, row: row)
        for pixel in Self.pixels(place, side, width) {
          sums[pixel] += drop
          counts[pixel] += 1
        }
      }
    }
    return FloatImage(
      width: width, height: height, channels: 1, samples: zip(sums, counts).map { $0 / $1 })
  }

  /// Where squares begin along an axis: half a side apart, the last one at the end.
  private static func starts(_ length: Int, _ side: Int) -> [Int] {
    let step = max(1, side / 2)
    var starts = Array(stride(from: 0, through: length - side, by: step))
    if starts.last != length - side { starts.append(length - side) }
    return starts
  }

  private static func pixels(_ place: (x: Int, y: Int), _ side: Int, _ width: Int) -> [Int] {
    (place.y..<place.y + side).flatMap { row in
      (place.x..<place.x + side).map { row * width + $0 }
    }
  }

  /// The magnitude of the logit's gradient at each pixel of the model's size, the largest over the
  /// channels (Simonyan, Vedaldi and Zisserman 2013); throws `StudioError` when there is no such
  /// class.
  public func saliency(_ image: ByteImage, class index: Int) throws -> FloatImage {
    try check(index)
    let (picture, tensor) = fitted(image)
    let program = try gradientProgram(tap: nil)
    let gradient = try run(program, tensor, class: index, gradient: "input")
    let channels = picture.channels
    return FloatImage(
      width: picture.width, height: picture.height, channels: 1,
      samples: (0..<picture.pixelCount).map { pixel in
        (0..<channels).reduce(0) { max($0, abs(gradient.elements[pixel * channels + $1])) }
      })
  }

  /// Grad-CAM: the maps of a layer, weighted by the mean gradient of the logit, the positive part
  /// (Selvaraju and others 2017), bilinear at the model's size; throws `StudioError` when there is
  /// no such class or layer.
  public func gradCAM(
    _ image: ByteImage, class index: Int, layer: String? = nil
  ) throws -> FloatImage {
    try check(index)
    let layer = try known(layer ?? lastMapLayer ?? "")
    let (picture, tensor) = fitted(image)
    let program = try gradientProgram(tap: layer)
    let gradient = try run(program, tensor, class: index, gradient: "probe")
    let maps = try program.output("maps")
    let (count, pixels) = (maps.shape.channels, maps.shape.height * maps.shape.width)
    var weights = [Float](repeating: 0, count: count)
    for (place, value) in gradient.elements.enumerated() {
      weights[place % count] += value / Float(pixels)
    }
    let small = FloatImage(
      width: maps.shape.width, height: maps.shape.height, channels: 1,
      samples: (0..<pixels).map { pixel in
        max(
          (0..<count).reduce(Float(0)) { $0 + weights[$1] * maps.elements[pixel * count + $1] }, 0)
      })
    return small.resized(width: picture.width, height: picture.height, filter: .bilinear)
  }

  /// A program with the gradient of one logit to the picture, or to the maps of a layer, to which a
  /// probe of zeros is added for it.
  private func gradientProgram(tap layer: String?) throws -> Program {
    let classes = classifier.classNames.count
    let network = model.graph.specialized(for: .infer)
    guard let input = network.input(named: "input") else {
      throw StudioError(.data, "the model has no input")
    }
    let shape = network.values[input].shape.withBatch(1)
    let graph = try Graph.trace { builder in
      let picture = builder.input("input", shape)
      let mask = builder.input("mask", [1, classes])
      let results = builder.call(network, ["input": picture], isTrainable: false) { name, value in
        guard name == layer else { return value }
        builder.output("maps", value)
        return value + builder.input("probe", value.shape)
      }
      guard let logits = results["output"] else { return }
      builder.output("score", Float(classes) * (logits * mask).mean())
    }
    let wanted = layer == nil ? "input" : "probe"
    return try Program(
      graph.differentiated("score", withRespectToInputs: [wanted]), parameters: store,
      kernels: kernels)
  }

  private func run(
    _ program: Program, _ picture: Tensor, class index: Int, gradient: String
  ) throws -> Tensor {
    try program.setInput("input", picture)
    try program.withInput("mask") { mask in
      for place in mask.indices { mask[place] = place == index ? 1 : 0 }
    }
    if gradient == "probe" {
      try program.withInput("probe") { probe in probe.update(repeating: 0) }
    }
    try program.run()
    return try program.output("gradient of \(gradient)")
  }

  // MARK: - What the layers see

  /// The maps of a layer of `mapLayers` for a picture, one a channel; throws `StudioError` when
  /// there is no such layer.
  public func maps(_ image: ByteImage, layer: String) throws -> [FloatImage] {
    let layer = try known(layer)
    let (_, tensor) = fitted(image)
    let program = try gradientProgram(tap: layer)
    _ = try run(program, tensor, class: 0, gradient: "probe")
    let maps = try program.output("maps")
    let count = maps.shape.channels
    return (0..<count).map { channel in
      FloatImage(
        width: maps.shape.width, height: maps.shape.height, channels: 1,
        samples: stride(from: channel, to: maps.count, by: count).map { maps.elements[$0] })
    }
  }

  /// The kernels of the first convolution whose weights are learnt, as they multiply the picture:
  /// one a filter, of 1 or 3 channels as the picture has, else the mean over them; throws
  /// `StudioError` when there is none.
  public func firstKernels() throws -> [FloatImage] {
    guard
      let parameter = model.graph.parameters.first(where: {
        $0.role == .weight && $0.shape.rank == 4
      }), let weights = store[parameter.name]
    else { throw StudioError(.data, "the network has no convolution whose kernels could be shown") }
    let shape = weights.shape
    let (height, width, inputs, filters) = (shape[0], shape[1], shape[2], shape[3])
    let channels = inputs == 3 ? 3 : 1
    return (0..<filters).map { filter in
      FloatImage(width: width, height: height, channels: channels) { target in
        for pixel in 0..<width * height {
          for channel in 0..<channels {
            let values = (0..<inputs).filter { channels == 1 || $0 == channel }.map {
              weights.elements[(pixel * inputs + $0) * filters + filter]
            }
            target[pixel * channels + channel] = values.reduce(0, +) / Float(values.count)
          }
        }
      }
    }
  }

  private func check(_ index: Int) throws {
    guard classifier.classNames.indices.contains(index) else {
      throw StudioError(
        .usage, "there is no class \(index); there are \(classifier.classNames.count)")
    }
  }

  private func known(_ layer: String) throws -> String {
    guard mapLayers.contains(layer) else {
      throw StudioError(
        .usage,
        "there is no layer '\(layer)' with maps; there are \(mapLayers.joined(separator: ", "))")
    }
    return layer
  }
}
