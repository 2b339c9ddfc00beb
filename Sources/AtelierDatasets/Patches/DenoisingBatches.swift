// Clean patches with noise: what a denoiser is trained on.

import AtelierEngine

/// What the network is asked to give for a noisy patch.
public enum DenoisingTarget: String, Codable, Sendable, CaseIterable {
  /// The clean patch.
  case clean
  /// A second noisy version of the same patch, with independent noise (Noise2Noise, Lehtinen et al.
  /// 2018).
  case noisy
}

/// One step's data of a denoiser.
public struct DenoisingBatch: Hashable, Sendable {
  /// The clean patches, [batch, patch, patch, channels], values in [0, 1].
  public var clean: Tensor
  /// The noisy patches, of the same shape, not clipped.
  public var noisy: Tensor
  /// What the network should give: `clean`, or other noisy patches.
  public var target: Tensor
  /// The standard deviation of each patch's noise in units of [0, 1].
  public var sigmas: [Float]

  /// The noise-level map, [batch, patch, patch, 1]: each patch's sigma at every pixel.
  public var noiseMap: Tensor {
    let area = clean.shape.height * clean.shape.width
    let shape = Shape.image(
      batch: sigmas.count, height: clean.shape.height, width: clean.shape.width, channels: 1)
    return Tensor(shape, sigmas.flatMap { repeatElement($0, count: area) })
  }

  /// The noisy patches with the noise map as last channel, [batch, patch, patch, channels + 1].
  public var noisyWithMap: Tensor {
    let channels = noisy.shape.channels
    let area = noisy.shape.height * noisy.shape.width
    let shape = Shape.image(
      batch: sigmas.count, height: noisy.shape.height, width: noisy.shape.width,
      channels: channels + 1)
    var elements = [Float](repeating: 0, count: shape.count)
    noisy.elements.withUnsafeBufferPointer { source in
      elements.withUnsafeMutableBufferPointer { result in
        for index in sigmas.indices {
          let sigma = sigmas[index]
          for pixel in index * area..<(index + 1) * area {
            for channel in 0..<channels {
              result[pixel * (channels + 1) + channel] = source[pixel * channels + channel]
            }
            result[pixel * (channels + 1) + channels] = sigma
          }
        }
      }
    }
    return Tensor(shape, elements)
  }
}

/// Batches of a denoiser: a function of the step, by the sampler's seed.
public struct DenoisingBatches: BatchSource {
  /// Where the clean patches come from.
  public let sampler: PatchSampler
  /// The noises; each patch draws one of them, equally likely.
  public let noises: [NoiseModel]
  /// What the network is asked for.
  public let targetKind: DenoisingTarget
  /// Whether noisy values are clipped to [0, 1] and rounded to bytes, as a real file's are.
  public let isStoredAsBytes: Bool
  /// Whether the network also reads the noise-level map.
  public let givesNoiseMap: Bool

  /// Makes the batches of a training; each patch draws one of the noises.
  /// - Throws: `DatasetError` when there is no noise or one has a range that makes no sense.
  public init(
    sampler: PatchSampler, noises: [NoiseModel], target: DenoisingTarget = .clean,
    isStoredAsBytes: Bool = false, givesNoiseMap: Bool = false
  ) throws {
    guard !noises.isEmpty else { throw DatasetError("a denoiser needs at least one noise") }
    for noise in noises { try noise.validate() }
    self.sampler = sampler
    self.noises = noises
    targetKind = target
    self.isStoredAsBytes = isStoredAsBytes
    self.givesNoiseMap = givesNoiseMap
  }

  /// The tensors of a step: `input`, `target` and, for networks that read it, `noise`.
  public func batch(step: Int) -> [String: Tensor] {
    let patches = patches(step: step)
    var tensors = ["input": patches.noisy, "target": patches.target]
    if givesNoiseMap { tensors["noise"] = patches.noiseMap }
    return tensors
  }

  /// Clean, noisy and target patches and their sigmas; the same step gives the same bits.
  public func patches(step: Int) -> DenoisingBatch {
    let clean = sampler.batch(step: step)
    let (noisy, sigmas) = noised(clean, step: step, stream: Stream.noise)
    let target: Tensor
    switch targetKind {
    case .clean: target = clean
    case .noisy: target = noised(clean, step: step, stream: Stream.secondNoise).noisy
    }
    return DenoisingBatch(clean: clean, noisy: noisy, target: target, sigmas: sigmas)
  }

  private func noised(_ clean: Tensor, step: Int, stream: UInt64) -> (
    noisy: Tensor, sigmas: [Float]
  ) {
    var elements = clean.elements
    let shape = clean.shape
    let patchCount = shape.count / shape.batch
    var sigmas: [Float] = []
    elements.withUnsafeMutableBufferPointer { buffer in
      for index in 0..<shape.batch {
        let path = UInt64(bitPattern: Int64(step))
        var generator = RandomGenerator(seed: sampler.seed, stream, path, UInt64(index))
        let noise = noises[noises.count == 1 ? 0 : generator.index(below: noises.count)]
        let range = index * patchCount..<(index + 1) * patchCount
        sigmas.append(
          noise.apply(
            to: UnsafeMutableBufferPointer(rebasing: buffer[range]), width: shape.width,
            height: shape.height, channels: shape.channels, using: &generator))
      }
      if isStoredAsBytes {
        for index in buffer.indices {
          buffer[index] = (min(max(buffer[index], 0), 1) * 255).rounded() / 255
        }
      }
    }
    return (Tensor(shape, elements), sigmas)
  }
}
