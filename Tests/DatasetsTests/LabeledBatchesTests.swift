// A classifier's batches: every picture once an epoch, the same bits again, changes that can be
// foretold; splits and orders of sets.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import Testing

/// Pictures of 6×5 whose first byte is their number.
private func numbered(_ count: Int, channels: Int = 1) throws -> LabeledImages {
  var pixels: [UInt8] = []
  for index in 0..<count {
    pixels += (0..<30 * channels).map { UInt8(($0 == 0 ? index : 40 + 37 * $0 + index) % 251) }
  }
  return try LabeledImages(
    name: "numbered", size: PixelSize(width: 6, height: 5), channels: channels, pixels: pixels,
    labels: (0..<count).map { $0 % 3 }, classNames: ["a", "b", "c"])
}

@Suite struct LabeledBatchesTests {
  @Test func everyPictureComesOnceAnEpochInAnotherOrder() throws {
    let batches = try LabeledBatches(numbered(23), batchSize: 4, seed: 5)
    #expect(batches.stepsPerEpoch == 5)
    func epoch(_ number: Int) -> [Int] {
      (0..<5).flatMap { step -> [Int] in
        let batch = batches.pictures(step: number * 5 + step)
        #expect(batch.images.shape == [4, 5, 6, 1] && batch.labels.shape == [4])
        let numbers = (0..<4).map { Int((batch.images.elements[$0 * 30] * 255).rounded()) }
        #expect(batch.labels.elements == numbers.map { Float($0 % 3) })
        return numbers
      }
    }
    let (first, second) = (epoch(0), epoch(1))
    #expect(Set(first).count == 20 && Set(second).count == 20)
    #expect(first != second)
    #expect(epoch(0) == first)
  }

  @Test func aStepIsAFunctionOfTheSeed() throws {
    var change = PictureAugmentation()
    change.shift = 2
    change.rotation = 10
    change.isFlipped = true
    let set = try numbered(12, channels: 3)
    let first = try LabeledBatches(set, batchSize: 5, augmentation: change, seed: 1)
    let again = try LabeledBatches(set, batchSize: 5, augmentation: change, seed: 1)
    let other = try LabeledBatches(set, batchSize: 5, augmentation: change, seed: 2)
    _ = again.pictures(step: 9)
    #expect(first.pictures(step: 3).images == again.pictures(step: 3).images)
    #expect(first.pictures(step: 3).images != other.pictures(step: 3).images)
    #expect(first.pictures(step: 3).images != first.pictures(step: 4).images)
  }

  @Test func impossibleBatchesAreRefused() throws {
    let set = try numbered(3)
    #expect(throws: DatasetError("numbered: a batch has 1 to 3 pictures; received 4")) {
      try LabeledBatches(set, batchSize: 4, seed: 1)
    }
    var change = PictureAugmentation()
    change.zoom = 1
    #expect(throws: DatasetError("augmentation: zoom takes 0.0...0.9; received 1.0")) {
      try LabeledBatches(set, batchSize: 1, augmentation: change, seed: 1)
    }
  }
}

@Suite struct PictureAugmentationTests {
  private let size = (height: 7, width: 9, channels: 2)

  private func changed(
    _ picture: [Float], seed: UInt64, _ change: (inout PictureAugmentation) -> Void
  ) -> [Float] {
    var augmentation = PictureAugmentation()
    change(&augmentation)
    var generator = RandomGenerator(seed: seed)
    var result = [Float](repeating: -1, count: picture.count)
    picture.withUnsafeBufferPointer { source in
      result.withUnsafeMutableBufferPointer { target in
        augmentation.apply(to: source, into: target, size: size, using: &generator)
      }
    }
    return result
  }

  private var picture: [Float] {
    var generator = RandomGenerator(seed: 3)
    return (0..<126).map { _ in generator.uniform() }
  }

  /// The picture moved by whole pixels, its border repeated.
  private func moved(_ picture: [Float], x: Int, y: Int, isMirrored: Bool = false) -> [Float] {
    (0..<126).map { index in
      let (row, column, channel) = (index / 18, index / 2 % 9, index % 2)
      var source = column - x
      if isMirrored { source = 8 - source }
      return picture[
        (min(max(row - y, 0), 6) * 9 + min(max(source, 0), 8)) * 2 + channel]
    }
  }

  @Test func nothingIsTheIdentity() {
    #expect(changed(picture, seed: 1) { _ in } == picture)
  }

  @Test func shiftsMoveWholePixelsEveryWay() {
    let all = (-2...2).flatMap { y in (-2...2).map { x in moved(picture, x: x, y: y) } }
    var seen: Set<Int> = []
    for seed in UInt64(0)..<200 {
      let result = changed(picture, seed: seed) { $0.shift = 2 }
      guard let index = all.firstIndex(of: result) else {
        Issue.record("seed \(seed) moved by something else")
        continue
      }
      seen.insert(index)
    }
    #expect(seen.count == 25)
  }

  @Test func halfOfThePicturesAreMirrored() {
    let mirrored = moved(picture, x: 0, y: 0, isMirrored: true)
    let results = (UInt64(0)..<200).map { changed(picture, seed: $0) { $0.isFlipped = true } }
    let count = results.filter { $0 == mirrored }.count
    #expect(results.allSatisfy { $0 == mirrored || $0 == picture })
    #expect((70...130).contains(count))
  }

  @Test func brightnessScalesAndCoverIsTheMean() {
    let bright = changed(picture, seed: 4) { $0.brightness = 0.3 }
    let factors = zip(bright, picture).filter { $0.1 > 0.05 && $0.1 < 0.7 }.map { $0.0 / $0.1 }
    let factor = factors[0]
    #expect(factors.allSatisfy { abs($0 - factor) < 1e-3 } && (0.7...1.3).contains(factor))
    #expect(factor != 1)
    let covered = changed(picture, seed: 4) { $0.cutout = 3 }
    let differing = covered.indices.filter { covered[$0] != picture[$0] }
    #expect((2...18).contains(differing.count))
    for channel in 0..<2 {
      let mean = stride(from: channel, to: 126, by: 2).reduce(0) { $0 + picture[$1] } / 63
      #expect(differing.filter { $0 % 2 == channel }.allSatisfy { abs(covered[$0] - mean) < 1e-5 })
    }
  }

  @Test func rotationAndZoomKeepTheMiddle() {
    for seed in UInt64(0)..<20 {
      let turned = changed(picture, seed: seed) { $0.rotation = 180 }
      let scaled = changed(picture, seed: seed) { $0.zoom = 0.5 }
      for channel in 0..<2 {
        let middle = (3 * 9 + 4) * 2 + channel
        #expect(abs(turned[middle] - picture[middle]) < 1e-4)
        #expect(abs(scaled[middle] - picture[middle]) < 1e-4)
      }
      #expect(turned != picture && scaled != picture)
      #expect(turned.allSatisfy { (0...1).contains($0) })
    }
  }
}

@Suite struct LabeledSetTests {
  @Test func heldOutPicturesAreOthers() throws {
    let set = try numbered(20)
    let (rest, held) = try set.split(holdingOut: 6, seed: 3)
    func numbers(_ set: LabeledImages) -> [Int] {
      (0..<set.count).map { Int(set.image($0).samples[0]) }
    }
    #expect(numbers(held).count == 6 && numbers(rest).count == 14)
    #expect(Set(numbers(held) + numbers(rest)) == Set(0..<20))
    #expect(held.labels == numbers(held).map { $0 % 3 })
    #expect(numbers(try set.split(holdingOut: 6, seed: 3).held) == numbers(held))
    #expect(numbers(try set.split(holdingOut: 6, seed: 4).held) != numbers(held))
    for count in [0, 20, 21, -1] {
      #expect(throws: DatasetError.self) { try set.split(holdingOut: count, seed: 1) }
    }
  }

  @Test func statisticsAreThoseOfTheChannels() throws {
    let set = try LabeledImages(
      name: "s", size: PixelSize(width: 2, height: 1), channels: 3,
      pixels: [0, 10, 255, 0, 30, 255, 255, 10, 255, 255, 30, 255], labels: [0, 1],
      classNames: ["a", "b"])
    let (mean, deviation) = set.statistics
    let means: [Float] = [0.5, 20 / 255, 1]
    let deviations: [Float] = [0.5, 10 / 255, 1 / 255]
    #expect(mean == means)
    // A channel of one value is divided by one step.
    #expect(deviation == deviations)
  }

  @Test func classesGoByNameOrByNumber() throws {
    let set = try numbered(4)
    let other = try set.ordered(as: ["c", "b", "d", "a"])
    #expect(other.labels == [3, 1, 0, 3] && other.classNames == ["c", "b", "d", "a"])
    #expect(
      throws: DatasetError(
        "numbered: its class 'c' is none of the model's, which are a, b, d")
    ) { try set.ordered(as: ["a", "b", "d"]) }
    // Numbers that were given as names are names (`MetClassesTests` has sets without any).
    let plain = try set.naming(["0", "1", "2"])
    #expect(throws: DatasetError.self) { try plain.ordered(as: ["x", "y", "z"]) }
    #expect(throws: DatasetError("numbered: expected 3 class names, received 2")) {
      try set.naming(["a", "b"])
    }
    #expect(throws: DatasetError.self) { try set.naming(["a", "a", "b"]) }
  }
}
