// The rule by which faces lie in crops: where networks read and draw, and what a file says of it.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import Foundation
import Testing

struct FaceLayoutTests {
  private static let layouts: [FaceLayout] = FaceAugmentation.Alignment.allCases.flatMap {
    sampling in
    [(256, 0.625), (80, 1), (200, 0.8)].map {
      FaceLayout(cropSize: $0.0, coverage: $0.1, sampling: sampling)
    }
  }

  @Test func `eyes lie where the code of 2017 has them, whatever a network sees`() {
    #expect(FaceLayout.eyes.left == PlanePoint(96.0 / 256, 112.0 / 256))
    #expect(FaceLayout.eyes.right == PlanePoint(160.0 / 256, 112.0 / 256))
    #expect(FaceLayout().faceScale == 1)
    #expect(FaceLayout(coverage: 1).faceScale == 0.625)
    let whole = FaceLayout(cropSize: 80, coverage: 1).inputMap(side: 64)
    #expect(whole(PlanePoint(0, 64)) == PlanePoint(0, 80))
  }

  /// Conversion must read and paste where training read its inputs and targets.
  @Test(arguments: layouts)
  func `the maps are the places of training`(_ layout: FaceLayout) {
    let side = 64
    var generator = RandomGenerator(seed: 1)
    let variation = FaceVariation(
      layout.unchanged, crop: layout.cropSize, using: &generator)
    let cases = [
      (layout.inputMap(side: side), variation.inputPlaces(side: side)),
      (layout.outputMap(side: side), variation.targetPlaces(side: side)),
    ]
    for (map, places) in cases {
      for (x, y) in [(0, 0), (5, 40), (63, 63)] {
        // Places have pixel centres at whole numbers, maps at halves.
        let place = map(PlanePoint(Double(x) + 0.5, Double(y) + 0.5))
        let read = places[y * side + x]
        #expect(abs(place.x - 0.5 - Double(read.x)) < 1e-4, "\(x), \(y)")
        #expect(abs(place.y - 0.5 - Double(read.y)) < 1e-4, "\(x), \(y)")
      }
    }
    let isShifted = layout.inputMap(side: side) != layout.outputMap(side: side)
    #expect(isShifted == (layout.sampling == .original))
  }

  @Test(arguments: layouts)
  func `a file holds the whole rule`(_ layout: FaceLayout) throws {
    let data = try JSONEncoder().encode(layout)
    #expect(try JSONDecoder().decode(FaceLayout.self, from: data) == layout)
    #expect(String(decoding: data, as: UTF8.self).contains("[0.375,0.4375,0.625,0.4375]"))
  }

  @Test(arguments: [
    (#""crop_size":256"#, #""crop_size":0"#), (#""coverage":1"#, #""coverage":1.5"#),
    (#""centered""#, #""tilted""#), ("0.4375", "0.5"),
  ])
  func `another rule is refused`(_ part: String, _ other: String) throws {
    let layout = FaceLayout(coverage: 1)
    let text = String(decoding: try JSONEncoder().encode(layout), as: UTF8.self)
    let changed = text.replacingOccurrences(of: part, with: other)
    #expect(changed != text)
    #expect(throws: DecodingError.self) {
      try JSONDecoder().decode(FaceLayout.self, from: Data(changed.utf8))
    }
  }
}
