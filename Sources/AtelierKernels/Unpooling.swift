// Nearest-neighbour and bed-of-nails unpooling and the pixel shuffle, each beside its adjoint.
//
// Sizes named height and width are those of the small side. Max unpooling is `scatterSwitches` in
// Pooling.swift.

import CKernels

extension Kernels {
  /// Repeats each value over its window: x [N, h, w, C] → y [N, h · windowHeight, w · windowWidth,
  /// C].
  public func nearestUnpool(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, batch: Int, height: Int,
    width: Int, channels: Int, windowHeight: Int, windowWidth: Int
  ) {
    forSmallRows(batch, height, width, channels, windowHeight, windowWidth) { g, first, last in
      ck_spatial_nearest(spatialLevel, g, first, last, x, y)
    }
  }

  /// Sums each window: y [N, h · windowHeight, w · windowWidth, C] → x [N, h, w, C] (the adjoint of
  /// nearest unpooling).
  public func sumPool(
    _ y: UnsafePointer<Float>, _ x: UnsafeMutablePointer<Float>, batch: Int, height: Int,
    width: Int, channels: Int, windowHeight: Int, windowWidth: Int
  ) {
    forSmallRows(batch, height, width, channels, windowHeight, windowWidth) { g, first, last in
      ck_spatial_sum_pool(spatialLevel, g, first, last, y, x)
    }
  }

  /// Puts each value top-left in its window, zeros elsewhere: x [N, h, w, C] → y [N, h ·
  /// windowHeight, w · windowWidth, C].
  public func bedOfNailsUnpool(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, batch: Int, height: Int,
    width: Int, channels: Int, windowHeight: Int, windowWidth: Int
  ) {
    forSmallRows(batch, height, width, channels, windowHeight, windowWidth) { g, first, last in
      ck_spatial_bed_of_nails(spatialLevel, g, first, last, x, y)
    }
  }

  /// Takes the top-left value of each window: y [N, h · windowHeight, w · windowWidth, C] → x [N,
  /// h, w, C]
  /// (the adjoint of bed-of-nails unpooling).
  public func subsample(
    _ y: UnsafePointer<Float>, _ x: UnsafeMutablePointer<Float>, batch: Int, height: Int,
    width: Int, channels: Int, windowHeight: Int, windowWidth: Int
  ) {
    let row = width * windowWidth * channels
    copyBlock(
      from: y, sourceStart: 0,
      sourceStrides: (height * windowHeight * row, windowHeight * row, windowWidth * channels),
      to: x, destinationStart: 0,
      destinationStrides: (height * width * channels, width * channels, channels),
      batch: batch, height: height, width: width, channels: channels, accumulate: false)
  }

  /// Moves blocks of channels to blocks of pixels: x [N, h, w, block² · C] → y [N, h · block, w ·
  /// block, C].
  ///
  /// The input channel (i · block + j) · C + c becomes channel c of the pixel (i, j) of its block
  /// (Shi and others 2016; DepthToSpace of ONNX in its mode DCR).
  /// `channels` is C, the number of output channels.
  public func pixelShuffle(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, batch: Int, height: Int,
    width: Int, channels: Int, block: Int
  ) {
    let (small, large) = shuffleStrides(height, width, channels, block)
    forShuffleRows(batch, height, width, channels, block) { g, first, last, i in
      var g = g
      (g.source_image, g.source_row, g.source_pixel) = small
      (g.destination_image, g.destination_row, g.destination_pixel) = large
      ck_spatial_copy(
        spatialLevel, &g, first, last, x + i * block * channels, y + i * width * block * channels, 0
      )
    }
  }

  /// Moves blocks of pixels to blocks of channels: y [N, h · block, w · block, C] → x [N, h, w,
  /// block² · C]
  /// (inverse and adjoint of the pixel shuffle).
  ///
  /// `height`, `width` and `channels` are those of
  /// ``pixelShuffle(_:_:batch:height:width:channels:block:)``.
  public func spaceToDepth(
    _ y: UnsafePointer<Float>, _ x: UnsafeMutablePointer<Float>, batch: Int, height: Int,
    width: Int, channels: Int, block: Int
  ) {
    let (small, large) = shuffleStrides(height, width, channels, block)
    forShuffleRows(batch, height, width, channels, block) { g, first, last, i in
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
    _ batch: Int, _ height: Int, _ width: Int, _ channels: Int, _ windowHeight: Int,
    _ windowWidth: Int, _ body: (UnsafePointer<ck_unpool_geometry>, Int, Int) -> Void
  ) {
    precondition(
      min(batch, height, width, channels) >= 0 && min(windowHeight, windowWidth) >= 1,
      "an unpooling has sizes of at least 0 and windows of at least 1: "
        + "\(batch) × \(height) × \(width) × \(channels), \(windowHeight) × \(windowWidth)")
    let g = ck_unpool_geometry(
      batch: batch, height: height, width: width, channels: channels, window_height: windowHeight,
      window_width: windowWidth)
    withUnsafePointer(to: g) { g in
      forRowBlocks(
        batch * height, elementsPerRow: width * channels * windowHeight * windowWidth
      ) { first, last in
        body(g, first, last)
      }
    }
  }

  /// Runs `body` for each of the `block` rows that a small row becomes, over blocks of small rows.
  private func forShuffleRows(
    _ batch: Int, _ height: Int, _ width: Int, _ channels: Int, _ block: Int,
    _ body: (ck_block_geometry, Int, Int, Int) -> Void
  ) {
    precondition(
      min(batch, height, width, channels) >= 0 && block >= 1,
      "a pixel shuffle has sizes of at least 0 and blocks of at least 1: "
        + "\(batch) × \(height) × \(width) × \(channels), \(block)")
    var g = ck_block_geometry()
    (g.height, g.width, g.channels) = (height, width, block * channels)
    forRowBlocks(batch * height, elementsPerRow: width * block * block * channels) { first, last in
      for i in 0..<block { body(g, first, last, i) }
    }
  }

  /// The strides (image, row, pixel) of the two sides of a pixel shuffle, where a pixel of the
  /// large side is `block` wide.
  private func shuffleStrides(
    _ height: Int, _ width: Int, _ channels: Int, _ block: Int
  ) -> (small: (Int, Int, Int), large: (Int, Int, Int)) {
    let pixel = block * block * channels
    let row = width * pixel
    return ((height * row, row, pixel), (height * row, row, block * channels))
  }
}
