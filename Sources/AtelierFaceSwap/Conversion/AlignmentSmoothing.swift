// The trembling of a film's faces taken out: alignments averaged over frames before and behind.

import AtelierImages
import AtelierWorkbench
import Foundation

/// Smooths the alignments of a film's faces over time; used by one thread at a time.
///
/// A detector's boxes and eyes tremble by a pixel or two from frame to frame, which shows as a
/// pasted face that swims. Each alignment becomes the mean of its own and those of the same face in
/// the frames about it, weighed by a Gaussian. As many frames behind count as before, so a face
/// that moves evenly stays where it is and nothing lags. Frames wait until those behind them are
/// known.
package struct AlignmentSmoothing {
  /// The Gaussian's deviation in frames; 0 leaves all as it is.
  package let deviation: Double
  /// The weight of a face laid by its box, against one laid by its eyes, which are surer.
  private static let boxWeight = 0.25
  /// The least overlap of a face in two frames; less is a cut or a move that no mean must slow.
  private static let leastOverlap = 0.7

  /// The faces of frames: some that are settled, for those behind them, then those that wait.
  private var frames: [[LocatedFace]] = []
  private var settled = 0

  /// Begins a film; the Gaussian's deviation is in frames, 0 or more.
  package init(deviation: Double) { self.deviation = deviation }

  /// The frames that count on either side.
  private var radius: Int { Int((2.5 * deviation).rounded(.up)) }

  /// Adds the faces of frames that follow.
  package mutating func append(_ located: [[LocatedFace]]) { frames += located }

  /// The smoothed faces of the frames that need wait no longer, in order.
  package mutating func settle(isLast: Bool) -> [[LocatedFace]] {
    let end = isLast ? frames.count : max(settled, frames.count - radius)
    let result = (settled..<end).map { frame in frames[frame].map { smoothed($0, frame) } }
    settled = end
    let past = max(0, settled - radius)
    frames.removeFirst(past)
    settled -= past
    return result
  }

  private func smoothed(_ face: LocatedFace, _ frame: Int) -> LocatedFace {
    guard radius > 0 else { return face }
    let (before, after) = (track(face, from: frame, by: -1), track(face, from: frame, by: 1))
    // The same number on either side: an uneven mean would lag behind a face that moves.
    let reach = min(before.count, after.count)
    guard reach > 0 else { return face }
    var sum = face.alignment.inverse.elements.map { $0 * Self.weight(face) }
    var total = Self.weight(face)
    for distance in 1...reach {
      let share = exp(-Double(distance * distance) / (2 * deviation * deviation))
      let pair = [before[distance - 1], after[distance - 1]]
      // The surer of two opposite frames must not draw the mean to its side.
      let weight = share * (pair.map(Self.weight).min() ?? 0)
      for other in pair {
        for (index, value) in other.alignment.inverse.elements.enumerated() {
          sum[index] += weight * value
        }
        total += weight
      }
    }
    // The mean of similarities is one.
    guard let inverse = AffineMap(elements: sum.map { $0 / total }), let matrix = inverse.inverse,
      let alignment = AlignedFace(basis: face.alignment.basis, matrix: matrix)
    else { return face }
    return LocatedFace(
      box: face.box, eyes: face.eyes, points: face.points, confidence: face.confidence,
      alignment: alignment)
  }

  private static func weight(_ face: LocatedFace) -> Double {
    face.alignment.basis == .box ? boxWeight : 1
  }

  /// The same face in the frames that follow in one direction, until it is lost.
  private func track(_ face: LocatedFace, from frame: Int, by step: Int) -> [LocatedFace] {
    var found: [LocatedFace] = []
    var last = face
    while found.count < radius {
      let next = frame + step * (found.count + 1)
      guard frames.indices.contains(next),
        let nearest = frames[next].max(by: {
          $0.box.intersectionOverUnion(last.box) < $1.box.intersectionOverUnion(last.box)
        }), nearest.box.intersectionOverUnion(last.box) >= Self.leastOverlap
      else { break }
      found.append(nearest)
      last = nearest
    }
    return found
  }
}
