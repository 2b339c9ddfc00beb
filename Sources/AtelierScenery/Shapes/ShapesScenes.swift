// The shapes scenes: textured shapes that overlap on textured ground, drawn from a seed with exact masks.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import Foundation

/// A picture of shapes with its truth.
public struct ShapesScene: Sendable {
  /// The picture, RGB.
  public let picture: ByteImage
  /// The shapes from the farthest to the nearest: class, mask of what is visible, box of the mask.
  public let objects: [MaskedObject]
  /// The truth of every pixel: 0 ground, else the class of the shape plus 1.
  public let labels: LabelMap
}

/// Scenes of circles, squares and triangles without end; every index is its own scene.
///
/// A scene depends on the seed and its index alone, so held-out scenes are those of another seed. A
/// pixel belongs to the nearest shape that covers its centre. Sizes are relative to the picture's
/// shorter side, so a larger picture shows larger shapes.
public struct ShapesScenes: Sendable {
  /// Which of all sequences of scenes.
  public let seed: UInt64
  /// Columns and rows of the pictures.
  public let size: PixelSize
  /// What may be seen; a shape's class is its place here.
  public let kinds: [ShapeKind]
  /// How many shapes a picture shows.
  public let objectCounts: ClosedRange<Int>

  /// The picture sizes that can be drawn, in pixels per side.
  public static let sizes = 16...2048

  /// Describes a sequence of scenes of sides in `sizes`, kinds each once, and 1...20 shapes;
  /// crowded pictures get fewer.
  /// - Throws: `DatasetError` when an argument is out of range.
  public init(
    seed: UInt64, size: PixelSize = PixelSize(width: 128, height: 128),
    kinds: [ShapeKind] = ShapeKind.standard, objectCounts: ClosedRange<Int> = 1...5
  ) throws(DatasetError) {
    guard Self.sizes.contains(size.width), Self.sizes.contains(size.height) else {
      throw DatasetError(
        "a shapes scene has \(Self.sizes.lowerBound)...\(Self.sizes.upperBound) pixels per side; "
          + "received \(size)")
    }
    guard !kinds.isEmpty, Set(kinds).count == kinds.count else {
      throw DatasetError(
        "shapes scenes need kinds of shapes, each once; received \(kinds.map(\.rawValue))")
    }
    guard objectCounts.lowerBound >= 1, objectCounts.upperBound <= 20 else {
      throw DatasetError("a shapes scene has 1...20 shapes; received \(objectCounts)")
    }
    self.seed = seed
    self.size = size
    self.kinds = kinds
    self.objectCounts = objectCounts
  }

  /// The names of the objects' classes, in the order of their indices.
  public var classNames: [String] { kinds.map(\.rawValue) }

  /// Names and colours of the labels of `ShapesScene.labels`: the ground first, then the shapes.
  public var palette: ClassPalette { .objects(classNames) }

  /// Draws one scene of at least one shape; any thread may draw any scene at any time.
  public func scene(_ index: Int) -> ShapesScene {
    var generator = RandomGenerator(seed: seed, 0x7368_6170_6573, UInt64(truncatingIfNeeded: index))
    let plan = ScenePlan(self, using: &generator)
    return ShapesScene(
      picture: plan.picture(using: &generator), objects: plan.objects, labels: plan.labels)
  }
}

/// A shape where it will be drawn; lengths are in pixels.
private struct PlacedShape {
  let classIndex: Int
  let kind: ShapeKind
  let center: Point
  let radius: Float
  let angle: Float
  let texture: ShapeTexture

  /// How far the pixel's centre lies outside the shape, in pixels.
  func distance(_ x: Int, _ y: Int) -> Float {
    let p = Point(Float(x) + 0.5, Float(y) + 0.5) - center
    return kind.distance(rotated(p, -angle) * (1 / radius)) * radius
  }

  /// The pixels that it may touch, cut to the picture.
  func rows(_ size: PixelSize) -> (columns: Range<Int>, rows: Range<Int>) {
    func range(_ middle: Float, _ count: Int) -> Range<Int> {
      let low = min(max(Int((middle - radius).rounded(.down)) - 1, 0), count)
      return low..<max(low, min(Int((middle + radius).rounded(.up)) + 1, count))
    }
    return (range(center.x, size.width), range(center.y, size.height))
  }
}

/// Which shape is where in one scene, and which pixels each of them shows.
private struct ScenePlan {
  let size: PixelSize
  let ground: ShapeTexture
  private(set) var shapes: [PlacedShape] = []
  /// The shape that each pixel shows, -1 for ground.
  private var owners: [Int]
  /// The pixels that each shape covers, seen or not.
  private var areas: [Int] = []

  /// The least share of a shape that others leave in sight.
  private static let leastVisible = 0.3
  /// The least number of pixels that a shape shows.
  private static let leastPixels = 12

  /// Places shapes until their number is reached or there is no more room.
  init(_ scenes: ShapesScenes, using generator: inout RandomGenerator) {
    size = scenes.size
    let side = Float(min(size.width, size.height))
    let pixel = 1 / side
    ground = ShapeTexture(groundUsing: &generator, pixel: pixel)
    owners = [Int](repeating: -1, count: size.width * size.height)
    let counts = scenes.objectCounts
    let wanted = counts.lowerBound + generator.index(below: counts.count)
    // A shape that would hide too much of another is placed anew; a full picture stays as it is.
    for _ in 0..<wanted * 20 where shapes.count < wanted {
      let classIndex = generator.index(below: scenes.kinds.count)
      let shape = PlacedShape(
        classIndex: classIndex, kind: scenes.kinds[classIndex],
        center: Point(
          generator.uniform(0.06...0.94) * Float(size.width),
          generator.uniform(0.06...0.94) * Float(size.height)),
        radius: max(generator.uniform(0.09...0.26) * side, 3),
        angle: generator.uniform(0...(2 * .pi)),
        texture: ShapeTexture(
          objectUsing: &generator, pixel: pixel,
          apartFrom: [ground.mean] + shapes.map(\.texture.mean)))
      place(shape)
    }
  }

  private mutating func place(_ shape: PlacedShape) {
    var pixels: [Int] = []
    let (columns, rows) = shape.rows(size)
    for y in rows {
      for x in columns where shape.distance(x, y) < 0 { pixels.append(y * size.width + x) }
    }
    guard pixels.count >= Self.leastPixels else { return }
    var visible = [Int](repeating: 0, count: shapes.count + 1)
    for owner in owners where owner >= 0 { visible[owner] += 1 }
    for pixel in pixels where owners[pixel] >= 0 { visible[owners[pixel]] -= 1 }
    for (index, area) in areas.enumerated()
    where visible[index] < Self.leastPixels
      || Double(visible[index]) < Self.leastVisible * Double(area)
    { return }
    for pixel in pixels { owners[pixel] = shapes.count }
    shapes.append(shape)
    areas.append(pixels.count)
  }

  /// What is visible of each shape, the farthest first.
  var objects: [MaskedObject] {
    shapes.enumerated().compactMap { index, shape in
      let mask = BinaryMask(
        width: size.width, height: size.height, pixels: owners.map { $0 == index })
      return mask.bounds.map { MaskedObject(classIndex: shape.classIndex, box: $0, mask: mask) }
    }
  }

  /// The class of every pixel plus 1, 0 on the ground.
  var labels: LabelMap {
    LabelMap(
      width: size.width, height: size.height,
      labels: owners.map { $0 < 0 ? 0 : UInt8(shapes[$0].classIndex + 1) })
  }

  /// Paints the scene: edges cover pixels in part, one light falls over all, and there is grain.
  func picture(using generator: inout RandomGenerator) -> ByteImage {
    let scale = 1 / Float(min(size.width, size.height))
    let middle = Point(Float(size.width), Float(size.height)) / 2
    let slope = rotated(Point(generator.uniform(0...0.35), 0), generator.uniform(0...(2 * .pi)))
    let grain = generator.uniform(0.004...0.025)
    var colors = [Color](repeating: .zero, count: size.width * size.height)
    for y in 0..<size.height {
      for x in 0..<size.width {
        colors[y * size.width + x] = ground.color(Point(Float(x) + 0.5, Float(y) + 0.5) * scale)
      }
    }
    for shape in shapes {
      let (columns, rows) = shape.rows(size)
      for y in rows {
        for x in columns {
          let coverage = clamp(0.5 - shape.distance(x, y))
          guard coverage > 0 else { continue }
          let p = (Point(Float(x) + 0.5, Float(y) + 0.5) - shape.center) * scale
          let place = y * size.width + x
          colors[place] = mix(colors[place], shape.texture.color(p), coverage)
        }
      }
    }
    var source = NormalSource(from: &generator)
    return ByteImage(width: size.width, height: size.height, channels: 3) { target in
      Ziggurat.edges.withUnsafeBufferPointer { table in
        guard let table = table.baseAddress else { return }
        for (place, color) in colors.enumerated() {
          let p = Point(Float(place % size.width), Float(place / size.width)) - middle
          let light = 1 + dot(p * scale, slope)
          for channel in 0..<3 {
            target[place * 3 + channel] = UInt8(
              unit: color[channel] * light + grain * source.normal(table))
          }
        }
      }
    }
  }
}
