// Regions of a picture whose pixels hang together: what a label map's or a threshold's objects are.

import AtelierImages

/// The regions of equal values whose pixels touch.
public struct ConnectedRegions: Sendable {
  /// Pixels in a row.
  public let width: Int
  /// Rows.
  public let height: Int
  /// The region of each pixel, -1 where there is none.
  public let regions: [Int]
  /// The value of each region, in the order of their first pixels, row by row.
  public let values: [Int]

  /// Finds the regions.
  ///
  /// - Parameters:
  ///   - field: A value for each pixel, row by row; those below 0 belong to no region.
  ///   - size: Columns and rows.
  ///   - joinsCorners: Whether pixels that touch at a corner hang together; else only over edges.
  /// - Precondition: the number of values is width · height.
  public init(_ field: [Int], size: PixelSize, joinsCorners: Bool = false) {
    precondition(field.count == size.width * size.height, "values do not fit the size")
    var regions = [Int](repeating: -1, count: field.count)
    var values: [Int] = []
    var stack: [Int] = []
    for start in field.indices where field[start] >= 0 && regions[start] < 0 {
      regions[start] = values.count
      stack.append(start)
      while let place = stack.popLast() {
        let (y, x) = place.quotientAndRemainder(dividingBy: size.width)
        for dy in -1...1 where y + dy >= 0 && y + dy < size.height {
          for dx in -1...1 where x + dx >= 0 && x + dx < size.width {
            let next = place + dy * size.width + dx
            guard joinsCorners || dx == 0 || dy == 0, regions[next] < 0,
              field[next] == field[start]
            else { continue }
            regions[next] = values.count
            stack.append(next)
          }
        }
      }
      values.append(field[start])
    }
    width = size.width
    height = size.height
    self.regions = regions
    self.values = values
  }

  /// How many pixels each region has.
  public var areas: [Int] {
    var areas = [Int](repeating: 0, count: values.count)
    for region in regions where region >= 0 { areas[region] += 1 }
    return areas
  }

  /// The mask of each region.
  public var masks: [RunLengthMask] {
    RunLengthMask.masks(of: regions, count: values.count, width: width, height: height)
  }
}

extension RunLengthMask {
  /// The masks of numbered things.
  ///
  /// - Parameters:
  ///   - numbers: The number of each pixel's thing, row by row, in 0..<count; others belong to none.
  ///   - count: How many things.
  ///   - width: Pixels in a row.
  ///   - height: Rows.
  /// - Returns: One mask a number; empty where a number does not occur.
  static func masks(of numbers: [Int], count: Int, width: Int, height: Int) -> [RunLengthMask] {
    var intervals = [[Range<Int>]](repeating: [], count: count)
    var (last, start, place) = (-1, 0, 0)
    func close() {
      if last >= 0, last < count { intervals[last].append(start..<place) }
    }
    for x in 0..<width {
      for y in 0..<height {
        let number = numbers[y * width + x]
        if number != last {
          close()
          (last, start) = (number, place)
        }
        place += 1
      }
    }
    close()
    return intervals.map { RunLengthMask(width: width, height: height, intervals: $0) }
  }
}

extension LabelMap {
  /// The connected regions of each class as objects, in the order of their first pixels.
  ///
  /// - Parameters:
  ///   - firstLabel: The label of class 0; smaller labels, and ignored pixels, are no objects.
  ///   - leastArea: Regions of fewer pixels are left out.
  ///   - confidence: How sure each pixel is; a region's score is its mean.
  /// - Returns: Objects of class label - firstLabel.
  /// - Precondition: the confidence has the map's size.
  public func regions(
    firstLabel: Int = 0, leastArea: Int = 1, confidence: FloatImage? = nil
  ) -> [EncodedObject] {
    precondition(confidence.map { $0.size == size } ?? true, "confidence of another size")
    let found = ConnectedRegions(
      labels.map { $0 == Self.ignored || $0 < firstLabel ? -1 : Int($0) }, size: size)
    let areas = found.areas
    var sums = [Double](repeating: 0, count: areas.count)
    for (place, region) in found.regions.enumerated() where region >= 0 {
      sums[region] += confidence.map { Double($0.samples[place * $0.channels]) } ?? 1
    }
    return found.masks.enumerated().compactMap { index, mask in
      guard areas[index] >= leastArea else { return nil }
      return EncodedObject(
        classIndex: found.values[index] - firstLabel, mask: mask,
        score: sums[index] / Double(areas[index]))
    }
  }
}
