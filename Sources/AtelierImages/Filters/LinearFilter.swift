// Filtering of pictures with kernels: rows at a time, in any number of parts, at any precision.

/// Runs `body` for each of a number of parts, on one thread or several.
public typealias PartRunner = (_ count: Int, _ body: (Int) -> Void) -> Void

/// How a picture is filtered.
public struct FilterSettings: Sendable, Hashable {
  /// What lies beyond the border.
  public var border = FilterBorder.reflect
  /// What the result is multiplied by.
  public var scale: Float = 1
  /// What is added to it then, as a fraction of white.
  public var offset: Float = 0

  /// Reflects at the border; results as they are.
  public init() {}
}

extension StoredImage {
  /// The picture filtered by each of `filters` in turn, then scaled and moved; alpha stays.
  ///
  /// Between the filters values are neither rounded nor limited. At the end integers round half up
  /// and are limited to their range. The result does not depend on the parts.
  public func filtered(
    by filters: [PictureFilter], _ settings: FilterSettings = .init(),
    inParts run: PartRunner = { count, body in (0..<count).forEach(body) }
  ) -> StoredImage {
    switch self {
    case .bytes(let image): .bytes(image.filtered(by: filters, settings, run))
    case .words(let image): .words(image.filtered(by: filters, settings, run))
    case .floats(let image): .floats(image.filtered(by: filters, settings, run))
    }
  }
}

extension Image {
  fileprivate func filtered(
    by filters: [PictureFilter], _ settings: FilterSettings, _ run: PartRunner
  ) -> Image {
    let passes = filters.flatMap { filter -> [FilterPass] in
      switch filter.work {
      case .kernels(let kernels): kernels.map { FilterPass($0, nil, settings) }
      case .magnitude(let across, let down): [FilterPass(across, down, settings)]
      }
    }
    guard var last = passes.last else { return self }
    last.scale = settings.scale
    last.offset = settings.offset * Sample.full.number
    var result: Image
    if passes.count == 1 {
      result = last.run(self, run)
    } else {
      var between: FloatImage = passes[0].run(self, run)
      for pass in passes[1..<passes.count - 1] { between = pass.run(between, run) }
      result = last.run(between, run)
    }
    if hasAlpha {
      for index in stride(from: channels - 1, to: storage.count, by: channels) {
        result.storage[index] = storage[index]
      }
    }
    return result
  }
}

/// One way over a picture with a kernel, or with two whose responses become one length.
private struct FilterPass {
  /// A weight and where it lies, seen from a row's first place.
  struct Tap {
    let row: Int
    let place: Int
    let weight: Float
  }

  let width: Int
  let height: Int
  let border: FilterBorder
  let first: FilterKernel
  let second: FilterKernel?
  var scale: Float = 1
  var offset: Float = 0

  /// Values that are worked on together.
  static let lanes = 16

  init(_ first: FilterKernel, _ second: FilterKernel?, _ settings: FilterSettings) {
    self.first = first
    self.second = second
    width = first.width
    height = first.height
    border = settings.border
  }

  /// The picture of responses, its rows worked out in parts of some 64.
  func run<From: ImageSample, To: ImageSample>(
    _ source: Image<From>, _ parts: PartRunner
  ) -> Image<To> {
    let rows = max(16, min(64, (1 << 20) / source.rowLength))
    let taps = [first, second].map { kernel in kernel.map { self.taps(of: $0, source.channels) } }
    return Image<To>(width: source.width, height: source.height, channels: source.channels) {
      target in
      // Each part writes rows of its own.
      nonisolated(unsafe) let target = target
      source.storage.withUnsafeBufferPointer { samples in
        parts((source.height + rows - 1) / rows) { part in
          let range = part * rows..<min(source.height, (part + 1) * rows)
          fill(range, of: source, samples, taps[0] ?? [], taps[1], target)
        }
      }
    }
  }

  private func taps(of kernel: FilterKernel, _ channels: Int) -> [Tap] {
    kernel.weights.enumerated().compactMap { index, weight in
      weight == 0
        ? nil : Tap(row: index / width, place: index % width * channels, weight: weight)
    }
  }

  private func fill<From: ImageSample, To: ImageSample>(
    _ rows: Range<Int>, of source: Image<From>, _ samples: UnsafeBufferPointer<From>,
    _ taps: [Tap], _ others: [Tap]?, _ target: UnsafeMutableBufferPointer<To>
  ) {
    let (length, margin) = (source.rowLength, width / 2 * source.channels)
    // A line holds the border on both sides, and what the last step of many lanes reads beyond it.
    let line = length + width * source.channels + Self.lanes
    withUnsafeTemporaryAllocation(of: Float.self, capacity: line * height + length + Self.lanes) {
      memory in
      guard let base = memory.baseAddress, let out = target.baseAddress else { return }
      memory.initialize(repeating: 0)
      let result = base + line * height
      // Line r of the kernel at row y is picture row y + r − height / 2, kept in a ring.
      func load(_ y: Int) {
        let slot = base + (y + height) % height * line
        guard let row = border.place(y, of: source.height) else {
          slot.update(repeating: 0, count: line)
          return
        }
        let origin = row * length
        for index in 0..<length { slot[margin + index] = samples[origin + index].number }
        fillBorder(slot, source.width, source.channels)
      }
      for y in rows.lowerBound - height / 2..<rows.lowerBound - height / 2 + height - 1 { load(y) }
      for y in rows {
        load(y - height / 2 + height - 1)
        let lines = (0..<height).map {
          UnsafePointer(base + (y + $0 - height / 2 + height) % height * line)
        }
        correlate(lines, taps, length, into: result)
        if let others { combine(lines, others, length, with: result) }
        if scale != 1 || offset != 0 {
          for index in 0..<length { result[index] = result[index] * scale + offset }
        }
        To.store(result, length, to: out + y * length)
      }
    }
  }

  /// Writes what lies left and right of a line.
  private func fillBorder(_ line: UnsafeMutablePointer<Float>, _ width: Int, _ channels: Int) {
    let left = self.width / 2
    let right = self.width - 1 - left
    for x in Array(-left..<0) + Array(width..<width + right) {
      let place = border.place(x, of: width)
      for channel in 0..<channels {
        line[(left + x) * channels + channel] =
          place.map { line[(left + $0) * channels + channel] } ?? 0
      }
    }
  }

  private func correlate(
    _ lines: [UnsafePointer<Float>], _ taps: [Tap], _ length: Int,
    into result: UnsafeMutablePointer<Float>
  ) {
    for first in stride(from: 0, to: length, by: Self.lanes) {
      UnsafeMutableRawPointer(result + first).storeBytes(
        of: response(lines, taps, first), as: SIMD16<Float>.self)
    }
  }

  private func combine(
    _ lines: [UnsafePointer<Float>], _ taps: [Tap], _ length: Int,
    with result: UnsafeMutablePointer<Float>
  ) {
    for first in stride(from: 0, to: length, by: Self.lanes) {
      let place = UnsafeMutableRawPointer(result + first)
      let one = place.loadUnaligned(as: SIMD16<Float>.self)
      let other = response(lines, taps, first)
      place.storeBytes(of: (one * one + other * other).squareRoot(), as: SIMD16<Float>.self)
    }
  }

  @inline(__always)
  private func response(
    _ lines: [UnsafePointer<Float>], _ taps: [Tap], _ first: Int
  ) -> SIMD16<Float> {
    var sum = SIMD16<Float>()
    for tap in taps {
      let values = UnsafeRawPointer(lines[tap.row] + tap.place + first)
        .loadUnaligned(as: SIMD16<Float>.self)
      sum += tap.weight * values
    }
    return sum
  }
}
