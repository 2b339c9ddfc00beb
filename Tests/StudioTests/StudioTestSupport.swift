// What the tests of the workshops share: small scenes, networks with random weights, scratch
// folders.

import AtelierDatasets
import AtelierDenoising
import AtelierEngine
import AtelierImages
import AtelierInterchange
import AtelierScenery
import AtelierTraining
import AtelierWorkbench
import AtelierZoo
import Foundation
import TestSupport
import Testing

/// Four small colour pictures, rendered once.
private let trainingPictures = Result {
  try [SceneKind.flower, .pebbles, .mountains, .city].map {
    ("\($0).png", try scene($0, width: 208, height: 196, isGray: false))
  }
}

/// Makes a folder `data` of four small colour pictures in a folder.
func makeData(in folder: URL) throws -> URL {
  let data = folder.appending(path: "data")
  try FileManager.default.createDirectory(at: data, withIntermediateDirectories: true)
  for (name, image) in try trainingPictures.get() {
    try ImageFile.write(image, to: data.appending(path: name))
  }
  return data
}

/// Trains a denoiser, up to a step if told, and gives the end and the figures of each validation.
func trainDenoiser(
  _ request: DenoisingTrainingRequest, in run: URL, isResuming: Bool, interruptAt: Int?
) throws -> (report: StopReport, figures: [[String: Double]]) {
  var figures: [[String: Double]] = []
  let interrupt = InterruptFlag()
  let listener = ClosureListener { event in
    switch event {
    case .validated(let report): figures.append(report.metrics)
    case .step(let report): if report.step == interruptAt { interrupt.raise() }
    default: break
    }
  }
  let report = try DenoisingTraining.run(
    request, in: run, isResuming: isResuming, listeners: [listener], interrupt: interrupt)
  return (report, figures)
}

/// A model of an architecture with random weights whose last layer is scaled so that the result is
/// far from trivial.
///
/// - Parameters:
///   - network: The architecture.
///   - seed: The seed of weights and statistics.
///   - receptiveRadius: What the model says instead of the architecture's own, to see tests fail.
/// - Returns: A model for `Denoiser`.
/// - Throws: What building graph and model throws.
func randomModel(
  _ network: DenoiserArchitecture, seed: UInt64 = 5, receptiveRadius: Int? = nil
) throws -> Model {
  let architecture = network.architecture
  let side = max(16, architecture.granularity)
  let graph = try architecture.graph(batch: 1, height: side, width: side)
  let store = try ParameterStore(for: [graph], seed: seed)
  for entry in store.entries {
    var tensor = Tensor.random(entry.shape, seed: seed &+ UInt64(entry.offset), scale: 0.1)
    if entry.shape.rank == 4 {
      let fan = Float(entry.shape.count / entry.shape.channels)
      let scale = (2 / fan).squareRoot()
      tensor = .random(entry.shape, seed: seed &+ UInt64(entry.offset), scale: scale)
    }
    if entry.name.hasSuffix("variance") || entry.name.hasSuffix("gamma") {
      tensor.elements = tensor.elements.map { 1 + abs($0) }
    }
    try store.set(entry.name, tensor)
  }
  func model() throws -> Model {
    try Model(
      graph: graph, store: store,
      information: ModelInformation(
        task: "denoise", architecture: network.name, granularity: architecture.granularity,
        receptiveRadius: receptiveRadius ?? architecture.receptiveRadius))
  }
  let channels = try #require(
    graph.input(named: "input").map { graph.values[$0].shape.channels })
  let picture = noisy(
    try scene(.cat, width: 64, height: 64, isGray: channels == 1), sigma: 25)
  var options = Denoiser.Options()
  options.sigma = 25
  let last = try #require(
    graph.parameters.last { $0.shape.rank == 4 && $0.role == .weight }?.name)
  let weights = try #require(store[last])
  let whole = try Denoiser(model()).denoise(picture, options)
  try store.set(last, Tensor(weights.shape))
  let without = try Denoiser(model()).denoise(picture, options)
  let scale = 0.3 / rootMeanSquare(whole, without)
  #expect(scale.isFinite)
  try store.set(last, Tensor(weights.shape, weights.elements.map { $0 * scale }))
  return try model()
}

/// A blind model of one 3×3 convolution of these weights, the same for each channel.
func filterModel(_ kernel: [Float], channels: Int = 1) throws -> Model {
  let graph = try Graph.trace { builder in
    let input = builder.input("input", [1, 8, 8, channels])
    let layer = Convolution2D(
      filters: channels, kernel: 3, groups: channels, hasBias: false, name: "filter")
    builder.output("output", layer(input))
  }
  let store = try ParameterStore(for: [graph], seed: 1)
  try store.set(
    "filter/weight",
    Tensor([3, 3, 1, channels], kernel.flatMap { [Float](repeating: $0, count: channels) }))
  return try Model(
    graph: graph, store: store,
    information: ModelInformation(task: "denoise", architecture: "filter", receptiveRadius: 1))
}

/// The kernel [1 2 1] × [1 2 1] / 16, which no flip or rotation changes.
let symmetricKernel: [Float] = [1, 2, 1, 2, 4, 2, 1, 2, 1].map { $0 / 16 }
