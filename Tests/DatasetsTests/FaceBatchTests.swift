// Face batches: the warp's law, what each switch changes, the same bits again.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import Foundation
import Testing

/// Square crops of smooth waves.
private func crops(_ count: Int, side: Int = 128) -> ImageFolder {
  ImageFolder(
    items: (0..<count).map { index in
      var image = ByteImage(width: side, height: side, channels: 3)
      for y in 0..<side {
        for x in 0..<side {
          for channel in 0..<3 {
            let angle = Float(x * (channel + 1)) / 23 + Float(index)
            image[x, y, channel] = UInt8(unit: 0.5 + 0.4 * sin(angle) * cos(Float(y) / 17))
          }
        }
      }
      return ImageFolder.Item(name: "\(index).png", image: image)
    }, mode: .color)
}

@Suite struct FaceBatchTests {
  /// The changes, one at a time.
  private static let switches: [(String, FaceAugmentation)] = {
    let none = FaceAugmentation.none
    var list: [(String, FaceAugmentation)] = []
    func add(_ name: String, _ change: (inout FaceAugmentation) -> Void) {
      var value = none
      change(&value)
      list.append((name, value))
    }
    add("rotation") { $0.rotation = 10 }
    add("zoom") { $0.zoom = 0.05 }
    add("shift") { $0.shift = 0.05 }
    add("flip") { $0.flipProbability = 1 }
    add("warp") { $0.warp = 5 }
    add("lightness") { $0.lightness = 0.3 }
    add("chroma") { $0.chroma = 0.08 }
    return list
  }()

  @Test(arguments: [(64, 128), (128, 256), (40, 96)], [0.625, 0.875, 1])
  func withoutChangesInputAndTargetAreTheResizedMiddle(
    sizes: (side: Int, crop: Int), coverage: Double
  ) throws {
    let (side, crop) = sizes
    var augmentation = FaceAugmentation.none
    augmentation.coverage = coverage
    let folder = crops(3, side: crop)
    let batches = try FaceBatches(
      faces: folder, side: side, batchSize: 4, augmentation: augmentation, seed: 1)
    let batch = batches.unchanged([2])
    #expect(batch.input.shape == [1, side, side, 3])
    // Pixel i of the network reads the crop's middle at its own centre.
    let middle = Double(crop) * coverage
    let map = AffineMap.scaling(
      middle / Double(side), x: (Double(crop) - middle) / 2, y: (Double(crop) - middle) / 2)
    let expected = folder.items[2].image.floats.sampled(
      through: map, width: side, height: side, isAntialiased: false)
    for tensor in [batch.input, batch.target] {
      let error = zip(tensor.elements, expected.samples).reduce(Float(0)) {
        max($0, abs($1.0 - $1.1))
      }
      #expect(error < 1e-4)
    }
  }

  @Test func theOriginalsSamplingPlaces() {
    var augmentation = FaceAugmentation.none
    augmentation.alignment = .original
    var generator = RandomGenerator(seed: 1)
    let variation = FaceVariation(augmentation, crop: 256, using: &generator)
    // cv2.resize of linspace(48, 208, 5) to 80, [8:72]: 49.25 + 2.5 i; warpAffine: 48 + 2.5 i.
    let input = variation.inputPlaces(side: 64)
    let target = variation.targetPlaces(side: 64)
    for index in [0, 1, 31, 63] {
      #expect(abs(input[index].x - (49.25 + 2.5 * Float(index))) < 1e-4)
      #expect(abs(input[index * 64].y - (49.25 + 2.5 * Float(index))) < 1e-4)
      #expect(abs(target[index].x - (48 + 2.5 * Float(index))) < 1e-4)
    }
  }

  @Test func theTargetFollowsTheWarpOnTheWhole() {
    var augmentation = FaceAugmentation.none
    augmentation.warp = 5
    var distances: [Float] = []
    for seed in UInt64(0)..<200 {
      var generator = RandomGenerator(seed: seed)
      let variation = FaceVariation(augmentation, crop: 256, using: &generator)
      let deviation = zip(variation.gridX, variation.gridY).enumerated().map { index, point in
        let x = point.0 - (48 + 40 * Double(index % 5))
        let y = point.1 - (48 + 40 * Double(index / 5))
        return x * x + y * y
      }
      distances.append(Float(deviation.reduce(0, +) / 50))
      let input = variation.inputPlaces(side: 64)
      let target = variation.targetPlaces(side: 64)
      let mean = zip(input, target).reduce(SIMD2<Float>.zero) { $0 + $1.0 - $1.1 } / 4096
      #expect(abs(mean.x) < 3 && abs(mean.y) < 3)
    }
    let variance = distances.reduce(0, +) / 200
    #expect(abs(variance - 25) < 1.5, "normal noise of deviation 5: \(variance)")
  }

  @Test(arguments: switches.indices)
  func eachSwitchChangesWhatItSays(index: Int) throws {
    let (name, augmentation) = Self.switches[index]
    let folder = crops(2)
    func batch(_ value: FaceAugmentation) throws -> FaceBatch {
      try FaceBatches(faces: folder, side: 64, batchSize: 3, augmentation: value, seed: 7)
        .batch(step: 5)
    }
    let (plain, changed) = (try batch(.none), try batch(augmentation))
    #expect(changed.input != plain.input, "\(name)")
    #expect(changed.target != plain.target, "\(name)")
    #expect(changed.input.elements.allSatisfy { (0...1).contains($0) })
    let difference = zip(changed.input.elements, changed.target.elements).reduce(Float(0)) {
      max($0, abs($1.0 - $1.1))
    }
    // Only the warp tells input and target apart.
    #expect(name == "warp" ? difference > 0.05 : difference < 1e-3, "\(name): \(difference)")
    if name == "flip" {
      let row = (0..<64).map { plain.target.elements[$0 * 3] }
      let mirrored = (0..<64).map { changed.target.elements[(63 - $0) * 3] }
      #expect(zip(row, mirrored).allSatisfy { abs($0 - $1) < 1e-4 })
    }
  }

  @Test func aTargetThatKeepsItsColours() throws {
    let folder = crops(2)
    var augmentation = FaceAugmentation(warp: 0, lightness: 0.4, chroma: 0.1)
    func batch() throws -> FaceBatch {
      try FaceBatches(faces: folder, side: 64, batchSize: 3, augmentation: augmentation, seed: 7)
        .batch(step: 5)
    }
    let both = try batch()
    augmentation.recolorsTarget = false
    let kept = try batch()
    augmentation.lightness = 0
    augmentation.chroma = 0
    let plain = try batch()
    #expect(kept.input == both.input)
    #expect(kept.target == plain.target)
    #expect(kept.target != both.target)
  }

  @Test func theSameSeedGivesTheSameBytes() throws {
    let folder = crops(4)
    func batches(seed: UInt64 = 3, stream: UInt64 = 0) throws -> FaceBatches {
      try FaceBatches(faces: folder, side: 64, batchSize: 5, seed: seed, stream: stream)
    }
    let source = try batches()
    let later = source.batch(step: 9)
    _ = source.batch(step: 1)
    #expect(source.batch(step: 9) == later, "a function of the step alone")
    #expect(try batches().batch(step: 9) == later)
    #expect(source.batch(step: 10) != later)
    #expect(try batches(seed: 4).batch(step: 9) != later)
    #expect(try batches(stream: 1).batch(step: 9) != later)
  }

  @Test func masksGoWithTheirFaces() throws {
    let folder = crops(2)
    let masks = folder.items.map { $0.image.channel(0) }
    let batch = try FaceBatches(
      faces: folder, masks: masks, side: 64, batchSize: 2, augmentation: FaceAugmentation(),
      seed: 2
    ).batch(step: 0)
    let mask = try #require(batch.mask)
    #expect(mask.shape == [2, 64, 64, 1])
    for pixel in 0..<mask.count {
      #expect(mask.elements[pixel] == batch.target.elements[pixel * 3])
    }
  }

  @Test(arguments: [FaceLayout.faceShare, 1])
  func eyesAndMouthGoWithTheirFaces(coverage: Double) throws {
    // A crop that is white where its own eyes and mouth are.
    let plain = FaceLayout(cropSize: 128, coverage: 1).unchanged
    let places = try FaceBatches(
      faces: crops(1), side: 128, batchSize: 1, augmentation: plain, seed: 1, drawsFeatures: true
    ).unchanged([0])
    let marks = try #require(places.features)
    #expect(marks.shape == [1, 128, 128, 3])
    func mark(_ x: Double, _ y: Double) -> Float {
      let point = FaceLayout.faceBox(PlanePoint(x, y))
      return marks.elements[(Int(point.y * 128) * 128 + Int(point.x * 128)) * 3]
    }
    let eyes = FaceLayout.eyeColumns
    for (x, y) in [(eyes.left, FaceLayout.eyeRow), (eyes.right, FaceLayout.eyeRow), (0.5, 0.83)] {
      #expect(mark(x, y) == 1, "\(x), \(y)")
    }
    for (x, y) in [(0.5, 0.6), (0.5, 0.1), (0.05, 0.9), (0.95, 0.9), (0.5, 1.15)] {
      #expect(mark(x, y) == 0, "\(x), \(y)")
    }
    let painted = ByteImage(
      width: 128, height: 128, channels: 3,
      samples: marks.elements.map { UInt8(($0 * 255).rounded()) })
    var changes = FaceAugmentation()
    changes.flipProbability = 0.5
    changes.coverage = coverage
    let batches = try FaceBatches(
      faces: ImageFolder(items: [.init(name: "marks", image: painted)], mode: .color), side: 64,
      batchSize: 6, augmentation: changes, seed: 4, drawsFeatures: true)
    let batch = batches.batch(step: 0)
    let features = try #require(batch.features)
    let apart = zip(features.elements, batch.target.elements).map { abs($0 - $1) }
    #expect((apart.max() ?? 1) < 0.1)
    #expect(apart.reduce(0, +) / Float(apart.count) < 0.004)
    let silent = try FaceBatches(faces: crops(1), batchSize: 1, seed: 1)
    #expect(silent.batch(step: 0).features == nil)
  }

  @Test func unusableFacesAreRefused() {
    let folder = crops(2)
    func text(_ body: () throws -> FaceBatches) -> String {
      do {
        _ = try body()
        return "(no error)"
      } catch { return "\(error)" }
    }
    let wide = folder.appending([
      .init(name: "wide.png", image: ByteImage(width: 130, height: 128, channels: 3))
    ])
    #expect(
      text { try FaceBatches(faces: wide, batchSize: 1, seed: 0) }
        == "wide.png: expected a square face of 128x128 like 0.png; received 130x128")
    #expect(
      text { try FaceBatches(faces: folder, masks: [], batchSize: 1, seed: 0) }
        == "expected 2 masks; received 0")
    #expect(
      text { try FaceBatches(faces: ImageFolder(items: [], mode: .color), batchSize: 1, seed: 0) }
        == "there are no faces")
    #expect(
      text {
        try FaceBatches(
          faces: folder, batchSize: 1, augmentation: FaceAugmentation(zoom: 2), seed: 0)
      } == "the zoom of faces must be in 0.0...0.9; received 2.0")
    #expect(
      text {
        try FaceBatches(
          faces: folder, batchSize: 1, augmentation: FaceAugmentation(coverage: 0.2), seed: 0)
      } == "the coverage of faces must be in 0.25...1.0; received 0.2")
  }
}
