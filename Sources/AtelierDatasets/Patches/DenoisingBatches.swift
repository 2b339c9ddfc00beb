// Clean patches with noise: what a denoiser is trained on.

import AtelierEngine
import Foundation

/// What the network is asked to give for a noisy patch.
public enum DenoisingTarget: String, Codable, Sendable, CaseIterable {
  /// The clean patch.
  case clean
  /// A second noisy version of the same patch, with independent noise (Noise2Noise, Lehtinen et al.
  /// 2018).
  case noisy
  /// The noisy patch itself, at pixels that were hidden from the network (Noise2Void): the pictures
  /// are noisy as they are, and no noise is added.
  case own = "self"
  /// The same patch of another file: another exposure (Noise2Noise) or a clean picture; no noise is
  /// added.
  case files

  /// Whether noise is added to the pictures.
  public var addsNoise: Bool { self == .clean || self == .noisy }
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

extension DenoisingBatch {
  /// How many pixels across a value of `noiseLevels` stands for.
  public static let levelBlock = 4

  /// The square roots of the noise's deviation about each block of pixels, in units of [0, 1]:
  /// [batch, patch / 4, patch / 4, 1].
  ///
  /// The noise is what noisy and clean values differ by, in the root mean square over the channels
  /// of 5×5 blocks. Precondition: the side of a patch is a multiple of the block.
  public var noiseLevels: Tensor {
    let (shape, block) = (clean.shape, Self.levelBlock)
    let (rows, columns) = (shape.height / block, shape.width / block)
    let patch = shape.height * shape.width * shape.channels
    var levels: [Float] = []
    levels.reserveCapacity(shape.batch * rows * columns)
    clean.elements.withUnsafeBufferPointer { clean in
      noisy.elements.withUnsafeBufferPointer { noisy in
        for index in 0..<shape.batch {
          var energies = [Float](repeating: 0, count: rows * columns)
          for position in 0..<patch {
            let pixel = position / shape.channels
            let (row, column) = (pixel / shape.width / block, pixel % shape.width / block)
            let difference = noisy[index * patch + position] - clean[index * patch + position]
            energies[row * columns + column] += difference * difference
          }
          let count = Float(block * block * shape.channels)
          levels += Self.means(energies, rows, columns).map {
            ($0 / count).squareRoot().squareRoot()
          }
        }
      }
    }
    return Tensor([shape.batch, rows, columns, 1], levels)
  }

  /// The means over 5×5, of those that there are.
  private static func means(_ values: [Float], _ rows: Int, _ columns: Int) -> [Float] {
    (0..<rows * columns).map { index in
      let (row, column) = (index / columns, index % columns)
      var sum: Float = 0
      var count: Float = 0
      for y in max(row - 2, 0)...min(row + 2, rows - 1) {
        for x in max(column - 2, 0)...min(column + 2, columns - 1) {
          sum += values[y * columns + x]
          count += 1
        }
      }
      return sum / count
    }
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
  /// Whether the network learns to make that map: then `level` holds what it should give, `trust`
  /// 1 for each patch that takes the network's own map, and `noise` the true one for the others.
  public let teachesNoiseMap: Bool
  /// Where the patches come from that the network should give, for `.files`.
  public let targets: PatchSampler?
  /// The pixels that are hidden, for `.own`.
  public let spots: BlindSpots
  /// The share of patches that take the network's own map.
  static let trustedShare: Float = 0.65

  /// Makes the batches of a training; each patch draws one of the noises.
  /// - Throws: `DatasetError` when there is no noise or one has a range that makes no sense.
  public init(
    sampler: PatchSampler, noises: [NoiseModel], target: DenoisingTarget = .clean,
    targets: PatchSampler? = nil, spots: BlindSpots = BlindSpots(),
    isStoredAsBytes: Bool = false, givesNoiseMap: Bool = false, teachesNoiseMap: Bool = false
  ) throws {
    guard !noises.isEmpty else { throw DatasetError("a denoiser needs at least one noise") }
    for noise in noises { try noise.validate() }
    guard target.addsNoise || !(givesNoiseMap || teachesNoiseMap) else {
      throw DatasetError(
        "a network that reads a noise map cannot be trained on noisy pictures: no one knows theirs; "
          + "take autoencoder, unet, blur-unet or dncnn")
    }
    guard (target == .files) == (targets != nil) else {
      throw DatasetError("files as targets need pictures of the targets")
    }
    guard target != .own || sampler.patchSize >= spots.leastPatch else {
      throw DatasetError(
        "blind spots of radius \(spots.radius) need patches of at least \(spots.leastPatch) pixels; "
          + "received \(sampler.patchSize)")
    }
    guard target != .noisy || !noises.contains(where: \.changesTarget) else {
      throw DatasetError(
        "a camera's noise cannot be learnt from pairs of noisy patches: each is another camera's")
    }
    self.sampler = sampler
    self.noises = noises
    targetKind = target
    self.targets = targets
    self.spots = spots
    self.isStoredAsBytes = isStoredAsBytes
    self.givesNoiseMap = givesNoiseMap
    self.teachesNoiseMap = teachesNoiseMap
  }

  /// The tensors of a step: `input`, `target` and, for networks that read it, `noise`; for `.own`
  /// also `mask`, which is 1 where the target counts.
  public func batch(step: Int) -> [String: Tensor] {
    if targetKind == .own {
      let noisy = sampler.batch(step: step)
      let (hidden, mask) = spots.hide(noisy, seed: sampler.seed, step: step)
      return ["input": hidden, "target": noisy, "mask": mask]
    }
    if let targets {
      return ["input": sampler.batch(step: step), "target": targets.batch(step: step)]
    }
    let patches = patches(step: step)
    var tensors = ["input": patches.noisy, "target": patches.target]
    if teachesNoiseMap {
      let levels = patches.noiseLevels
      let (trust, noise) = guidance(levels, patches.clean.shape, step: step)
      (tensors["level"], tensors["trust"], tensors["noise"]) = (levels, trust, noise)
    } else if givesNoiseMap {
      tensors["noise"] = patches.noiseMap
    }
    return tensors
  }

  /// For each patch either full trust and no map, or none and the true map, more or less.
  private func guidance(_ levels: Tensor, _ shape: Shape, step: Int) -> (Tensor, Tensor) {
    let (rows, columns) = (levels.shape.height, levels.shape.width)
    var trust: [Float] = []
    var noise: [Float] = []
    for index in 0..<shape.batch {
      var generator = RandomGenerator(
        seed: sampler.seed, Stream.guidance, UInt64(bitPattern: Int64(step)), UInt64(index))
      let isTrusted = generator.uniform() < Self.trustedShare
      // What a person or an estimate says is never quite true.
      let factor = isTrusted ? 0 : pow(Float(2), 0.7 * generator.uniform() - 0.35)
      trust += repeatElement(isTrusted ? 1 : 0, count: shape.height * shape.width)
      let block = DenoisingBatch.levelBlock
      for row in 0..<shape.height {
        for column in 0..<shape.width {
          let level = levels.elements[
            (index * rows + row / block) * columns + column / block]
          noise.append(factor * level * level)
        }
      }
    }
    let map: Shape = [shape.batch, shape.height, shape.width, 1]
    return (Tensor(map, trust), Tensor(map, noise))
  }

  /// Clean, noisy and target patches and their sigmas; the same step gives the same bits.
  public func patches(step: Int) -> DenoisingBatch {
    var clean = sampler.batch(step: step)
    let (noisy, sigmas) = noised(&clean, step: step, stream: Stream.noise)
    let target: Tensor
    switch targetKind {
    case .clean, .own, .files: target = clean
    case .noisy: target = noised(&clean, step: step, stream: Stream.secondNoise).noisy
    }
    return DenoisingBatch(clean: clean, noisy: noisy, target: target, sigmas: sigmas)
  }

  /// The patches with noise; a camera's own rendering takes the place of what was clean.
  private func noised(_ clean: inout Tensor, step: Int, stream: UInt64) -> (
    noisy: Tensor, sigmas: [Float]
  ) {
    var elements = clean.elements
    var rendered = elements
    let shape = clean.shape
    let patchCount = shape.count / shape.batch
    var sigmas: [Float] = []
    rendered.withUnsafeMutableBufferPointer { rendered in
      elements.withUnsafeMutableBufferPointer { buffer in
        for index in 0..<shape.batch {
          let path = UInt64(bitPattern: Int64(step))
          var generator = RandomGenerator(seed: sampler.seed, stream, path, UInt64(index))
          let noise = noises[noises.count == 1 ? 0 : generator.index(below: noises.count)]
          let range = index * patchCount..<(index + 1) * patchCount
          sigmas.append(
            noise.apply(
              clean: UnsafeMutableBufferPointer(rebasing: rendered[range]),
              noisy: UnsafeMutableBufferPointer(rebasing: buffer[range]), width: shape.width,
              height: shape.height, channels: shape.channels, using: &generator))
        }
        if isStoredAsBytes {
          for index in buffer.indices {
            buffer[index] = (min(max(buffer[index], 0), 1) * 255).rounded() / 255
          }
        }
      }
    }
    if noises.contains(where: \.changesTarget) { clean = Tensor(shape, rendered) }
    return (Tensor(shape, elements), sigmas)
  }
}
