// The folder of samples that ships with the project: which pictures, and how it is written.

import AtelierDatasets
import AtelierImages
import Foundation

extension SampleScenes {
  /// One picture of the samples: what it shows, its size and the noise of its noisy version.
  public struct Sample: Hashable, Sendable {
    /// The name of both files, without extension.
    public let name: String
    /// What it shows.
    public let kind: SceneKind
    /// The columns in pixels.
    public let width: Int
    /// The rows in pixels.
    public let height: Int
    /// Gray or colour.
    public let mode: ColorMode
    /// The standard deviation of the noise, in the units of 8-bit images.
    public let sigma: Float
  }

  /// The seed of the samples that ship.
  public static let sampleSeed: UInt64 = 1

  /// The pictures of the samples, in the order of their noise streams.
  public static let samples: [Sample] = [
    sample("bird", .bird, 320, 256, 25),
    sample("cat", .cat, 288, 288, 50),
    sample("city", .city, 336, 256, 15),
    sample("cloth", .cloth, 256, 256, 25),
    sample("flower", .flower, 271, 273, 25),
    sample("lake", .lake, 321, 257, 25),
    sample("mountains", .mountains, 336, 256, 15),
    sample("poster", .poster, 257, 351, 50, .gray),
    sample("sea", .sea, 320, 256, 50),
    sample("still-life", .stillLife, 323, 259, 25),
    sample("wall", .wall, 320, 272, 15),
    sample("zebra", .zebra, 320, 288, 25, .gray),
  ]

  private static func sample(
    _ name: String, _ kind: SceneKind, _ width: Int, _ height: Int, _ sigma: Float,
    _ mode: ColorMode = .color
  ) -> Sample {
    Sample(name: name, kind: kind, width: width, height: height, mode: mode, sigma: sigma)
  }

  /// Draws one sample clean, and with Gaussian noise, clipped and rounded to bytes.
  /// - Throws: `DatasetError` when there is no such sample.
  public static func draw(
    sample index: Int, seed: UInt64 = sampleSeed
  ) throws -> (clean: ByteImage, noisy: ByteImage) {
    guard samples.indices.contains(index) else {
      throw DatasetError("there are \(samples.count) samples; received index \(index)")
    }
    let sample = samples[index]
    let picture = try render(sample.kind, width: sample.width, height: sample.height, seed: seed)
    let clean = picture.bytes.withChannels(sample.mode.channels)
    var noisy = clean.floats
    NoiseModel.addProtocolNoise(
      to: &noisy.samples, sigma: sample.sigma, seed: seed, imageIndex: index)
    return (clean, noisy.bytes)
  }

  /// Writes the samples: `clean/NAME.png` and `noisy/NAME.png` for each.
  ///
  /// Files of the same names are replaced; the result is the files, in the order of `samples`.
  ///
  /// - Throws: `ImageError` or the file system's error when a file cannot be written.
  @discardableResult
  public static func write(
    to folder: URL, seed: UInt64 = sampleSeed
  ) throws -> [(clean: URL, noisy: URL)] {
    let folders = ["clean", "noisy"].map { folder.appendingPathComponent($0) }
    for folder in folders {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }
    var files: [(clean: URL, noisy: URL)] = []
    for (index, sample) in samples.enumerated() {
      let (clean, noisy) = try draw(sample: index, seed: seed)
      let places = folders.map { $0.appendingPathComponent(sample.name + ".png") }
      try ImageFile.write(clean, to: places[0])
      try ImageFile.write(noisy, to: places[1])
      files.append((places[0], places[1]))
    }
    return files
  }
}
