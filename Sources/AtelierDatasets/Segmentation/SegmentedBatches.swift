// A semantic network's batches: crops of every picture once an epoch in a seeded order, or of scenes
// each of which is drawn once.

import AtelierEngine
import AtelierImages

/// Batches of crops with their labels, a function of the step by the seed.
public final class SegmentedBatches: BatchSource {
  /// The pictures.
  public let source: SegmentedSource
  /// The size of a crop.
  public let crop: PixelSize
  /// Crops a step.
  public let batchSize: Int
  /// The random changes.
  public let augmentation: SceneAugmentation
  /// The share of crops that are cut out around a pixel of a class drawn evenly, in 0...1.
  public let balance: Float
  /// The seed of orders and changes.
  public let seed: UInt64
  private let order = EpochOrder()
  /// The pictures that show each class.
  private let showing: [[Int]]

  /// Makes the batches of a training.
  /// - Throws: `DatasetError` when a number makes no sense.
  public init(
    _ source: SegmentedSource, crop: PixelSize, batchSize: Int,
    augmentation: SceneAugmentation = .init(), balance: Float = 0, seed: UInt64
  ) throws(DatasetError) {
    guard batchSize > 0, crop.width > 0, crop.height > 0, (0...1).contains(balance) else {
      throw DatasetError(
        "\(source.name): a step takes at least one crop of a positive size and a balance of 0 to 1; "
          + "received \(batchSize), \(crop) and \(balance)")
    }
    try augmentation.validate()
    self.source = source
    self.crop = crop
    self.batchSize = batchSize
    self.augmentation = augmentation
    self.balance = balance
    self.seed = seed
    var showing = [[Int]](repeating: [], count: source.palette.count)
    switch source {
    case .set(let set) where balance > 0:
      for (index, item) in set.items.enumerated() {
        var statistics = ClassStatistics(classes: set.palette.count)
        statistics.add(item.labels)
        for (label, pixels) in statistics.pixels.enumerated() where pixels > 0 {
          showing[label].append(index)
        }
      }
      classes = showing.indices.filter { !showing[$0].isEmpty }.map { UInt8($0) }
    case .scenes: classes = source.palette.entries.indices.map { UInt8($0) }
    case .set: classes = []
    }
    self.showing = showing.filter { !$0.isEmpty }
  }

  /// The classes that crops can be cut out around; for a set, those of `showing`.
  private let classes: [UInt8]

  /// The tensors of a step: `input` and `target`, as `crops(step:)` gives them.
  public func batch(step: Int) -> [String: Tensor] {
    let (images, labels) = crops(step: step)
    return ["input": images, "target": labels]
  }

  /// Crops [batch, height, width, channels] in [0, 1] and labels [batch, height, width] of a step.
  ///
  /// Labels are class indices or 255 where nothing counts; the same step gives the same bits.
  public func crops(step: Int) -> (images: Tensor, labels: Tensor) {
    let channels = source.channels
    var images = Tensor(
      .image(batch: batchSize, height: crop.height, width: crop.width, channels: channels))
    var labels = Tensor([batchSize, crop.height, crop.width])
    let area = crop.width * crop.height
    let length = area * channels
    images.elements.withUnsafeMutableBufferPointer { pixels in
      labels.elements.withUnsafeMutableBufferPointer { targets in
        for index in 0..<batchSize {
          fill(
            step: step, index: index,
            UnsafeMutableBufferPointer(rebasing: pixels[index * length..<(index + 1) * length]),
            UnsafeMutableBufferPointer(rebasing: targets[index * area..<(index + 1) * area]))
        }
      }
    }
    return (images, labels)
  }

  /// Cuts one crop out.
  private func fill(
    step: Int, index: Int, _ pixels: UnsafeMutableBufferPointer<Float>,
    _ targets: UnsafeMutableBufferPointer<Float>
  ) {
    var generator = RandomGenerator(
      seed: seed, Stream.scenes, UInt64(bitPattern: Int64(step)), UInt64(index))
    let isBalanced = generator.uniform() < balance
    let (kind, picture, place) = (generator.uniform(), generator.uniform(), generator.uniform())
    let wanted =
      isBalanced && !classes.isEmpty
      ? min(Int(kind * Float(classes.count)), classes.count - 1) : nil
    let item = item(step * batchSize + index, showing: wanted, picture)
    let center = wanted.flatMap { pixel(of: classes[$0], in: item.labels, place) }
    let draw = augmentation.draw(
      picture: item.image.size, crop: crop, center: center, using: &generator)
    cut(item, draw, pixels, targets)
  }

  /// The picture of a crop: among those that show a wanted class the one at `fraction`; a drawn
  /// scene may lack it.
  private func item(_ number: Int, showing wanted: Int?, _ fraction: Float) -> SegmentedImage {
    switch source {
    case .set(let set):
      if let wanted {
        let candidates = showing[wanted]
        return set.items[
          candidates[min(Int(fraction * Float(candidates.count)), candidates.count - 1)]]
      }
      let order = order.permutation(set.count, seed: seed, epoch: number / set.count)
      return set.items[order[number % set.count]]
    case .scenes(let scenes, let channels): return scenes.segmented(number, channels: channels)
    }
  }

  /// A pixel of a class, the one at a fraction of all of them; nil when there is none.
  private func pixel(of label: UInt8, in map: LabelMap, _ fraction: Float) -> SIMD2<Float>? {
    let count = map.labels.reduce(0) { $0 + ($1 == label ? 1 : 0) }
    var left = min(Int(fraction * Float(count)), count - 1)
    for (index, found) in map.labels.enumerated() where found == label {
      if left == 0 { return SIMD2(Float(index % map.width), Float(index / map.width)) }
      left -= 1
    }
    return nil
  }

  /// Reads picture and labels where a draw says.
  private func cut(
    _ item: SegmentedImage, _ draw: SceneAugmentation.Draw,
    _ pixels: UnsafeMutableBufferPointer<Float>, _ targets: UnsafeMutableBufferPointer<Float>
  ) {
    let (width, height) = (item.image.width, item.image.height)
    let map = draw.map
    item.labels.labels.withUnsafeBufferPointer { labels in
      var target = 0
      for row in 0..<crop.height {
        let y = Float(row) + 0.5
        for column in 0..<crop.width {
          let x = Float(column) + 0.5
          let u = (map[0] * x + map[1] * y + map[2]).rounded(.down)
          let v = (map[3] * x + map[4] * y + map[5]).rounded(.down)
          let isInside = u >= 0 && v >= 0 && u < Float(width) && v < Float(height)
          targets[target] =
            isInside ? Float(labels[Int(v) &* width &+ Int(u)]) : Float(LabelMap.ignored)
          target &+= 1
        }
      }
    }
    let reader = CropReader(
      width: width, height: height, channels: source.channels, crop: crop, draw: draw)
    item.image.samples.withUnsafeBufferPointer { reader.fill(pixels, from: $0) }
  }
}

/// Reads the pixels of one crop; beyond the border the picture's edge goes on.
private struct CropReader {
  let width: Int
  let height: Int
  let channels: Int
  let crop: PixelSize
  let draw: SceneAugmentation.Draw

  func fill(_ target: UnsafeMutableBufferPointer<Float>, from source: UnsafeBufferPointer<UInt8>) {
    // Four readings where the picture is made smaller, so that less aliases.
    let parts = draw.reach > 1.05 ? 2 : 1
    let step = 1 / Float(parts)
    let gain = draw.gain * (step * step / 255)
    let (m0, m1, m2) = (draw.map[0], draw.map[1], draw.map[2] - 0.5)
    let (m3, m4, m5) = (draw.map[3], draw.map[4], draw.map[5] - 0.5)
    let (right, bottom) = (Float(width - 1), Float(height - 1))
    var place = 0
    for row in 0..<crop.height {
      for column in 0..<crop.width {
        var sum = SIMD4<Float>.zero
        for part in 0..<parts &* parts {
          let x = Float(column) + (Float(part % parts) + 0.5) * step
          let y = Float(row) + (Float(part / parts) + 0.5) * step
          let u = min(max(m0 * x + m1 * y + m2, 0), right)
          let v = min(max(m3 * x + m4 * y + m5, 0), bottom)
          sum += bilinear(source, u, v)
        }
        let value = (sum * gain + draw.offset).clamped(
          lowerBound: .zero, upperBound: SIMD4(repeating: 1))
        for channel in 0..<channels { target[place &+ channel] = value[channel] }
        place &+= channels
      }
    }
  }

  @inline(__always)
  private func bilinear(
    _ source: UnsafeBufferPointer<UInt8>, _ u: Float, _ v: Float
  ) -> SIMD4<Float> {
    let (left, top) = (Int(u), Int(v))
    let (fx, fy) = (u - Float(left), v - Float(top))
    let right = min(left &+ 1, width &- 1)
    let upper = top &* width
    let lower = min(top &+ 1, height &- 1) &* width
    let a = pixel(source, upper &+ left)
    let b = pixel(source, upper &+ right)
    let c = pixel(source, lower &+ left)
    let d = pixel(source, lower &+ right)
    let first = a + fx * (b - a)
    let second = c + fx * (d - c)
    return first + fy * (second - first)
  }

  @inline(__always)
  private func pixel(_ source: UnsafeBufferPointer<UInt8>, _ index: Int) -> SIMD4<Float> {
    if channels == 1 { return SIMD4(Float(source[index]), 0, 0, 0) }
    let place = index &* 3
    return SIMD4(Float(source[place]), Float(source[place &+ 1]), Float(source[place &+ 2]), 0)
  }
}

extension Stream {
  /// Crops of scenes with labels.
  static let scenes: UInt64 = 21
}
