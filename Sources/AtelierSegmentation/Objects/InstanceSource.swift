// Where a Mask R-CNN's training pictures come from: scenes without end, or pictures in memory, cropped and changed at random.

import AtelierEngine
import AtelierImages
import AtelierScenery
import AtelierWorkbench

/// The random changes of a training's pictures with their objects.
public struct InstanceAugmentation: Sendable, Hashable, Codable {
  /// The least and the greatest enlargement.
  public var scale: ClosedRange<Float>
  /// Whether pictures are mirrored and turned by right angles.
  public var turns: Bool
  /// The largest change of brightness, in parts of the full range.
  public var brightness: Float
  /// The largest change of contrast, as a part of it.
  public var contrast: Float
  /// The largest change of one colour against the others, as a part of it.
  public var color: Float

  public init(
    scale: ClosedRange<Float> = 1...1, turns: Bool = false, brightness: Float = 0,
    contrast: Float = 0, color: Float = 0
  ) {
    self.scale = scale
    self.turns = turns
    self.brightness = brightness
    self.contrast = contrast
    self.color = color
  }

  /// For pictures that have no up and no down, such as those of a microscope.
  public static let microscope = InstanceAugmentation(
    scale: 0.75...1.35, turns: true, brightness: 0.06, contrast: 0.25, color: 0.1)
  /// For scenes without end: nothing.
  public static let none = InstanceAugmentation()
}

/// Pictures with their objects, in memory.
package struct InstanceSet: Sendable {
  /// One picture.
  package struct Item: Sendable {
    let name: String
    let picture: ByteImage
    let objects: [InstanceTruth]

    package init(name: String, picture: ByteImage, objects: [InstanceTruth]) {
      self.name = name
      self.picture = picture
      self.objects = objects
    }
  }

  let classNames: [String]
  let items: [Item]

  package init(classNames: [String], items: [Item]) {
    self.classNames = classNames
    self.items = items
  }
}

/// Gives the pictures of a training, each a function of step and place.
package struct InstanceSource: Sendable {
  /// Columns and rows of every picture.
  let size: PixelSize
  let classNames: [String]
  private let make: @Sendable (_ step: Int, _ place: Int) -> InstanceExample

  /// Scenes without end.
  init(_ scenes: ShapesScenes, batch: Int) {
    size = scenes.size
    classNames = scenes.classNames
    make = { step, place in Self.example(scenes.scene(step * batch + place)) }
  }

  /// Random crops of pictures, seen `enlargement` times as large.
  package init(
    _ set: InstanceSet, size: PixelSize, augmentation: InstanceAugmentation,
    enlargement: Float = 1, seed: UInt64
  ) {
    self.size = size
    classNames = set.classNames
    make = { step, place in
      var generator = RandomGenerator(seed: seed, 0x6F62_6A73, UInt64(step), UInt64(place))
      let item = set.items[generator.index(below: set.items.count)]
      return Self.crop(item, size, augmentation, enlargement, using: &generator)
    }
  }

  /// The picture at a place of a step's batch.
  package func example(step: Int, place: Int) -> InstanceExample { make(step, place) }

  /// A drawn scene as it is.
  static func example(_ scene: ShapesScene) -> InstanceExample {
    InstanceExample(
      width: scene.picture.width, height: scene.picture.height,
      samples: scene.picture.rgbFloats, objects: scene.objects.compactMap(InstanceTruth.init))
  }

  /// A random part of a picture, changed at random.
  private static func crop(
    _ item: InstanceSet.Item, _ size: PixelSize, _ augmentation: InstanceAugmentation,
    _ enlargement: Float, using generator: inout RandomGenerator
  ) -> InstanceExample {
    let scale = enlargement * generator.uniform(augmentation.scale)
    let (wide, high) = (Float(size.width) / scale, Float(size.height) / scale)
    func middle(_ part: Float, _ whole: Int) -> Float {
      let free = Float(whole) - part
      let share = generator.uniform()
      return free > 0 ? part / 2 + free * share : Float(whole) / 2
    }
    let turn = augmentation.turns ? generator.index(below: 8) : 0
    // A quarter turn swaps what of the picture is seen across and down.
    let (across, down) = turn % 2 == 0 ? (wide, high) : (high, wide)
    let center = SIMD2(middle(across, item.picture.width), middle(down, item.picture.height))
    let (cosine, sine): (Float, Float) = [(1, 0), (0, 1), (-1, 0), (0, -1)][turn % 4]
    let mirror: Float = turn >= 4 ? -1 : 1
    var map = PictureMap(
      a: cosine * mirror / scale, b: -sine / scale, c: 0, d: sine * mirror / scale,
      e: cosine / scale, f: 0)
    let moved = map(Float(size.width) / 2, Float(size.height) / 2)
    map.c = center.x - moved.x
    map.f = center.y - moved.y
    var samples = item.picture.sampled(by: map, size: size)
    recolor(&samples, augmentation, using: &generator)
    let least = 4
    return InstanceExample(
      width: size.width, height: size.height, samples: samples,
      objects: item.objects.compactMap { $0.moved(by: map, size: size, leastPixels: least) })
  }

  private static func recolor(
    _ samples: inout [Float], _ augmentation: InstanceAugmentation,
    using generator: inout RandomGenerator
  ) {
    let gain = 1 + augmentation.contrast * generator.uniform(-1...1)
    let shift = augmentation.brightness * generator.uniform(-1...1)
    let tints = (0..<3).map { _ in gain * (1 + augmentation.color * generator.uniform(-1...1)) }
    guard augmentation.contrast > 0 || augmentation.brightness > 0 || augmentation.color > 0
    else { return }
    samples.withUnsafeMutableBufferPointer { samples in
      for index in samples.indices {
        samples[index] = min(max(samples[index] * tints[index % 3] + shift, 0), 1)
      }
    }
  }
}

extension ByteImage {
  /// RGB samples in [0, 1], gray three times, alpha over white.
  package var rgbFloats: [Float] {
    let picture = flattened().withChannels(3)
    return picture.samples.map { Float($0) / 255 }
  }

  /// RGB samples in [0, 1] of another picture, whose pixel (x, y) shows the place that `map` gives; bilinear, edges continued.
  func sampled(by map: PictureMap, size: PixelSize) -> [Float] {
    let source = flattened().withChannels(3)
    let (columns, rows) = (source.width, source.height)
    return [Float](unsafeUninitializedCapacity: size.width * size.height * 3) { target, count in
      source.samples.withUnsafeBufferPointer { samples in
        for y in 0..<size.height {
          for x in 0..<size.width {
            let place = map(Float(x) + 0.5, Float(y) + 0.5)
            let u = min(max(place.x - 0.5, 0), Float(columns - 1))
            let v = min(max(place.y - 0.5, 0), Float(rows - 1))
            let (column, row) = (Int(u), Int(v))
            let (right, down) = (u - Float(column), v - Float(row))
            let near = (row * columns + column) * 3
            let far = near + (column + 1 < columns ? 3 : 0)
            let below = row + 1 < rows ? columns * 3 : 0
            for channel in 0..<3 {
              func at(_ index: Int) -> Float { Float(samples[index + channel]) }
              let upper = at(near) * (1 - right) + at(far) * right
              let lower = at(near + below) * (1 - right) + at(far + below) * right
              target[(y * size.width + x) * 3 + channel] = (upper * (1 - down) + lower * down) / 255
            }
          }
        }
      }
      count = size.width * size.height * 3
    }
  }

  /// The picture with its darkest and brightest half percent at the ends of the range, as pictures of a microscope need it.
  var stretched: ByteImage {
    let visible = flattened()
    var counts = [Int](repeating: 0, count: 256)
    for sample in visible.samples { counts[Int(sample)] += 1 }
    let (low, high) = Self.ends(counts)
    guard high > low else { return visible }
    let table = (0...255).map { UInt8(min(max(($0 - low) * 255 / (high - low), 0), 255)) }
    var result = visible
    result.samples = visible.samples.map { table[Int($0)] }
    return result
  }
}

extension Image {
  /// The values beyond which half a percent of the samples lie on either side, by how many samples
  /// have each value.
  static func ends(_ counts: [Int]) -> (low: Int, high: Int) {
    let rest = counts.reduce(0, +) / 200
    func quantile(_ values: some Sequence<Int>) -> Int {
      var sum = 0
      for value in values {
        sum += counts[value]
        if sum > rest { return value }
      }
      return 0
    }
    return (quantile(counts.indices), quantile(counts.indices.reversed()))
  }
}
