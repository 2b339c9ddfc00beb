// A cascade flattened for one row length of the sums: every corner is an offset, every walk a loop.

/// A cascade that can be evaluated at any window of planes with one stride.
struct CascadeProgram {
  /// Four corners of a rectangle, as offsets from the window's first sum.
  fileprivate struct Corners {
    var first: Int32 = 0
    var second: Int32 = 0
    var third: Int32 = 0
    var fourth: Int32 = 0

    @inline(__always)
    func sum(_ base: UnsafePointer<UInt32>) -> Float { Float(Int32(bitPattern: unsigned(base))) }

    @inline(__always)
    func unsigned(_ base: UnsafePointer<UInt32>) -> UInt32 {
      base[Int(first)] &- base[Int(second)] &- base[Int(third)] &+ base[Int(fourth)]
    }
  }

  /// A node over a Haar feature; children as in `Cascade.Node`, but indices of the whole program.
  fileprivate struct HaarNode {
    var one: Corners
    var two: Corners
    var three: Corners
    var weights: SIMD4<Float>
    var threshold: Float
    var left: Int32
    var right: Int32
    var isTilted: Bool
    var hasThird: Bool
  }

  /// A node over a binary pattern: the place of its first corner and the way to the next ones.
  fileprivate struct PatternNode {
    var origin: Int32
    var columnStep: Int32
    var rowStep: Int32
    var left: Int32
    var right: Int32
    /// Index of the first of eight words.
    var patterns: Int32
  }

  fileprivate struct Stage {
    var threshold: Float
    var trees: Range<Int>
  }

  private var stages: [Stage] = []
  private var roots: [Int32] = []
  private var leaves: [Float] = []
  private var haarNodes: [HaarNode] = []
  private var patternNodes: [PatternNode] = []
  private var patterns: [UInt32] = []
  /// The window without its outermost pixels, over which the deviation is taken.
  private var inner = Corners()
  private var innerArea: Float = 0
  private let isPattern: Bool
  private let stride: Int

  init(_ cascade: Cascade, stride: Int) {
    self.stride = stride
    isPattern = cascade.isBinaryPattern
    inner = Self.upright(1, 1, cascade.width - 2, cascade.height - 2, stride)
    innerArea = Float((cascade.width - 2) * (cascade.height - 2))
    for stage in cascade.stages {
      let first = roots.count
      for tree in stage.trees { append(tree, of: cascade) }
      stages.append(Stage(threshold: stage.threshold, trees: first..<roots.count))
    }
  }

  private mutating func append(_ tree: Cascade.Tree, of cascade: Cascade) {
    let firstNode = isPattern ? patternNodes.count : haarNodes.count
    let firstLeaf = leaves.count
    roots.append(Int32(firstNode))
    leaves += tree.leaves
    func target(_ index: Int) -> Int32 {
      Int32(index >= 0 ? index + firstNode : ~(~index + firstLeaf))
    }
    for node in tree.nodes {
      switch (cascade.features[node.feature], node.test) {
      case (.haar(let rectangles, let isTilted), .threshold(let threshold)):
        var corners = rectangles.map { Self.corners($0, isTilted: isTilted, stride) }
        var weights = rectangles.map(\.weight)
        while corners.count < 3 {
          corners.append(Corners())
          weights.append(0)
        }
        haarNodes.append(
          HaarNode(
            one: corners[0], two: corners[1], three: corners[2],
            weights: SIMD4(weights[0], weights[1], weights[2], 0), threshold: threshold,
            left: target(node.left), right: target(node.right), isTilted: isTilted,
            hasThird: rectangles.count > 2))
      case (.binaryPattern(let x, let y, let width, let height), .patterns(let words)):
        patternNodes.append(
          PatternNode(
            origin: Int32(y * stride + x), columnStep: Int32(width),
            rowStep: Int32(height * stride), left: target(node.left), right: target(node.right),
            patterns: Int32(patterns.count)))
        patterns += words
      default:
        preconditionFailure("a cascade whose nodes do not fit its features")
      }
    }
  }

  private static func upright(
    _ x: Int, _ y: Int, _ width: Int, _ height: Int, _ stride: Int
  ) -> Corners {
    Corners(
      first: Int32(y * stride + x), second: Int32(y * stride + x + width),
      third: Int32((y + height) * stride + x), fourth: Int32((y + height) * stride + x + width))
  }

  private static func corners(
    _ rectangle: Cascade.WeightedRectangle, isTilted: Bool, _ stride: Int
  ) -> Corners {
    let (x, y) = (rectangle.x, rectangle.y)
    let (width, height) = (rectangle.width, rectangle.height)
    guard isTilted else { return upright(x, y, width, height, stride) }
    return Corners(
      first: Int32(y * stride + x), second: Int32((y + height) * stride + x - height),
      third: Int32((y + width) * stride + x + width),
      fourth: Int32((y + width + height) * stride + x + width - height))
  }

  /// What the cascade says about one window.
  enum Verdict {
    /// Not even the first stage, or a window without contrast.
    case rejectedAtOnce
    /// A later stage.
    case rejected
    /// All stages; by how much the last sum exceeds its threshold.
    case accepted(Float)
  }

  /// Evaluates windows of planes that outlive the call; all pointers, as this is where the time
  /// goes.
  struct Evaluator {
    fileprivate let stages: UnsafeBufferPointer<Stage>
    fileprivate let roots: UnsafePointer<Int32>
    fileprivate let leaves: UnsafePointer<Float>
    fileprivate let haarNodes: UnsafePointer<HaarNode>?
    fileprivate let patternNodes: UnsafePointer<PatternNode>?
    fileprivate let patterns: UnsafePointer<UInt32>?
    fileprivate let inner: Corners
    fileprivate let innerArea: Double
    fileprivate let stride: Int
    fileprivate let sums: UnsafePointer<UInt32>
    fileprivate let squares: UnsafePointer<UInt32>
    fileprivate let tilted: UnsafePointer<UInt32>
  }

  /// Calls `body` with an evaluator for planes of this program's stride.
  func withEvaluator<Result>(
    _ planes: IntegralPlanes, _ body: (Evaluator) throws -> Result
  ) rethrows -> Result {
    precondition(planes.stride == stride, "planes of another stride")
    return try withPointers { stages, roots, leaves in
      try planes.sums.withUnsafeBufferPointer { sums in
        try planes.squares.withUnsafeBufferPointer { squares in
          try planes.tilted.withUnsafeBufferPointer { tilted in
            try haarNodes.withUnsafeBufferPointer { haarNodes in
              try patternNodes.withUnsafeBufferPointer { patternNodes in
                try patterns.withUnsafeBufferPointer { patterns in
                  guard let first = sums.baseAddress else { preconditionFailure("empty planes") }
                  return try body(
                    Evaluator(
                      stages: stages, roots: roots, leaves: leaves,
                      haarNodes: isPattern ? nil : haarNodes.baseAddress,
                      patternNodes: patternNodes.baseAddress, patterns: patterns.baseAddress,
                      inner: inner, innerArea: Double(innerArea), stride: stride, sums: first,
                      squares: squares.baseAddress ?? first, tilted: tilted.baseAddress ?? first))
                }
              }
            }
          }
        }
      }
    }
  }

  private func withPointers<Result>(
    _ body: (
      UnsafeBufferPointer<Stage>, UnsafePointer<Int32>, UnsafePointer<Float>
    ) throws -> Result
  ) rethrows -> Result {
    try stages.withUnsafeBufferPointer { stages in
      try roots.withUnsafeBufferPointer { roots in
        try leaves.withUnsafeBufferPointer { leaves in
          guard let root = roots.baseAddress, let leaf = leaves.baseAddress else {
            preconditionFailure("a cascade without trees")
          }
          return try body(stages, root, leaf)
        }
      }
    }
  }
}

extension CascadeProgram.Evaluator {
  /// The verdict about the window whose left upper corner is pixel (x, y).
  /// - Precondition: the window lies inside of the planes.
  func verdict(x: Int, y: Int) -> CascadeProgram.Verdict {
    let place = y * stride + x
    let sums = sums + place
    let tilted = tilted + place
    guard let haarNodes else { return patternVerdict(sums) }
    let sum = Double(inner.unsigned(sums))
    let squared = Double(inner.unsigned(squares + place))
    let spread = (innerArea * squared - sum * sum).squareRoot()
    // As OpenCV: below a deviation of 10 there is nothing to see.
    guard spread > innerArea * 10 else { return .rejectedAtOnce }
    let factor = Float(1 / spread)
    return decide { tree in
      var index = roots[tree]
      repeat {
        let node = haarNodes + Int(index)
        let base = node.pointee.isTilted ? tilted : sums
        var value =
          node.pointee.weights.x * node.pointee.one.sum(base)
          + node.pointee.weights.y * node.pointee.two.sum(base)
        if node.pointee.hasThird { value += node.pointee.weights.z * node.pointee.three.sum(base) }
        index = value * factor < node.pointee.threshold ? node.pointee.left : node.pointee.right
      } while index >= 0
      return Int(~index)
    }
  }

  private func patternVerdict(_ sums: UnsafePointer<UInt32>) -> CascadeProgram.Verdict {
    guard let patternNodes, let patterns else { return .rejectedAtOnce }
    return decide { tree in
      var index = roots[tree]
      repeat {
        let node = patternNodes[Int(index)]
        let code = CascadeProgram.pattern(
          sums + Int(node.origin), Int(node.columnStep), Int(node.rowStep))
        let word = patterns[Int(node.patterns) + code >> 5]
        index = (word >> UInt32(code & 31)) & 1 != 0 ? node.left : node.right
      } while index >= 0
      return Int(~index)
    }
  }

  /// Asks the stages one after the other; `leaf` gives the leaf that a tree comes to.
  @inline(__always)
  private func decide(_ leaf: (_ tree: Int) -> Int) -> CascadeProgram.Verdict {
    var margin: Float = 0
    var index = 0
    for stage in stages {
      var total: Float = 0
      var tree = stage.trees.lowerBound
      let end = stage.trees.upperBound
      while tree < end {
        total += leaves[leaf(tree)]
        tree &+= 1
      }
      margin = total - stage.threshold
      if !(margin >= 0) { return index == 0 ? .rejectedAtOnce : .rejected }
      index &+= 1
    }
    return .accepted(margin)
  }
}

extension CascadeProgram {
  /// The eight blocks around the middle one, clockwise from the left upper, the first in bit 7: set
  /// where a block is at least as bright.
  @inline(__always)
  fileprivate static func pattern(
    _ corner: UnsafePointer<UInt32>, _ column: Int, _ row: Int
  ) -> Int {
    @inline(__always)
    func block(_ x: Int, _ y: Int) -> UInt32 {
      let upper = corner + (y * row + x * column)
      return upper[0] &- upper[column] &- upper[row] &+ upper[row + column]
    }
    let middle = block(1, 1)
    var code = 0
    if block(0, 0) >= middle { code |= 128 }
    if block(1, 0) >= middle { code |= 64 }
    if block(2, 0) >= middle { code |= 32 }
    if block(2, 1) >= middle { code |= 16 }
    if block(2, 2) >= middle { code |= 8 }
    if block(1, 2) >= middle { code |= 4 }
    if block(0, 2) >= middle { code |= 2 }
    if block(0, 1) >= middle { code |= 1 }
    return code
  }
}
