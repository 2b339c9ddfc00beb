// A classifier's batches: every picture once an epoch in a seeded order, changed at random.

import AtelierEngine
import AtelierImages
import Foundation

/// Batches of pictures and labels, a function of the step by the seed.
public final class LabeledBatches: BatchSource {
  /// The pictures.
  public let images: LabeledImages
  /// Pictures a step.
  public let batchSize: Int
  /// The random changes.
  public let augmentation: PictureAugmentation
  /// The share of a target that goes to all classes alike, in [0, 1) (Szegedy and others 2016).
  public let smoothing: Float
  /// The seed of orders and changes.
  public let seed: UInt64
  private let order = EpochOrder()

  /// Makes the batches of a training, each of at most as many pictures as there are.
  /// - Throws: `DatasetError` when a number makes no sense.
  public init(
    _ images: LabeledImages, batchSize: Int, augmentation: PictureAugmentation = .init(),
    smoothing: Float = 0, seed: UInt64
  ) throws(DatasetError) {
    guard batchSize > 0, batchSize <= images.count else {
      throw DatasetError(
        "\(images.name): a batch has 1 to \(images.count) pictures; received \(batchSize)")
    }
    guard (0..<1).contains(smoothing) else {
      throw DatasetError("a smoothing is at least 0 and below 1; received \(smoothing)")
    }
    try augmentation.validate()
    self.images = images
    self.batchSize = batchSize
    self.augmentation = augmentation
    self.smoothing = smoothing
    self.seed = seed
  }

  /// Whole batches in an epoch; the few pictures left over are others each time.
  public var stepsPerEpoch: Int? { images.count / batchSize }

  /// Which pictures a step takes: as many indices as a batch has.
  public func indices(step: Int) -> [Int] {
    let (epoch, place) = step.quotientAndRemainder(dividingBy: images.count / batchSize)
    let first = place * batchSize
    let order = order.permutation(images.count, seed: seed, epoch: epoch)
    return Array(order[first..<first + batchSize])
  }

  /// The tensors of a step: `input` and `target`, class indices [batch], or with a smoothing the
  /// distributions [batch, classes].
  public func batch(step: Int) -> [String: Tensor] {
    ["input": pictures(step: step).images, "target": targets(of: indices(step: step))]
  }

  /// What pictures are to be taken for: class indices, or with a smoothing distributions.
  package func targets(of indices: [Int]) -> Tensor {
    guard smoothing > 0 else {
      return Tensor([indices.count], indices.map { Float(images.labels[$0]) })
    }
    let classes = images.classNames.count
    var target = Tensor([indices.count, classes], repeating: smoothing / Float(classes))
    for (row, index) in indices.enumerated() {
      target.elements[row * classes + images.labels[index]] += 1 - smoothing
    }
    return target
  }

  /// Pictures [batch, height, width, channels] in [0, 1] and class indices [batch] of a step; the
  /// same step gives the same bits.
  public func pictures(step: Int) -> (images: Tensor, labels: Tensor) {
    let chosen = indices(step: step)
    let plain = images.tensor(chosen)
    let labels = Tensor([batchSize], chosen.map { Float(images.labels[$0]) })
    guard augmentation != .init() else { return (plain, labels) }
    var changed = Tensor(plain.shape)
    let size = (images.size.height, images.size.width, images.channels)
    changed.elements.withUnsafeMutableBufferPointer { target in
      plain.elements.withUnsafeBufferPointer { source in
        for index in 0..<batchSize {
          var generator = RandomGenerator(
            seed: seed, Stream.augmentation, UInt64(step), UInt64(index))
          let range = index * images.pictureLength..<(index + 1) * images.pictureLength
          augmentation.apply(
            to: UnsafeBufferPointer(rebasing: source[range]),
            into: UnsafeMutableBufferPointer(rebasing: target[range]), size: size,
            using: &generator)
        }
      }
    }
    return (changed, labels)
  }
}

/// The order of an epoch, kept until another one is asked for; the lock guards it.
final class EpochOrder: @unchecked Sendable {
  private let lock = NSLock()
  private var epoch = -1
  private var order: [Int] = []

  func permutation(_ count: Int, seed: UInt64, epoch: Int) -> [Int] {
    lock.lock()
    defer { lock.unlock() }
    if epoch != self.epoch {
      var generator = RandomGenerator(seed: seed, Stream.epochs, UInt64(epoch))
      order = generator.permutation(count)
      self.epoch = epoch
    }
    return order
  }
}
