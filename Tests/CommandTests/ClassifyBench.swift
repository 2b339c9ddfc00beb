// The pictures that the commands around classifiers are tried on: two grays, a folder each.

import Atelier
import Foundation
import Testing

/// Makes benches with pictures of two classes.
enum ClassifyBench {
  /// A bench with `data/{train,test}/{bright,dark}`.
  static func make() throws -> Workbench {
    let bench = try Workbench()
    for (part, count) in [("train", 20), ("test", 6)] {
      for (name, level) in [("bright", 170), ("dark", 30)] {
        for index in 0..<count {
          var generator = RandomGenerator(seed: 3, UInt64(level), UInt64(index))
          let picture = ByteImage(width: 20, height: 17, channels: 3) { samples in
            for sample in samples.indices {
              samples[sample] = UInt8(level + generator.index(below: 60))
            }
          }
          let place = bench.path("data/\(part)/\(name)/\(index).png")
          try FileManager.default.createDirectory(
            at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
          try ImageFile.write(picture, to: place)
        }
      }
    }
    return bench
  }

  static func object(_ outcome: CommandTool.Outcome) throws -> [String: Any] {
    try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
  }
}
