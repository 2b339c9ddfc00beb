// Windows that a cascade has accepted, and the grouping of those that mean the same thing.

import AtelierImages

/// What a detector has found at one place.
public struct Detection: Sendable, Hashable {
  /// The mean of the windows that were accepted there.
  public var box: PlaneBox
  /// How many windows were accepted there.
  public var neighbors: Int
  /// By how much the best of them passed the last stage.
  public var score: Float

  /// A detection.
  public init(box: PlaneBox, neighbors: Int, score: Float) {
    self.box = box
    self.neighbors = neighbors
    self.score = score
  }
}

/// Joins windows that lie close together, as OpenCV's `groupRectangles` does.
package enum DetectionGrouping {
  /// The groups of more than `minimumNeighbors` windows, each as the mean of its windows, without
  /// those inside of a larger group that is also stronger; in the order of their first windows.
  ///
  /// Edges may lie apart by the part `tolerance` of the mean of the smaller sides.
  package static func groups(
    _ windows: [Detection], minimumNeighbors: Int, tolerance: Double = 0.2
  ) -> [Detection] {
    let labels = components(windows.map(\.box), tolerance: tolerance)
    var groups: [Detection] = []
    var group: [Int: Int] = [:]
    for (window, label) in zip(windows, labels) {
      if let index = group[label] {
        groups[index].box.x += window.box.x
        groups[index].box.y += window.box.y
        groups[index].box.width += window.box.width
        groups[index].box.height += window.box.height
        groups[index].neighbors += window.neighbors
        groups[index].score = max(groups[index].score, window.score)
      } else {
        group[label] = groups.count
        groups.append(window)
      }
    }
    for index in groups.indices {
      let count = Double(groups[index].neighbors)
      groups[index].box.x /= count
      groups[index].box.y /= count
      groups[index].box.width /= count
      groups[index].box.height /= count
    }
    let strong = groups.filter { $0.neighbors > minimumNeighbors }
    return strong.filter { inner in
      !strong.contains { $0 != inner && hides($0, inner, tolerance: tolerance) }
    }
  }

  private static func hides(_ outer: Detection, _ inner: Detection, tolerance: Double) -> Bool {
    let marginX = outer.box.width * tolerance
    let marginY = outer.box.height * tolerance
    return inner.box.x >= outer.box.x - marginX && inner.box.y >= outer.box.y - marginY
      && inner.box.x + inner.box.width <= outer.box.x + outer.box.width + marginX
      && inner.box.y + inner.box.height <= outer.box.y + outer.box.height + marginY
      && (outer.neighbors > max(3, inner.neighbors) || inner.neighbors < 3)
  }

  private static func areSimilar(_ one: PlaneBox, _ other: PlaneBox, tolerance: Double) -> Bool {
    let sides = min(one.width, other.width) + min(one.height, other.height)
    let distance = tolerance * sides / 2
    return abs(one.x - other.x) <= distance && abs(one.y - other.y) <= distance
      && abs(one.x + one.width - other.x - other.width) <= distance
      && abs(one.y + one.height - other.y - other.height) <= distance
  }

  /// For each box the index of the first box that it is connected with through similar ones.
  private static func components(_ boxes: [PlaneBox], tolerance: Double) -> [Int] {
    var parents = Array(boxes.indices)
    func root(_ index: Int) -> Int {
      var index = index
      while parents[index] != index {
        parents[index] = parents[parents[index]]
        index = parents[index]
      }
      return index
    }
    for one in boxes.indices {
      for other in 0..<one where areSimilar(boxes[one], boxes[other], tolerance: tolerance) {
        let (first, second) = (root(one), root(other))
        parents[max(first, second)] = min(first, second)
      }
    }
    return boxes.indices.map(root)
  }
}
