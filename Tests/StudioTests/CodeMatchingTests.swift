// Matching of codes: the map carries one distribution to the other, and a model with it swaps by it.

import AtelierDatasets
import AtelierEngine
import AtelierFaceSwap
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierScenery
import AtelierWorkbench
import AtelierZoo
import Foundation
import TestSupport
import Testing

struct CodeMatchingTests {
  /// Seeded codes whose numbers lean on each other.
  private func statistics(seed: UInt64, size: Int = 6, count: Int = 400) -> CodeStatistics {
    var generator = RandomGenerator(seed: seed)
    let mixing = (0..<size * size).map { _ in generator.normal() }
    var codes: [Float] = []
    for _ in 0..<count {
      let normal = (0..<size).map { _ in generator.normal() }
      codes += (0..<size).map { row in
        (0..<size).reduce(Float(seed)) { $0 + mixing[row * size + $1] * normal[$1] }
      }
    }
    return CodeStatistics(codes, size: size)
  }

  private func product(_ first: [Double], _ second: [Double], _ size: Int) -> [Double] {
    (0..<size * size).map { place in
      (0..<size).reduce(0) {
        $0 + first[place / size * size + $1] * second[$1 * size + place % size]
      }
    }
  }

  @Test(arguments: [(UInt64(1), UInt64(2)), (3, 1), (2, 5)])
  func `the map carries mean and covariance over, and back again`(
    _ first: UInt64, _ second: UInt64
  ) {
    let (from, to) = (statistics(seed: first), statistics(seed: second))
    let size = from.size
    let map = from.map(to: to)
    let (matrix, offset) = (map.matrix, map.offset)
    // Symmetric, so that C becomes T C T.
    let carried = product(product(matrix, from.covariance, size), matrix, size)
    for (one, other) in zip(carried, to.covariance) { #expect(abs(one - other) < 1e-7) }
    for column in 0..<size {
      let mean = (0..<size).reduce(offset[column]) {
        $0 + from.mean[$1] * matrix[$1 * size + column]
      }
      #expect(abs(mean - to.mean[column]) < 1e-9)
    }
    let back = to.map(to: from).matrix
    for (place, value) in product(matrix, back, size).enumerated() {
      #expect(abs(value - (place % (size + 1) == 0 ? 1 : 0)) < 1e-6)
    }
  }

  @Test func `equal distributions stay, and a few codes of many numbers are no trouble`() {
    let one = statistics(seed: 4)
    let still = one.map(to: one)
    for (place, value) in still.matrix.enumerated() {
      #expect(abs(value - (place % 7 == 0 ? 1 : 0)) < 1e-7)
    }
    #expect(still.offset.allSatisfy { abs($0) < 1e-6 })
    let few = statistics(seed: 6, size: 24, count: 3).map(
      to: statistics(seed: 7, size: 24, count: 2))
    #expect(few.matrix.allSatisfy { $0.isFinite && abs($0) < 100 })
  }

  @Test func `a matched model swaps by the map and reconstructs as before`() throws {
    try withScratchFolder { folder in
      var places: [URL] = []
      for character in FictionalCharacter.all {
        let place = folder.appending(path: character.name)
        try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
        let renderer = CharacterRenderer(character)
        for index in 0..<18 {
          var generator = RandomGenerator(seed: 8, UInt64(index))
          try ImageFile.write(
            renderer.render(.random(using: &generator), size: 64),
            to: place.appending(path: "\(index).png"))
        }
        places.append(place)
      }
      let model = try swapModel(FaceSwapNetwork(.slim, hasMask: true))
      #expect(!model.matchesCodes)
      let file = folder.appending(path: "matched.safetensors")
      try ModelFile.write(
        CodeMatching.run(model, on: .crops(a: [places[0]], b: [places[1]])), to: file)
      let matched = try FaceSwapModel(contentsOf: file)
      #expect(matched.matchesCodes)
      #expect(matched.model.information.training["codes"] == "matched by 18 faces of a and 18 of b")
      let same = try FaceSwapModel(
        CodeMatching.run(model, on: .crops(a: [places[0]], b: [places[0]])), name: "same")
      let batches = try FaceBatches(
        faces: ImageFolder([places[0]], mode: .color), batchSize: 1, augmentation: .none, seed: 0)
      let crops = batches.unchanged(Array(0..<6)).input
      func largest(_ first: Tensor, _ second: Tensor) -> Float {
        zip(first.elements, second.elements).reduce(0) { max($0, abs($1.0 - $1.1)) }
      }
      let plain = try model.converter(to: .b, batch: 6).decode(crops).pictures
      let moved = try matched.converter(to: .b, batch: 6).decode(crops).pictures
      let unmoved = try same.converter(to: .b, batch: 6).decode(crops).pictures
      #expect(largest(plain, unmoved) < 1e-4, "one person's codes are matched already")
      #expect(largest(plain, moved) > 1e-3)
      // B's own faces are not mapped, nor are A's through A's decoder.
      let own = try matched.converter(to: .b, of: .b, batch: 6).decode(crops).pictures
      #expect(own == plain)
      // The graph in the file is the one that swaps.
      let program = try Program(
        matched.model.graph.reshaped(["input": [6, 64, 64, 3]]).specialized(for: .infer),
        parameters: matched.model.store())
      try program.setInput("input", crops)
      try program.run()
      #expect(largest(try program.output("swap_b"), moved) < 1e-5)
      #expect(largest(try program.output("output_b"), plain) < 1e-5)
    }
  }
}
