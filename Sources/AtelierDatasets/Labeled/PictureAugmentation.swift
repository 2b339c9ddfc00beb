// Random changes of a classifier's training pictures: moved, turned, mirrored, scaled, brightened,
// partly covered.

import AtelierEngine
import Foundation

/// How far each picture is changed at most; every change is drawn anew each time.
public struct PictureAugmentation: Sendable, Hashable, Codable {
  /// Shift along each axis, in pixels.
  public var shift: Float = 0
  /// Rotation in degrees.
  public var rotation: Float = 0
  /// Enlargement or reduction, as a fraction: 0.1 scales by 0.9 to 1.1.
  public var zoom: Float = 0
  /// Whether half of the pictures are mirrored left to right.
  public var isFlipped = false
  /// Factor on brightness, as a fraction: 0.2 multiplies by 0.8 to 1.2; the result is clipped.
  public var brightness: Float = 0
  /// The side of a square that is set to the picture's mean, in pixels (DeVries and Taylor 2017).
  public var cutout: Int = 0

  /// Changes nothing.
  public init() {}

  /// The largest values that make sense.
  ///
  /// - Throws: `DatasetError` that names what is out of range.
  public func validate() throws(DatasetError) {
    let ranges: [(String, Float, ClosedRange<Float>)] = [
      ("shift", shift, 0...64), ("rotation", rotation, 0...180), ("zoom", zoom, 0...0.9),
      ("brightness", brightness, 0...1), ("cutout", Float(cutout), 0...64),
    ]
    for (name, value, range) in ranges where !range.contains(value) {
      throw DatasetError("augmentation: \(name) takes \(range); received \(value)")
    }
  }

  /// Changes a picture, [height, width, channels] in [0, 1]; beyond the border its edge goes on.
  ///
  /// The number of draws is the same whatever is switched on.
  public func apply(
    to picture: UnsafeBufferPointer<Float>, into target: UnsafeMutableBufferPointer<Float>,
    size: (height: Int, width: Int, channels: Int), using generator: inout RandomGenerator
  ) {
    let angle = generator.uniform(-1...1) * rotation * .pi / 180
    let scale = 1 / (1 + generator.uniform(-1...1) * zoom)
    var moved = SIMD2(generator.uniform(-1...1), generator.uniform(-1...1)) * shift
    let isMirrored = generator.uniform() < 0.5 && isFlipped
    let factor = 1 + generator.uniform(-1...1) * brightness
    let hole = SIMD2(generator.uniform(), generator.uniform())
    // Without a rotation or a scale whole pixels move, which blurs nothing.
    if rotation == 0, zoom == 0 { moved = moved.rounded(.toNearestOrAwayFromZero) }
    let middle = SIMD2(Float(size.width - 1), Float(size.height - 1)) / 2
    let (cosine, sine) = (cosf(angle) * scale, sinf(angle) * scale)
    for row in 0..<size.height {
      for column in 0..<size.width {
        var place = SIMD2(Float(column), Float(row)) - middle - moved
        place = SIMD2(cosine * place.x + sine * place.y, cosine * place.y - sine * place.x)
        if isMirrored { place.x = -place.x }
        place += middle
        let start = (row &* size.width &+ column) &* size.channels
        sample(picture, place, size, target, start, factor)
      }
    }
    if cutout > 0 { cover(target, size, hole) }
  }

  /// One pixel, bilinear.
  @inline(__always)
  private func sample(
    _ picture: UnsafeBufferPointer<Float>, _ place: SIMD2<Float>,
    _ size: (height: Int, width: Int, channels: Int),
    _ target: UnsafeMutableBufferPointer<Float>, _ start: Int, _ factor: Float
  ) {
    let x = min(max(place.x, 0), Float(size.width - 1))
    let y = min(max(place.y, 0), Float(size.height - 1))
    let (left, top) = (Int(x), Int(y))
    let (right, bottom) = (min(left + 1, size.width - 1), min(top + 1, size.height - 1))
    let (partX, partY) = (x - Float(left), y - Float(top))
    for channel in 0..<size.channels {
      func at(_ row: Int, _ column: Int) -> Float {
        picture[(row &* size.width &+ column) &* size.channels &+ channel]
      }
      let above = at(top, left) + (at(top, right) - at(top, left)) * partX
      let below = at(bottom, left) + (at(bottom, right) - at(bottom, left)) * partX
      let value = (above + (below - above) * partY) * factor
      target[start &+ channel] = min(max(value, 0), 1)
    }
  }

  /// Sets a square around a place to the mean of each channel.
  private func cover(
    _ target: UnsafeMutableBufferPointer<Float>, _ size: (height: Int, width: Int, channels: Int),
    _ hole: SIMD2<Float>
  ) {
    let left = Int(hole.x * Float(size.width)) - cutout / 2
    let top = Int(hole.y * Float(size.height)) - cutout / 2
    for channel in 0..<size.channels {
      var sum: Float = 0
      for index in stride(from: channel, to: target.count, by: size.channels) {
        sum += target[index]
      }
      let mean = sum / Float(size.width * size.height)
      for row in max(top, 0)..<max(0, min(top + cutout, size.height)) {
        for column in max(left, 0)..<max(0, min(left + cutout, size.width)) {
          target[(row * size.width + column) * size.channels + channel] = mean
        }
      }
    }
  }
}
