// Crops of pictures with labels: the same bits for a step, picture and labels moved together.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierScenery
import Testing

/// A picture of vertical stripes, 6 wide: class 0, 1, 2, 0, …, each in a gray of its own.
private func stripes(width: Int = 36, height: Int = 24, channels: Int = 3) throws
  -> SegmentedImages
{
  let labels = (0..<width * height).map { UInt8($0 % width / 6 % 3) }
  let image = ByteImage(
    width: width, height: height, channels: channels,
    samples: labels.flatMap { [UInt8](repeating: 40 + 60 * $0, count: channels) })
  return try SegmentedImages(
    name: "stripes",
    items: [
      SegmentedImage(
        name: "stripes", image: image,
        labels: LabelMap(width: width, height: height, labels: labels))
    ], channels: channels,
    palette: ClassPalette(["a", "b", "c"].map { .init(name: $0, color: [0, 0, 0]) }))
}

private func batches(
  _ set: SegmentedImages, _ crop: PixelSize, batch: Int = 4, _ augmentation: SceneAugmentation,
  balance: Float = 0, seed: UInt64 = 3
) throws -> SegmentedBatches {
  try SegmentedBatches(
    .set(set), crop: crop, batchSize: batch, augmentation: augmentation, balance: balance,
    seed: seed)
}

@Suite struct SegmentedBatchTests {
  private let crop = PixelSize(width: 16, height: 12)

  @Test func aStepGivesTheSameBits() throws {
    let set = try stripes()
    let first = try batches(set, crop, .init())
    let again = try batches(set, crop, .init())
    for step in [0, 1, 7, 100_000] {
      let (images, labels) = first.crops(step: step)
      #expect(images.shape == [4, 12, 16, 3] && labels.shape == [4, 12, 16])
      let other = again.crops(step: step)
      #expect(images == other.images && labels == other.labels)
    }
    #expect(first.crops(step: 0).images != first.crops(step: 1).images)
    #expect(try batches(set, crop, .init(), seed: 4).crops(step: 0) != first.crops(step: 0))
  }

  @Test(arguments: [1, 3])
  func withoutChangesACropIsAPartOfThePicture(channels: Int) throws {
    let set = try stripes(channels: channels)
    let batch = try batches(set, crop, .none).crops(step: 5)
    let picture = set.items[0].image
    for index in 0..<4 {
      let first = Array(batch.labels.elements[index * 192..<index * 192 + 16])
      // The stripes tell the column where the crop begins, up to their period.
      let start = try #require(
        (0..<18).first { shift in first == (0..<16).map { Float(($0 + shift) / 6 % 3) } })
      for pixel in 0..<192 {
        let column = start + pixel % 16
        #expect(batch.labels.elements[index * 192 + pixel] == Float(column / 6 % 3))
        for channel in 0..<channels {
          let value = batch.images.elements[(index * 192 + pixel) * channels + channel]
          #expect(abs(value - Float(picture[column, 0, channel]) / 255) < 1e-6)
        }
      }
    }
  }

  /// Whatever is drawn, a pixel inside a stripe has its stripe's gray.
  @Test(arguments: [0, 1, 2, 3, 4])
  func picturesAndLabelsMoveTogether(kind: Int) throws {
    var augmentation = SceneAugmentation.none
    switch kind {
    case 0: (augmentation.smallestScale, augmentation.largestScale) = (0.6, 2)
    case 1: augmentation.rotation = 90
    case 2: augmentation.isFlipped = true
    case 3: augmentation.stretch = 0.5
    default:
      augmentation = .init()
      (augmentation.rotation, augmentation.stretch) = (30, 0.3)
      (augmentation.smallestBrightness, augmentation.largestBrightness) = (1, 1)
    }
    let set = try stripes(width: 60, height: 40)
    let made = try batches(set, crop, augmentation)
    var (inner, ignored) = (0, 0)
    for step in 0..<30 {
      let batch = made.crops(step: step)
      ignored += batch.labels.elements.filter { $0 == 255 }.count
      for index in 0..<4 {
        for row in 2..<10 {
          for column in 2..<14 {
            func label(_ x: Int, _ y: Int) -> Float {
              batch.labels.elements[(index * 12 + y) * 16 + x]
            }
            let own = label(column, row)
            // Where two pixels around have the same label, no reading mixes stripes.
            let isInner = (-2...2).allSatisfy { dy in
              (-2...2).allSatisfy { label(column + $0, row + dy) == own }
            }
            guard isInner, own < 3 else { continue }
            inner += 1
            let value = batch.images.elements[((index * 12 + row) * 16 + column) * 3]
            #expect(abs(value - (40 + 60 * own) / 255) < 0.01, "step \(step), \(column), \(row)")
          }
        }
      }
    }
    #expect(inner > 500)
    #expect((ignored > 0) == (kind == 1 || kind == 4))
  }

  @Test func aCropBeyondThePictureHoldsAllOfIt() throws {
    let set = try stripes(width: 12, height: 6)
    let large = PixelSize(width: 20, height: 16)
    let batch = try batches(set, large, batch: 2, .none).crops(step: 0)
    for index in 0..<2 {
      let labels = batch.labels.elements[index * 320..<(index + 1) * 320]
      #expect(labels.filter { $0 == 0 }.count == 36 && labels.filter { $0 == 1 }.count == 36)
      #expect(labels.filter { $0 == 255 }.count == 320 - 72)
    }
  }

  @Test func brightnessIsAFactorAndIsClipped() throws {
    var augmentation = SceneAugmentation.none
    (augmentation.smallestBrightness, augmentation.largestBrightness) = (2, 2)
    let batch = try batches(stripes(), crop, augmentation).crops(step: 0)
    for (pixel, label) in batch.labels.elements.enumerated() {
      let expected = min(2 * (40 + 60 * label) / 255, 1)
      #expect(abs(batch.images.elements[3 * pixel] - expected) < 1e-5)
    }
  }

  @Test func halfOfTheCropsAreMirrored() throws {
    // Two halves: where the left one is class 0, the crop is not mirrored.
    let labels = (0..<16 * 12).map { UInt8($0 % 16 / 8) }
    let set = try SegmentedImages(
      name: "halves",
      items: [
        SegmentedImage(
          name: "halves", image: ByteImage(width: 16, height: 12, channels: 3),
          labels: LabelMap(width: 16, height: 12, labels: labels))
      ], palette: ClassPalette(["a", "b"].map { .init(name: $0, color: [0, 0, 0]) }))
    var augmentation = SceneAugmentation.none
    augmentation.isFlipped = true
    let made = try batches(set, crop, batch: 1, augmentation)
    let mirrored = (0..<200).filter { made.crops(step: $0).labels.elements[0] == 1 }.count
    #expect((75...125).contains(mirrored), "\(mirrored)")
  }

  @Test func balanceShowsRareClassesMore() throws {
    // One pixel of class 1 in a large picture: few crops show it by chance.
    var labels = [UInt8](repeating: 0, count: 200 * 150)
    labels[77 * 200 + 20] = 1
    let set = try SegmentedImages(
      name: "rare",
      items: [
        SegmentedImage(
          name: "rare", image: ByteImage(width: 200, height: 150, channels: 3),
          labels: LabelMap(width: 200, height: 150, labels: labels))
      ], palette: ClassPalette(["a", "b"].map { .init(name: $0, color: [0, 0, 0]) }))
    func share(_ balance: Float) throws -> Int {
      let made = try batches(set, crop, batch: 1, .none, balance: balance)
      return (0..<200).filter { made.crops(step: $0).labels.elements.contains(1) }.count
    }
    #expect(try share(0) < 20)
    let all = try share(1)
    #expect((70...130).contains(all), "\(all)")
  }

  @Test func scenesComeOnceAndAreWhatIsDrawn() throws {
    let scenes = try ShapesScenes(seed: 5, size: PixelSize(width: 24, height: 20))
    for channels in [1, 3] {
      let made = try SegmentedBatches(
        .scenes(scenes, channels: channels), crop: scenes.size, batchSize: 3,
        augmentation: .none, seed: 9)
      for step in [0, 4] {
        let (images, labels) = made.crops(step: step)
        #expect(images.shape == [3, 20, 24, channels])
        for index in 0..<3 {
          let scene = scenes.scene(3 * step + index)
          let area = 24 * 20
          #expect(
            labels.elements[index * area..<(index + 1) * area].elementsEqual(
              scene.labels.labels.map { Float($0) }))
          let picture = scene.picture.withChannels(channels).samples
          for (sample, value) in picture.enumerated() {
            let found = images.elements[index * area * channels + sample]
            #expect(abs(found - Float(value) / 255) < 1e-6)
          }
        }
      }
    }
  }

  @Test func cropsOfScenesAreBalanced() throws {
    let scenes = try ShapesScenes(seed: 5, size: PixelSize(width: 64, height: 64))
    func ground(_ balance: Float) throws -> Double {
      let made = try SegmentedBatches(
        .scenes(scenes, channels: 3), crop: PixelSize(width: 8, height: 8), batchSize: 4,
        augmentation: .none, balance: balance, seed: 9)
      let labels = (0..<60).flatMap { made.crops(step: $0).labels.elements }
      return Double(labels.filter { $0 == 0 }.count) / Double(labels.count)
    }
    // Three of four drawn classes are shapes, where the scene has them.
    let (usual, balanced) = (try ground(0), try ground(1))
    #expect(usual > 0.7 && balanced < usual - 0.15, "\(usual), \(balanced)")
  }

  @Test func scenesAreASetWithItsStatistics() throws {
    let scenes = try ShapesScenes(seed: 8, size: PixelSize(width: 32, height: 32))
    let set = try SegmentedImages(scenes, count: 256, channels: 1)
    #expect(set.count == 256 && set.channels == 1 && set.palette == scenes.palette)
    #expect(set.name == "shapes scenes of seed 8")
    #expect(set.items[7].labels == scenes.scene(7).labels)
    let source = SegmentedSource.scenes(scenes, channels: 3)
    #expect(source.statistics == set.statistics)
    #expect(source.summary == "shapes scenes of seed 8, 32x32, without end")
    #expect(throws: DatasetError.self) { try SegmentedImages(scenes, count: 0) }
    #expect(ShapesScenes.validationSeed(of: 1) != ShapesScenes.testSeed)
  }

  @Test func numbersThatMakeNoSenseAreRefused() throws {
    let set = try stripes()
    func line(_ change: (inout SceneAugmentation) -> Void) -> String? {
      var augmentation = SceneAugmentation()
      change(&augmentation)
      do {
        _ = try batches(set, crop, augmentation)
        return nil
      } catch { return "\(error)" }
    }
    #expect(
      line { $0.smallestScale = 0 }
        == "augmentation: the smallest scale takes 0.1...10.0; received 0.0")
    #expect(
      line { $0.smallestScale = 2 }
        == "augmentation: scales and brightnesses go from the smaller to the larger; received "
        + "2.0-1.5 and 0.7-1.4")
    #expect(line { $0.rotation = .nan } != nil)
    #expect(throws: DatasetError.self) { try batches(set, crop, batch: 0, .none) }
    #expect(throws: DatasetError.self) { try batches(set, crop, .none, balance: 2) }
  }
}
