// Regions of a picture whose pixels hang together: what a label map's or a threshold's objects are.

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

  /// Finds the regions of values row by row, of which those below 0 belong to none; pixels hang
  /// together over edges, or also at corners.
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
            guard joinsCorners || dx == 0 || dy == 0, regions[next] < 0, field[next] == field[start]
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
}
