// The sample grid: which triangle is nearest at each sample, and where on it the sample lies.

import Foundation

/// The nearest triangle of every sample.
struct SampleGrid {
  let side: Int
  /// side · side triangles, -1 where only the background is.
  var owners: [Int32]
  /// side · side depths towards the camera.
  var depths: [Float]
  /// side · side shares of the triangle's second and third vertex.
  var shares: [SIMD2<Float>]

  init(side: Int) {
    self.side = side
    owners = [Int32](repeating: -1, count: side * side)
    depths = [Float](repeating: -1e9, count: side * side)
    shares = [SIMD2<Float>](repeating: .zero, count: side * side)
  }

  /// Draws triangles; `isSolid` says of a place on a triangle whether there is something.
  ///
  /// Places are screen positions with the depth as third number.
  @inline(__always)
  mutating func draw(
    _ triangles: [SIMD3<Int32>], _ range: Range<Int>, _ places: [Place],
    isSolid: (SIMD3<Int32>, SIMD2<Float>) -> Bool
  ) {
    let side = side
    let last = Float(side - 1)
    owners.withUnsafeMutableBufferPointer { owners in
      depths.withUnsafeMutableBufferPointer { depths in
        shares.withUnsafeMutableBufferPointer { shares in
          places.withUnsafeBufferPointer { places in
            for index in range {
              let triangle = triangles[index]
              let a = places[Int(triangle.x)]
              let b = places[Int(triangle.y)]
              let c = places[Int(triangle.z)]
              let area = (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x)
              guard abs(area) > 1e-9 else { continue }
              let lowX = max((min(a.x, b.x, c.x) - 0.5).rounded(.up), 0)
              let highX = min((max(a.x, b.x, c.x) - 0.5).rounded(.down), last)
              let lowY = max((min(a.y, b.y, c.y) - 0.5).rounded(.up), 0)
              let highY = min((max(a.y, b.y, c.y) - 0.5).rounded(.down), last)
              guard lowX <= highX, lowY <= highY else { continue }
              let scale = 1 / area
              for row in Int(lowY)...Int(highY) {
                let y = Float(row) + 0.5 - a.y
                for column in Int(lowX)...Int(highX) {
                  let x = Float(column) + 0.5 - a.x
                  let second = (x * (c.y - a.y) - y * (c.x - a.x)) * scale
                  let third = ((b.x - a.x) * y - (b.y - a.y) * x) * scale
                  guard second >= 0, third >= 0, second + third <= 1 else { continue }
                  let depth = a.z + second * (b.z - a.z) + third * (c.z - a.z)
                  let sample = row * side + column
                  guard depth > depths[sample] else { continue }
                  let share = SIMD2(second, third)
                  guard isSolid(triangle, share) else { continue }
                  depths[sample] = depth
                  owners[sample] = Int32(index)
                  shares[sample] = share
                }
              }
            }
          }
        }
      }
    }
  }
}
