// The boxes that a region proposal network starts from: the same few at every pixel of every level.

/// The anchors of one level of a feature pyramid (Ren and others 2015; Lin and others 2017).
public struct AnchorLevel: Sendable, Hashable, Codable {
  /// Pixels of the picture in a pixel of the level.
  public var stride: Int
  /// The square roots of the anchors' areas, in pixels of the picture.
  public var sizes: [Float]
  /// The anchors' heights over their widths.
  public var ratios: [Float]

  /// Describes a level.
  public init(stride: Int, sizes: [Float], ratios: [Float] = [0.5, 1, 2]) {
    self.stride = stride
    self.sizes = sizes
    self.ratios = ratios
  }

  /// Anchors a pixel.
  public var count: Int { sizes.count * ratios.count }

  /// Width and height of each anchor of a pixel, in order: ratios within sizes.
  public var shapes: [SIMD2<Float>] {
    sizes.flatMap { size in
      ratios.map { SIMD2(size / $0.squareRoot(), size * $0.squareRoot()) }
    }
  }
}

/// All anchors of a picture: level by level, row by row, in the order of the network's outputs.
public struct AnchorGrid: Sendable {
  /// The anchors of one level within the whole.
  public struct Part: Sendable {
    /// The level.
    public let level: AnchorLevel
    /// Rows of the level.
    public let rows: Int
    /// Columns of the level.
    public let columns: Int
    /// The index of its first anchor.
    public let start: Int
    /// The indices of its anchors.
    public var range: Range<Int> { start..<start + rows * columns * level.count }
  }

  /// Columns of the picture.
  public let width: Int
  /// Rows of the picture.
  public let height: Int
  /// The levels, finest first.
  public let parts: [Part]
  /// The anchors.
  public let boxes: [RegionBox]

  /// Lays anchors over a picture whose sides are multiples of every stride; finest level first.
  public init(_ levels: [AnchorLevel], width: Int, height: Int) {
    self.width = width
    self.height = height
    var parts: [Part] = []
    var boxes: [RegionBox] = []
    for level in levels {
      let part = Part(
        level: level, rows: height / level.stride, columns: width / level.stride,
        start: boxes.count)
      let shapes = level.shapes
      let stride = Float(level.stride)
      boxes.reserveCapacity(boxes.count + part.range.count)
      for row in 0..<part.rows {
        for column in 0..<part.columns {
          for shape in shapes {
            boxes.append(
              RegionBox(
                centerX: (Float(column) + 0.5) * stride, centerY: (Float(row) + 0.5) * stride,
                width: shape.x, height: shape.y))
          }
        }
      }
      parts.append(part)
    }
    self.parts = parts
    self.boxes = boxes
  }

  /// Calls `body` with every anchor that may overlap a box, in order of indices within a level.
  public func forEachAnchor(near box: RegionBox, _ body: (_ index: Int) -> Void) {
    for part in parts {
      let stride = Float(part.level.stride)
      let shapes = part.level.shapes
      let reach = shapes.reduce(SIMD2<Float>.zero) { pointwiseMax($0, $1) } / 2
      func range(_ low: Float, _ high: Float, _ reach: Float, _ count: Int) -> Range<Int> {
        let limit = Float(count)
        let first = Int(min(max(((low - reach) / stride - 0.5).rounded(.down), 0), limit))
        let last = Int(min(max(((high + reach) / stride + 0.5).rounded(.up), 0), limit))
        return first..<max(first, last)
      }
      let columns = range(box.left, box.right, reach.x, part.columns)
      for row in range(box.top, box.bottom, reach.y, part.rows) {
        let start = part.start + row * part.columns * shapes.count
        for index in columns.lowerBound * shapes.count..<columns.upperBound * shapes.count {
          body(start + index)
        }
      }
    }
  }
}
