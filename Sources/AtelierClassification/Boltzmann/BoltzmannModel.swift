// A stack of Boltzmann machines out of a model file: what it is, what it draws, its filters.

import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierWorkbench
import AtelierZoo

/// A stack at work; used by one thread at a time.
package struct BoltzmannModel {
  /// The machines.
  package let network: BeliefNetwork
  /// The shape of a picture, [1, height, width, channels].
  package let shape: Shape
  private let store: ParameterStore

  /// Takes a model; throws `StudioError` when it is no stack of machines.
  package init(_ model: Model) throws {
    let task = model.information.task
    try StudioError.unless(
      task == BoltzmannTraining.task, .data,
      "expected a Boltzmann machine, received a model for the task \(task)")
    guard let input = model.graph.input(named: "input"), model.graph.values[input].shape.rank == 4
    else { throw StudioError(.data, "expected a machine on pictures, named input") }
    shape = model.graph.values[input].shape.withBatch(1)
    var widths: [Int] = []
    var visible = shape.count
    while let weight = model.parameters["level\(widths.count + 1)/weight"] {
      guard weight.shape.rank == 2, weight.shape[0] == visible else {
        throw StudioError(
          .data,
          "level \(widths.count + 1): expected weights of \(visible) visible units, "
            + "received \(weight.shape)")
      }
      visible = weight.shape[1]
      widths.append(visible)
    }
    try StudioError.unless(!widths.isEmpty, .data, "the model has no machine named level1")
    network = BeliefNetwork(
      visible: shape.count, widths: widths,
      isGaussian: model.information.training["visible"] == "Gaussian")
    store = try model.store()
  }

  /// Pictures [count, height, width, channels] in [0, 1] after steps of Gibbs sampling from random
  /// states, or from pictures.
  package func draw(
    _ count: Int, from pictures: Tensor? = nil, steps: Int, seed: UInt64, kernels: Kernels
  ) throws -> Tensor {
    let start: Tensor
    if let pictures {
      start = pictures
    } else {
      var generator = RandomGenerator(seed: seed, 0x424F_4C54)
      start = Tensor(
        shape.withBatch(count), (0..<count * shape.count).map { _ in generator.uniform() })
    }
    return try Self.draw(
      network, store: store, from: start, shape: shape, steps: steps, seed: seed, kernels: kernels)
  }

  /// The same over any parameters.
  static func draw(
    _ network: BeliefNetwork, store: ParameterStore, from pictures: Tensor, shape: Shape,
    steps: Int, seed: UInt64, kernels: Kernels
  ) throws -> Tensor {
    let count = pictures.shape.batch
    let sampler = try BoltzmannSampler(
      network.levels, store: store, batch: count, kernels: kernels)
    let states = try sampler.below(pictures.reshaped([count, shape.count]))
    let drawn = try sampler.pictures(
      sampler.gibbs(states, steps: steps, drawsVisible: true, seed: seed, path: 0x4749_4242))
    return drawn.reshaped(shape.withBatch(count))
  }

  /// The weights of the first hidden units of the lowest machine as pictures, gray for none, each
  /// stretched to its own largest.
  static func filters(
    _ network: BeliefNetwork, _ store: ParameterStore, shape: Shape, count: Int
  ) -> [ByteImage] {
    let level = network.levels[0]
    guard let weights = store["\(level.name)/weight"] else { return [] }
    return (0..<min(count, level.hidden)).map { unit in
      let values = (0..<level.visible).map { weights.elements[$0 * level.hidden + unit] }
      let largest = max(values.map { abs($0) }.max() ?? 0, 1e-6)
      return FloatImage(
        width: shape.width, height: shape.height, channels: shape.channels,
        samples: values.map { 0.5 + 0.5 * $0 / largest }
      ).bytes
    }
  }

  /// The filters of the lowest machine as pictures.
  package func filters(_ count: Int) -> [ByteImage] {
    Self.filters(network, store, shape: shape, count: count)
  }
}
