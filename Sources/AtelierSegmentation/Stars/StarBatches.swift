// The batches of a star network's training: pictures, changed at random, and what its heads should
// say.

import AtelierEngine
import AtelierImages
import AtelierWorkbench
import AtelierZoo
import Foundation

/// Batches that are a function of the step.
package struct StarBatches: BatchSource {
  let source: InstanceSource
  let network: StarNetwork
  let batch: Int
  /// Whether brightness is bent and noise added at random.
  let isVaried: Bool
  let seed: UInt64

  /// A stream of random numbers apart from those of the pictures.
  private static let changeStream: UInt64 = 0x7374_6172

  /// The pictures of a step with all targets and weights.
  package func batch(step: Int) throws -> [String: Tensor] {
    let (width, height) = (source.size.width, source.size.height)
    let (columns, rows) = (width / StarNetwork.stride, height / StarNetwork.stride)
    var tensors = [
      "object_targets": Tensor([batch, rows, columns, 1]),
      "object_weights": Tensor([batch, rows, columns, 1]),
      "distance_targets": Tensor([batch, rows, columns, network.rays]),
      "distance_weights": Tensor([batch, rows, columns, network.rays]),
      "ground_targets": Tensor([batch, height, width, 1]),
      "ground_weights": Tensor([batch, height, width, 1]),
    ]
    if network.classes > 1 { tensors["class_labels"] = Tensor([batch, rows, columns]) }
    var input: [Float] = []
    input.reserveCapacity(batch * width * height * 3)
    for place in 0..<batch {
      let example = source.example(step: step, place: place)
      var samples = example.samples
      if isVaried {
        var generator = RandomGenerator(
          seed: seed, Self.changeStream, UInt64(step), UInt64(place))
        Self.vary(&samples, using: &generator)
      }
      input += samples
      StarTargets(example, network).write(at: place, into: &tensors)
    }
    tensors["input"] = Tensor([batch, height, width, 3], input)
    return tensors
  }

  /// Bends the brightness by a power between 0.66 and 1.5 and adds a little noise that is the same in
  /// all colours, as exposures and cameras differ.
  ///
  /// Nothing is taken away: dim nuclei lie a few hundredths above the ground, and would be gone.
  private static func vary(_ samples: inout [Float], using generator: inout RandomGenerator) {
    let power = pow(2, generator.uniform(-0.6...0.6))
    let share = generator.uniform()
    let noise = 0.02 * share * share
    let steps = 256
    // Read from a table between its entries: a power a sample would take longer than the network.
    let table = (0...steps + 1).map { pow(min(Float($0) / Float(steps), 1), power) }
    samples.withUnsafeMutableBufferPointer { samples in
      for pixel in stride(from: 0, to: samples.count, by: 3) {
        let change = noise * generator.normal()
        for index in pixel..<pixel + 3 {
          let place = samples[index] * Float(steps)
          let low = Int(place)
          let part = place - Float(low)
          let value = table[low] * (1 - part) + table[low + 1] * part
          samples[index] = min(max(value + change, 0), 1)
        }
      }
    }
  }
}
