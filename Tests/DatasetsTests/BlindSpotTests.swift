// Blind spots: what is hidden comes from outside the spot, what is asked for is its middle alone.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import Testing

struct BlindSpotTests {
  /// Patches whose every pixel has a value of its own.
  private func patches(side: Int, channels: Int = 1) -> Tensor {
    let shape = Shape.image(batch: 3, height: side, width: side, channels: channels)
    return Tensor(shape, (0..<shape.count).map { Float($0) })
  }

  @Test(arguments: [(0, 32, 1), (0, 32, 3), (1, 48, 1), (3, 64, 3), (8, 40, 1)])
  func `a hidden pixel holds one from around its spot`(
    radius: Int, side: Int, channels: Int
  ) {
    let (patches, spots) = (patches(side: side, channels: channels), BlindSpots(radius: radius))
    let (hidden, mask) = spots.hide(patches, seed: 4, step: 7)
    #expect(hidden.shape == patches.shape && mask.shape == patches.shape)
    let area = side * side
    var middles: [[(row: Int, column: Int)]] = []
    for index in 0..<3 {
      let places = (0..<area).filter { mask.elements[(index * area + $0) * channels] == 1 }
      middles.append(places.map { ($0 / side, $0 % side) })
      let asked = mask.elements[index * area * channels..<(index + 1) * area * channels]
      #expect(asked.reduce(0, +) == Float(places.count * channels))
      #expect(abs(Float(places.count) / Float(area) - spots.share(of: side)) < 1e-6)
    }
    for position in 0..<3 * area {
      let (index, row, column) = (position / area, position % area / side, position % side)
      let near = middles[index].filter {
        abs($0.row - row) <= radius && abs($0.column - column) <= radius
      }
      let source = Int(hidden.elements[position * channels]) / channels
      guard !near.isEmpty else {
        #expect(source == position, "what is not hidden stays")
        continue
      }
      let (fromRow, fromColumn) = (source % area / side, source % side)
      #expect(source / area == index, "no value comes from another patch")
      #expect(
        near.contains {
          let distance = max(abs($0.row - fromRow), abs($0.column - fromColumn))
          return distance > radius && distance <= radius + 2
        })
      for channel in 1..<max(channels, 2) where channels > 1 {
        #expect(
          hidden.elements[position * channels + channel] == Float(source * channels + channel))
      }
    }
  }

  @Test func `spots are a function of seed and step`() {
    let patches = patches(side: 32)
    let spots = BlindSpots()
    #expect(spots.hide(patches, seed: 1, step: 2) == spots.hide(patches, seed: 1, step: 2))
    #expect(
      spots.hide(patches, seed: 1, step: 2).mask != spots.hide(patches, seed: 1, step: 3).mask)
    #expect(
      spots.hide(patches, seed: 1, step: 2).mask != spots.hide(patches, seed: 2, step: 2).mask)
  }

  /// A sampler of pictures that differ by what `change` does to each value.
  private func sampler(
    patch: Int = 16, _ change: (UInt8) -> UInt8 = { $0 }
  ) throws -> PatchSampler {
    let samples = (0..<40 * 30).map { change(UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 / 40)) }
    let picture = ByteImage(width: 40, height: 30, channels: 1, samples: samples)
    return try PatchSampler(
      folder: ImageFolder(items: [.init(name: "a", image: picture)], mode: .gray),
      patchSize: patch, batchSize: 4, seed: 3)
  }

  @Test func `noisy pictures alone are their own targets`() throws {
    let sampler = try sampler()
    let batches = try DenoisingBatches(
      sampler: sampler, noises: [.gaussian(sigma: 25...25)], target: .own)
    let batch = batches.batch(step: 5)
    #expect(batch["target"] == sampler.batch(step: 5), "no noise is added")
    let (input, target) = try (#require(batch["input"]), #require(batch["target"]))
    let mask = try #require(batch["mask"])
    for index in 0..<input.count where mask.elements[index] == 0 {
      #expect(input.elements[index] == target.elements[index])
    }
    #expect(batches.batch(step: 5) == batch)
  }

  @Test func `targets of files are cut where their inputs are`() throws {
    let batches = try DenoisingBatches(
      sampler: sampler(), noises: [.gaussian(sigma: 25...25)], target: .files,
      targets: sampler { 255 - $0 })
    for step in 0..<4 {
      let batch = batches.batch(step: step)
      let (input, target) = try (#require(batch["input"]), #require(batch["target"]))
      for (first, second) in zip(input.elements, target.elements) {
        #expect(abs(first + second - 1) < 1e-6)
      }
    }
  }

  @Test func `what cannot be is refused`() throws {
    func line(_ make: () throws -> DenoisingBatches) -> String? {
      do {
        _ = try make()
        return nil
      } catch {
        return "\(error)"
      }
    }
    let noises = [NoiseModel.gaussian(sigma: 25...25)]
    #expect(
      line {
        try DenoisingBatches(
          sampler: sampler(), noises: noises, target: .own, givesNoiseMap: true)
      } == "a network that reads a noise map cannot be trained on noisy pictures: no one knows "
        + "theirs; take autoencoder, unet, blur-unet or dncnn")
    #expect(
      line { try DenoisingBatches(sampler: sampler(), noises: noises, target: .files) }
        == "files as targets need pictures of the targets")
    #expect(
      line {
        try DenoisingBatches(
          sampler: sampler(), noises: noises, target: .own, spots: BlindSpots(radius: 8))
      } == "blind spots of radius 8 need patches of at least 22 pixels; received 16")
  }
}
