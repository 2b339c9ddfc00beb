// How element-wise kernels and reductions are cut into parts: by the sizes alone, never by the
// number of threads.

import CKernels

/// A cut of `count` elements into parts of `size` elements, the last one shorter.
struct ElementParts {
  /// What one part holds, 128 KiB, so that a part stays in a core's cache between its uses.
  static let usualSize = 32_768
  /// Up to this many elements the calling thread alone is faster.
  static let smallest = 16_384

  let count: Int
  let size: Int
  let number: Int

  /// Cuts `count` elements into at most `limit` parts, each a multiple of `unit` elements.
  init(count: Int, unit: Int = 1, limit: Int = .max) {
    precondition(count >= 0 && unit > 0, "cannot cut \(count) elements in units of \(unit)")
    self.count = count
    if count <= Self.smallest {
      size = max(count, 1)
      number = count > 0 ? 1 : 0
      return
    }
    let wanted = max(Self.usualSize, (count - 1) / limit + 1)
    let whole = (wanted - 1) / unit + 1
    size = whole * unit
    number = (count - 1) / size + 1
  }

  /// The first element and the number of elements of a part.
  func range(_ index: Int) -> (start: Int, count: Int) {
    (index * size, min(size, count - index * size))
  }
}

/// How the pixels of [pixels, channels] are taken together as rows that are whole vectors of any
/// instruction set.
struct ChannelRows {
  /// Sums over parts are kept for at most this many parts.
  static let partialLimit = 128

  let channels: Int
  /// Elements in a row: a multiple of `channels`.
  let width: Int

  init(channels: Int) {
    precondition(channels > 0, "a tensor needs at least one channel, received \(channels)")
    self.channels = channels
    var repeated = 1
    while channels * repeated % 16 != 0 { repeated *= 2 }
    if channels * repeated > 2048 { repeated = 1 }
    while channels * repeated < 128 { repeated *= 2 }
    width = channels * repeated
  }

  /// The parts of a map over `count` elements.
  func parts(of count: Int) -> ElementParts { ElementParts(count: count, unit: width) }

  /// The parts of a sum over `count` elements.
  func sumParts(of count: Int) -> ElementParts {
    ElementParts(count: count, unit: width, limit: Self.partialLimit)
  }

  /// Fills a table [width] with one value per channel, repeated.
  func fill(_ table: UnsafeMutableBufferPointer<Float>, _ value: (Int) -> Float) {
    for c in 0..<channels { table[c] = value(c) }
    for i in channels..<max(width, channels) { table[i] = table[i - channels] }
  }
}

extension UnsafeMutableBufferPointer<Float> {
  /// The buffer's start, for reading; the buffer must not be empty.
  var read: UnsafePointer<Float> { UnsafePointer(write) }

  /// The buffer's start; the buffer must not be empty.
  var write: UnsafeMutablePointer<Float> {
    guard let baseAddress else { preconditionFailure("an empty buffer has no start") }
    return baseAddress
  }
}

extension Kernels {
  /// The C kernels of this instruction set.
  var elementwise: UnsafePointer<ck_elementwise_kernels> { ck_elementwise(instructionSet.code) }

  /// Runs `body` with the start and the size of every chunk of `count` elements.
  func forEachChunk(of count: Int, _ body: (_ start: Int, _ count: Int) -> Void) {
    forEachPart(ElementParts(count: count)) { body($1, $2) }
  }

  /// Runs `body` with the index, the start and the size of every part.
  func forEachPart(
    _ parts: ElementParts, _ body: (_ index: Int, _ start: Int, _ count: Int) -> Void
  ) {
    if parts.number == 1 { return body(0, 0, parts.count) }
    pool.parallelFor(parts.number) { index in
      let (start, count) = parts.range(index)
      body(index, start, count)
    }
  }

  /// The sum over the parts of `count` elements of what `body` gives for each, in the order of the
  /// parts.
  func sumOfParts(_ parts: ElementParts, _ body: (_ start: Int, _ count: Int) -> Double) -> Double {
    withUnsafeTemporaryAllocation(of: Double.self, capacity: max(parts.number, 1)) { partial in
      partial.initialize(repeating: 0)
      let sums = partial
      forEachPart(parts) { index, start, count in sums[index] = body(start, count) }
      return sums.reduce(0, +)
    }
  }

  /// Sums over the pixels in parts: `body` writes `kinds` · channels sums of a part, and the
  /// totals go to `finish`.
  func sumOfChannels(
    _ rows: ChannelRows, pixels: Int, kinds: Int,
    _ body: (_ start: Int, _ count: Int, _ sums: UnsafeMutablePointer<Double>) -> Void,
    finish: (UnsafeMutableBufferPointer<Double>) -> Void
  ) {
    let parts = rows.sumParts(of: pixels * rows.channels)
    let width = kinds * rows.channels
    withUnsafeTemporaryAllocation(of: Double.self, capacity: max(parts.number, 1) * width) { sums in
      sums.initialize(repeating: 0)
      guard let base = sums.baseAddress else { return }
      forEachPart(parts) { index, start, count in body(start, count, base + index * width) }
      for part in 1..<max(parts.number, 1) {
        for i in 0..<width { base[i] += base[part * width + i] }
      }
      finish(UnsafeMutableBufferPointer(start: base, count: width))
    }
  }
}
