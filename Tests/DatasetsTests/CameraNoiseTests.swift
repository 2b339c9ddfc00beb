// What a camera does to a picture: colours, mosaics, blocks of JPEG, and the noise behind them.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierScenery
import Foundation
import TestSupport
import Testing

struct CameraNoiseTests {
  /// A patch through a noise, and what a denoiser should make of it.
  private func pair(
    _ noise: NoiseModel, _ image: ByteImage, seed: UInt64 = 4, index: Int = 0
  ) -> (noisy: FloatImage, clean: FloatImage, deviation: Float) {
    noise.pair(of: image, seed: seed, index: index)
  }

  /// The correlation of neighbours across in what noise added to one channel.
  private func neighbours(_ noisy: FloatImage, _ clean: FloatImage) -> Float {
    let difference = zip(noisy.samples, clean.samples).map { $0 - $1 }
    let step = noisy.channels
    var (product, square): (Float, Float) = (0, 0)
    for index in stride(from: 0, to: difference.count - step, by: step)
    where (index / step + 1) % noisy.width != 0 {
      product += difference[index] * difference[index + step]
      square += difference[index] * difference[index]
    }
    return product / square
  }

  @Test(arguments: [1, 3])
  func `a camera's noise belongs to its seed and comes as bytes`(_ channels: Int) throws {
    let image = try scene(.flower, width: 64, height: 48, isGray: channels == 1)
    let noise = NoiseModel.camera(sigma: 4...4)
    let first = pair(noise, image)
    let same = pair(noise, image)
    #expect(first.noisy == same.noisy && first.clean == same.clean)
    #expect(first.noisy != pair(noise, image, index: 1).noisy)
    #expect(first.noisy.samples.allSatisfy { (0...1).contains($0) })
    #expect(first.noisy.samples.allSatisfy { abs($0 * 255 - ($0 * 255).rounded()) < 1e-3 })
    #expect(first.deviation > 0)
    #expect(abs(first.deviation - rootMeanSquare(first.noisy, first.clean)) < 1e-4)
  }

  @Test func `stronger noise is stronger and the target is the same shot without it`() throws {
    let image = try scene(.pebbles, width: 96, height: 96, isGray: false)
    for index in 0..<12 {
      let weak = pair(.camera(sigma: 1...1), image, index: index)
      let strong = pair(.camera(sigma: 8...8), image, index: index)
      #expect(strong.deviation > weak.deviation)
      // The target is a rendering of the patch, whole or enlarged, never another picture.
      #expect(weak.clean.size == image.size)
      #expect(weak.clean.samples.allSatisfy { $0.isFinite })
    }
  }

  @Test func `a camera's noise is correlated and differs with brightness`() {
    let dark = ByteImage(width: 128, height: 128, channels: 3, filledWith: 40)
    let bright = ByteImage(width: 128, height: 128, channels: 3, filledWith: 215)
    var correlations: [Float] = []
    var differences = 0
    for index in 0..<24 {
      let first = pair(.camera(sigma: 8...8), dark, index: index)
      let second = pair(.camera(sigma: 8...8), bright, index: index)
      correlations.append(neighbours(first.noisy, first.clean))
      if abs(first.deviation / second.deviation - 1) > 0.2 { differences += 1 }
    }
    let typical = correlations.sorted()[12]
    #expect(typical > 0.3, "half of the shots have a correlation below \(typical)")
    #expect(differences > 12)
  }

  @Test func `a flat picture stays flat without noise`() {
    for value in [UInt8(0), 60, 128, 250] {
      let flat = ByteImage(width: 48, height: 40, channels: 3, filledWith: value)
      for index in 0..<8 {
        let clean = pair(.camera(sigma: 2...2), flat, index: index).clean
        // Table look-ups there and back, no more.
        #expect(clean.samples.allSatisfy { abs($0 - Float(value) / 255) < 0.004 })
      }
    }
  }

  @Test func `gray patches get one value a pixel, and some colour shots are gray`() throws {
    let image = try scene(.cat, width: 48, height: 48)
    #expect(pair(.camera(sigma: 3...3), image).noisy.channels == 1)
    let color = try scene(.cat, width: 48, height: 48, isGray: false)
    let grays = (0..<64).filter { index in
      pair(.camera(sigma: 3...3), color, index: index).clean.bytes.isColorless
    }
    #expect((1...16).contains(grays.count), "\(grays.count) of 64")
  }

  @Test func `blocks lose what a file loses`() throws {
    let image = try scene(.stillLife, width: 64, height: 64, isGray: false)
    var losses: [Float] = []
    for quality in [Float(95), 80, 50] {
      let result = pair(.jpeg(quality: quality...quality), image)
      #expect(result.clean == image.floats)
      losses.append(result.deviation)
      let file = try ImageFile.decode(
        ImageFile.encodeJPEG(image, options: .init(quality: Int(quality))), name: "blocks")
      let real = rootMeanSquare(file.floats, image.floats)
      // Another phase of the blocks, and the colour kept or halved.
      #expect(result.deviation > 0.5 * real && result.deviation < 2 * real)
    }
    #expect(losses == losses.sorted())
  }

  @Test func `a camera's noise is for clean targets alone`() throws {
    let folder = ImageFolder(
      items: [.init(name: "a", image: try scene(.sea, width: 64, height: 64, isGray: false))],
      mode: .color)
    let sampler = try PatchSampler(folder: folder, patchSize: 32, batchSize: 4, seed: 1)
    let noises: [NoiseModel] = [.camera(sigma: 2...8)]
    #expect(throws: DatasetError.self) {
      try DenoisingBatches(sampler: sampler, noises: noises, target: .noisy)
    }
    let batches = try DenoisingBatches(sampler: sampler, noises: noises, teachesNoiseMap: true)
    let patches = batches.patches(step: 3)
    #expect(patches.target == patches.clean)
    #expect(patches.target != sampler.batch(step: 3))
    let tensors = batches.batch(step: 3)
    #expect(tensors == batches.batch(step: 3))
    #expect(tensors["level"]?.shape == [4, 8, 8, 1])
    #expect(tensors["trust"]?.shape == [4, 32, 32, 1])
  }

  @Test func `levels tell the noise of their surroundings, and trust goes with no map`() throws {
    let folder = ImageFolder(
      items: [
        .init(name: "a", image: ByteImage(width: 64, height: 64, channels: 3, filledWith: 90))
      ],
      mode: .color)
    let sampler = try PatchSampler(folder: folder, patchSize: 48, batchSize: 16, seed: 1)
    let batches = try DenoisingBatches(
      sampler: sampler, noises: [.gaussian(sigma: 20...20)], teachesNoiseMap: true)
    let tensors = batches.batch(step: 0)
    let level = try #require(tensors["level"])
    #expect(level.elements.allSatisfy { abs($0 * $0 * 255 - 20) < 3 })
    let trust = try #require(tensors["trust"]).elements
    let noise = try #require(tensors["noise"]).elements
    #expect(Set(trust) == [0, 1])
    for (trust, noise) in zip(trust, noise) {
      #expect(trust == 1 ? noise == 0 : abs(noise * 255 - 20) < 9)
    }
  }
}
