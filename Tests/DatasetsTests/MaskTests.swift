// Masks as pixels, runs, polygons and outlines: every form says the same pixels.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import Foundation
import TestSupport
import Testing

@Suite struct RunLengthMaskTests {
  @Test func runsSayThePixels() throws {
    var generator = RandomGenerator(seed: 1)
    for _ in 0..<300 {
      let width = 1 + generator.index(below: 24)
      let height = 1 + generator.index(below: 24)
      let mask = randomMask(width, height, using: &generator)
      let other = randomMask(width, height, using: &generator)
      let runs = RunLengthMask(mask)
      #expect(runs.mask == mask)
      #expect(runs.area == mask.area)
      #expect(runs.bounds == mask.bounds)
      #expect(runs.intersection(RunLengthMask(other)) == mask.intersection(other))
      let text = try RunLengthMask(width: width, height: height, text: runs.text)
      #expect(text == runs)
      #expect(
        try RunLengthMask(width: width, height: height, runs: runs.counts.map(Int.init)) == runs)
      let union = RunLengthMask.union([runs, RunLengthMask(other)])
      #expect(union.mask.pixels == zip(mask.pixels, other.pixels).map { $0 || $1 })
    }
  }

  @Test func runsOfNothingAreJoined() throws {
    let mask = try RunLengthMask(width: 3, height: 4, runs: [2, 0, 3, 1, 0, 4, 2, 0])
    #expect(mask.counts == [5, 5, 2])
    let full = try RunLengthMask(width: 2, height: 1, runs: [0, 2])
    #expect(full.counts == [0, 2])
    #expect(full.mask.pixels == [true, true])
  }

  @Test func runsThatDoNotFillAreRefused() {
    #expect(
      errorLine { _ = try RunLengthMask(width: 3, height: 4, runs: [5, 6]) }
        == "expected runs that fill 3x4 pixels, received 11 pixels")
    #expect(
      errorLine { _ = try RunLengthMask(width: 3, height: 4, runs: [5, 8]) }
        == "expected runs that fill 3x4 pixels, received a run of 8 after 5")
    #expect(
      errorLine { _ = try RunLengthMask(width: 3, height: 4, runs: [-1]) }
        == "expected runs that fill 3x4 pixels, received a run of -1 after 0")
    #expect(
      errorLine { _ = try RunLengthMask(width: 1 << 20, height: 1 << 20, runs: []) }
        == "expected a mask of at most 268435456 pixels, received 1048576x1048576")
    #expect(
      errorLine { _ = try RunLengthMask(width: 1 << 40, height: 1 << 40, runs: []) } != nil)
    #expect(
      errorLine { _ = try RunLengthMask(width: 2, height: 2, text: "4~") }
        == "expected COCO's text of runs, received another character at place 1")
    #expect(
      errorLine { _ = try RunLengthMask(width: 2, height: 2, text: "P") }
        == "expected COCO's text of runs, received a text that ends in a run")
    #expect(
      errorLine { _ = try RunLengthMask(width: 2, height: 2, text: "oooooooo0") } != nil)
  }

  @Test func polygonsFillAsTheReferenceDoes() throws {
    // A rectangle along the edges of pixels, and one between them.
    let edges = try RunLengthMask(width: 6, height: 5, polygon: [1, 1, 4, 1, 4, 3, 1, 3])
    #expect(edges.bounds == PlaneBox(x: 1, y: 1, width: 3, height: 2))
    #expect(edges.area == 6)
    let slanted = try RunLengthMask(width: 6, height: 5, polygon: [-3, -2, 4, 2, 1, 5])
    #expect(slanted.area > 0)
    #expect(
      errorLine { _ = try RunLengthMask(width: 6, height: 5, polygon: [1, 1, 4, 1]) }
        == "expected a polygon of three or more corners, x and y each; received 4 numbers")
    #expect(
      errorLine { _ = try RunLengthMask(width: 6, height: 5, polygon: [1, 1, 4, 1, 4, 3, 2]) }
        == "expected a polygon of three or more corners, x and y each; received 7 numbers")
    #expect(
      errorLine { _ = try RunLengthMask(width: 6, height: 5, polygon: [1, 1, 4, 1, 4, 30]) }
        == "expected a polygon in or near the picture of 6x5, received the corner (4.0, 30.0)")
    #expect(
      errorLine { _ = try RunLengthMask(width: 6, height: 5, polygon: [1, .nan, 4, 1, 4, 3]) }
        != nil)
    let wide = (0..<200_000).map { Double($0 % 4 < 2 ? 0 : 16000) }
    #expect(
      errorLine { _ = try RunLengthMask(width: 16000, height: 16000, polygon: wide) }
        == "expected a polygon of at most 10000000 pixels around, received a longer one")
  }
}

@Suite struct MaskOutlineTests {
  @Test func outlinesEncloseThePixels() throws {
    var generator = RandomGenerator(seed: 2)
    var holes = 0
    for _ in 0..<300 {
      let width = 1 + generator.index(below: 20)
      let height = 1 + generator.index(below: 20)
      let mask = randomMask(width, height, using: &generator)
      let outlines = mask.outlines
      holes += outlines.filter(\.isHole).count
      #expect(fill(outlines, mask.size) == mask)
      // Parts join over edges, so their number is that of the regions.
      let regions = ConnectedRegions(mask.pixels.map { $0 ? 0 : -1 }, size: mask.size)
      #expect(outlines.filter { !$0.isHole }.count == regions.values.count)
      for outline in outlines {
        for (index, corner) in outline.corners.enumerated() {
          let next = outline.corners[(index + 1) % outline.corners.count]
          let after = outline.corners[(index + 2) % outline.corners.count]
          #expect((corner.x == next.x) != (corner.y == next.y), "edges run along pixels")
          #expect((corner.x == next.x) != (next.x == after.x), "every corner is one")
        }
      }
    }
    #expect(holes > 100)
  }

  /// Polygons along the edges of pixels are the mask again under COCO's own filling.
  @Test func polygonsOfOutlinesAreTheMask() throws {
    var generator = RandomGenerator(seed: 3)
    var polygons = 0
    for _ in 0..<300 {
      let width = 2 + generator.index(below: 20)
      let height = 2 + generator.index(below: 20)
      let object = EncodedObject(
        classIndex: 0, mask: RunLengthMask(randomMask(width, height, using: &generator)))
      let annotation = COCODocument.Annotation(object, id: 1, pictureID: 1, form: .polygons)
      let segmentation = try #require(annotation.segmentation)
      if case .polygons = segmentation { polygons += 1 }
      #expect(try segmentation.mask(object.mask.size) == object.mask)
    }
    #expect(polygons > 60)
  }

  @Test func partsThatTouchAtACornerAreTwo() {
    let mask = BinaryMask(width: 2, height: 2, pixels: [true, false, false, true])
    #expect(mask.outlines.map(\.corners.count) == [4, 4])
    let ring = BinaryMask(
      width: 3, height: 3,
      pixels: [true, true, true, true, false, true, true, true, true])
    #expect(ring.outlines.map(\.isHole) == [false, true])
    #expect(BinaryMask(width: 3, height: 2).outlines.isEmpty)
  }

  /// The pixels whose centres lie inside an odd number of outlines.
  private func fill(_ outlines: [MaskOutline], _ size: PixelSize) -> BinaryMask {
    var mask = BinaryMask(width: size.width, height: size.height)
    for y in 0..<size.height {
      for x in 0..<size.width {
        var crossings = 0
        for outline in outlines {
          for (index, corner) in outline.corners.enumerated() {
            let next = outline.corners[(index + 1) % outline.corners.count]
            guard corner.x == next.x, corner.x <= x else { continue }
            if min(corner.y, next.y) <= y, y < max(corner.y, next.y) { crossings += 1 }
          }
        }
        mask[x, y] = crossings % 2 == 1
      }
    }
    return mask
  }
}

@Suite struct LabelRegionTests {
  @Test func regionsAreConnectedPartsOfClasses() {
    let labels = LabelMap(
      width: 4, height: 3, labels: [1, 1, 0, 2, 0, 0, 1, 2, 255, 1, 1, 0])
    let objects = labels.regions(firstLabel: 1)
    #expect(objects.map(\.classIndex) == [0, 1, 0])
    #expect(objects.map(\.mask.area) == [2, 2, 3])
    #expect(labels.regions(firstLabel: 1, leastArea: 3).map(\.mask.area) == [3])
    #expect(labels.regions().map(\.mask.area).reduce(0, +) == 11)
    let confidence = FloatImage(
      width: 4, height: 3, channels: 1, samples: (0..<12).map { Float($0) / 16 })
    let scores = labels.regions(firstLabel: 1, confidence: confidence).map(\.score)
    let expected: [Double] = [0.5 / 16, 5.0 / 16, 25.0 / 3 / 16]
    #expect(scores == expected)
  }

  @Test func labelsAreShownInTheirColours() {
    let palette = ClassPalette.objects(["a", "b"])
    let labels = LabelMap(width: 3, height: 1, labels: [0, 2, 255])
    let indexed = labels.indexed(palette)
    #expect(indexed.indices.samples == [0, 2, 255])
    #expect(indexed.palette.count == 256)
    #expect(indexed.palette[255] == SIMD4(224, 224, 192, 255))
    let color = PixelColor.distinct(1)
    let expected: [UInt8] = [0, 0, 0, color.red, color.green, color.blue, 224, 224, 192]
    #expect(labels.colored(palette).samples == expected)
    #expect(Set((0..<40).map(PixelColor.distinct)).count == 40)
  }

  @Test func numbersOfObjectsAreThoseOfTheSurest() throws {
    func object(_ pixels: [Bool], _ score: Double) -> EncodedObject {
      EncodedObject(
        classIndex: 0, mask: RunLengthMask(BinaryMask(width: 3, height: 1, pixels: pixels)),
        score: score)
    }
    let numbers = try InstanceLabels(
      [object([true, true, false], 0.4), object([false, true, true], 0.6)],
      size: PixelSize(width: 3, height: 1))
    #expect(numbers.labels == [1, 2, 2])
    #expect(numbers.masks.map(\.number) == [1, 2])
    #expect(numbers.masks.map(\.mask.area) == [1, 2])
  }
}
