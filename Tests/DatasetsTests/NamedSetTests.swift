// Named sets: found in a folder of their name or in the folder itself, and what is said where they are not.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import Foundation
import TestSupport
import Testing

@Suite("Named sets")
struct NamedSetTests {
  /// Writes pictures of one pixel, darker and darker, with two classes as IDX files.
  private func write(to folder: URL) throws {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    for (part, count) in [("train", 4), ("t10k", 2)] {
      let head: [UInt8] = [0, 0, 0, UInt8(count)]
      let images = [0, 0, 8, 3] + head + [0, 0, 0, 1, 0, 0, 0, 1] + (0..<count).map { UInt8($0) }
      let labels = [0, 0, 8, 1] + head + (0..<count).map { UInt8($0 % 2) }
      try Data(images).write(to: folder.appending(path: "\(part)-images-idx3-ubyte"))
      try Data(labels).write(to: folder.appending(path: "\(part)-labels-idx1-ubyte"))
    }
  }

  @Test("both parts, below the folder and in it")
  func loading() throws {
    try withScratchFolder { folder in
      try write(to: folder.appending(path: "fashion-mnist"))
      let (training, test) = try NamedSet.fashionMNIST.load(from: folder)
      #expect(training.count == 4 && test.count == 2 && training.labels == [0, 1, 0, 1])
      let own = try NamedSet.mnist.load(from: folder.appending(path: "fashion-mnist"))
      #expect(own.training.pixels == training.pixels)
      let graph = try Graph.trace { builder in
        builder.output("y", training.normalization(builder.input("x", [1, 1, 1, 1])))
      }
      let program = try Program(graph, parameters: ParameterStore(for: [graph], seed: 1))
      try program.setInput("x", Tensor([1, 1, 1, 1], [1.5 / 255]))
      try program.run()
      #expect(abs(try program.output("y").elements[0]) < 1e-6)
    }
  }

  @Test("what is missing is told with its place", arguments: NamedSet.allCases)
  func missing(_ set: NamedSet) throws {
    try withScratchFolder { folder in
      let line = errorLine { _ = try set.load(from: folder) } ?? ""
      #expect(line.hasPrefix("\(set.rawValue): expected \(set.files[0])"), "\(line)")
      #expect(line.contains("in \(folder.path)/\(set.rawValue); put them there"), "\(line)")
    }
  }
}
