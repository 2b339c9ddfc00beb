// Nearest-neighbour and bed-of-nails unpooling and the pixel shuffle, each beside its adjoint.
//
// Max unpooling is `scatterSwitches` in Pooling.swift.

import CKernels

/// The sizes of the small side of an unpooling or a pixel shuffle, and its windows.
public struct UnpoolGeometry: Hashable, Sendable {
  public var batch: Int
  public var height: Int
  public var width: Int
  public var channels: Int
  public var windowHeight: Int
  public var windowWidth: Int

  /// Describes an unpooling from [batch, height, width, channels].
  public init(
    batch: Int, height: Int, width: Int, channels: Int, windowHeight: Int, windowWidth: Int
  ) {
    self.batch = batch
    self.height = height
    self.width = width
    self.channels = channels
    self.windowHeight = windowHeight
    self.windowWidth = windowWidth
  }

  /// The number of elements of the small side.
  public var smallCount: Int { batch * height * width * channels }
  /// The number of elements of the large side.
  public var largeCount: Int { smallCount * windowHeight * windowWidth }

  fileprivate func check() {
    precondition(
      min(batch, height, width, channels) >= 0 && min(windowHeight, windowWidth) >= 1,
      "an unpooling has sizes of at least 0 and windows of at least 1: \(self)")
  }
}

extension Kernels {
  /// Repeats each value over its window: x [N, h, w, C] → y [N, h · windowHeight, w · windowWidth,
  /// C].
  public func nearestUnpool(
    _ geometry: UnpoolGeometry, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>
  ) {
    forSmallRows(geometry) { spatial.pointee.nearest($0, $1, $2, x, y) }
  }

  /// Sums each window: y [N, h · windowHeight, w · windowWidth, C] → x [N, h, w, C] (the adjoint of
  /// nearest unpooling).
  public func sumPool(
    _ geometry: UnpoolGeometry, _ y: UnsafePointer<Float>, _ x: UnsafeMutablePointer<Float>
  ) {
    forSmallRows(geometry) { spatial.pointee.sum_pool($0, $1, $2, y, x) }
  }

  /// Puts each value top-left in its window, zeros elsewhere: x [N, h, w, C] → y [N, h ·
  /// windowHeight, w · windowWidth, C].
  public func bedOfNailsUnpool(
    _ geometry: UnpoolGeometry, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>
  ) {
    forSmallRows(geometry) { spatial.pointee.bed_of_nails($0, $1, $2, x, y) }
  }

  /// Takes the top-left value of each window: y [N, h · windowHeight, w · windowWidth, C] → x [N,
  /// h, w, C] (the adjoint of bed-of-nails unpooling).
  public func subsample(
    _ geometry: UnpoolGeometry, _ y: UnsafePointer<Float>, _ x: UnsafeMutablePointer<Float>
  ) {
    let g = geometry
    let row = g.width * g.windowWidth * g.channels
    copyBlock(
      from: y, sourceStart: 0,
      sourceStrides: (
        g.height * g.windowHeight * row, g.windowHeight * row, g.windowWidth * g.channels
      ), to: x, destinationStart: 0,
      destinationStrides: (g.height * g.width * g.channels, g.width * g.channels, g.channels),
      batch: g.batch, height: g.height, width: g.width, channels: g.channels, accumulate: false)
  }

  /// Moves blocks of channels to blocks of pixels: x [N, h, w, block² · C] → y [N, h · block, w ·
  /// block, C].
  ///
  /// The input channel (i · block + j) · C + c becomes channel c of the pixel (i, j) of its block
  /// (Shi and others 2016; DepthToSpace of ONNX in its mode DCR). The window is the block, and
  /// `channels` is C, the number of output channels.
  public func pixelShuffle(
    _ geometry: UnpoolGeometry, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>
  ) {
    shuffle(geometry, x, y, toLarge: true)
  }

  /// Moves blocks of pixels to blocks of channels: y [N, h · block, w · block, C] → x [N, h, w,
  /// block² · C] (inverse and adjoint of the pixel shuffle, whose sizes it takes).
  public func spaceToDepth(
    _ geometry: UnpoolGeometry, _ y: UnsafePointer<Float>, _ x: UnsafeMutablePointer<Float>
  ) {
    shuffle(geometry, y, x, toLarge: false)
  }

  /// Runs `body` over blocks of the batch · height small rows of an unpooling.
  private func forSmallRows(
    _ g: UnpoolGeometry, _ body: (UnsafePointer<ck_unpool_geometry>, Int, Int) -> Void
  ) {
    g.check()
    let sizes = ck_unpool_geometry(
      batch: g.batch, height: g.height, width: g.width, channels: g.channels,
      window_height: g.windowHeight, window_width: g.windowWidth)
    let elements = g.width * g.channels * g.windowHeight * g.windowWidth
    forRowBlocks(sizes, g.batch * g.height, elementsPerRow: elements, body)
  }

  /// Moves the rows of a pixel shuffle one way or the other: each small row becomes `block` rows of
  /// the large side, where a pixel is `block` wide.
  private func shuffle(
    _ g: UnpoolGeometry, _ from: UnsafePointer<Float>, _ to: UnsafeMutablePointer<Float>,
    toLarge: Bool
  ) {
    g.check()
    let block = g.windowHeight
    precondition(block == g.windowWidth, "the blocks of a pixel shuffle are square: \(g)")
    let run = block * g.channels
    let row = g.width * block * run
    let small = (image: g.height * row, row: row, pixel: block * run)
    let large = (image: g.height * row, row: row, pixel: run)
    let (source, result) = toLarge ? (small, large) : (large, small)
    let sizes = ck_block_geometry(
      height: g.height, width: g.width, channels: run, source_image: source.image,
      source_row: source.row, source_pixel: source.pixel, destination_image: result.image,
      destination_row: result.row, destination_pixel: result.pixel)
    forRowBlocks(sizes, g.batch * g.height, elementsPerRow: row) { sizes, first, last in
      for i in 0..<block {
        let (inSmall, inLarge) = (i * run, i * g.width * run)
        spatial.pointee.copy(
          sizes, first, last, from + (toLarge ? inSmall : inLarge),
          to + (toLarge ? inLarge : inSmall), 0)
      }
    }
  }
}
