// How face crops are varied for a swap's training: turned, zoomed, shifted, flipped, warped and recoloured, each switchable.

import AtelierEngine
import AtelierImages
import Foundation

/// The random changes of a face, as the deepfakes code of December 2017 has them; the colours are an addition of its followers.
public struct FaceAugmentation: Sendable, Hashable, Codable {
  /// Where the pixels of input and target lie.
  public enum Alignment: String, Sendable, Hashable, Codable, CaseIterable {
    /// Pixel centres at halves for both: without warp the input is the target.
    case centered
    /// As the code of 2017 samples: the target lies half a pixel of the network to the upper left of the input, and so does what a
    /// network draws.
    case original
  }

  /// The largest turn in degrees, either way.
  public var rotation: Double
  /// The largest zoom, as part of the size, either way.
  public var zoom: Double
  /// The largest shift along each axis, as part of the crop's width, either way.
  public var shift: Double
  /// How often left and right change places, in [0, 1].
  public var flipProbability: Double
  /// The deviation of the warp grid's points in pixels of a crop of 256; 0 for no warp.
  public var warp: Double
  /// The largest change of lightness, as part of the way to black or white.
  public var lightness: Double
  /// The largest shift of Lab's a and b, as part of 127.
  public var chroma: Double
  /// Whether the target has the input's colours; when it keeps its own, the network learns to draw a person's true colours
  /// whatever the light on the input, and its code knows shapes alone.
  public var recolorsTarget: Bool
  /// Where the pixels of input and target lie.
  public var alignment: Alignment
  /// The middle part of a crop's width that a network sees, in `coverages`.
  public var coverage: Double

  /// The coverages that can be asked for.
  public static let coverages = 0.25...1.0

  /// Describes changes; the defaults are the original's, without colours.
  ///
  /// The followers of the original flip with 0.5 and vary lightness by 0.3 and chroma by 0.08.
  public init(
    rotation: Double = 10, zoom: Double = 0.05, shift: Double = 0.05, flipProbability: Double = 0.4,
    warp: Double = 5, lightness: Double = 0, chroma: Double = 0, recolorsTarget: Bool = true,
    alignment: Alignment = .centered, coverage: Double = FaceLayout.faceShare
  ) {
    self.rotation = rotation
    self.zoom = zoom
    self.shift = shift
    self.flipProbability = flipProbability
    self.warp = warp
    self.lightness = lightness
    self.chroma = chroma
    self.recolorsTarget = recolorsTarget
    self.alignment = alignment
    self.coverage = coverage
  }

  /// The original's changes with varied colours.
  public static let standard = FaceAugmentation(lightness: 0.3, chroma: 0.08)
  /// No change: input and target are the crop's middle.
  public static let none = FaceAugmentation(
    rotation: 0, zoom: 0, shift: 0, flipProbability: 0, warp: 0)

  /// Checks the numbers.
  /// - Throws: `DatasetError` that names the number out of range.
  public func validate() throws {
    func check(_ value: Double, _ range: ClosedRange<Double>, _ name: String) throws {
      guard range.contains(value) else {
        throw DatasetError("\(name) must be in \(range); received \(value)")
      }
    }
    try check(rotation, 0...180, "the rotation of faces in degrees")
    try check(zoom, 0...0.9, "the zoom of faces")
    try check(shift, 0...1, "the shift of faces")
    try check(flipProbability, 0...1, "the flip probability of faces")
    try check(warp, 0...64, "the warp of faces in pixels")
    try check(lightness, 0...1, "the change of lightness")
    try check(chroma, 0...1, "the change of chroma")
    try check(coverage, Self.coverages, "the coverage of faces")
  }
}

/// The changes of one face of one step, drawn from its own random stream.
package struct FaceVariation {
  /// The points along each side of the warp grid.
  static let points = 5
  /// From the crop's middle, as the network shall see it, to the stored crop, pixel centres at whole numbers for `original`.
  let placement: AffineMap
  /// Whether left and right change places.
  let isFlipped: Bool
  /// Where the warp grid's points lie, rows of x and y.
  package let gridX: [Double]
  package let gridY: [Double]
  /// The colour change: part of lightness, a and b in Lab units.
  let lightness: Float
  let a: Float
  let b: Float
  private let alignment: FaceAugmentation.Alignment
  private let crop: Double

  /// Draws a variation; all numbers are always drawn, so switching one off leaves the others.
  package init(_ augmentation: FaceAugmentation, crop: Int, using generator: inout RandomGenerator)
  {
    let size = Double(crop)
    func signed(_ limit: Double) -> Double { (2 * Double(generator.uniform()) - 1) * limit }
    let angle = signed(augmentation.rotation) * Double.pi / 180
    let scale = 1 + signed(augmentation.zoom)
    let (shiftX, shiftY) = (signed(augmentation.shift) * size, signed(augmentation.shift) * size)
    isFlipped = Double(generator.uniform()) < augmentation.flipProbability
    lightness = Float(signed(augmentation.lightness))
    a = Float(signed(augmentation.chroma) * 127)
    b = Float(signed(augmentation.chroma) * 127)
    self.crop = size
    alignment = augmentation.alignment
    // OpenCV's rotation matrix about the middle, then the shift; sampling needs its inverse.
    let (cosine, sine) = (scale * cos(angle), scale * sin(angle))
    let middle = (size / 2).rounded(.down)
    let turn = AffineMap(
      a: cosine, b: sine, c: (1 - cosine) * middle - sine * middle + shiftX,
      d: -sine, e: cosine, f: sine * middle + (1 - cosine) * middle + shiftY)
    placement = turn.inverse ?? .identity
    let count = Self.points
    let half = augmentation.coverage * size / 2
    let deviation = augmentation.warp * size / 256
    let line = (0..<count).map { size / 2 - half + 2 * half * Double($0) / Double(count - 1) }
    var noise: [Double] = []
    for _ in 0..<2 * count * count { noise.append(deviation * Double(generator.normal())) }
    gridX = (0..<count * count).map { line[$0 % count] + noise[$0] }
    gridY = (0..<count * count).map { line[$0 / count] + noise[count * count + $0] }
  }

  /// The similarity from network pixels to the crop that fits the warped grid (Umeyama 1991).
  func targetMap(side: Int) -> AffineMap {
    let count = Self.points
    let step = Double(side) / Double(count - 1)
    let warped = (0..<count * count).map { PlanePoint(gridX[$0], gridY[$0]) }
    let regular = (0..<count * count).map {
      PlanePoint(Double($0 % count) * step, Double($0 / count) * step)
    }
    return AffineMap.similarity(from: warped, to: regular)?.inverse ?? .identity
  }

  /// Where the target's pixels lie in the stored crop, pixel centres at whole numbers.
  package func targetPlaces(side: Int) -> [SIMD2<Float>] {
    let map = targetMap(side: side)
    let center = alignment == .centered ? 0.5 : 0
    return places(side) { x, y in map(PlanePoint(Double(x) + center, Double(y) + center)) }
  }

  /// Where the warped input's pixels lie in the stored crop, pixel centres at whole numbers.
  ///
  /// The original resizes the 5×5 grid to 80×80 and takes the middle 64×64: pixel i then reads the grid at 4 (i + ½) / 64.
  package func inputPlaces(side: Int) -> [SIMD2<Float>] {
    let count = Self.points
    let steps = (0..<side).map { index -> (Int, Double) in
      let position = (Double(index) + 0.5) * Double(count - 1) / Double(side)
      let cell = min(count - 2, Int(position))
      return (cell, position - Double(cell))
    }
    return places(side) { x, y in
      let (column, across) = steps[x]
      let (row, down) = steps[y]
      func mixed(_ grid: [Double]) -> Double {
        let upper = row * count + column
        let lower = upper + count
        let first = grid[upper] + across * (grid[upper + 1] - grid[upper])
        let second = grid[lower] + across * (grid[lower + 1] - grid[lower])
        return first + down * (second - first)
      }
      return PlanePoint(mixed(gridX), mixed(gridY))
    }
  }

  private func places(_ side: Int, _ place: (_ x: Int, _ y: Int) -> PlanePoint) -> [SIMD2<Float>] {
    let mirror = alignment == .centered ? crop : crop - 1
    let center = alignment == .centered ? 0.5 : 0
    var result: [SIMD2<Float>] = []
    result.reserveCapacity(side * side)
    for y in 0..<side {
      for x in 0..<side {
        var point = place(x, y)
        if isFlipped { point.x = mirror - point.x }
        let source = placement(point)
        result.append(SIMD2(Float(source.x - center), Float(source.y - center)))
      }
    }
    return result
  }
}
