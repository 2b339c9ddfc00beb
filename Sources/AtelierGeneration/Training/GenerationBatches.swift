// The batches of a generator's training: real pictures, random numbers and random changes, by step.

import AtelierAdversarial
import AtelierDatasets
import AtelierEngine
import AtelierWorkbench
import AtelierZoo

/// Batches for every turn of both sides, a function of the step by the seed.
final class GenerationBatches: BatchSource {
  private let batches: LabeledBatches
  private let architecture: GeneratorArchitecture
  private let request: GenerationTrainingRequest
  /// The names of the critic's turns; empty for an autoencoder.
  private let turns: [String]

  /// Makes the batches; throws `DatasetError` where there are fewer pictures than a batch has.
  init(
    _ images: LabeledImages, _ request: GenerationTrainingRequest,
    _ architecture: GeneratorArchitecture
  ) throws(DatasetError) {
    var movement = PictureAugmentation()
    movement.isFlipped = request.isFlipped
    batches = try LabeledBatches(
      images, batchSize: request.batch, augmentation: movement, seed: request.seed)
    self.architecture = architecture
    self.request = request
    turns =
      request.network == .vae ? [] : GameStep.names("critic", turns: request.criticSteps)
  }

  /// An epoch shows the critic every picture once.
  var stepsPerEpoch: Int? {
    batches.stepsPerEpoch.map { max(1, $0 / max(turns.count, 1)) }
  }

  func batch(step: Int) -> [String: Tensor] {
    var generator = RandomGenerator(seed: request.seed, LatentStream.training, UInt64(step))
    guard !turns.isEmpty else { return autoencoderBatch(step, &generator) }
    var tensors: [String: Tensor] = [:]
    for (turn, name) in turns.enumerated() {
      let pictures = batches.pictures(step: step * turns.count + turn)
      tensors["\(name)/input"] = pictures.images
      tensors["\(name)/label"] = label(pictures.labels)
      if request.slopePenalty ?? (request.game == .wasserstein ? 10 : 0) > 0 {
        tensors["\(name)/share"] = Tensor(
          [request.batch, 1, 1, 1], (0..<request.batch).map { _ in generator.uniform() })
      }
      add(name, ["real", "drawn"], to: &tensors, &generator)
      // The generator is asked for the classes of the pictures that the critic saw.
      tensors["generator/label"] = tensors["\(name)/label"]
    }
    add("generator", ["drawn"], to: &tensors, &generator)
    return tensors
  }

  private func autoencoderBatch(
    _ step: Int, _ generator: inout RandomGenerator
  ) -> [String: Tensor] {
    let pictures = batches.pictures(step: step)
    var tensors = ["input": pictures.images, "noise": code(&generator)]
    tensors["label"] = label(pictures.labels)
    return tensors
  }

  /// Codes and changes of one turn.
  private func add(
    _ name: String, _ kinds: [String], to tensors: inout [String: Tensor],
    _ generator: inout RandomGenerator
  ) {
    tensors["\(name)/latent"] = code(&generator)
    for kind in kinds {
      let numbers = PictureChange.numbers(
        request.changes, kind, architecture.pictures(request.batch), using: &generator)
      for (key, value) in numbers { tensors["\(name)/\(key)"] = value }
    }
  }

  private func code(_ generator: inout RandomGenerator) -> Tensor {
    let count = request.batch * architecture.latent
    var elements = [Float](repeating: 0, count: count)
    for index in 0..<count { elements[index] = generator.normal() }
    return Tensor([request.batch, architecture.latent], elements)
  }

  private func label(_ labels: Tensor) -> Tensor? {
    architecture.classes > 0
      ? Tensor.oneHot(labels.elements.map { Int($0) }, architecture.classes) : nil
  }
}
