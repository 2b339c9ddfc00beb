// Whether the masks of a set make sense as a whole: each alone may be read, all together say nothing.

import AtelierImages
import Foundation

/// What the masks of a set hold, looked at together.
struct MaskSense {
  /// Pixels of each value.
  private var pixels = [Int](repeating: 0, count: 256)
  /// Pixels of each value that no neighbour shares, or that lie between two others in value and place.
  private var transitions = [Int](repeating: 0, count: 256)
  private let folder: URL

  /// From so many values on that stand only where others meet, the masks are taken for smoothed.
  private static let mostTransitions = 5

  /// Looks at the masks of a folder.
  init(_ masks: [LabelMap], _ folder: URL) {
    self.folder = folder
    for mask in masks { add(mask) }
  }

  private mutating func add(_ mask: LabelMap) {
    let (width, height) = (mask.width, mask.height)
    mask.labels.withUnsafeBufferPointer { labels in
      for y in 0..<height {
        for x in 0..<width {
          let place = y * width + x
          let value = labels[place]
          let left = x > 0 ? labels[place - 1] : value
          let right = x + 1 < width ? labels[place + 1] : value
          let above = y > 0 ? labels[place - width] : value
          let below = y + 1 < height ? labels[place + width] : value
          pixels[Int(value)] += 1
          if Self.isBetween(value, left, right) || Self.isBetween(value, above, below)
            || (value != left && value != right && value != above && value != below)
          {
            transitions[Int(value)] += 1
          }
        }
      }
    }
  }

  private static func isBetween(_ value: UInt8, _ one: UInt8, _ other: UInt8) -> Bool {
    (one < value && value < other) || (other < value && value < one)
  }

  /// Throws when all objects would be left out as pixels that do not count, or when masks without a
  /// list were smoothed, so that their edges would be taken for classes.
  func expect(_ classes: ClassList?) throws(DatasetError) {
    let counted = pixels.indices.dropLast().filter { pixels[$0] > 0 }
    let ignored = Int(LabelMap.ignored)
    if classes?.namesIgnored != true, pixels[ignored] > 0, counted.count <= 1 {
      let other = counted.first.map { label in
        classes.map { "of the class \($0.palette.names[label])" } ?? "\(label)"
      }
      throw DatasetError(
        "\(folder.relativePath): expected masks of two or more classes; received pixels "
          + (other.map { "\($0) or " } ?? "") + "255 alone, and 255 stands for pixels that do not "
          + "count unless a classes.txt names it, with lines such as '0 background' and '255 object'"
      )
    }
    guard classes == nil else { return }
    let edges = pixels.indices.filter { pixels[$0] > 0 && 2 * transitions[$0] > pixels[$0] }
    guard edges.count >= Self.mostTransitions, 2 * edges.count > counted.count else { return }
    throw DatasetError(
      "\(folder.relativePath): expected one value a class; received \(edges.count) values that "
        + "stand only where others meet, such as \(edges.prefix(4).map(String.init).joined(separator: ", "))"
        + ": the masks were smoothed or resized; write them again without, or list the classes in a "
        + "classes.txt")
  }
}
