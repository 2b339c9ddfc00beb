// The renderer: its range, its determinism, its variety; and the samples that are committed.

import AtelierDatasets
import AtelierImages
import AtelierScenery
import Foundation
import Testing

@Suite struct SceneTests {
  @Test(arguments: SceneKind.allCases)
  func aSceneIsAPictureOfItsSeed(kind: SceneKind) throws {
    let first = try SampleScenes.render(kind, width: 61, height: 48, seed: 5)
    #expect((first.width, first.height, first.channels) == (61, 48, 3))
    #expect(first.samples.allSatisfy { (0...1).contains($0) }, "also refuses not-a-number")
    #expect(try SampleScenes.render(kind, width: 61, height: 48, seed: 5) == first)
    #expect(try SampleScenes.render(kind, width: 61, height: 48, seed: 6) != first)
    let mean = first.samples.reduce(0, +) / Float(first.samples.count)
    let variance = first.samples.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    let deviation = (variance / Float(first.samples.count)).squareRoot()
    #expect((0.05...0.9).contains(mean), "mean \(mean)")
    #expect(deviation > 0.06, "a picture has contrast; deviation \(deviation)")
  }

  @Test(arguments: SceneKind.allCases)
  func tallAndTinyPicturesAreDrawn(kind: SceneKind) throws {
    let tall = try SampleScenes.render(kind, width: 17, height: 60, seed: 2)
    #expect(tall.samples.allSatisfy { (0...1).contains($0) })
    let wide = try SampleScenes.render(kind, width: 90, height: 16, seed: 2)
    #expect(wide.samples.allSatisfy { (0...1).contains($0) })
  }

  /// Natural pictures change little from pixel to pixel and much over long distances.
  @Test(arguments: SceneKind.allCases)
  func differencesGrowWithDistance(kind: SceneKind) throws {
    let image = try SampleScenes.render(kind, width: 160, height: 160, seed: 1).gray
    func difference(_ distance: Int) -> Float {
      var sum: Float = 0
      for y in 0..<160 {
        for x in 0..<160 - distance {
          let change = image.samples[y * 160 + x] - image.samples[y * 160 + x + distance]
          sum += change * change
        }
      }
      return sum / Float(160 * (160 - distance))
    }
    #expect(difference(1) > 1e-5)
    #expect(difference(8) > 1.3 * difference(1))
  }

  @Test func wrongSizesAreRefused() {
    for (width, height) in [(0, 100), (15, 100), (100, 2049), (-1, -1)] {
      let error = #expect(throws: DatasetError.self) {
        try SampleScenes.render(.sea, width: width, height: height, seed: 1)
      }
      #expect(
        error?.description == "a scene has 16...2048 pixels per side; received \(width)x\(height)")
    }
  }
}

@Suite struct SampleFolderTests {
  /// The folder of the checked-out project.
  private var committed: URL {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("Samples")
  }

  private func largestDifference(_ first: ByteImage, _ second: ByteImage) -> Int {
    zip(first.samples, second.samples).reduce(0) { max($0, abs(Int($1.0) - Int($1.1))) }
  }

  @Test(arguments: SampleScenes.samples.indices)
  func committedSamplesAreWhatTheRendererDraws(index: Int) throws {
    let sample = SampleScenes.samples[index]
    let (clean, noisy) = try SampleScenes.draw(sample: index)
    for (folder, image) in [("clean", clean), ("noisy", noisy)] {
      let file = committed.appendingPathComponent("\(folder)/\(sample.name).png")
      let stored = try ImageFile.read(file)
      #expect(stored.size == image.size)
      #expect(stored.channels == sample.mode.channels)
      #expect(image.channels == sample.mode.channels)
      // Other mathematics libraries may round differently in the last place.
      #expect(largestDifference(stored, image) <= 1, "\(folder)/\(sample.name).png")
    }
    let squares = zip(clean.samples, noisy.samples).reduce(0) { sum, pair in
      sum + (Int(pair.0) - Int(pair.1)) * (Int(pair.0) - Int(pair.1))
    }
    let sigma = (Double(squares) / Double(clean.samples.count)).squareRoot()
    // Clipping takes a part of the noise in the darkest and brightest places.
    #expect((0.6...1.02).contains(sigma / Double(sample.sigma)), "\(sample.name): \(sigma)")
  }

  @Test func theFolderHoldsNothingElseAndStaysSmall() throws {
    let names = SampleScenes.samples.map { $0.name + ".png" }
    var bytes = 0
    for folder in ["clean", "noisy"] {
      let url = committed.appendingPathComponent(folder)
      let found = try FileManager.default.contentsOfDirectory(atPath: url.path).sorted()
      #expect(found == names.sorted())
      for name in found {
        bytes += try Data(contentsOf: url.appendingPathComponent(name)).count
      }
    }
    #expect(bytes < 4_000_000)
    let samples = SampleScenes.samples
    #expect(samples.count >= 10)
    #expect(samples.count { $0.width % 2 == 1 || $0.height % 2 == 1 } >= 3)
    #expect(samples.count { $0.mode == .gray } == 2)
    #expect(Set(samples.map(\.sigma)) == [15, 25, 50])
    #expect(Set(samples.map(\.name)).count == samples.count)
  }

  @Test func writingMakesTheSamePictures() throws {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("atelier-samples-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    let files = try SampleScenes.write(to: folder, seed: 9)
    #expect(files.count == SampleScenes.samples.count)
    let (clean, noisy) = try SampleScenes.draw(sample: 3, seed: 9)
    #expect(try ImageFile.read(files[3].clean) == clean)
    #expect(try ImageFile.read(files[3].noisy) == noisy)
    #expect(clean != noisy)
    #expect(throws: DatasetError.self) { try SampleScenes.draw(sample: 99) }
  }
}
