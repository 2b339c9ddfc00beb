// What resting layers make of pictures, computed once and kept on disk for the next training.

import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierWorkbench
import Foundation

/// The features of a set's pictures, and of their mirror images where these are asked for.
struct PictureFeatures {
  /// [pictures, …], one tensor for each side.
  let sides: [Tensor]
  /// The class of each picture.
  let labels: [Int]
}

/// Computes features, or finds them where they were kept.
struct FeatureCache {
  /// The layers that rest, for one picture.
  let resting: Graph
  let store: ParameterStore
  let kernels: Kernels
  /// What tells these layers with these weights from others.
  let identity: String
  /// Pictures at once.
  private static let batch = 16
  /// The most bytes that features may take.
  static let memoryLimit = 2 << 30

  /// Where features are kept: `ATELIER_CACHE`, else the user's cache folder.
  static var folder: URL {
    let environment = ProcessInfo.processInfo.environment
    if let path = environment["ATELIER_CACHE"], !path.isEmpty { return URL(fileURLWithPath: path) }
    if let path = environment["XDG_CACHE_HOME"], !path.isEmpty {
      return URL(fileURLWithPath: path).appendingPathComponent("atelier")
    }
    return FileManager.default.homeDirectoryForCurrentUser.appendingPathComponent(".cache/atelier")
  }

  /// The numbers of one picture's features.
  var featureCount: Int {
    resting.output(named: "output").map { resting.values[$0].shape.count } ?? 0
  }

  /// The features of a set, one side after the other; `remark` hears where they are kept.
  ///
  /// - Throws: `StudioError` when they would take too much memory.
  func features(
    of images: LabeledImages, mirrored: Bool, remark: (String) -> Void
  ) throws -> PictureFeatures {
    let sides = mirrored ? 2 : 1
    let bytes = images.count * featureCount * sides * 4
    try StudioError.unless(
      bytes <= Self.memoryLimit, .usage,
      "\(images.name): the features of \(images.count) pictures take \(bytes >> 20) MB; at most "
        + "\(Self.memoryLimit >> 20) are kept (--head gap needs less)")
    var tensors: [Tensor] = []
    let digest = FileDigest.sha256(Data(images.pixels))
    for side in 0..<sides {
      let key = FileDigest.sha256(Data("\(identity) \(digest) \(images.size) \(side)".utf8))
      let file = Self.folder.appendingPathComponent("features-\(key.prefix(32)).safetensors")
      if let kept = kept(file, count: images.count) {
        if side == 0 { remark("features of \(images.name): kept in \(file.path)") }
        tensors.append(kept)
        continue
      }
      let made = try compute(images, isMirrored: side == 1)
      keep(made, file)
      if side == 0 { remark("features of \(images.name): computed, kept in \(file.path)") }
      tensors.append(made)
    }
    return PictureFeatures(sides: tensors, labels: images.labels)
  }

  /// The features of a file, nil when there is none or it is of another shape.
  private func kept(_ file: URL, count: Int) -> Tensor? {
    guard let read = try? SafetensorsFile.read(from: file),
      let tensor = try? read.tensor(named: "features"), tensor.shape.batch == count,
      tensor.count == count * featureCount
    else { return nil }
    return tensor
  }

  /// Keeps features; where that cannot be, the next training computes them anew.
  private func keep(_ features: Tensor, _ file: URL) {
    try? FileManager.default.createDirectory(at: Self.folder, withIntermediateDirectories: true)
    var made = SafetensorsFile(metadata: ["format": "atelier-features"])
    try? made.append("features", features)
    try? made.write(to: file)
  }

  private func compute(_ images: LabeledImages, isMirrored: Bool) throws -> Tensor {
    let batch = min(Self.batch, images.count)
    guard let input = resting.input(named: "input"), let output = resting.output(named: "output")
    else { throw StudioError(.data, "the resting layers have no input and output") }
    let shape = resting.values[input].shape.withBatch(batch)
    let graph = try resting.specialized(for: .infer).reshaped(["input": shape])
    let program = try Program(graph, parameters: store, kernels: kernels)
    var result = Tensor(resting.values[output].shape.withBatch(images.count))
    let length = featureCount
    for first in stride(from: 0, to: images.count, by: batch) {
      // The last batch is filled up with its own last picture.
      let indices = (first..<first + batch).map { min($0, images.count - 1) }
      var pictures = images.tensor(indices)
      if isMirrored { pictures.mirror() }
      try program.setInput("input", pictures)
      try program.run()
      try program.withOutput("output") { values in
        for index in 0..<min(batch, images.count - first) * length {
          result.elements[first * length + index] = values[index]
        }
      }
    }
    return result
  }
}

extension Tensor {
  /// Mirrors pictures [N, H, W, C] left to right.
  fileprivate mutating func mirror() {
    let (width, channels) = (shape.width, shape.channels)
    elements.withUnsafeMutableBufferPointer { values in
      for row in stride(from: 0, to: values.count, by: width * channels) {
        for column in 0..<width / 2 {
          let (left, right) = (row + column * channels, row + (width - 1 - column) * channels)
          for channel in 0..<channels { values.swapAt(left + channel, right + channel) }
        }
      }
    }
  }
}

/// Batches of features and classes, in the order that the pictures would have.
final class FeatureBatches: BatchSource {
  private let features: PictureFeatures
  /// The pictures' own batches, which give the order and the targets.
  private let order: LabeledBatches

  init(_ features: PictureFeatures, order: LabeledBatches) {
    self.features = features
    self.order = order
  }

  var stepsPerEpoch: Int? { order.stepsPerEpoch }

  /// The tensors of a step: `input`, each picture's features from a side drawn at random, and
  /// `target`.
  func batch(step: Int) -> [String: Tensor] {
    let indices = order.indices(step: step)
    let shape = features.sides[0].shape
    let length = shape.count / shape.batch
    var input = Tensor(shape.withBatch(indices.count))
    for (row, index) in indices.enumerated() {
      var generator = RandomGenerator(
        seed: order.seed, 0x5345_4954, UInt64(step), UInt64(row))
      let side = features.sides.count > 1 ? generator.index(below: features.sides.count) : 0
      input.elements.replaceSubrange(
        row * length..<(row + 1) * length,
        with: features.sides[side].elements[index * length..<(index + 1) * length])
    }
    return ["input": input, "target": order.targets(of: indices)]
  }
}
