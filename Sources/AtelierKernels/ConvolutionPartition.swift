// How the work of a convolution is cut into parts: a function of the shapes and the instruction
// set, never of the threads.

import CKernels

/// The cut of one pass of the direct algorithm into parts that each thread can take.
struct ConvolutionPartition {
  /// Floats of source rows that a part may hold: it should stay in the second-level cache beside
  /// the weights.
  private static let windowFloats = 40_000
  /// Parts below which the channel blocks are cut too, so that several threads find work.
  private static let enoughParts = 24

  /// Whether parts are runs of result pixels (copied patches, or 1×1 kernels) instead of rectangles
  /// of rows.
  var usesPatches = false
  var batch = 0
  var groups = 0
  /// Result rows (or pixels of a phase, with patches) in a part, and how many such parts.
  var rowsPerPart = 1
  var rowParts = 0
  /// Result columns in a part, and how many such parts.
  var columnsPerPart = 1
  var columnParts = 1
  /// Channel blocks in a part, and how many such parts.
  var blocks = 1
  var blocksPerPart = 1
  var blockParts = 1
  /// Floats of scratch memory that a thread needs.
  var scratch = 0

  var parts: Int { batch * groups * rowParts * columnParts * blockParts }

  init(_ set: ConvolutionStencils, tile: Int) {
    let (g, stencils) = (set.geometry, set.stencils)
    blocks = set.channelBlocks
    groups = set.form == .depthwise ? 1 : g.groups
    let width = stencils.map(\.q_w).max() ?? 0
    let height = stencils.map(\.q_h).max() ?? 0
    let pointwise = stencils.count == 1 && Self.isPointwise(stencils[0])
    usesPatches = set.form == .blocks && (pointwise || width < 6)
    if usesPatches {
      cutPixels(stencils, pixels: g.batch * width * height, pointwise: pointwise, tile: tile)
    } else {
      batch = g.batch
      cutRows(stencils, width: width, height: height, tile: tile, form: set.form)
    }
    let parts = self.parts
    if parts > 0 && parts < Self.enoughParts && set.form == .blocks {
      blockParts = min(blocks, (Self.enoughParts + parts - 1) / parts)
      blocksPerPart = (blocks + blockParts - 1) / blockParts
      blockParts = (blocks + blocksPerPart - 1) / blocksPerPart
    }
  }

  /// Whether each result pixel needs only the source pixel of the same number.
  static func isPointwise(_ s: ck_conv_stencil) -> Bool {
    s.groups == 1 && s.taps_y == 1 && s.taps_x == 1 && s.src_sy == 1 && s.src_sx == 1
      && s.off_y == 0 && s.off_x == 0 && s.q_h == s.src_h && s.q_w == s.src_w
  }

  private mutating func cutPixels(
    _ stencils: [ck_conv_stencil], pixels: Int, pointwise: Bool, tile: Int
  ) {
    batch = 1
    let reduction =
      stencils.map { $0.taps_y * $0.taps_x * ($0.src_c / $0.groups / $0.per_float) }.max() ?? 0
    let fitting = 2 * Self.windowFloats / max(reduction, 1) / tile * tile
    // Thin layers take more pixels at a time: calls cost as much as their products.
    let most = pointwise ? max(96, min(1536, pixels / Self.enoughParts)) : 96
    rowsPerPart = max(tile, min(most, fitting))
    rowParts = (pixels + rowsPerPart - 1) / rowsPerPart
    let isInPlace = pointwise && stencils[0].per_float == 1
    scratch = isInPlace ? 0 : rowsPerPart * reduction
    blocksPerPart = blocks
  }

  private mutating func cutRows(
    _ stencils: [ck_conv_stencil], width: Int, height: Int, tile: Int,
    form: ConvolutionStencils.Form
  ) {
    columnsPerPart = max(width, 1)
    rowsPerPart = max(1, min(16, batch * height / Self.enoughParts, height))
    if form == .depthwise {
      rowParts = (height + rowsPerPart - 1) / rowsPerPart
      return
    }
    func window() -> Int {
      stencils.map { Self.windowCount($0, rows: rowsPerPart, columns: columnsPerPart) }.max() ?? 0
    }
    while rowsPerPart > 1 && window() > Self.windowFloats { rowsPerPart -= 1 }
    while columnsPerPart > 4 * tile && window() > Self.windowFloats {
      columnsPerPart = ((columnsPerPart + 1) / 2 + tile - 1) / tile * tile
    }
    rowParts = (height + rowsPerPart - 1) / rowsPerPart
    columnParts = (width + columnsPerPart - 1) / columnsPerPart
    scratch = window()
    blocksPerPart = blocks
  }

  /// The floats that a part's window of source rows takes with its tables, as `open_window` lays
  /// them out.
  static func windowCount(_ s: ck_conv_stencil, rows: Int, columns: Int) -> Int {
    guard s.taps_y > 0 && s.taps_x > 0 else { return 0 }
    let extent = (rows - 1) * s.src_sy + (s.taps_y - 1) * s.step_y + 1
    let held = min(extent, rows * s.taps_y)
    let line =
      ((columns - 1) * s.src_sx + (s.taps_x - 1) * s.step_x + 1)
      * (s.src_c / s.groups / s.per_float)
    return 2 * (extent + max(s.taps_y * s.taps_x, rows)) + (held + 1) * (line + 16) + 64
  }

  /// Part `index`; with patches q0 and q1 count result pixels.
  func part(_ index: Int) -> ck_conv_part {
    var rest = index
    let block = rest % blockParts * blocksPerPart
    rest /= blockParts
    let column = rest % columnParts * columnsPerPart
    rest /= columnParts
    let row = rest % rowParts * rowsPerPart
    rest /= rowParts
    return ck_conv_part(
      n: rest / groups, group: rest % groups, q0: row, q1: row + rowsPerPart, x0: column,
      x1: column + columnsPerPart, kb0: block, kb1: min(block + blocksPerPart, blocks))
  }
}
