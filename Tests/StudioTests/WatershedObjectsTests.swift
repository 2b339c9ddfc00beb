// The baseline without learning at work: blobs that touch are cut apart, and nuclei are found.

import AtelierDatasets
import AtelierImages
import AtelierSegmentation
import AtelierVision
import AtelierWorkbench
import Foundation
import Testing

@Suite struct WatershedObjectsTests {
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
