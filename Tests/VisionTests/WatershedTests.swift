// The parts of the watershed baseline: exact distances, Otsu's threshold, floods, holes.

import AtelierEngine
import AtelierImages
import AtelierVision
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
}
