// Affine maps: their algebra, and pictures sampled through them.

import AtelierImages
import Foundation
import TestSupport
import Testing

@Suite("Affine maps")
struct AffineMapTests {
  @Test("inverses undo, and a similarity is found from its points")
  func algebra() throws {
    let map = AffineMap(a: 1.2, b: -0.5, c: 7, d: 0.5, e: 1.2, f: -3)
    let back = try #require(map.inverse)
    let points = [PlanePoint(0, 0), PlanePoint(10, 3), PlanePoint(-4, 8)]
    for point in points {
      let there = back(map(point))
      #expect(abs(there.x - point.x) + abs(there.y - point.y) < 1e-9)
      let chained = map.followed(by: back)(point)
      #expect(abs(chained.x - point.x) + abs(chained.y - point.y) < 1e-9)
    }
    let found = try #require(AffineMap.similarity(from: points, to: points.map { map($0) }))
    for (a, b) in zip(found.elements, map.elements) { #expect(abs(a - b) < 1e-9) }
    #expect(abs(map.scale - 1.3) < 1e-12)
    #expect(AffineMap(a: 1, b: 2, c: 0, d: 2, e: 4, f: 0).inverse == nil)
    #expect(AffineMap.similarity(from: [points[0], points[0]], to: points) == nil)
    let text = try JSONEncoder().encode(map)
    #expect(try JSONDecoder().decode(AffineMap.self, from: text) == map)
    #expect(throws: DecodingError.self) {
      try JSONDecoder().decode(AffineMap.self, from: Data("[1, 2, 3]".utf8))
    }
    // Half the size: OpenCV's matrix has its quarter-pixel shift.
    #expect(AffineMap.scaling(0.5).integerCentered.elements == [0.5, 0, -0.25, 0, 0.5, -0.25])
  }

  @Test("sampling through the identity is the picture, through a move its neighbours")
  func sampling() {
    let image = colorPicture(14, 11, seed: 2)
    for interpolation in Interpolation.allCases {
      let same = image.sampled(
        through: .identity, width: 14, height: 11, interpolation: interpolation)
      #expect(largestDifference(same, image) < 1e-6)
      let moved = image.sampled(
        through: .scaling(1, x: 2, y: 3), width: 6, height: 5, interpolation: interpolation)
      #expect(
        largestDifference(moved, image.cropped(x: 2, y: 3, width: 6, height: 5)) < 1e-6)
      let far = image.sampled(
        through: .scaling(1, x: 1e9, y: -1e9), width: 2, height: 2, interpolation: interpolation)
      #expect(abs(far[0, 0, 0] - image[13, 0, 0]) < 1e-6)
    }
    let halves = image.sampled(through: .scaling(1, x: 0.5, y: 0), width: 5, height: 5)
    #expect(abs(halves[1, 1, 0] - (image[1, 1, 0] + image[2, 1, 0]) / 2) < 1e-6)
  }
}
