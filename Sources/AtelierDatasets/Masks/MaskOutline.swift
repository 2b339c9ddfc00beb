// The outlines of a mask: closed walks along the edges between its pixels and the others.

import AtelierImages

/// One closed outline along the edges of pixels.
public struct MaskOutline: Sendable, Hashable {
  /// Its corners in order, in pixels from the left upper corner of the picture.
  ///
  /// With y pointing down, the outline of a part runs clockwise, that of a hole the other way.
  public let corners: [SIMD2<Int>]

  /// Twice the enclosed area, above 0 for a part and below 0 for a hole.
  private var doubleArea: Int {
    var sum = 0
    var last = corners[corners.count - 1]
    for corner in corners {
      sum += last.x * corner.y - corner.x * last.y
      last = corner
    }
    return sum
  }

  /// Whether it goes around a hole.
  public var isHole: Bool { doubleArea < 0 }
}

extension BinaryMask {
  /// Every outline of the mask: its parts, which join over edges but not over corners, and their holes.
  ///
  /// The union of the parts' insides less the holes' insides is the mask, to the pixel. Ordered by
  /// their first corner, row by row.
  public var outlines: [MaskOutline] {
    var tracer = OutlineTracer(self)
    return tracer.outlines()
  }
}

extension RunLengthMask {
  /// The mask cut to its bounds, and where their corner lies; nil for one without pixels.
  package var cropped: (mask: BinaryMask, corner: SIMD2<Int>)? {
    guard let bounds else { return nil }
    let corner = SIMD2(Int(bounds.x), Int(bounds.y))
    let (width, height) = (Int(bounds.width), Int(bounds.height))
    var pixels = [Bool](repeating: false, count: width * height)
    forEachPixel { place in
      pixels[(place / self.width - corner.y) * width + place % self.width - corner.x] = true
    }
    return (BinaryMask(width: width, height: height, pixels: pixels), corner)
  }

  /// The outlines as `BinaryMask.outlines` has them, without taking a whole picture's memory.
  public var outlines: [MaskOutline] {
    guard let (mask, corner) = cropped else { return [] }
    return mask.outlines.map { MaskOutline(corners: $0.corners.map { $0 &+ corner }) }
  }
}

/// Follows the edges of a mask's pixels with the mask on the right hand.
private struct OutlineTracer {
  /// East, south, west, north, in the order of right turns.
  private static let steps = [SIMD2(1, 0), SIMD2(0, 1), SIMD2(-1, 0), SIMD2(0, -1)]

  private let width: Int
  private let height: Int
  /// For each corner of the grid, a bit for each direction in which an edge leaves it.
  private var edges: [UInt8]

  init(_ mask: BinaryMask) {
    width = mask.width
    height = mask.height
    edges = [UInt8](repeating: 0, count: (mask.width + 1) * (mask.height + 1))
    let (width, height) = (mask.width, mask.height)
    mask.pixels.withUnsafeBufferPointer { pixels in
      edges.withUnsafeMutableBufferPointer { edges in
        for y in 0..<height {
          for x in 0..<width where pixels[y &* width &+ x] {
            let corner = y &* (width &+ 1) &+ x
            if y == 0 || !pixels[(y &- 1) &* width &+ x] { edges[corner] |= 1 }
            if x == width - 1 || !pixels[y &* width &+ x &+ 1] { edges[corner &+ 1] |= 2 }
            if y == height - 1 || !pixels[(y &+ 1) &* width &+ x] {
              edges[corner &+ width &+ 2] |= 4
            }
            if x == 0 || !pixels[y &* width &+ x &- 1] { edges[corner &+ width &+ 1] |= 8 }
          }
        }
      }
    }
  }

  mutating func outlines() -> [MaskOutline] {
    var result: [MaskOutline] = []
    // Every outline has an edge that runs east, and the first one met in this order leaves a corner of it.
    for corner in edges.indices where edges[corner] & 1 != 0 { result.append(walk(from: corner)) }
    return result
  }

  private mutating func walk(from start: Int) -> MaskOutline {
    let first = SIMD2(start % (width + 1), start / (width + 1))
    var corners = [first]
    var place = first
    var direction = 0
    while true {
      // The first edge stays until the end, which is where the walk would take it again.
      if place != first || direction != 0 {
        edges[place.y * (width + 1) + place.x] &= ~(1 << UInt8(direction))
      }
      place = place &+ Self.steps[direction]
      let next = turn(place, direction)
      if place == first, next == 0 { break }
      if next != direction { corners.append(place) }
      direction = next
    }
    edges[start] &= ~1
    return MaskOutline(corners: corners)
  }

  /// The direction that leaves a corner: right turns first, so parts that touch there stay two.
  private func turn(_ place: SIMD2<Int>, _ direction: Int) -> Int {
    let ways = edges[place.y * (width + 1) + place.x]
    for turn in [1, 0, 3] where ways & (1 << UInt8((direction + turn) % 4)) != 0 {
      return (direction + turn) % 4
    }
    preconditionFailure("an outline that ends")
  }
}
