// Random changes of a picture and its labels together: scaled, turned, mirrored, cut out,
// brightened, coloured.

import AtelierEngine
import AtelierImages
import Foundation

/// How a training crop is cut out of its picture and changed; every change is drawn anew each time.
public struct SceneAugmentation: Sendable, Hashable, Codable {
  /// The smallest factor that a picture is scaled by before the crop.
  public var smallestScale: Float = 0.8
  /// The largest such factor.
  public var largestScale: Float = 1.5
  /// How much longer one side may be scaled than the other, as a fraction.
  public var stretch: Float = 0
  /// Rotation in degrees to either side.
  public var rotation: Float = 0
  /// Whether half of the crops are mirrored left to right.
  public var isFlipped = true
  /// The smallest factor on brightness; the result is clipped.
  public var smallestBrightness: Float = 0.7
  /// The largest factor on brightness.
  public var largestBrightness: Float = 1.4
  /// Factor on the distance to middle gray, as a fraction: 0.2 multiplies by 0.8 to 1.2.
  public var contrast: Float = 0
  /// Factor on each colour channel by itself, as a fraction.
  public var color: Float = 0

  /// The defaults of the house: scale, flip and brightness.
  public init() {}

  /// Changes nothing but where the crop lies.
  public static var none: SceneAugmentation {
    var none = SceneAugmentation()
    (none.smallestScale, none.largestScale, none.isFlipped) = (1, 1, false)
    (none.smallestBrightness, none.largestBrightness) = (1, 1)
    return none
  }

  /// The values that make sense.
  ///
  /// - Throws: `DatasetError` that names what is out of range.
  public func validate() throws(DatasetError) {
    let ranges: [(String, Float, ClosedRange<Float>)] = [
      ("the smallest scale", smallestScale, 0.1...10),
      ("the largest scale", largestScale, 0.1...10), ("stretch", stretch, 0...1),
      ("rotation", rotation, 0...180), ("the smallest brightness", smallestBrightness, 0...10),
      ("the largest brightness", largestBrightness, 0...10), ("contrast", contrast, 0...1),
      ("color", color, 0...1),
    ]
    for (name, value, range) in ranges where !range.contains(value) {
      throw DatasetError("augmentation: \(name) takes \(range); received \(value)")
    }
    guard smallestScale <= largestScale, smallestBrightness <= largestBrightness else {
      throw DatasetError(
        "augmentation: scales and brightnesses go from the smaller to the larger; received "
          + "\(smallestScale)-\(largestScale) and \(smallestBrightness)-\(largestBrightness)")
    }
  }

  /// What one crop draws.
  struct Draw {
    /// From the crop's pixel centres to the picture's coordinates, row by row: x = m0·x + m1·y + m2.
    var map: [Float]
    /// How far apart neighbouring readings lie in the picture.
    var reach: Float
    /// What each channel is multiplied by, then what is added.
    var gain: SIMD4<Float>
    var offset: SIMD4<Float>
  }

  /// Draws the changes of one crop; the same number of draws whatever is switched on.
  ///
  /// `center` is a place of the picture, in pixels, that the crop should hold; nil for any.
  func draw(
    picture: PixelSize, crop: PixelSize, center: SIMD2<Float>?,
    using generator: inout RandomGenerator
  ) -> Draw {
    let scale = smallestScale + (largestScale - smallestScale) * generator.uniform()
    let longer = 1 + stretch * generator.uniform(-1...1)
    let angle = rotation * generator.uniform(-1...1) * .pi / 180
    let place = SIMD2(generator.uniform(), generator.uniform())
    let isMirrored = generator.uniform() < 0.5 && isFlipped
    let brightness =
      smallestBrightness + (largestBrightness - smallestBrightness) * generator.uniform()
    let sharpness = 1 + contrast * generator.uniform(-1...1)
    var gain = SIMD4<Float>(repeating: brightness * sharpness)
    for channel in 0..<3 { gain[channel] *= 1 + color * generator.uniform(-1...1) }

    let scales = SIMD2(scale * longer.squareRoot(), scale / longer.squareRoot())
    let size = SIMD2(Float(crop.width), Float(crop.height))
    let scaled = SIMD2(Float(picture.width), Float(picture.height)) * scales
    // A crop that is larger than the picture holds all of it, anywhere.
    var corner = (scaled - size) * place
    if let center {
      // The wanted place comes anywhere into the crop, as far as the picture reaches.
      let low = pointwiseMin(scaled - size, SIMD2(repeating: 0))
      let high = pointwiseMax(scaled - size, SIMD2(repeating: 0))
      corner = pointwiseMin(pointwiseMax(center * scales - size * place, low), high)
    }
    // Without a scale or a rotation whole pixels move, which blurs nothing.
    if scales == SIMD2(1, 1), angle == 0 { corner = corner.rounded(.toNearestOrAwayFromZero) }
    let middle = corner + size / 2
    let (cosine, sine) = (cosf(angle), sinf(angle))
    let mirror: Float = isMirrored ? -1 : 1
    let half = size / 2
    let map = [
      mirror * cosine / scales.x, -sine / scales.x,
      (middle.x - mirror * cosine * half.x + sine * half.y) / scales.x, mirror * sine / scales.y,
      cosine / scales.y, (middle.y - mirror * sine * half.x - cosine * half.y) / scales.y,
    ]
    return Draw(
      map: map, reach: 1 / min(scales.x, scales.y), gain: gain,
      offset: SIMD4(repeating: (1 - sharpness) / 2))
  }
}
