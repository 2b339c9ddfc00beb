// Smoothed places of a film's faces: still and even motion stay, trembling falls, cuts stay cuts.

import AtelierEngine
import AtelierFaceSwap
import AtelierImages
import AtelierWorkbench
import Foundation
import Testing

struct AlignmentSmoothingTests {
  /// A face whose crop's corner lies at a place of the frame.
  private func face(
    _ x: Double, _ y: Double, scale: Double = 0.5, by basis: AlignedFace.Basis = .eyes
  ) throws -> LocatedFace {
    let matrix = try #require(AffineMap.scaling(scale, x: x, y: y).inverse)
    let alignment = try #require(AlignedFace(basis: basis, matrix: matrix))
    return LocatedFace(
      box: PlaneBox(x: x, y: y, width: 100, height: 100), eyes: nil, confidence: 1,
      alignment: alignment)
  }

  private func smoothed(
    _ frames: [[LocatedFace]], deviation: Double = 1.5, part: Int = 7
  ) -> [[LocatedFace]] {
    var smoothing = AlignmentSmoothing(deviation: deviation)
    var result: [[LocatedFace]] = []
    for first in stride(from: 0, to: frames.count, by: part) {
      smoothing.append(Array(frames[first..<min(first + part, frames.count)]))
      result += smoothing.settle(isLast: false)
    }
    return result + smoothing.settle(isLast: true)
  }

  private func corner(_ face: LocatedFace) -> PlanePoint {
    face.alignment.inverse(PlanePoint(0, 0))
  }

  @Test func `even motion is left where it is`() throws {
    let frames = try (0..<30).map { [try face(40 + 3 * Double($0), 90 - Double($0))] }
    for (before, after) in zip(frames, smoothed(frames)) {
      let (first, second) = (corner(before[0]), corner(after[0]))
      #expect(abs(first.x - second.x) < 1e-9 && abs(first.y - second.y) < 1e-9)
      #expect(after[0].box == before[0].box)
    }
  }

  @Test func `trembling falls to what a Gaussian leaves of it`() throws {
    var generator = RandomGenerator(seed: 3)
    let frames = try (0..<400).map { _ in
      [try face(50 + Double(generator.normal()), 50 + Double(generator.normal()))]
    }
    func deviation(_ frames: [[LocatedFace]]) -> Double {
      let places = frames.map { corner($0[0]) }
      let sum = places.reduce(0) { $0 + ($1.x - 50) * ($1.x - 50) + ($1.y - 50) * ($1.y - 50) }
      return (sum / Double(2 * places.count)).squareRoot()
    }
    let weights = (-4...4).map { exp(-Double($0 * $0) / 4.5) }
    let left = weights.reduce(0) { $0 + $1 * $1 }.squareRoot() / weights.reduce(0, +)
    #expect(abs(deviation(frames) - 1) < 0.08)
    let result = deviation(smoothed(frames))
    #expect(abs(result - left) < 0.05, "\(result) of \(left)")
  }

  @Test func `parts of any size give the same, and no deviation changes nothing`() throws {
    var generator = RandomGenerator(seed: 4)
    let frames = try (0..<23).map { index in
      try (0..<(index == 9 ? 0 : 2)).map { number in
        try face(30 + 300 * Double(number) + Double(generator.normal()), 40)
      }
    }
    let whole = smoothed(frames, part: 23)
    #expect(whole.map(\.count) == frames.map(\.count))
    for part in [1, 2, 5, 16] { #expect(smoothed(frames, part: part) == whole, "\(part)") }
    #expect(whole != frames)
    #expect(smoothed(frames, deviation: 0) == frames)
  }

  @Test func `a cut to another face is not smeared, nor two faces mixed`() throws {
    let frames = try (0..<20).map { index in
      index < 10 ? [try face(20, 20)] : [try face(300, 20), try face(500, 80)]
    }
    for (before, after) in zip(frames, smoothed(frames)) {
      #expect(after.count == before.count)
      for (face, other) in zip(after, before) {
        #expect(abs(corner(face).x - corner(other).x) < 1e-9)
        #expect(abs(corner(face).y - corner(other).y) < 1e-9)
      }
    }
  }

  @Test func `a face laid by its box counts less`() throws {
    // One frame in nine laid by its box, four pixels off.
    let frames = try (0..<9).map { index in
      [try index == 4 ? face(54, 50, by: .box) : face(50, 50)]
    }
    let place = corner(smoothed(frames)[4][0]).x
    let others = (1...4).reduce(0) { $0 + 2 * exp(-Double($1 * $1) / 4.5) }
    #expect(abs(place - (50 + 4 * 0.25 / (0.25 + others))) < 1e-9)
  }
}
