// What the tests of masks share: random blobs, scratch folders, fixtures of COCO files.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import Foundation
import Testing

/// A mask of random rectangles, some of them cut out again: parts, holes, corners that touch.
func randomMask(
  _ width: Int, _ height: Int, using generator: inout RandomGenerator
) -> BinaryMask {
  var mask = BinaryMask(width: width, height: height)
  for step in 0..<1 + generator.index(below: 7) {
    let isInside = step == 0 || generator.index(below: 3) > 0
    let left = generator.index(below: width)
    let top = generator.index(below: height)
    for y in top..<min(height, top + 1 + generator.index(below: height)) {
      for x in left..<min(width, left + 1 + generator.index(below: width)) {
        mask[x, y] = isInside
      }
    }
  }
  // Specks make ambiguous corners.
  for _ in 0..<generator.index(below: 1 + width * height / 6) {
    mask[generator.index(below: width), generator.index(below: height)].toggle()
  }
  return mask
}

/// A committed file of the COCO fixtures.
func cocoFixture(_ name: String) -> URL {
  URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fixtures/coco/\(name)")
}

/// A folder of the published sets, or nil with a line that says so.
func publishedSet(_ name: String) -> URL? {
  guard let path = ProcessInfo.processInfo.environment["ATELIER_DATA"] else {
    print("SKIPPED: \(name) (set ATELIER_DATA to the folder of the data sets)")
    return nil
  }
  return URL(fileURLWithPath: path).appendingPathComponent(name)
}
