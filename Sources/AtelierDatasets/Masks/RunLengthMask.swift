// The pixels of one thing as runs, column by column: the form in which COCO keeps masks.
//
//   counts: background, object, background, object … pixels, down the first column, then the next;
//   their sum is width · height. The text form is that of the reference implementation
//   (Lin et al. 2014, https://github.com/cocodataset/cocoapi): differences in groups of five bits.

import AtelierImages

/// The pixels of one thing as alternating runs of background and object.
public struct RunLengthMask: Sendable, Hashable {
  /// Pixels in a row, at least 1.
  public let width: Int
  /// Rows, at least 1.
  public let height: Int
  /// Lengths of runs down the columns, background first; only the first may be 0.
  public let counts: [UInt32]

  /// The most pixels of a mask, so that hostile sizes are refused before memory is taken.
  public static let mostPixels = 1 << 28

  /// A mask by its runs, background first; empty ones are joined with their neighbours.
  /// - Throws: `DatasetError` when the size is impossible or the runs do not fill it.
  public init(width: Int, height: Int, runs: [Int]) throws(DatasetError) {
    try Self.check(width: width, height: height)
    var counts: [UInt32] = [0]
    var isObject = false
    var sum = 0
    for run in runs {
      guard run >= 0, run <= width * height - sum else {
        throw DatasetError(
          "expected runs that fill \(width)x\(height) pixels, received a run of \(run) after "
            + "\(sum)")
      }
      sum += run
      Self.append(run, isObject, to: &counts)
      isObject.toggle()
    }
    guard sum == width * height else {
      throw DatasetError(
        "expected runs that fill \(width)x\(height) pixels, received \(sum) pixels")
    }
    self.init(width: width, height: height, counts: counts)
  }

  private init(width: Int, height: Int, counts: [UInt32]) {
    self.width = width
    self.height = height
    self.counts = counts
  }

  private static func check(width: Int, height: Int) throws(DatasetError) {
    let (pixels, isTooLarge) = width.multipliedReportingOverflow(by: height)
    guard width > 0, height > 0, !isTooLarge, pixels <= mostPixels else {
      throw DatasetError(
        "expected a mask of at most \(mostPixels) pixels, received \(width)x\(height)")
    }
  }

  /// Adds a run behind counts whose last one is of the object where their number is even.
  private static func append(_ run: Int, _ isObject: Bool, to counts: inout [UInt32]) {
    guard run > 0 else { return }
    if isObject == counts.count.isMultiple(of: 2) {
      counts[counts.count - 1] += UInt32(run)
    } else {
      counts.append(UInt32(run))
    }
  }

  /// A mask by the object's intervals of column-wise places, sorted; those that touch are joined.
  ///
  /// Precondition: the size is that of a mask, intervals lie in it in the order of their starts.
  init(width: Int, height: Int, intervals: [Range<Int>]) {
    var counts: [UInt32] = [0]
    var end = 0
    for interval in intervals where interval.upperBound > end {
      let start = max(interval.lowerBound, end)
      Self.append(start - end, false, to: &counts)
      Self.append(interval.upperBound - start, true, to: &counts)
      end = interval.upperBound
    }
    Self.append(width * height - end, false, to: &counts)
    self.init(width: width, height: height, counts: counts)
  }

  /// The runs of a thing whose pixels are given for a rectangle alone, row by row.
  /// - Precondition: the rectangle lies in the mask.
  package init(
    width: Int, height: Int, left: Int, top: Int, columns: Int, pixels: [Bool]
  ) {
    let rows = columns == 0 ? 0 : pixels.count / columns
    precondition(
      left >= 0 && top >= 0 && left + columns <= width && top + rows <= height,
      "a rectangle outside of the mask")
    var intervals: [Range<Int>] = []
    for column in 0..<columns {
      let start = (left + column) * height + top
      var first: Int?
      for row in 0..<rows {
        if pixels[row * columns + column] {
          if first == nil { first = start + row }
        } else if let began = first {
          intervals.append(began..<start + row)
          first = nil
        }
      }
      if let began = first { intervals.append(began..<start + rows) }
    }
    self.init(width: width, height: height, intervals: intervals)
  }

  /// The runs of a mask of pixels.
  public init(_ mask: BinaryMask) {
    var counts: [UInt32] = [0]
    var isObject = false
    var run = 0
    mask.pixels.withUnsafeBufferPointer { pixels in
      for x in 0..<mask.width {
        for y in 0..<mask.height {
          let pixel = pixels[y &* mask.width &+ x]
          if pixel != isObject {
            Self.append(run, isObject, to: &counts)
            run = 0
            isObject = pixel
          }
          run &+= 1
        }
      }
    }
    Self.append(run, isObject, to: &counts)
    self.init(width: mask.width, height: mask.height, counts: counts)
  }

  /// The mask as pixels.
  public var mask: BinaryMask {
    var pixels = [Bool](repeating: false, count: width * height)
    forEachPixel { pixels[$0] = true }
    return BinaryMask(width: width, height: height, pixels: pixels)
  }

  /// Width and height.
  public var size: PixelSize { PixelSize(width: width, height: height) }

  /// How many pixels belong to the thing.
  public var area: Int {
    stride(from: 1, to: counts.count, by: 2).reduce(0) { $0 + Int(counts[$1]) }
  }

  /// The smallest rectangle of whole pixels that holds the thing; none where it has no pixel.
  public var bounds: PlaneBox? {
    var (left, right, top, bottom) = (width, -1, height, -1)
    forEachInterval { interval in
      let first = interval.lowerBound.quotientAndRemainder(dividingBy: height)
      let last = (interval.upperBound - 1).quotientAndRemainder(dividingBy: height)
      left = min(left, first.quotient)
      right = max(right, last.quotient)
      // A run over the end of a column touches the bottom of one and the top of the next.
      top = min(top, first.quotient == last.quotient ? first.remainder : 0)
      bottom = max(bottom, first.quotient == last.quotient ? last.remainder : height - 1)
    }
    guard right >= 0 else { return nil }
    return PlaneBox(
      x: Double(left), y: Double(top), width: Double(right - left + 1),
      height: Double(bottom - top + 1))
  }

  /// How many pixels belong to both things.
  /// - Precondition: the masks have one size.
  public func intersection(_ other: RunLengthMask) -> Int {
    precondition(size == other.size, "masks of two sizes")
    var common = 0
    var (i, j) = (0, 0)
    var left = Int(counts[0])
    var right = Int(other.counts[0])
    while true {
      let step = min(left, right)
      if i & 1 == 1, j & 1 == 1 { common += step }
      left -= step
      right -= step
      if left == 0 {
        i += 1
        if i == counts.count { return common }
        left = Int(counts[i])
      }
      if right == 0 {
        j += 1
        if j == other.counts.count { return common }
        right = Int(other.counts[j])
      }
    }
  }

  /// The pixels that belong to any of several things of one size.
  /// - Precondition: there is at least one mask, and all have one size.
  public static func union(_ masks: [RunLengthMask]) -> RunLengthMask {
    precondition(masks.allSatisfy { $0.size == masks[0].size }, "masks of two sizes")
    if masks.count == 1 { return masks[0] }
    var intervals: [Range<Int>] = []
    for mask in masks { mask.forEachInterval { intervals.append($0) } }
    intervals.sort { $0.lowerBound < $1.lowerBound }
    return RunLengthMask(width: masks[0].width, height: masks[0].height, intervals: intervals)
  }

  /// The thing in the picture mirrored left to right.
  package var mirrored: RunLengthMask {
    var intervals: [Range<Int>] = []
    forEachInterval { interval in
      var start = interval.lowerBound
      while start < interval.upperBound {
        let column = start / height
        let end = min(interval.upperBound, (column + 1) * height)
        let shift = (width - 1 - 2 * column) * height
        intervals.append(start + shift..<end + shift)
        start = end
      }
    }
    return RunLengthMask(
      width: width, height: height,
      intervals: intervals.sorted { $0.lowerBound < $1.lowerBound })
  }

  /// Visits the object's pixels as places row by row, down the columns.
  public func forEachPixel(_ visit: (Int) -> Void) {
    forEachInterval { interval in
      var (x, y) = interval.lowerBound.quotientAndRemainder(dividingBy: height)
      for _ in interval {
        visit(y * width + x)
        y += 1
        if y == height { (x, y) = (x + 1, 0) }
      }
    }
  }

  /// Visits the object's runs as column-wise places.
  private func forEachInterval(_ visit: (Range<Int>) -> Void) {
    var place = 0
    for (index, count) in counts.enumerated() {
      if index & 1 == 1 { visit(place..<place + Int(count)) }
      place += Int(count)
    }
  }
}

// MARK: - Text

extension RunLengthMask {
  /// The runs as COCO's text of printable characters.
  public var text: String {
    var text: [UInt8] = []
    for (index, count) in counts.enumerated() {
      var value = Int(count) - (index > 2 ? Int(counts[index - 2]) : 0)
      var hasMore = true
      while hasMore {
        var group = value & 0x1F
        value >>= 5
        hasMore = group & 0x10 != 0 ? value != -1 : value != 0
        if hasMore { group |= 0x20 }
        text.append(UInt8(group + 48))
      }
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// A mask by COCO's text of its runs.
  /// - Throws: `DatasetError` when the text is damaged or its runs do not fill the size.
  public init(width: Int, height: Int, text: String) throws(DatasetError) {
    var runs: [Int] = []
    var value = 0
    var shift = 0
    for (place, byte) in text.utf8.enumerated() {
      // Seven groups of five bits hold every run of a mask that may be read.
      guard (48..<112).contains(byte), shift < 35 else {
        throw DatasetError(
          "expected COCO's text of runs, received another character at place \(place)")
      }
      let group = Int(byte) - 48
      value |= (group & 0x1F) << shift
      shift += 5
      guard group & 0x20 == 0 else { continue }
      if group & 0x10 != 0 { value |= -1 << shift }
      if runs.count > 2 { value += runs[runs.count - 2] }
      guard (0...Self.mostPixels).contains(value) else {
        throw DatasetError("expected COCO's text of runs, received a run of \(value)")
      }
      runs.append(value)
      (value, shift) = (0, 0)
    }
    guard shift == 0 else {
      throw DatasetError("expected COCO's text of runs, received a text that ends in a run")
    }
    try self.init(width: width, height: height, runs: runs)
  }
}
