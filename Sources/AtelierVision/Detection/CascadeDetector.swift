// Slides a cascade's window over a picture at many sizes and groups what it accepts.

import AtelierImages
import AtelierKernels

/// How a picture is searched.
public struct DetectionOptions: Sendable, Hashable {
  /// The ratio of one window size to the next, above 1.
  public var scaleFactor: Double
  /// A detection needs more accepted windows than this; 0 gives all windows, not grouped.
  public var minimumNeighbors: Int
  /// The smallest window searched, in pixels of its width; nil for the cascade's own.
  public var smallest: Double?
  /// The largest window searched, in pixels of its width; nil for what fits the picture.
  public var largest: Double?

  /// A way to search; 1.01 is the least scale factor used.
  public init(
    scaleFactor: Double = 1.1, minimumNeighbors: Int = 3, smallest: Double? = nil,
    largest: Double? = nil
  ) {
    self.scaleFactor = scaleFactor
    self.minimumNeighbors = minimumNeighbors
    self.smallest = smallest
    self.largest = largest
  }
}

/// Finds what a cascade was trained on.
public struct CascadeDetector: Sendable {
  /// The cascade.
  public let cascade: Cascade

  /// Rows of one part of the work; the parts, and so the order of results, depend on the picture.
  private static let rowsInPart = 16

  /// A detector that uses `cascade`.
  public init(_ cascade: Cascade) { self.cascade = cascade }

  /// What is found in a picture, the most accepted windows first, for every number of threads.
  ///
  /// Colours are turned to gray, alpha is left out.
  public func detections(
    in image: ByteImage, options: DetectionOptions = DetectionOptions(),
    pool: ThreadPool = .shared
  ) -> [Detection] {
    detections(
      gray: DetectionPicture.gray(image), size: image.size, options: options, pool: pool)
  }

  /// The same for the samples of a gray picture, [height, width].
  func detections(
    gray: [UInt8], size: PixelSize, options: DetectionOptions, pool: ThreadPool
  ) -> [Detection] {
    let windows = acceptedWindows(gray: gray, size: size, options: options, pool: pool)
    if options.minimumNeighbors < 1 { return windows }
    let groups = DetectionGrouping.groups(windows, minimumNeighbors: options.minimumNeighbors)
    return groups.enumerated().sorted {
      ($0.element.neighbors, $1.offset) > ($1.element.neighbors, $0.offset)
    }.map(\.element)
  }

  /// All windows that the cascade accepts, by size, row and column.
  func acceptedWindows(
    gray: [UInt8], size: PixelSize, options: DetectionOptions, pool: ThreadPool
  ) -> [Detection] {
    precondition(gray.count == size.width * size.height, "samples that fill the picture")
    let factors = scales(of: size, options)
    guard let first = factors.first else { return [] }
    let stride = reduced(size, by: first).width + 1
    let program = CascadeProgram(cascade, stride: stride)
    var windows: [Detection] = []
    for factor in factors {
      let level = reduced(size, by: factor)
      guard level.width >= cascade.width, level.height >= cascade.height else { break }
      let planes = IntegralPlanes(
        gray: DetectionPicture.resized(gray, from: size, to: level), width: level.width,
        height: level.height, stride: stride, needsSquares: !cascade.isBinaryPattern,
        needsTilted: cascade.hasTiltedFeatures)
      windows += accepted(program, planes, factor: factor, pool: pool)
    }
    return windows
  }

  /// The factors by which the picture is reduced, so that windows grow from step to step.
  private func scales(of size: PixelSize, _ options: DetectionOptions) -> [Double] {
    // A factor that does not grow, or is no number, would never end.
    let step = options.scaleFactor >= 1.01 ? options.scaleFactor : 1.01
    let window = Double(cascade.width)
    let most = min(
      Double(size.width) / window, Double(size.height) / Double(cascade.height),
      (options.largest ?? .infinity) / window)
    var factor = max(1, (options.smallest ?? 0) / window)
    var factors: [Double] = []
    while factor <= most {
      factors.append(factor)
      factor *= step
    }
    return factors
  }

  private func reduced(_ size: PixelSize, by factor: Double) -> PixelSize {
    PixelSize(
      width: Int((Double(size.width) / factor).rounded()),
      height: Int((Double(size.height) / factor).rounded()))
  }

  private func accepted(
    _ program: CascadeProgram, _ planes: IntegralPlanes, factor: Double, pool: ThreadPool
  ) -> [Detection] {
    // As OpenCV: large pictures of small windows are walked two pixels at a time.
    let step = factor > 2 ? 1 : 2
    let rows = planes.height - cascade.height + 1
    let columns = planes.width - cascade.width + 1
    let parts = (rows + Self.rowsInPart - 1) / Self.rowsInPart
    var found = [[Detection]](repeating: [], count: parts)
    found.withUnsafeMutableBufferPointer { found in
      program.withEvaluator(planes) { evaluator in
        pool.parallelFor(parts) { part in
          let last = min(rows, (part + 1) * Self.rowsInPart)
          var windows: [Detection] = []
          for y in Swift.stride(from: part * Self.rowsInPart, to: last, by: step) {
            var x = 0
            while x < columns {
              switch evaluator.verdict(x: x, y: y) {
              case .rejectedAtOnce: x += 2 * step
              case .rejected: x += step
              case .accepted(let score):
                windows.append(window(x: x, y: y, factor: factor, score: score))
                x += step
              }
            }
          }
          found[part] = windows
        }
      }
    }
    return found.flatMap { $0 }
  }

  private func window(x: Int, y: Int, factor: Double, score: Float) -> Detection {
    Detection(
      box: PlaneBox(
        x: Double(x) * factor, y: Double(y) * factor, width: Double(cascade.width) * factor,
        height: Double(cascade.height) * factor), neighbors: 1, score: score)
  }
}
