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
    forSmallRows(geometry) { g, first, last in
      ck_spatial_nearest(spatialLevel, g, first, last, x, y)
    }
  }

  /// Sums each window: y [N, h · windowHeight, w · windowWidth, C] → x [N, h, w, C] (the adjoint of
  /// nearest unpooling).
  public func sumPool(
    _ geometry: UnpoolGeometry, _ y: UnsafePointer<Float>, _ x: UnsafeMutablePointer<Float>
  ) {
    forSmallRows(geometry) { g, first, last in
      ck_spatial_sum_pool(spatialLevel, g, first, last, y, x)
    }
  }

  /// Puts each value top-left in its window, zeros elsewhere: x [N, h, w, C] → y [N, h ·
  /// windowHeight, w · windowWidth, C].
  public func bedOfNailsUnpool(
    _ geometry: UnpoolGeometry, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>
  ) {
    forSmallRows(geometry) { g, first, last in
      ck_spatial_bed_of_nails(spatialLevel, g, first, last, x, y)
    }
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
    let block = geometry.windowHeight
    let (width, channels) = (geometry.width, geometry.channels)
    let (small, large) = shuffleStrides(geometry)
    forShuffleRows(geometry) { g, first, last, i in
      var g = g
      (g.source_image, g.source_row, g.source_pixel) = small
      (g.destination_image, g.destination_row, g.destination_pixel) = large
      ck_spatial_copy(
        spatialLevel, &g, first, last, x + i * block * channels, y + i * width * block * channels, 0
      )
    }
  }

  /// Moves blocks of pixels to blocks of channels: y [N, h · block, w · block, C] → x [N, h, w,
  /// block² · C] (inverse and adjoint of the pixel shuffle, whose sizes it takes).
  public func spaceToDepth(
    _ geometry: UnpoolGeometry, _ y: UnsafePointer<Float>, _ x: UnsafeMutablePointer<Float>
  ) {
    let block = geometry.windowHeight
    let (width, channels) = (geometry.width, geometry.channels)
    let (small, large) = shuffleStrides(geometry)
    forShuffleRows(geometry) { g, first, last, i in
      var g = g
      (g.source_image, g.source_row, g.source_pixel) = large
      (g.destination_image, g.destination_row, g.destination_pixel) = small
      ck_spatial_copy(
        spatialLevel, &g, first, last, y + i * width * block * channels, x + i * block * channels, 0
      )
    }
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
    withUnsafePointer(to: sizes) { sizes in
      forRowBlocks(g.batch * g.height, elementsPerRow: elements) { body(sizes, $0, $1) }
    }
  }

  /// Runs `body` for each of the `block` rows that a small row becomes, over blocks of small rows.
  private func forShuffleRows(
    _ g: UnpoolGeometry, _ body: (ck_block_geometry, Int, Int, Int) -> Void
  ) {
    g.check()
    let block = g.windowHeight
    precondition(block == g.windowWidth, "the blocks of a pixel shuffle are square: \(g)")
    var sizes = ck_block_geometry()
    (sizes.height, sizes.width, sizes.channels) = (g.height, g.width, block * g.channels)
    let elements = g.width * block * block * g.channels
    forRowBlocks(g.batch * g.height, elementsPerRow: elements) { first, last in
      for i in 0..<block { body(sizes, first, last, i) }
    }
  }

  /// The strides (image, row, pixel) of the two sides of a pixel shuffle, where a pixel of the
  /// large side is `block` wide.
  private func shuffleStrides(
    _ g: UnpoolGeometry
  ) -> (small: (Int, Int, Int), large: (Int, Int, Int)) {
    let block = g.windowHeight
    let pixel = block * block * g.channels
    let row = g.width * pixel
    return ((g.height * row, row, pixel), (g.height * row, row, block * g.channels))
  }
}
