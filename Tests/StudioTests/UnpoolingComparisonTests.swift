// The comparison of unpoolings: equal parameters, figures of the pictures shown, the same bits
// again.

import AtelierDatasets
import AtelierDenoising
import AtelierEngine
import AtelierImages
import AtelierKernels
import AtelierScenery
import AtelierTraining
import AtelierWorkbench
import AtelierZoo
import Foundation
import TestSupport
import Testing

struct UnpoolingComparisonTests {
  /// A tiny comparison on two scenes that the project draws.
  private func request(steps: Int = 3, widths: [Int] = [4]) -> DenoisingTrainingRequest {
    var request = DenoisingTrainingRequest(
      data: [], network: .autoencoder(ConvolutionalAutoencoder(channels: 1, widths: widths)))
    request.scenes = 2
    request.noises = [.gaussian(sigma: 25...25)]
    request.patch = 16
    request.batch = 2
    request.learningRate = 5e-3
    request.warmUp = 1
    request.averageDecay = 0.5
    request.steps = steps
    return request
  }

  /// What the request validates on: the middle of each scene, 192×192 in gray.
  private func validation(_ request: DenoisingTrainingRequest) throws -> [ByteImage] {
    try (0..<request.scenes).map { index in
      try scene(
        SceneKind.allCases[index], width: 512, height: 384, seed: request.seed + UInt64(index)
      ).centerCropped(width: 192, height: 192)
    }
  }

  @Test func `every unpooling is trained at equal parameters`() throws {
    var request = request(steps: 40, widths: [8, 12])
    var started: [Unpooling] = []
    let (report, _) = try withScratchFolder { folder in
      request.data = [try makeData(in: folder).path]
      request.scenes = 0
      request.patch = 32
      return try UnpoolingComparison.run(request) { unpooling in
        started.append(unpooling)
        return nil
      }
    }
    #expect(started == [.max, .nearest, .nails, .transposed])
    #expect(report.rows.map(\.unpooling) == started)
    // 3·3·(1·8 + 8·12 + 12·8 + 8·1) weights and 8 + 12 + 8 + 1 biases.
    #expect(report.rows.map(\.parameters) == [Int](repeating: 9 * 208 + 29, count: 4))
    for row in report.rows {
      #expect(row.psnr > 10 && row.psnr < 40, "\(row)")
      #expect(row.ssim > 0 && row.ssim < 1)
      #expect(row.loss > 0 && row.loss < 1)
      #expect(row.seconds >= 0 && row.seconds.isFinite)
    }
    #expect(Set(report.rows.map(\.psnr)).count == 4)
    #expect(
      report.protocol
        == "autoencoder without skips, equal parameters, 40 steps of 2 patches of 32x32, noise "
        + "\(NoiseModel.gaussian(sigma: 25...25)), loss \(request.loss), seed 1; validation: "
        + "center crops of at most 192x192, Gaussian sigma 25.0 seed 0 not clipped, "
        + "result rounded to 8 bits"
    )
  }

  @Test func `the JSON has exactly its keys`() throws {
    let report = try UnpoolingComparison.run(request(), unpoolings: [.nails]).report
    let data = try JSONEncoder().encode(report)
    let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    #expect(Set(object.keys) == ["protocol", "rows"])
    let rows = try #require(object["rows"] as? [[String: Any]])
    #expect(rows.count == 1)
    for row in rows {
      #expect(Set(row.keys) == ["unpooling", "parameters", "psnr", "ssim", "loss", "seconds"])
    }
    #expect(try JSONDecoder().decode(UnpoolingComparison.Report.self, from: data) == report)
  }

  @Test func `the grid shows the pictures that the figures are of`() throws {
    let request = request()
    let (report, grid) = try UnpoolingComparison.run(request)
    let clean = try validation(request)
    // Six columns of 192 pixels with 12 around each; rows have a caption below, titles above.
    #expect(grid.width == 12 + 6 * (192 + 12))
    #expect(grid.height > 2 * (192 + 12) + 12 && grid.height < 2 * (192 + 12) + 160)
    #expect(grid.channels == 3)
    let gray = grid.channel(0)
    var figures = [(psnr: Double, ssim: Double)](repeating: (0, 0), count: 4)
    for (index, picture) in clean.enumerated() {
      func cell(_ column: Int, _ y: Int) -> ByteImage {
        gray.cropped(x: 12 + 204 * column, y: y, width: 192, height: 192)
      }
      // The clean picture is found as it is; the other cells of its row begin at the same height.
      let y = try #require(
        (0...grid.height - 192).first { cell(0, $0) == picture }, "scene \(index) is not shown")
      #expect(cell(1, y) == noisy(picture, sigma: 25, index: index).bytes)
      let results = (2..<6).map { cell($0, y) }
      for result in results {
        #expect(Set(result.samples).count > 16, "a blank cell")
        #expect(result != picture && result != cell(1, y))
      }
      for first in 0..<4 {
        for second in 0..<first { #expect(results[first] != results[second]) }
        figures[first].psnr += try Metrics.psnr(picture, results[first]) / 2
        figures[first].ssim += try Metrics.ssim(picture, results[first]) / 2
      }
    }
    for (row, figure) in zip(report.rows, figures) {
      #expect(abs(row.psnr - figure.psnr) < 1e-9, "\(row)")
      #expect(abs(row.ssim - figure.ssim) < 1e-9, "\(row)")
    }
    if let keep = ProcessInfo.processInfo.environment["ATELIER_KEEP"] {
      try ImageFile.write(grid, to: URL(filePath: keep).appending(path: "unpooling.png"))
    }
  }

  @Test func `the same request gives the same figures on any number of threads`() throws {
    func run(threads: Int) throws -> (rows: [UnpoolingComparison.Row], grid: ByteImage) {
      let result = try UnpoolingComparison.run(
        request(), unpoolings: [.transposed, .max],
        kernels: Kernels(pool: ThreadPool(threads: threads)))
      // Only the time may differ.
      let rows = result.report.rows.map { row in
        var row = row
        row.seconds = 0
        return row
      }
      return (rows, result.grid)
    }
    let first = try run(threads: 1)
    let second = try run(threads: 3)
    #expect(first.rows.map(\.unpooling) == [.transposed, .max])
    #expect(first.rows == second.rows)
    #expect(first.grid == second.grid)
    #expect(first.grid.width == 12 + 4 * (192 + 12))
  }

  @Test func `other networks have no unpoolings to compare`() {
    let others: [(DenoiserArchitecture, String)] = [
      (.dncnn(DnCNN(channels: 1)), "dncnn"), (.unet(NoiseToNoiseUNet(channels: 1)), "unet"),
      (.residualUNet(ResidualUNet(channels: 3)), "residual-unet"),
      (.ffdnet(FFDNet(channels: 1)), "ffdnet"),
    ]
    for (network, name) in others {
      let request = DenoisingTrainingRequest(data: [], network: network)
      #expect(
        errorLine { _ = try UnpoolingComparison.run(request) }
          == "unpoolings are compared in the autoencoder, not in \(name)")
    }
  }

  @Test func `a comparison without pictures is refused`() {
    var request = request()
    request.scenes = 0
    #expect(
      errorLine { _ = try UnpoolingComparison.run(request) }
        == "a training needs pictures: give --data or --scenes")
  }
}
