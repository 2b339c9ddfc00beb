// How far every pixel of a thing lies from the nearest pixel outside it, exactly.
//
// Felzenszwalb and Huttenlocher 2012, "Distance Transforms of Sampled Functions".

import AtelierImages

/// Exact Euclidean distances between the centres of pixels.
package enum DistanceTransform {
  /// The distance of each pixel of the mask to the nearest pixel outside, one channel in pixels; 0
  /// outside, the picture's border counts as inside.
  ///
  /// Without a pixel outside, all distances are the picture's diagonal.
  package static func distances(_ mask: BinaryMask) -> FloatImage {
    let (width, height) = (mask.width, mask.height)
    let far = Double(width * width + height * height)
    var squares = mask.pixels.map { $0 ? far : 0 }
    for y in 0..<height { transform(&squares, start: y * width, step: 1, count: width, far) }
    for x in 0..<width { transform(&squares, start: x, step: width, count: height, far) }
    return FloatImage(
      width: width, height: height, channels: 1,
      samples: squares.map { Float(min($0, far).squareRoot()) })
  }

  /// The lower envelope of parabolas over one row or column.
  private static func transform(
    _ values: inout [Double], start: Int, step: Int, count: Int, _ far: Double
  ) {
    let line = (0..<count).map { values[start + $0 * step] }
    // Parabolas of the envelope, and from where each of them is the lowest.
    var places = [0]
    var limits = [-Double.infinity]
    for place in 1..<max(count, 1) {
      func meeting(_ other: Int) -> Double {
        let rise = line[place] + Double(place * place) - line[other] - Double(other * other)
        return rise / Double(2 * (place - other))
      }
      while let last = places.last, let limit = limits.last, places.count > 1,
        meeting(last) <= limit
      {
        places.removeLast()
        limits.removeLast()
      }
      limits.append(meeting(places[places.count - 1]))
      places.append(place)
    }
    var index = 0
    for place in 0..<count {
      while index + 1 < places.count, limits[index + 1] < Double(place) { index += 1 }
      let offset = Double(place - places[index])
      values[start + place * step] = min(line[places[index]] + offset * offset, far)
    }
  }
}
