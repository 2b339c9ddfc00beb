// 6,000 mutated model files: refused in one line or planned and run, never worse.

import AtelierEngine
import AtelierInterchange
import Foundation
import TestSupport
import Testing

/// Mutations of model files, all from seeds.
private struct ModelFuzzer {
  let file: SafetensorsFile
  let bytes: [UInt8]
  let tree: JSONTree
  let paths: [[JSONStep]]

  init(_ graph: Graph) throws {
    file = try modelFile(graph)
    bytes = [UInt8](file.encoded())
    tree = try JSONTree(try #require(file.metadata["graph"]))
    paths = JSONTree.paths(tree.root)
  }

  /// Numbers that shape rules stumble over.
  private static let numbers: [Double] = [
    0, -1, 1, 2, 3, 4, 5, 7, 8, 16, 127, 128, 255, 1024, 65_536, 0.5, -0.0, 1e-30, 134_217_728,
    268_435_456, 1_073_741_824, -134_217_728, -1_073_741_824, 2_147_483_648, 9.007199254740992e15,
  ]

  /// Texts that stand for operations, paddings, activations and such.
  private static let words = [
    "max-pool-2d", "activation", "reshape", "fill", "constant", "statistic", "", "first/weight",
    "reflect", "nan", "\u{0}\n\u{202E}",
  ]

  /// Bytes anywhere, the length of the header included.
  func anyBytes(_ generator: inout RandomGenerator) -> Data {
    var result = bytes
    for _ in 0...generator.index(below: 4) {
      let place = generator.index(below: result.count)
      switch generator.index(below: 4) {
      case 0: result[place] = UInt8(generator.index(below: 256))
      case 1: result[place] ^= 1 << UInt8(generator.index(below: 8))
      case 2: result.removeSubrange(place..<min(result.count, place + generator.index(below: 9)))
      default: result[generator.index(below: 8)] = UInt8(generator.index(below: 256))
      }
      if result.count < 9 { break }
    }
    return Data(result)
  }

  /// Characters of the graph's JSON, so that the JSON reader meets them.
  func textOfGraph(_ generator: inout RandomGenerator) -> Data {
    var text = Array((file.metadata["graph"] ?? "").utf8)
    for _ in 0...generator.index(below: 3) {
      let place = generator.index(below: text.count)
      let token = Array(
        ["9", "-", "e", "[", "}", "\"", ",", "null", "1e400", "00"][
          generator.index(below: 10)
        ].utf8)
      if generator.index(below: 2) == 0 {
        text.insert(contentsOf: token, at: place)
      } else {
        text.replaceSubrange(place..<min(text.count, place + token.count), with: token)
      }
    }
    var copy = file
    copy.metadata["graph"] = String(decoding: text, as: UTF8.self)
    return copy.encoded()
  }

  /// Values of the graph replaced, dropped, doubled or exchanged; the header fits.
  func treeOfGraph(_ generator: inout RandomGenerator) throws -> Data {
    var copy = file
    var tree = tree
    for _ in 0...generator.index(below: 3) {
      let path = paths[generator.index(below: paths.count)]
      guard !path.isEmpty else { continue }
      switch (tree.value(at: path), generator.index(below: 8)) {
      case (_, 0): tree.set(path, to: nil)
      case (_, 1): tree.set(path, to: tree.value(at: paths[generator.index(below: paths.count)]))
      case (is String, _): tree.set(path, to: Self.words[generator.index(below: Self.words.count)])
      case (let list as [Any], _):
        tree.set(path, to: generator.index(below: 2) == 0 ? Array(list.dropLast()) : list + list)
      case (is [String: Any], _): break
      case (let number as NSNumber, 2): tree.set(path, to: number.intValue + 1)
      case (let number as NSNumber, 3): tree.set(path, to: number.intValue - 1)
      default: tree.set(path, to: Self.numbers[generator.index(below: Self.numbers.count)])
      }
    }
    copy.metadata["graph"] = try tree.text
    return copy.encoded()
  }
}

@Suite(.serialized) struct ModelFileFuzzTests {
  private struct Tally {
    var read = 0
    var refused = 0
    var planned = 0
    var ran = 0
  }

  /// Reads, and what is read plans and runs.
  private func examine(_ data: Data, _ name: String, _ tally: inout Tally) throws {
    let model: Model
    do throws(SafetensorsError) {
      model = try ModelFile.read(data: data, name: name)
      tally.read += 1
    } catch {
      tally.refused += 1
      #expect(!error.description.contains { $0.isNewline }, "\(name)")
      #expect(error.description.utf8.count < 1500, "\(name)")
      #expect(error.description.contains(name))
      return
    }
    do throws(ShapeError) {
      let store = try model.store()
      let graph = model.graph.specialized(for: .infer)
      let program = try Program(graph, parameters: store)
      tally.planned += 1
      if let input = graph.input(named: "input") {
        let shape = graph.values[input].shape
        if shape.rank == 4, let larger = try? graph.reshaped(["input": shape.withBatch(3)]) {
          _ = Plan(larger)
        }
      }
      // What takes little memory takes little time.
      guard program.plan.arenaCount < 1 << 16 else { return }
      do {
        try program.run()
        tally.ran += 1
      } catch {
        #expect(!error.description.isEmpty)
      }
    } catch {
      #expect(!error.description.isEmpty)
    }
  }

  @Test func `6,000 mutated models are refused, or planned and run`() throws {
    let before = peakMemory()
    let fuzzers = try [SampleModels.autoencoder(), SampleModels.mover(), SampleModels.training()]
      .map(ModelFuzzer.init)
    var tally = Tally()
    for seed in 0..<6000 {
      var generator = RandomGenerator(seed: 3, UInt64(seed))
      let fuzzer = fuzzers[seed % 3]
      let data =
        switch generator.index(below: 8) {
        case 0: fuzzer.anyBytes(&generator)
        case 1: fuzzer.textOfGraph(&generator)
        default: try fuzzer.treeOfGraph(&generator)
        }
      if let log = ProcessInfo.processInfo.environment["ATELIER_FUZZ_LOG"] {
        try data.write(to: URL(filePath: log))
      }
      try examine(data, "seed \(seed)", &tally)
    }
    print(
      "mutated models: \(tally.refused) refused, \(tally.read) read, \(tally.planned) planned, "
        + "\(tally.ran) run")
    #expect(tally.refused > 3000)
    #expect(tally.read > 300)
    #expect(tally.planned > 300)
    #expect(tally.ran > 300)
    expectMemory(since: before, below: 1024)
  }
}
