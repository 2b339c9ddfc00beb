// What a machine is measured by: reconstruction, pseudo-likelihood and free energy of pictures.

import AtelierDatasets
import AtelierEngine
import AtelierInterchange
import AtelierKernels
import AtelierWorkbench
import AtelierZoo
import Foundation

/// Measures a stack over parameters that a training may still move.
package final class BoltzmannMeasures {
  private let network: BeliefNetwork
  private let running: RunningModel
  private let sampler: BoltzmannSampler
  private let energy: Program
  private static let batch = 250

  init(
    _ network: BeliefNetwork, shape: Shape, store: ParameterStore, kernels: Kernels
  ) throws(ShapeError) {
    self.network = network
    running = RunningModel(
      graph: try network.stack(shape), information: .init(task: "", architecture: ""),
      store: store, kernels: kernels)
    sampler = try BoltzmannSampler(
      network.levels, store: store, batch: Self.batch, kernels: kernels)
    let top = network.levels[network.levels.count - 1]
    energy = try Program(
      Graph.trace { builder in
        builder.output(
          "output", top.freeEnergy(builder.input("input", [Self.batch, top.visible])))
      }, parameters: store, kernels: kernels)
  }

  /// Pictures drawn again by means.
  func again(_ pictures: Tensor) throws -> Tensor {
    let program = try running.program(["input": pictures.shape])
    try program.setInput("input", pictures)
    try program.run()
    return try program.output("output")
  }

  /// `reconstruction`, the mean squared error of the topmost machine's visible means after one way
  /// up and down, and of bits `pseudo_likelihood`, units times the logarithm of the probability of a
  /// random bit given the others, the mean over pictures.
  func run(_ images: LabeledImages, seed: UInt64) throws -> [String: Double] {
    let top = network.levels.count - 1
    let level = network.levels[top]
    var (errors, likelihood) = (0.0, 0.0)
    for (states, used) in try chunks(images) {
      let drawn = try sampler.visible(sampler.hidden(states, level: top), level: top)
      for index in 0..<used * level.visible {
        let difference = Double(states.elements[index] - drawn.elements[index])
        errors += difference * difference
      }
      guard !level.isGaussian else { continue }
      var bits = states
      sampler.draw(&bits, seed, 0x5053_4555, 0)
      var flipped = bits
      var generator = RandomGenerator(seed: seed, 0x464C_4950)
      for row in 0..<used {
        let place = row * level.visible + generator.index(below: level.visible)
        flipped.elements[place] = 1 - bits.elements[place]
      }
      let (before, after) = (try energies(bits), try energies(flipped))
      for row in 0..<used {
        // log sigmoid(F(flipped) − F(v))
        let difference = Double(after[row]) - Double(before[row])
        likelihood -= Double(level.visible) * log1p(exp(-difference))
      }
    }
    let count = Double(images.count)
    var metrics = ["reconstruction": errors / count / Double(level.visible)]
    if !level.isGaussian { metrics["pseudo_likelihood"] = likelihood / count }
    return metrics
  }

  /// The mean free energy of pictures in the topmost machine.
  func freeEnergy(_ images: LabeledImages) throws -> Double {
    var sum = 0.0
    for (states, used) in try chunks(images) {
      for value in try energies(states).prefix(used) { sum += Double(value) }
    }
    return sum / Double(images.count)
  }

  private func energies(_ states: Tensor) throws -> [Float] {
    try energy.setInput("input", states)
    try energy.run()
    return try energy.output("output").elements
  }

  /// Pictures as the topmost machine sees them, in whole batches, of which `used` rows count.
  private func chunks(_ images: LabeledImages) throws -> [(states: Tensor, used: Int)] {
    try stride(from: 0, to: images.count, by: Self.batch).map { first in
      let used = min(Self.batch, images.count - first)
      var pixels = images.tensor(first..<first + used).elements
      pixels += [Float](repeating: 0, count: (Self.batch - used) * images.pictureLength)
      return (
        try sampler.below(Tensor([Self.batch, images.pictureLength], pixels)), used
      )
    }
  }
}
