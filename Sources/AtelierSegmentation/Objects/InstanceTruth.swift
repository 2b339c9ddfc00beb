// Objects as a training holds them: masks cut to their bounds, moved with their picture.

import AtelierDatasets
import AtelierImages
import AtelierWorkbench
import AtelierZoo

/// One object of a picture, its mask cut to its bounds: a few hundred bytes instead of a picture's size.
package struct InstanceTruth: Sendable, Hashable {
  package let classIndex: Int
  /// The first column of the bounds.
  package let left: Int
  /// The first row of the bounds.
  package let top: Int
  package let width: Int
  package let height: Int
  /// 1 where a pixel of the bounds belongs to the object, row by row.
  package let bits: [UInt8]
  /// Whether it stands for a crowd: neither learnt nor counted as background.
  package let isCrowd: Bool

  package var box: RegionBox {
    RegionBox(
      left: Float(left), top: Float(top), right: Float(left + width), bottom: Float(top + height))
  }

  /// Cuts an object's mask out; nil when it has no pixel.
  package init?(_ object: MaskedObject) {
    guard let bounds = object.mask.bounds else { return nil }
    let (left, top) = (Int(bounds.x), Int(bounds.y))
    let (width, height) = (Int(bounds.width), Int(bounds.height))
    let pixels = object.mask.pixels
    let row = object.mask.width
    var bits: [UInt8] = []
    bits.reserveCapacity(width * height)
    for y in top..<top + height {
      bits += pixels[y * row + left..<y * row + left + width].map { $0 ? 1 : 0 }
    }
    self.init(
      classIndex: object.classIndex, left: left, top: top, width: width, height: height,
      bits: bits, isCrowd: object.isCrowd)
  }

  package init(
    classIndex: Int, left: Int, top: Int, width: Int, height: Int, bits: [UInt8], isCrowd: Bool
  ) {
    self.classIndex = classIndex
    self.left = left
    self.top = top
    self.width = width
    self.height = height
    self.bits = bits
    self.isCrowd = isCrowd
  }

  /// The object in another picture of `size`, whose pixel (x, y) shows the place `map` gives; nil
  /// when less than `leastPixels` of it are there.
  func moved(by map: PictureMap, size: PixelSize, leastPixels: Int) -> InstanceTruth? {
    let area = map.inverse.bounds(of: box)
    func range(_ low: Float, _ high: Float, _ limit: Int) -> Range<Int> {
      let first = min(max(0, Int(low.rounded(.down))), limit)
      return first..<max(first, min(limit, Int(high.rounded(.down)) + 1))
    }
    let columns = range(area.left, area.right, size.width)
    let rows = range(area.top, area.bottom, size.height)
    guard !columns.isEmpty, !rows.isEmpty else { return nil }
    var found: [UInt8] = []
    found.reserveCapacity(columns.count * rows.count)
    var (minX, maxX, minY, maxY, count) = (Int.max, -1, Int.max, -1, 0)
    for y in rows {
      for x in columns {
        let place = map(Float(x) + 0.5, Float(y) + 0.5)
        let (column, row) = (Int(place.x.rounded(.down)) - left, Int(place.y.rounded(.down)) - top)
        let isInside = column >= 0 && column < width && row >= 0 && row < height
        let bit = isInside ? bits[row * width + column] : 0
        found.append(bit)
        guard bit == 1 else { continue }
        (minX, maxX, minY, maxY) = (min(minX, x), max(maxX, x), min(minY, y), max(maxY, y))
        count += 1
      }
    }
    guard count >= leastPixels else { return nil }
    var kept: [UInt8] = []
    for y in minY...maxY {
      let start = (y - rows.lowerBound) * columns.count - columns.lowerBound
      kept += found[start + minX...start + maxX]
    }
    return InstanceTruth(
      classIndex: classIndex, left: minX, top: minY, width: maxX - minX + 1,
      height: maxY - minY + 1, bits: kept, isCrowd: isCrowd)
  }

  /// How much of the object lies around a point, bilinear between pixel centres, in [0, 1].
  @inline(__always) func coverage(x: Float, y: Float) -> Float {
    let (u, v) = (x - Float(left) - 0.5, y - Float(top) - 0.5)
    guard u > -1, v > -1, u < Float(width), v < Float(height) else { return 0 }
    let (column, row) = (Int(u.rounded(.down)), Int(v.rounded(.down)))
    let (right, down) = (u - Float(column), v - Float(row))
    return bits.withUnsafeBufferPointer { bits in
      func at(_ x: Int, _ y: Int) -> Float {
        x >= 0 && x < width && y >= 0 && y < height ? Float(bits[y * width + x]) : 0
      }
      let upper = at(column, row) * (1 - right) + at(column + 1, row) * right
      let lower = at(column, row + 1) * (1 - right) + at(column + 1, row + 1) * right
      return upper * (1 - down) + lower * down
    }
  }
}

/// An affine map between the pixels of two pictures: (a x + b y + c, d x + e y + f).
struct PictureMap: Sendable, Hashable {
  var a: Float
  var b: Float
  var c: Float
  var d: Float
  var e: Float
  var f: Float

  /// The place of a point.
  @inline(__always) func callAsFunction(_ x: Float, _ y: Float) -> SIMD2<Float> {
    SIMD2(a * x + b * y + c, d * x + e * y + f)
  }

  /// The map back, which must exist.
  var inverse: PictureMap {
    let determinant = a * e - b * d
    let (p, q, r, s) = (e / determinant, -b / determinant, -d / determinant, a / determinant)
    return PictureMap(a: p, b: q, c: -(p * c + q * f), d: r, e: s, f: -(r * c + s * f))
  }

  /// The smallest upright box around the image of a box.
  func bounds(of box: RegionBox) -> RegionBox {
    let corners = [
      self(box.left, box.top), self(box.right, box.top), self(box.left, box.bottom),
      self(box.right, box.bottom),
    ]
    let low = corners.reduce(corners[0]) { pointwiseMin($0, $1) }
    let high = corners.reduce(corners[0]) { pointwiseMax($0, $1) }
    return RegionBox(left: low.x, top: low.y, right: high.x, bottom: high.y)
  }
}

/// A picture with its objects, ready for the network.
package struct InstanceExample: Sendable {
  package let width: Int
  package let height: Int
  /// RGB in [0, 1], row by row.
  package let samples: [Float]
  package let objects: [InstanceTruth]

  package init(width: Int, height: Int, samples: [Float], objects: [InstanceTruth]) {
    (self.width, self.height, self.samples, self.objects) = (width, height, samples, objects)
  }
}
