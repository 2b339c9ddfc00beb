// Measures of objects against scikit-image's (Tests/Fixtures/regions/make_regions.py).

import AtelierDatasets
import AtelierImages
import Foundation
import Testing

struct RegionMeasuresTests {
  private struct Case: Decodable {
    let width: Int
    let height: Int
    let mask: [Int]
    let colors: [UInt8]
    let perimeter: Double
    let major: Double
    let minor: Double
    let means: [Double]
  }

  @Test func `perimeter, axes and means are scikit-image's`() throws {
    let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("Fixtures/regions/regions.json")
    let cases = try JSONDecoder().decode([Case].self, from: Data(contentsOf: url))
    #expect(cases.count == 8)
    for (index, item) in cases.enumerated() {
      let mask = RunLengthMask(
        BinaryMask(width: item.width, height: item.height, pixels: item.mask.map { $0 != 0 }))
      let picture = ByteImage(
        width: item.width, height: item.height, channels: 3, samples: item.colors)
      let measures = RegionMeasures(mask, in: picture)
      #expect(abs(measures.perimeter - item.perimeter) < 1e-9, "\(index)")
      #expect(abs(measures.majorAxis - item.major) < 1e-6, "\(index)")
      #expect(abs(measures.minorAxis - item.minor) < 1e-6, "\(index)")
      #expect(zip(measures.means, item.means).allSatisfy { abs($0 - $1) < 1e-9 }, "\(index)")
    }
  }

  @Test func `an object without a pixel measures nothing`() throws {
    let empty = RunLengthMask(BinaryMask(width: 5, height: 4))
    #expect(RegionMeasures(empty).perimeter == 0 && RegionMeasures(empty).majorAxis == 0)
  }
}
