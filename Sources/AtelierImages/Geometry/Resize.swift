// Resizing by separable filters whose support grows when shrinking, as Pillow's.

import Foundation

/// How samples are weighed when a picture is resized.
public enum ResizeFilter: String, Sendable, CaseIterable {
  /// The sample whose pixel the new centre falls into.
  case nearest
  /// The mean over the area that a new pixel covers, pixels on its edge weighed by their part.
  case area
  /// A triangle of radius 1.
  case bilinear
  /// A cubic of radius 2 with a = −0.5 (Keys 1981).
  case bicubic
  /// A sinc windowed by a sinc, of radius 3 (Duchon 1979).
  case lanczos

  /// The radius in source pixels when not shrinking; nil for those that are no sampled kernel.
  var radius: Double? {
    switch self {
    case .nearest, .area: nil
    case .bilinear: 1
    case .bicubic: 2
    case .lanczos: 3
    }
  }

  func weight(_ position: Double) -> Double {
    let x = abs(position)
    switch self {
    case .nearest, .area: return 1
    case .bilinear: return max(0, 1 - x)
    case .bicubic:
      if x < 1 { return (1.5 * x - 2.5) * x * x + 1 }
      return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0
    case .lanczos:
      if x == 0 { return 1 }
      if x >= 3 { return 0 }
      let angle = Double.pi * x
      return 3 * sin(angle) * sin(angle / 3) / (angle * angle)
    }
  }
}

/// For each new sample of a line: the first old sample it needs and the weights from there.
struct ResizeTaps {
  var starts: [Int] = []
  var counts: [Int] = []
  /// The weights, [new samples, stride].
  var weights: [Float] = []
  var stride = 0

  init(from oldCount: Int, to newCount: Int, filter: ResizeFilter) {
    let scale = Double(oldCount) / Double(newCount)
    var lists: [[Double]] = []
    for index in 0..<newCount {
      let (start, list) = Self.taps(index, scale, oldCount, filter)
      starts.append(start)
      counts.append(list.count)
      lists.append(list)
    }
    stride = counts.max() ?? 0
    weights = [Float](repeating: 0, count: stride * newCount)
    for (index, list) in lists.enumerated() {
      let sum = list.reduce(0, +)
      for (tap, weight) in list.enumerated() { weights[index * stride + tap] = Float(weight / sum) }
    }
  }

  private static func taps(
    _ index: Int, _ scale: Double, _ oldCount: Int, _ filter: ResizeFilter
  ) -> (Int, [Double]) {
    let center = (Double(index) + 0.5) * scale
    if filter == .nearest { return (min(oldCount - 1, Int(center)), [1]) }
    guard let radius = filter.radius else {
      let low = Double(index) * scale
      let high = low + scale
      let first = min(oldCount - 1, Int(low))
      let end = min(oldCount, max(first + 1, Int(high.rounded(.up))))
      let parts = (first..<end).map { (place: Int) -> Double in
        min(high, Double(place + 1)) - max(low, Double(place))
      }
      return (first, parts.map { max(0, $0) })
    }
    let stretch = max(scale, 1)
    let support = radius * stretch
    let first = max(0, Int((center - support + 0.5).rounded(.down)))
    let end = min(oldCount, Int((center + support + 0.5).rounded(.down)))
    let list = (first..<end).map { filter.weight((Double($0) - center + 0.5) / stretch) }
    return (first, list)
  }
}

extension Image {
  /// The picture in another size.
  ///
  /// Shrinking widens the filter, so nothing aliases. Integer pictures are rounded, clamped after
  /// each of the two directions, as Pillow does, floats neither. Alpha is treated like a colour.
  /// Besides the result only the few rows that the filter spans are held.
  ///
  /// - Precondition: the new size is positive.
  public func resized(
    width newWidth: Int, height newHeight: Int, filter: ResizeFilter = .lanczos
  ) -> Image {
    precondition(newWidth > 0 && newHeight > 0, "a picture needs a positive size")
    if newWidth == width && newHeight == height { return self }
    let across = ResizeTaps(from: width, to: newWidth, filter: filter)
    let down = ResizeTaps(from: height, to: newHeight, filter: filter)
    return Image(width: newWidth, height: newHeight, channels: channels) { target in
      storage.withUnsafeBufferPointer { source in
        var rows = ResizeRows(self, newWidth: newWidth, ring: down.stride, across: across)
        for row in 0..<newHeight {
          rows.prepare(source, through: down.starts[row] + down.counts[row] - 1)
          rows.combine(
            down, row: row,
            into: UnsafeMutableBufferPointer(
              rebasing: target[row * newWidth * channels..<(row + 1) * newWidth * channels]))
        }
      }
    }
  }

  /// The picture scaled to fit into a square of `side` pixels; itself when it fits already.
  /// - Precondition: `side` is positive.
  public func fitted(within side: Int, filter: ResizeFilter = .lanczos) -> Image {
    let longer = max(width, height)
    guard longer > side else { return self }
    let factor = Double(side) / Double(longer)
    return resized(
      width: max(1, Int((Double(width) * factor).rounded())),
      height: max(1, Int((Double(height) * factor).rounded())), filter: filter)
  }
}

/// The horizontally resized rows that the vertical filter still needs, in the unit of samples.
private struct ResizeRows<Sample: ImageSample> {
  private let image: Image<Sample>
  private let across: ResizeTaps
  private let ring: Int
  private let length: Int
  /// The rows, [ring, new width · channels].
  private var rows: [Float]
  private var line: [Float]
  private var sum: [Float]
  private var nextRow = 0
  private let peak: Float
  private let isInteger: Bool

  init(_ image: Image<Sample>, newWidth: Int, ring: Int, across: ResizeTaps) {
    self.image = image
    self.across = across
    self.ring = ring
    length = newWidth * image.channels
    rows = [Float](repeating: 0, count: ring * length)
    line = [Float](repeating: 0, count: image.rowLength)
    sum = [Float](repeating: 0, count: length)
    isInteger = Sample.self != Float.self
    peak = Metrics.peak(of: Sample.self)
  }

  /// Makes sure that the ring holds all rows up to `last`.
  mutating func prepare(_ source: UnsafeBufferPointer<Sample>, through last: Int) {
    // Rows that no new row needs are not resized at all.
    nextRow = max(nextRow, last - ring + 1)
    while nextRow <= last {
      let origin = nextRow * image.rowLength
      let (peak, count) = (peak, image.rowLength)
      line.withUnsafeMutableBufferPointer { line in
        for index in 0..<count { line[index] = source[origin + index].unit * peak }
      }
      resizeLine(into: nextRow % ring * length)
      nextRow += 1
    }
  }

  private mutating func resizeLine(into offset: Int) {
    let channels = image.channels
    let (isInteger, peak, across) = (isInteger, peak, across)
    let newWidth = length / channels
    line.withUnsafeBufferPointer { line in
      rows.withUnsafeMutableBufferPointer { rows in
        across.weights.withUnsafeBufferPointer { weights in
          for x in 0..<newWidth {
            let start = across.starts[x]
            let count = across.counts[x]
            for channel in 0..<channels {
              var value: Float = 0
              for tap in 0..<count {
                value += weights[x * across.stride + tap] * line[(start + tap) * channels + channel]
              }
              if isInteger { value = max(0, min(peak, (value + 0.5).rounded(.down))) }
              rows[offset + x * channels + channel] = value
            }
          }
        }
      }
    }
  }

  mutating func combine(
    _ taps: ResizeTaps, row: Int, into target: UnsafeMutableBufferPointer<Sample>
  ) {
    let (length, ring, peak) = (length, ring, peak)
    let (start, count) = (taps.starts[row], taps.counts[row])
    rows.withUnsafeBufferPointer { rows in
      sum.withUnsafeMutableBufferPointer { sum in
        for index in 0..<length { sum[index] = 0 }
        for tap in 0..<count {
          let weight = taps.weights[row * taps.stride + tap]
          let offset = (start + tap) % ring * length
          for index in 0..<length { sum[index] += weight * rows[offset + index] }
        }
        for index in 0..<length { target[index] = Sample(unit: sum[index] / peak) }
      }
    }
  }
}
