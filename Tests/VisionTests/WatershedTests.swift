// The baseline without learning: exact distances, Otsu's threshold, floods, and blobs cut apart.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierStudio
import Foundation
import Testing

@Suite struct WatershedTests {
  @Test func distancesAreExact() {
    var generator = RandomGenerator(seed: 4)
    for _ in 0..<60 {
      let width = 1 + generator.index(below: 17)
      let height = 1 + generator.index(below: 17)
      let share = generator.uniform()
      let mask = BinaryMask(
        width: width, height: height,
        pixels: (0..<width * height).map { _ in generator.uniform() < share })
      let distances = DistanceTransform.distances(mask)
      for y in 0..<height {
        for x in 0..<width {
          var nearest = width * width + height * height
          for v in 0..<height {
            for u in 0..<width where !mask[u, v] {
              nearest = min(nearest, (u - x) * (u - x) + (v - y) * (v - y))
            }
          }
          #expect(abs(distances[x, y, 0] - Float(nearest).squareRoot()) < 1e-5)
        }
      }
    }
  }

  @Test func otsuPartsTwoGroups() throws {
    let dark = [Float](repeating: 0.2, count: 60) + [Float](repeating: 0.3, count: 10)
    let samples = dark + [Float](repeating: 0.7, count: 30)
    let threshold = try #require(WatershedBaseline.otsu(samples))
    #expect((0.3..<0.7).contains(threshold))
    #expect(WatershedBaseline.otsu([0.4, 0.4, 0.4]) == nil)
    #expect(WatershedBaseline.otsu([]) == nil)
  }

  @Test func floodsMeetOnTheRidge() {
    let heights = FloatImage(
      width: 7, height: 1, channels: 1, samples: [1, 0, 1, 2, 3, 1, 0])
    let mask = BinaryMask(width: 7, height: 1, pixels: [true, true, true, true, true, true, true])
    let owners = Watershed.flood(heights, seeds: [-1, 0, -1, -1, -1, -1, 1], mask: mask)
    #expect(owners == [0, 0, 0, 0, 0, 1, 1] || owners == [0, 0, 0, 0, 1, 1, 1])
    #expect(owners[3] == 0, "the lower side of the ridge is flooded first")
    let wall = FloatImage(
      width: 7, height: 1, channels: 1, samples: [0, 5, 1, 1, 1, 1, 0])
    let valley = Watershed.flood(wall, seeds: [0, -1, -1, -1, -1, -1, 1], mask: mask)
    #expect(valley == [0, 0, 1, 1, 1, 1, 1], "water does not climb while it can run on")
    let gap = BinaryMask(
      width: 7, height: 1, pixels: [true, true, false, true, true, true, true])
    let parted = Watershed.flood(heights, seeds: [-1, 0, -1, -1, -1, -1, 1], mask: gap)
    #expect(parted == [0, 0, -1, 1, 1, 1, 1])
  }

  @Test func holesAreFilled() {
    let ring = BinaryMask(
      width: 4, height: 3,
      pixels: [true, true, true, false, true, false, true, false, true, true, true, false])
    var full = ring
    full[1, 1] = true
    #expect(WatershedBaseline.withoutHoles(ring) == full)
  }

  /// Two discs that touch, bright on dark and dark on bright.
  @Test(arguments: [true, false])
  func discsThatTouchAreTwo(isBright: Bool) throws {
    var picture = ByteImage(width: 80, height: 50, channels: 3)
    var truth = [BinaryMask](repeating: BinaryMask(width: 80, height: 50), count: 2)
    for y in 0..<50 {
      for x in 0..<80 {
        var isInside = false
        for (index, middle) in [28, 52].enumerated() {
          let square = (x - middle) * (x - middle) + (y - 25) * (y - 25)
          if square <= 13 * 13, !isInside {
            isInside = true
            truth[index][x, y] = true
          }
        }
        for channel in 0..<3 { picture[x, y, channel] = isInside == isBright ? 200 : 40 }
      }
    }
    let objects = WatershedBaseline().objects(in: picture)
    #expect(objects.count == 2)
    for mask in truth {
      let best = objects.map { $0.mask.intersection(RunLengthMask(mask)) }.max() ?? 0
      #expect(Double(best) > 0.9 * Double(mask.area))
    }
    #expect(objects.allSatisfy { (0...1).contains($0.score) })
    let flat = ByteImage(width: 30, height: 20, channels: 1, filledWith: 90)
    #expect(WatershedBaseline().objects(in: flat).isEmpty)
  }

  /// The figures on the test part of the nuclei, which the protocol line of the report names.
  @Test func nucleiAreFound() throws {
    guard let path = ProcessInfo.processInfo.environment["ATELIER_DATA"] else {
      print("SKIPPED: nuclei by watershed (set ATELIER_DATA to the folder of the data sets)")
      return
    }
    let folder = URL(fileURLWithPath: path).appendingPathComponent("nuclei")
    let data = try InstanceData.read(folder, part: .test, className: "nucleus")
    let report = try WatershedBaseline.measure(data)
    print(report.lines.joined(separator: "\n"))
    if let outputs = ProcessInfo.processInfo.environment["ATELIER_OUTPUTS"] {
      var writer = try SegmentationWriter(
        folder: URL(fileURLWithPath: outputs).appendingPathComponent("nuclei"),
        palette: data.palette, outputs: [.overlay, .csv, .coco])
      for item in data.items {
        let picture = try item.picture()
        let found = WatershedBaseline().objects(in: picture)
        _ = try writer.add(
          SegmentationOutcome(objects: found, size: item.size), picture: picture,
          name: item.name)
      }
      _ = try writer.finish()
    }
    #expect(try #require(report.all.masks.ap50) > 0.5)
    #expect(Set(report.kinds.keys) == ["fluorescence", "colour-histology"])
  }
}
