// Connected regions as objects with masks of runs.

import AtelierImages

extension ConnectedRegions {
  /// The mask of each region.
  public var masks: [RunLengthMask] {
    RunLengthMask.masks(of: regions, count: values.count, width: width, height: height)
  }
}

extension RunLengthMask {
  /// The masks of numbered things, empty where a number does not occur; numbers are row by row in
  /// 0..<count, others belong to none.
  static func masks(of numbers: [Int], count: Int, width: Int, height: Int) -> [RunLengthMask] {
    var intervals = [[Range<Int>]](repeating: [], count: count)
    var (last, start, place) = (-1, 0, 0)
    func close() { if last >= 0, last < count { intervals[last].append(start..<place) } }
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
  /// The connected regions of each class as objects of class label - firstLabel, in the order of
  /// their first pixels.
  ///
  /// Smaller labels, ignored pixels and regions of fewer than `leastArea` pixels are no objects; a
  /// region's score is the mean of how sure its pixels are.
  ///
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
