// The noise of pictures found again: rendered scenes, flat and tiny pictures, and real ones when
// they are there.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierKernels
import AtelierScenery
import AtelierVision
import Foundation
import TestSupport
import Testing

struct NoiseEstimatorTests {
  /// Errors of the estimates over scenes, one after the other.
  private func errors(sigma: Float, isClipped: Bool) throws -> [Float] {
    try allScenes().enumerated().map { index, clean in
      let noisy = noisy(clean, sigma: sigma, seed: 3, index: index)
      let estimate =
        isClipped
        ? NoiseEstimator.sigma(of: noisy.bytes)
        : NoiseEstimator.sigma(
          samples: noisy.samples.map { $0 * 255 }, width: noisy.width, height: noisy.height)
      return estimate - sigma
    }
  }

  @Test(arguments: [Float(5), 10, 15, 25, 50], [false, true])
  func `noise of scenes is found`(_ sigma: Float, _ isClipped: Bool) throws {
    let errors = try errors(sigma: sigma, isClipped: isClipped)
    let sizes = errors.map(abs).sorted()
    let mean = sizes.reduce(0, +) / Float(sizes.count)
    print(
      "estimated noise \(sigma)\(isClipped ? " clipped" : ""): mean error "
        + String(format: "%.2f, largest %.2f", mean, sizes[sizes.count - 1]))
    let bound = max(1, 0.08 * sigma)
    let good = sizes.filter { $0 <= bound }.count
    #expect(10 * good >= 8 * sizes.count, "\(good) of \(sizes.count) within \(bound)")
    #expect(mean <= bound)
  }

  @Test func `pictures without noise have little`() throws {
    for (kind, image) in zip(SceneKind.allCases, try allScenes()) {
      let estimate = NoiseEstimator.sigma(of: image)
      #expect(estimate < 2.5, "\(kind): \(estimate)")
      #expect(estimate >= 0)
    }
  }

  @Test func `16 bits a sample are measured in the units of bytes`() throws {
    let clean = try scene(.flower, width: 160, height: 128, isGray: false)
    let noisy = noisy(clean, sigma: 20, seed: 3)
    // Bytes scaled up are the same fractions of white, so they give the same bits.
    let same = noisy.bytes.words
    for channel in 0..<3 {
      let estimate = NoiseEstimator.sigma(of: noisy.bytes, channel: channel)
      #expect(NoiseEstimator.sigma(of: same, channel: channel) == estimate)
      #expect(abs(NoiseEstimator.sigma(of: noisy.words, channel: channel) - estimate) < 0.2)
    }
    let mean = (0..<3).reduce(Float(0)) { $0 + NoiseEstimator.sigma(of: same, channel: $1) } / 3
    #expect(NoiseEstimator.sigma(ofColors: noisy.bytes) == mean)
    #expect(NoiseEstimator.sigma(ofColors: same.withAlpha) == mean)
  }

  @Test func `flat and tiny pictures are no trouble`() throws {
    for value in [UInt8(0), 1, 128, 255] {
      let flat = ByteImage(width: 64, height: 40, channels: 1, filledWith: value)
      #expect(NoiseEstimator.sigma(of: flat) == 0)
    }
    for (width, height) in [(1, 1), (7, 300), (300, 15), (15, 16)] {
      let tiny = try scene(.cloth, width: 300, height: 300)
        .cropped(x: 0, y: 0, width: width, height: height)
      #expect(NoiseEstimator.sigma(of: tiny) == 0)
      let samples = tiny.samples.map(Float.init)
      #expect(NoiseEstimator.sigma(samples: samples, width: width, height: height) == 0)
    }
    for (width, height) in [(16, 16), (17, 40), (2000, 16)] {
      let gray = ByteImage(width: width, height: height, channels: 1, filledWith: 128)
      let estimate = NoiseEstimator.sigma(of: noisy(gray, sigma: 10).bytes)
      #expect(estimate > 2 && estimate < 15, "\(width)x\(height): \(estimate)")
    }
  }

  @Test func `saturated halves do not hide the noise`() throws {
    var image = try scene(.mountains, width: 256, height: 192)
    for index in 0..<image.samples.count where index % 256 < 100 { image.samples[index] = 255 }
    let estimate = NoiseEstimator.sigma(of: noisy(image, sigma: 25).bytes)
    #expect(abs(estimate - 25) < 3, "\(estimate)")
  }

  @Test func `an estimate is a function of the picture and its channel`() throws {
    let image = noisy(try scene(.forest, width: 300, height: 200, isGray: false), sigma: 12).bytes
    for channel in 0..<3 {
      let first = NoiseEstimator.sigma(of: image, channel: channel)
      #expect(first == NoiseEstimator.sigma(of: image, channel: channel))
      #expect(first == NoiseEstimator.sigma(of: image.channel(channel)))
    }
    // Twice the samples, twice the noise, where nothing is clipped.
    let samples = image.channel(0).samples.map(Float.init)
    let one = NoiseEstimator.sigma(samples: samples, width: 300, height: 200)
    let two = NoiseEstimator.sigma(samples: samples.map { 2 * $0 }, width: 300, height: 200)
    #expect(abs(two - 2 * one) < 1e-3 * one)
  }

  @Test func `eigenvalues are exact where they are known`() {
    #expect(SymmetricEigenvalues.of([7], size: 1).map { abs($0 - 7) < 1e-12 } == [true])
    #expect(
      SymmetricEigenvalues.of([Double](repeating: 0, count: 16), size: 4).allSatisfy { $0 == 0 })
    // The second difference of n points has the eigenvalues 2 − 2 cos(kπ / (n + 1)).
    let size = 12
    var matrix = [Double](repeating: 0, count: size * size)
    for i in 0..<size {
      matrix[i * size + i] = 2
      if i > 0 {
        matrix[i * size + i - 1] = -1
        matrix[(i - 1) * size + i] = -1
      }
    }
    let known = (1...size).map { 2 - 2 * cos(Double($0) * .pi / Double(size + 1)) }
    expectSame(SymmetricEigenvalues.of(matrix, size: size), known)
    // A turned diagonal keeps its eigenvalues: I − 2vvᵀ on both sides.
    let v = (0..<size).map { Double($0 * $0 % 7) - 2.5 }
    let length = v.reduce(0) { $0 + $1 * $1 }
    let values = (0..<size).map { Double($0 * $0) * 10 - 100 }
    var turned = [Double](repeating: 0, count: size * size)
    for i in 0..<size {
      for j in 0..<size {
        for k in 0..<size {
          let left = (i == k ? 1 : 0) - 2 * v[i] * v[k] / length
          let right = (k == j ? 1 : 0) - 2 * v[k] * v[j] / length
          turned[i * size + j] += left * values[k] * right
        }
      }
    }
    expectSame(SymmetricEigenvalues.of(turned, size: size), values)
  }

  private func expectSame(_ received: [Double], _ expected: [Double]) {
    #expect(received.count == expected.count)
    for (a, b) in zip(received, expected) { #expect(abs(a - b) < 1e-10, "\(a) of \(b)") }
  }

  @Test func `its time on a megapixel is printed when asked for`() throws {
    guard ProcessInfo.processInfo.environment["ATELIER_SLOW"] != nil else { return }
    let image = noisy(try scene(.wall, width: 1024, height: 1024), sigma: 15).bytes
    for _ in 0..<4 {
      let begin = ContinuousClock.now
      let estimate = NoiseEstimator.sigma(of: image)
      print("noise of 1024x1024 estimated as \(estimate) in \(ContinuousClock.now - begin)")
    }
  }

  @Test(arguments: ["denoise-gray/BSD68", "denoise-color/CBSD68"])
  func `noise of the published test sets is found`(_ name: String) throws {
    guard let data = ProcessInfo.processInfo.environment["ATELIER_DATA"] else {
      print("SKIPPED: estimated noise of \(name) (set ATELIER_DATA to the folder of the data sets)")
      return
    }
    let mode: ColorMode = name.hasPrefix("denoise-gray") ? .gray : .color
    let folder = try ImageFolder([URL(filePath: data).appending(path: name)], mode: mode)
    #expect(folder.items.count == 68)
    for sigma in [Float(0), 15, 25, 50] {
      var (sum, bias, worst, good) = (Float(0), Float(0), Float(0), 0)
      for (index, item) in folder.items.enumerated() {
        let noisy = noisy(item.image, sigma: sigma, index: index).bytes
        let channels = mode.channels
        let error =
          (0..<channels).reduce(Float(0)) { $0 + NoiseEstimator.sigma(of: noisy, channel: $1) }
          / Float(channels) - sigma
        sum += abs(error)
        bias += error
        worst = max(worst, abs(error))
        good += abs(error) <= max(1, 0.08 * sigma) ? 1 : 0
      }
      let count = Float(folder.items.count)
      print(
        "\(name), noise \(sigma) clipped to 8 bits: "
          + String(
            format: "mean absolute error %.2f, bias %.2f, worst %.2f", sum / count, bias / count,
            worst) + ", \(good) of \(folder.items.count) within max(1, 8 %)")
      #expect(sum / count < max(1, 0.08 * sigma))
    }
  }
}
