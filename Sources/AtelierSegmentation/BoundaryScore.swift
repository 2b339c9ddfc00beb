// How well the borders of classes are found: the F1 measure of their pixels within a tolerance.
//
// Csurka, Larlus, Perronnin: What is a good evaluation measure for semantic segmentation? (2013);
// the tolerance is theirs and SegNet's, 0.75 % of the picture's diagonal.

import AtelierDatasets
import AtelierImages
import AtelierVision

/// Gathers pictures and tells their boundary F1: the mean over the classes that the truth of a
/// picture shows, then over pictures.
package struct BoundaryScore: Sendable {
  /// The tolerance in parts of a picture's diagonal.
  package static let tolerance = 0.0075

  private let classes: Int
  private var sum = 0.0
  private var pictures = 0

  package init(classes: Int) { self.classes = classes }

  /// Takes one picture's labels in; ignored pixels of the truth have no borders.
  package mutating func add(_ found: LabelMap, truth: LabelMap) {
    precondition(found.size == truth.size, "labels of two sizes")
    let seen = LabelMap(
      width: found.width, height: found.height,
      labels: zip(found.labels, truth.labels).map { Int($1) < classes ? $0 : LabelMap.ignored })
    let (width, height) = (Double(truth.width), Double(truth.height))
    let reach = Float(Self.tolerance * (width * width + height * height).squareRoot())
    var scores: [Double] = []
    for index in Set(truth.labels).sorted() where Int(index) < classes {
      let wanted = Self.border(of: index, truth)
      // A class that fills the picture has no border to find.
      guard wanted.pixels.contains(true) else { continue }
      let drawn = Self.border(of: index, seen)
      let precision = Self.share(of: drawn, near: wanted, reach)
      let recall = Self.share(of: wanted, near: drawn, reach)
      scores.append(precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0)
    }
    guard !scores.isEmpty else { return }
    sum += scores.reduce(0, +) / Double(scores.count)
    pictures += 1
  }

  /// The mean over the pictures; nil without borders.
  package var value: Double? { pictures > 0 ? sum / Double(pictures) : nil }

  /// The pixels of a class beside one of another class, over sides.
  private static func border(of index: UInt8, _ map: LabelMap) -> BinaryMask {
    let (width, height) = (map.width, map.height)
    var pixels = [Bool](repeating: false, count: width * height)
    map.labels.withUnsafeBufferPointer { labels in
      func isOther(_ place: Int) -> Bool {
        labels[place] != index && labels[place] != LabelMap.ignored
      }
      for row in 0..<height {
        for column in 0..<width {
          let place = row &* width &+ column
          guard labels[place] == index else { continue }
          pixels[place] =
            (column > 0 && isOther(place - 1)) || (column + 1 < width && isOther(place + 1))
            || (row > 0 && isOther(place - width)) || (row + 1 < height && isOther(place + width))
        }
      }
    }
    return BinaryMask(width: width, height: height, pixels: pixels)
  }

  /// The share of a border's pixels that lie within reach of another; 0 where either is empty.
  private static func share(of border: BinaryMask, near other: BinaryMask, _ reach: Float) -> Double
  {
    guard other.pixels.contains(true) else { return 0 }
    let rest = BinaryMask(
      width: other.width, height: other.height, pixels: other.pixels.map { !$0 })
    let distances = DistanceTransform.distances(rest).samples
    var (near, all) = (0, 0)
    for index in border.pixels.indices where border.pixels[index] {
      all += 1
      if distances[index] <= reach { near += 1 }
    }
    return all > 0 ? Double(near) / Double(all) : 0
  }
}
