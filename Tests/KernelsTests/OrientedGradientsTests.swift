// Histograms of oriented gradients: equal to scikit-image's, to their twin, on any number of threads.

import AtelierKernels
import Foundation
import Testing

/// What scikit-image makes of a picture; Fixtures/golden/make_gradients.py wrote it.
private struct GradientCase: Decodable {
  let height: Int
  let width: Int
  let channels: Int
  let orientations: Int
  let cell: Int
  let block: Int
  let norm: OrientedGradients.Normalization
  let image: [Float]
  let features: [Float]

  static func all() throws -> [GradientCase] {
    struct File: Decodable { let cases: [GradientCase] }
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("Fixtures/golden/gradients.json")
    return try JSONDecoder().decode(File.self, from: Data(contentsOf: file)).cases
  }

  var numbers: OrientedGradients {
    OrientedGradients(
      orientations: orientations, cell: cell, block: block, normalization: norm)
  }
}

@Suite("Oriented gradients")
struct OrientedGradientsTests {
  private func run(
    _ numbers: OrientedGradients, _ images: [Float], _ size: (Int, Int, Int), batch: Int = 1,
    kernels: Kernels = Kernels()
  ) -> [Float] {
    let count = batch * numbers.blocks(size.0) * numbers.blocks(size.1) * numbers.features
    var result = [Float](repeating: .nan, count: count)
    images.withUnsafeBufferPointer { x in
      result.withUnsafeMutableBufferPointer { y in
        guard let x = x.baseAddress, let y = y.baseAddress else { return }
        kernels.orientedGradients(
          numbers, x, y, batch: batch, height: size.0, width: size.1, channels: size.2)
      }
    }
    return result
  }

  private func largest(_ a: [Float], _ b: [Float]) -> Float {
    a.count == b.count ? zip(a, b).map { abs($0 - $1) }.max() ?? 0 : .infinity
  }

  @Test("equal to scikit-image's hog")
  func golden() throws {
    let cases = try GradientCase.all()
    #expect(cases.count == 7)
    for item in cases {
      let found = run(item.numbers, item.image, (item.height, item.width, item.channels))
      #expect(largest(found, item.features) < 2e-6, "\(item.numbers)")
    }
  }

  @Test("equal to the twin over ragged sizes, each normalization")
  func twin() {
    var state: UInt64 = 5
    func random() -> Float {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Float(state >> 40) / Float(1 << 24)
    }
    for (size, orientations, cell, block) in [
      ((28, 28, 1), 9, 4, 2), ((5, 31, 1), 7, 2, 1), ((23, 9, 3), 9, 3, 3), ((4, 4, 4), 2, 4, 1),
    ] {
      for kind in OrientedGradients.Normalization.allCases {
        let numbers = OrientedGradients(
          orientations: orientations, cell: cell, block: block, normalization: kind)
        let images = (0..<3 * size.0 * size.1 * size.2).map { _ in random() }
        let found = run(numbers, images, size, batch: 3)
        let twin = Reference.orientedGradients(
          numbers, images, batch: 3, height: size.0, width: size.1, channels: size.2)
        #expect(largest(found, twin) < 2e-5, "\(numbers), \(size)")
        for threads in [1, 3] {
          let kernels = Kernels(pool: ThreadPool(threads: threads))
          #expect(run(numbers, images, size, batch: 3, kernels: kernels) == found)
        }
      }
    }
  }

  @Test("a flat picture has no features, a bar's edges have one direction")
  func meaning() {
    let numbers = OrientedGradients(orientations: 4, cell: 4, block: 1, normalization: .l2)
    let flat = run(numbers, [Float](repeating: 0.7, count: 64), (8, 8, 1))
    #expect(flat.allSatisfy { $0 == 0 })
    let bar = (0..<64).map { index -> Float in [3, 4].contains(index % 8) ? 1 : 0 }
    let features = run(numbers, bar, (8, 8, 1))
    for cell in 0..<4 { #expect(abs(features[cell * 4] - 1) < 1e-6) }
  }
}
