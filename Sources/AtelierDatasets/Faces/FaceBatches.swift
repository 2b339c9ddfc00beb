// Batches of one person's faces for a swap: warped inputs and un-warped targets, a function of seed and step.

import AtelierEngine
import AtelierImages

/// One step's faces of one person.
public struct FaceBatch: Hashable, Sendable {
  /// What the network sees: warped, [batch, side, side, 3], values in [0, 1].
  public var input: Tensor
  /// What it should draw: not warped, of the same shape.
  public var target: Tensor
  /// The targets' masks, [batch, side, side, 1]; nil when the faces have none.
  public var mask: Tensor?
  /// Where the targets' eyes and mouths are, of the targets' shape, values in [0, 1]; nil when the batches do not draw it.
  public var features: Tensor?
}

/// Draws batches of face crops with random changes.
///
/// Crops are square and show more than the network sees: its part is the augmentation's `coverage` of whatever size the crops
/// have, so crops of which it sees a little more than its own side alias least. The original samples twice (turn, then warp); here one sampling does
/// both, which blurs less.
public struct FaceBatches: Sendable {
  /// The crops, colour, all square and of one size.
  public let faces: ImageFolder
  /// The masks of the crops, one channel of the crops' size each; nil when there are none.
  public let masks: [ByteImage]?
  /// Width and height of what the network sees.
  public let side: Int
  /// The faces of a batch.
  public let batchSize: Int
  /// The changes.
  public let augmentation: FaceAugmentation
  /// The seed of all choices; the two people of a swap need two `stream`s of it.
  public let seed: UInt64
  /// Keeps the random choices of two sets of faces under one seed apart.
  public let stream: UInt64
  /// Whether batches say where eyes and mouths are.
  public let drawsFeatures: Bool

  /// Makes the batches of one person: `side` in 8...512, `batchSize` in 1...4096, a mask a crop.
  /// - Throws: `DatasetError` that names the crop that is not square or of another size, or the number out of range.
  public init(
    faces: ImageFolder, masks: [ByteImage]? = nil, side: Int = 64, batchSize: Int,
    augmentation: FaceAugmentation = .standard, seed: UInt64, stream: UInt64 = 0,
    drawsFeatures: Bool = false
  ) throws {
    guard (8...512).contains(side) else {
      throw DatasetError("the side of a face must be in 8...512 pixels; received \(side)")
    }
    guard (1...4096).contains(batchSize) else {
      throw DatasetError("the batch size must be in 1...4096; received \(batchSize)")
    }
    guard faces.mode == .color else {
      throw DatasetError("faces are read in colour; received gray ones")
    }
    guard let first = faces.items.first else { throw DatasetError("there are no faces") }
    let size = first.image.width
    for item in faces.items
    where item.image.width != size || item.image.height != size || size < 8 {
      throw DatasetError(
        "\(item.name): expected a square face of \(max(size, 8))x\(max(size, 8)) like "
          + "\(first.name); received \(item.image.size)")
    }
    if let masks {
      guard masks.count == faces.items.count else {
        throw DatasetError("expected \(faces.items.count) masks; received \(masks.count)")
      }
      for (item, mask) in zip(faces.items, masks)
      where mask.size != item.image.size || mask.channels != 1 {
        throw DatasetError(
          "the mask of \(item.name): expected one channel of \(item.image.size); received "
            + "\(mask.channels) of \(mask.size)")
      }
    }
    try augmentation.validate()
    self.faces = faces
    self.masks = masks
    self.side = side
    self.batchSize = batchSize
    self.augmentation = augmentation
    self.seed = seed
    self.stream = stream
    self.drawsFeatures = drawsFeatures
  }

  /// How the network's pixels lie in the crops.
  public var layout: FaceLayout {
    FaceLayout(
      cropSize: faces.items[0].image.width, coverage: augmentation.coverage,
      sampling: augmentation.alignment)
  }

  /// The shape of inputs and targets.
  public var shape: Shape { .image(batch: batchSize, height: side, width: side, channels: 3) }

  /// The faces of a step; the same step gives the same bits.
  public func batch(step: Int) -> FaceBatch {
    batch(of: batchSize) { index in
      var generator = RandomGenerator(
        seed: seed, Stream.faces, stream, UInt64(bitPattern: Int64(step)), UInt64(index))
      let face = generator.index(below: faces.items.count)
      return (face, variation(using: &generator))
    }
  }

  /// Faces without any change, by their places in the folder, for previews and measurements: input
  /// and target are the crop's middle.
  /// - Precondition: there is at least one index, and all are of the folder.
  public func unchanged(_ indices: [Int]) -> FaceBatch {
    precondition(!indices.isEmpty, "a batch has at least one face")
    let plain = layout.unchanged
    return batch(of: indices.count) { index in
      var generator = RandomGenerator(seed: 0)
      let size = faces.items[indices[index]].image.width
      return (indices[index], FaceVariation(plain, crop: size, using: &generator))
    }
  }

  private func variation(using generator: inout RandomGenerator) -> FaceVariation {
    FaceVariation(augmentation, crop: faces.items[0].image.width, using: &generator)
  }

  private func batch(
    of count: Int, _ choice: (Int) -> (face: Int, variation: FaceVariation)
  ) -> FaceBatch {
    let area = side * side
    var input = [Float](repeating: 0, count: count * area * 3)
    var target = input
    var mask = [Float](repeating: 0, count: masks == nil ? 0 : count * area)
    var features: [Float] = []
    features.reserveCapacity(drawsFeatures ? count * area * 3 : 0)
    for index in 0..<count {
      let (face, variation) = choice(index)
      let image = faces.items[face].image
      let places = variation.targetPlaces(side: side)
      write(image, places, augmentation.recolorsTarget ? variation : nil, into: &target, at: index)
      write(image, variation.inputPlaces(side: side), variation, into: &input, at: index)
      if drawsFeatures { features += self.features(at: places, crop: image.width) }
      if let masks {
        mask.withUnsafeMutableBufferPointer { buffer in
          FaceSampling.read(
            masks[face], places,
            into: UnsafeMutableBufferPointer(rebasing: buffer[index * area..<(index + 1) * area]))
        }
      }
    }
    let shape = shape.withBatch(count)
    let maskShape = Shape.image(batch: count, height: side, width: side, channels: 1)
    return FaceBatch(
      input: Tensor(shape, input), target: Tensor(shape, target),
      mask: masks == nil ? nil : Tensor(maskShape, mask),
      features: drawsFeatures ? Tensor(shape, features) : nil)
  }

  /// How much each place of a crop belongs to eyes or mouth, once for each colour.
  private func features(at places: [SIMD2<Float>], crop: Int) -> [Float] {
    let toBox = AffineMap.scaling(
      1 / FaceLayout.faceShare, x: (1 - 1 / FaceLayout.faceShare) / 2,
      y: (1 - 1 / FaceLayout.faceShare) / 2)
    return places.flatMap { place in
      let part = PlanePoint(
        (Double(place.x) + 0.5) / Double(crop), (Double(place.y) + 0.5) / Double(crop))
      let share = Float(FaceLayout.featureShare(at: toBox(part)))
      return [share, share, share]
    }
  }

  private func write(
    _ image: ByteImage, _ places: [SIMD2<Float>], _ colors: FaceVariation?,
    into elements: inout [Float], at index: Int
  ) {
    let count = side * side * 3
    elements.withUnsafeMutableBufferPointer { buffer in
      let pixels = UnsafeMutableBufferPointer(rebasing: buffer[index * count..<(index + 1) * count])
      FaceSampling.read(image, places, into: pixels)
      if let colors, colors.lightness != 0 || colors.a != 0 || colors.b != 0 {
        LabColor.adjust(pixels, lightness: colors.lightness, a: colors.a, b: colors.b)
      }
    }
  }
}

/// Bilinear reading of bytes.
enum FaceSampling {
  /// The picture in [0, 1] at each place, pixel centres at whole numbers, its edge going on.
  static func read(
    _ image: ByteImage, _ places: [SIMD2<Float>], into target: UnsafeMutableBufferPointer<Float>
  ) {
    let channels = image.channels
    precondition(target.count == places.count * channels, "a value for each place")
    let last = SIMD2(Float(image.width - 1), Float(image.height - 1))
    image.samples.withUnsafeBufferPointer { samples in
      var place = 0
      for point in places {
        let x = point.x > 0 ? (point.x < last.x ? point.x : last.x) : 0
        let y = point.y > 0 ? (point.y < last.y ? point.y : last.y) : 0
        let (left, top) = (Int(x), Int(y))
        let (fx, fy) = (x - Float(left), y - Float(top))
        let right = min(left + 1, image.width - 1) * channels
        let upper = top * image.width * channels
        let lower = min(top + 1, image.height - 1) * image.width * channels
        for channel in 0..<channels {
          let a = Float(samples[upper + left * channels + channel])
          let b = Float(samples[upper + right + channel])
          let c = Float(samples[lower + left * channels + channel])
          let d = Float(samples[lower + right + channel])
          let first = a + fx * (b - a)
          let second = c + fx * (d - c)
          target[place + channel] = (first + fy * (second - first)) * (1 / 255)
        }
        place += channels
      }
    }
  }
}
