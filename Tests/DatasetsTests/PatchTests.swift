// Folders, patches and denoising batches: order, refusals, orientations, the same bits again.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import Foundation
import Testing

/// A folder of its own under the temporary directory, removed at the end.
private struct TemporaryFolder: ~Copyable {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory
      .appendingPathComponent("atelier-datasets-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  func write(_ image: ByteImage, _ name: String) throws {
    let file = url.appendingPathComponent(name)
    try FileManager.default.createDirectory(
      at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try ImageFile.write(image, to: file)
  }
}

/// A picture whose every sample tells where it is.
private func picture(width: Int, height: Int, channels: Int, seed: UInt64 = 1) -> ByteImage {
  var generator = RandomGenerator(seed: seed)
  let samples = (0..<width * height * channels).map { _ in UInt8(generator.index(below: 256)) }
  return ByteImage(width: width, height: height, channels: channels, samples: samples)
}

private func folder(_ images: [ByteImage], mode: ColorMode = .gray) -> ImageFolder {
  ImageFolder(
    items: images.enumerated().map { ImageFolder.Item(name: "\($0).png", image: $1) }, mode: mode)
}

@Suite struct ImageFolderTests {
  @Test func filesAreFoundBelowAndSorted() throws {
    let temporary = try TemporaryFolder()
    let names = ["b.png", "a/z.png", "a/y.PNG", "a/deep/x.png", "B.png", ".hidden.png"]
    for (index, name) in names.enumerated() {
      try temporary.write(picture(width: 4 + index, height: 3, channels: 3), name)
    }
    try Data("no picture".utf8).write(to: temporary.url.appendingPathComponent("notes.txt"))
    let folder = try ImageFolder([temporary.url], mode: .color)
    #expect(folder.items.map(\.name) == ["B.png", "a/deep/x.png", "a/y.PNG", "a/z.png", "b.png"])
    #expect(folder.items.map(\.image.width) == [8, 7, 6, 5, 4])
    #expect(folder.byteCount == (8 + 7 + 6 + 5 + 4) * 9)
    #expect(
      folder.items[4].image.samples == picture(width: 4, height: 3, channels: 3).samples)
    let single = try ImageFolder([temporary.url.appendingPathComponent("b.png")], mode: .color)
    #expect(single.items.map(\.name) == ["b.png"])
  }

  @Test func anUnreadableFileOfAFolderIsLeftOutAndNamed() throws {
    let temporary = try TemporaryFolder()
    let bad = temporary.url.appendingPathComponent("bad.png")
    try Data("broken".utf8).write(to: bad)
    let line =
      "\(bad.path): expected a PNG, JPEG, TIFF, WebP, PGM or PPM picture, received data of "
      + "another kind"
    for urls in [[temporary.url], [bad]] {
      let error = #expect(throws: DatasetError.self) { try ImageFolder(urls, mode: .gray) }
      #expect(error?.description == "not usable for training: \(line)")
    }
    try temporary.write(picture(width: 4, height: 4, channels: 3), "good.png")
    let folder = try ImageFolder([temporary.url], mode: .gray)
    #expect(folder.items.map(\.name) == ["good.png"])
    #expect(folder.leftOut == [line])
  }

  @Test func sixteenBitsAndFloatsReachThePatches() throws {
    let temporary = try TemporaryFolder()
    let words = WordImage(width: 6, height: 6, channels: 1) { samples in
      for index in samples.indices { samples[index] = UInt16(index * 1777 + 3) }
    }
    try ImageFile.write(words, to: temporary.url.appendingPathComponent("a.png").path)
    let floats = words.floats.rescaled(from: 0...1, to: -20...4000)
    try ImageFile.write(
      .floats(floats), to: temporary.url.appendingPathComponent("b.tif").path)
    let folder = try ImageFolder([temporary.url], mode: .gray)
    #expect(folder.items[0].words == words)
    #expect(folder.byteCount == 2 * 3 * 36)
    let range = floats.shownRange
    #expect(folder.items[1].words == floats.rescaled(from: range, to: 0...1).words)
    let sampler = try PatchSampler(
      folder: folder, patchSize: 6, batchSize: 8, seed: 3, isAugmenting: false)
    let batch = sampler.batch(step: 0)
    for index in 0..<8 {
      let item = folder.items[sampler.origin(step: 0, index: index).image]
      let patch = Array(batch.elements[36 * index..<36 * (index + 1)])
      #expect(patch == item.words?.samples.map { Float($0) / 65535 })
    }
  }

  @Test func colorsUnderFullTransparencyAreNotLearnt() throws {
    let temporary = try TemporaryFolder()
    var image = ByteImage(width: 8, height: 8, channels: 4, filledWith: 255)
    for index in image.samples.indices where index % 4 < 3 { image.samples[index] = 90 }
    for pixel in 0..<20 {
      for channel in 0..<4 { image.samples[4 * pixel + channel] = 0 }
    }
    try temporary.write(image, "a.png")
    let folder = try ImageFolder([temporary.url], mode: .color)
    #expect(folder.items[0].image.samples.allSatisfy { $0 == 90 })
  }

  @Test func anEmptyOrMissingFolderIsNamed() throws {
    let temporary = try TemporaryFolder()
    let empty = #expect(throws: DatasetError.self) {
      try ImageFolder([temporary.url], mode: .gray)
    }
    #expect(empty?.description == "no picture in \(temporary.url.path)")
    let missing = temporary.url.appendingPathComponent("nowhere")
    let error = #expect(throws: DatasetError.self) { try ImageFolder([missing], mode: .gray) }
    #expect(error?.description == "\(missing.path): no such file or folder")
  }

  @Test func theMemoryLimitIsHonest() throws {
    let temporary = try TemporaryFolder()
    for name in ["a.png", "b.png"] {
      try temporary.write(picture(width: 10, height: 10, channels: 3), name)
    }
    #expect(try ImageFolder([temporary.url], mode: .color, memoryLimit: 600).byteCount == 600)
    let error = #expect(throws: DatasetError.self) {
      try ImageFolder([temporary.url], mode: .color, memoryLimit: 599)
    }
    #expect(error?.description.contains("b.png") == true)
    #expect(error?.description.contains("the limit is 599") == true)
  }

  @Test func picturesOfEveryKindBecomeTheFoldersKind() {
    let rgba = ByteImage(
      width: 2, height: 2, channels: 4,
      samples: [255, 0, 0, 9, 0, 255, 0, 9, 0, 0, 255, 9, 10, 20, 30, 9])
    let grayAlpha = ByteImage(width: 2, height: 1, channels: 2, samples: [7, 1, 200, 2])
    let gray = folder([rgba, grayAlpha], mode: .gray)
    #expect(gray.items.map(\.image.samples) == [[76, 150, 29, 18], [7, 200]])
    let color = gray.appending([ImageFolder.Item(name: "more", image: rgba)])
    #expect(color.items[2].image.samples == [76, 150, 29, 18])
    #expect(
      folder([rgba, grayAlpha], mode: .color).items.map(\.image.samples)
        == [[255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30], [7, 7, 7, 200, 200, 200]])
  }

  @Test func scalingKeepsFlatPicturesAndSmoothRamps() throws {
    let temporary = try TemporaryFolder()
    let flat = ByteImage(
      width: 21, height: 17, channels: 3, samples: [UInt8](repeating: 93, count: 21 * 17 * 3))
    try temporary.write(flat, "flat.png")
    let ramp = ByteImage(
      width: 80, height: 20, channels: 1,
      samples: (0..<1600).map { UInt8(20 + 2 * ($0 % 80)) })
    try temporary.write(ramp, "ramp.png")
    let folder = try ImageFolder([temporary.url], mode: .gray, scale: 0.75)
    let first = folder.items[0].image
    #expect((first.width, first.height) == (15, 12))
    #expect(first.samples.allSatisfy { $0 == 93 })
    let second = folder.items[1].image
    #expect((second.width, second.height) == (60, 15))
    for x in 4..<56 {
      let expected = 20 + 2 * ((Double(x) + 0.5) / 0.75 - 0.5)
      #expect(abs(Double(second.samples[7 * 60 + x]) - expected) <= 1)
    }
    #expect(throws: DatasetError.self) {
      try ImageFolder([temporary.url], mode: .gray, scale: 0)
    }
  }
}

@Suite struct PatchSamplerTests {
  @Test(arguments: [ColorMode.gray, .color])
  func patchesAreThePlacesTheyClaim(mode: ColorMode) throws {
    let images = [
      picture(width: 31, height: 22, channels: mode.channels),
      picture(width: 19, height: 40, channels: mode.channels, seed: 2),
    ]
    let sampler = try PatchSampler(
      folder: folder(images, mode: mode), patchSize: 9, batchSize: 6, seed: 4)
    let channels = mode.channels
    var mismatches = 0
    for step in 0..<20 {
      let batch = sampler.batch(step: step)
      #expect(batch.shape == [6, 9, 9, channels])
      for index in 0..<6 {
        let origin = sampler.origin(step: step, index: index)
        let image = images[origin.image]
        for y in 0..<9 {
          for x in 0..<9 {
            let flippedY = origin.orientation & 2 != 0 ? 8 - y : y
            let flippedX = origin.orientation & 4 != 0 ? 8 - x : x
            let isTransposed = origin.orientation & 1 != 0
            let row = origin.row + (isTransposed ? flippedX : flippedY)
            let column = origin.column + (isTransposed ? flippedY : flippedX)
            for channel in 0..<channels {
              let byte = image.samples[(row * image.width + column) * channels + channel]
              let value = batch.elements[((index * 9 + y) * 9 + x) * channels + channel]
              if value != Float(byte) / 255 { mismatches += 1 }
            }
          }
        }
      }
    }
    #expect(mismatches == 0)
  }

  @Test func allEightOrientationsAreReachedAndDiffer() throws {
    let image = picture(width: 8, height: 8, channels: 1)
    let sampler = try PatchSampler(
      folder: folder([image]), patchSize: 8, batchSize: 64, seed: 1)
    let batch = sampler.batch(step: 0)
    var forms: [Int: Set<[Float]>] = [:]
    for index in 0..<64 {
      let patch = Array(batch.elements[index * 64..<(index + 1) * 64])
      forms[sampler.origin(step: 0, index: index).orientation, default: []].insert(patch)
    }
    #expect(forms.keys.sorted() == Array(0..<8))
    #expect(forms.values.allSatisfy { $0.count == 1 })
    #expect(Set(forms.values.compactMap(\.first)).count == 8)
    let plain = try PatchSampler(
      folder: folder([image]), patchSize: 8, batchSize: 16, seed: 1, isAugmenting: false)
    let expected = image.samples.map { Float($0) / 255 }
    let still = plain.batch(step: 3).elements
    for index in 0..<16 { #expect(Array(still[index * 64..<(index + 1) * 64]) == expected) }
  }

  @Test func batchesAreAFunctionOfSeedAndStep() throws {
    let images = folder([picture(width: 50, height: 50, channels: 1)])
    let one = try PatchSampler(folder: images, patchSize: 16, batchSize: 4, seed: 7)
    let same = try PatchSampler(folder: images, patchSize: 16, batchSize: 4, seed: 7)
    let other = try PatchSampler(folder: images, patchSize: 16, batchSize: 4, seed: 8)
    let later = one.batch(step: 1000)
    _ = one.batch(step: 3)
    #expect(one.batch(step: 1000) == later)
    #expect(same.batch(step: 1000) == later)
    #expect(other.batch(step: 1000) != later)
    #expect(one.batch(step: 1001) != later)
  }

  @Test func everyPlaceIsReachedIncludingTheBorders() throws {
    let sampler = try PatchSampler(
      folder: folder([picture(width: 7, height: 6, channels: 1)]), patchSize: 5, batchSize: 200,
      seed: 3)
    var places: Set<[Int]> = []
    for index in 0..<200 {
      let origin = sampler.origin(step: 0, index: index)
      places.insert([origin.row, origin.column])
    }
    #expect(places == [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]])
  }

  @Test func picturesAreChosenByImageOrByArea() throws {
    let images = folder([
      picture(width: 12, height: 11, channels: 1), picture(width: 32, height: 12, channels: 1),
    ])
    for (selection, expected) in [(PatchSelection.byImage, 0.5), (.byArea, 6.0 / (6 + 69))] {
      let sampler = try PatchSampler(
        folder: images, patchSize: 10, batchSize: 40_000, seed: 5, selection: selection)
      let first = (0..<40_000).count { sampler.origin(step: 2, index: $0).image == 0 }
      let deviation = (expected * (1 - expected) / 40_000).squareRoot()
      #expect(abs(Double(first) / 40_000 - expected) < 4 * deviation)
    }
  }

  @Test func smallPicturesAreLeftOutAndListed() throws {
    let images = [
      picture(width: 8, height: 40, channels: 1), picture(width: 20, height: 20, channels: 1),
    ]
    let sampler = try PatchSampler(folder: folder(images), patchSize: 9, batchSize: 50, seed: 1)
    #expect(sampler.warnings == ["0.png: 8x40 is smaller than a patch of 9x9; left out"])
    #expect((0..<50).allSatisfy { sampler.origin(step: 0, index: $0).image == 1 })
    let error = #expect(throws: DatasetError.self) {
      try PatchSampler(folder: folder(images), patchSize: 21, batchSize: 1, seed: 1)
    }
    #expect(error?.description.contains("all 2 pictures are smaller") == true)
    for (patch, batch) in [(0, 1), (5000, 1), (9, 0), (9, 100_000), (4096, 65536)] {
      #expect(throws: DatasetError.self) {
        try PatchSampler(folder: folder(images), patchSize: patch, batchSize: batch, seed: 1)
      }
    }
  }
}

@Suite struct DenoisingBatchTests {
  private func batches(
    _ noises: [NoiseModel], target: DenoisingTarget = .clean, isStoredAsBytes: Bool = false,
    mode: ColorMode = .gray
  ) throws -> DenoisingBatches {
    let sampler = try PatchSampler(
      folder: folder([picture(width: 64, height: 64, channels: 3)], mode: mode), patchSize: 32,
      batchSize: 8, seed: 21)
    return try DenoisingBatches(
      sampler: sampler, noises: noises, target: target, isStoredAsBytes: isStoredAsBytes)
  }

  @Test(arguments: [ColorMode.gray, .color])
  func noiseHasTheSigmaThatTheMapSays(mode: ColorMode) throws {
    let batch = try batches([.gaussian(sigma: 5...50)], mode: mode).patches(step: 9)
    let channels = mode.channels
    #expect(batch.clean.shape == [8, 32, 32, channels])
    #expect(batch.noiseMap.shape == [8, 32, 32, 1])
    #expect(batch.noisyWithMap.shape == [8, 32, 32, channels + 1])
    #expect(batch.target == batch.clean)
    #expect(Set(batch.sigmas).count == 8)
    let count = 32 * 32 * channels
    for index in 0..<8 {
      var sum = 0.0
      for element in index * count..<(index + 1) * count {
        let difference = Double(batch.noisy.elements[element] - batch.clean.elements[element])
        sum += difference * difference
      }
      let measured = (sum / Double(count)).squareRoot()
      #expect(abs(measured / Double(batch.sigmas[index]) - 1) < 0.1)
      let map = batch.noiseMap.elements[index * 1024..<(index + 1) * 1024]
      #expect(map.allSatisfy { $0 == batch.sigmas[index] })
    }
    for pixel in 0..<8 * 1024 {
      let joined = batch.noisyWithMap.elements[
        pixel * (channels + 1)..<(pixel + 1) * (channels + 1)]
      let parts = batch.noisy.elements[pixel * channels..<(pixel + 1) * channels]
      #expect(Array(joined) == Array(parts) + [batch.noiseMap.elements[pixel]])
    }
  }

  @Test func noise2noiseTargetsAreIndependentOfTheirInput() throws {
    let batch = try batches([.gaussian(sigma: 25...25)], target: .noisy).patches(step: 1)
    #expect(batch.target != batch.noisy)
    var product = 0.0
    var variance = 0.0
    for index in 0..<batch.clean.count {
      let first = Double(batch.noisy.elements[index] - batch.clean.elements[index])
      let second = Double(batch.target.elements[index] - batch.clean.elements[index])
      product += first * second
      variance += second * second
    }
    #expect(abs(product / variance) < 0.04)
    let count = Double(batch.clean.count)
    #expect(abs((variance / count).squareRoot() * 255 - 25) < 0.8)
    let same = try batches([.gaussian(sigma: 25...25)]).patches(step: 1)
    #expect(same.noisy == batch.noisy, "the input does not depend on the kind of target")
  }

  @Test func storedNoiseIsBytes() throws {
    let batch = try batches([.gaussian(sigma: 80...80)], isStoredAsBytes: true).patches(step: 0)
    for value in batch.noisy.elements {
      #expect((0...1).contains(value))
      #expect(value == Float(Int((value * 255).rounded())) / 255)
    }
  }

  @Test func severalNoisesAreMixed() throws {
    let mixed = try batches([.gaussian(sigma: 10...10), .gaussian(sigma: 40...40)])
    let sigmas = Set((0..<6).flatMap { mixed.patches(step: $0).sigmas })
    #expect(sigmas == [Float(10) / 255, Float(40) / 255])
    #expect(throws: DatasetError.self) { try batches([]) }
    #expect(throws: DatasetError.self) { try batches([.saltAndPepper(probability: 0...2)]) }
  }
}
