// Random patches: a function of seed and step, so that training resumes without stored state.

import AtelierEngine
import AtelierImages

/// How a picture is chosen for a patch.
public enum PatchSelection: String, Codable, Sendable, CaseIterable {
  /// Every picture is equally likely.
  case byImage
  /// Every patch position of all pictures is equally likely: large pictures are drawn more often.
  case byArea
}

/// Cuts batches of square patches out of pictures, in the eight orientations of the square.
public struct PatchSampler: Sendable {
  /// The pictures that patches come from.
  public let folder: ImageFolder
  /// The side of a patch in pixels.
  public let patchSize: Int
  /// The patches of a batch.
  public let batchSize: Int
  /// The seed of all choices.
  public let seed: UInt64
  /// How a picture is chosen.
  public let selection: PatchSelection
  /// Whether patches are flipped and rotated.
  public let isAugmenting: Bool
  /// The pictures that are smaller than a patch and are left out, with their sizes.
  public let warnings: [String]

  /// The indices of pictures that are large enough.
  private let usable: [Int]
  /// The patch positions of the usable pictures, summed up.
  private let positions: [Int]

  /// Where a patch comes from.
  public struct Origin: Hashable, Sendable {
    /// The index of the picture in the folder.
    public var image: Int
    /// The first row.
    public var row: Int
    /// The first column.
    public var column: Int
    /// One of the 8 forms: bit 0 transposes, then bit 1 flips the rows, bit 2 the columns.
    public var orientation: Int
  }

  /// Makes a sampler of 1...65536 patches a batch, each of 1...4096 pixels a side.
  /// - Throws: `DatasetError` when a size is out of range or every picture is smaller than a patch;
  ///   single smaller pictures are left out and listed in `warnings`.
  public init(
    folder: ImageFolder, patchSize: Int, batchSize: Int, seed: UInt64,
    selection: PatchSelection = .byImage, isAugmenting: Bool = true
  ) throws {
    guard (1...4096).contains(patchSize) else {
      throw DatasetError("the patch size must be in 1...4096 pixels; received \(patchSize)")
    }
    guard (1...65536).contains(batchSize) else {
      throw DatasetError("the batch size must be in 1...65536; received \(batchSize)")
    }
    guard patchSize * patchSize * batchSize * folder.mode.channels <= 1 << 29 else {
      throw DatasetError(
        "a batch of \(batchSize) patches of \(patchSize)x\(patchSize) takes more than 2 GiB")
    }
    var usable: [Int] = []
    var positions: [Int] = []
    var warnings: [String] = []
    var total = 0
    for (index, item) in folder.items.enumerated() {
      let image = item.image
      guard image.width >= patchSize, image.height >= patchSize else {
        warnings.append(
          "\(item.name): \(image.width)x\(image.height) is smaller than a patch of "
            + "\(patchSize)x\(patchSize); left out")
        continue
      }
      total += (image.width - patchSize + 1) * (image.height - patchSize + 1)
      usable.append(index)
      positions.append(total)
    }
    guard !usable.isEmpty else {
      throw DatasetError(
        "all \(folder.items.count) pictures are smaller than a patch of "
          + "\(patchSize)x\(patchSize)" + (warnings.first.map { " (\($0))" } ?? ""))
    }
    self.folder = folder
    self.patchSize = patchSize
    self.batchSize = batchSize
    self.seed = seed
    self.selection = selection
    self.isAugmenting = isAugmenting
    self.warnings = warnings
    self.usable = usable
    self.positions = positions
  }

  /// The shape of a batch: [batch, patch, patch, channels].
  public var shape: Shape {
    .image(batch: batchSize, height: patchSize, width: patchSize, channels: folder.mode.channels)
  }

  /// Where the patch of a step and a place in the batch comes from.
  public func origin(step: Int, index: Int) -> Origin {
    var generator = RandomGenerator(
      seed: seed, Stream.patches, UInt64(bitPattern: Int64(step)), UInt64(index))
    let chosen: Int
    switch selection {
    case .byImage: chosen = usable[generator.index(below: usable.count)]
    case .byArea:
      let target = generator.index(below: positions[positions.count - 1])
      var low = 0
      var high = positions.count - 1
      while low < high {
        let middle = (low + high) / 2
        if positions[middle] > target { high = middle } else { low = middle + 1 }
      }
      chosen = usable[low]
    }
    let image = folder.items[chosen].image
    let row = generator.index(below: image.height - patchSize + 1)
    let column = generator.index(below: image.width - patchSize + 1)
    let orientation = generator.index(below: 8)
    return Origin(
      image: chosen, row: row, column: column, orientation: isAugmenting ? orientation : 0)
  }

  /// Patches [batch, patch, patch, channels] in [0, 1]; the same step gives the same bits.
  public func batch(step: Int) -> Tensor {
    var elements = [Float](repeating: 0, count: shape.count)
    let patchCount = patchSize * patchSize * folder.mode.channels
    elements.withUnsafeMutableBufferPointer { buffer in
      for index in 0..<batchSize {
        let range = index * patchCount..<(index + 1) * patchCount
        copy(
          origin(step: step, index: index), to: UnsafeMutableBufferPointer(rebasing: buffer[range]))
      }
    }
    return Tensor(shape, elements)
  }

  /// The value of each byte in [0, 1].
  private static let values = (0..<256).map { Float($0) / 255 }

  private func copy(_ origin: Origin, to patch: UnsafeMutableBufferPointer<Float>) {
    let item = folder.items[origin.image]
    if let words = item.words {
      copy(words, origin, to: patch) { Float($0) / 65535 }
    } else {
      let values = Self.values
      copy(item.image, origin, to: patch) { values[Int($0)] }
    }
  }

  @inline(__always)
  private func copy<Sample: ImageSample>(
    _ image: Image<Sample>, _ origin: Origin, to patch: UnsafeMutableBufferPointer<Float>,
    _ value: (Sample) -> Float
  ) {
    let channels = image.channels
    let last = patchSize - 1
    // The steps through the source for one step along a row and down a column of the patch.
    let rowStride = image.width * channels
    let isTransposed = origin.orientation & 1 != 0
    var along = isTransposed ? rowStride : channels
    var down = isTransposed ? channels : rowStride
    var start = origin.row * rowStride + origin.column * channels
    if origin.orientation & 2 != 0 {
      start += last * down
      down = -down
    }
    if origin.orientation & 4 != 0 {
      start += last * along
      along = -along
    }
    image.samples.withUnsafeBufferPointer { samples in
      var target = 0
      for y in 0..<patchSize {
        var source = start + y * down
        for _ in 0..<patchSize {
          for channel in 0..<channels {
            patch[target + channel] = value(samples[source + channel])
          }
          target += channels
          source += along
        }
      }
    }
  }
}

/// The numbers that keep the random streams of one seed apart.
enum Stream {
  static let patches: UInt64 = 1
  static let noise: UInt64 = 2
  static let secondNoise: UInt64 = 3
  static let faces: UInt64 = 4
  static let split: UInt64 = 5
  static let epochs: UInt64 = 6
  static let augmentation: UInt64 = 7
  static let biasedPictures: UInt64 = 8
  static let guidance: UInt64 = 9
  static let spots: UInt64 = 10
}
