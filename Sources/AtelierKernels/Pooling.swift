// Max, average and global pooling, their switches, and the gradients of all of them.

import CKernels

/// The sizes of a pooling from an input [N, H, W, C] to an output [N, H', W', C].
///
/// Output row y looks at the input rows y · strideHeight − paddingTop + i for i in
/// 0..<windowHeight, and columns likewise. The padding below and to the right is implied by the
/// output size.
public struct PoolGeometry: Hashable, Sendable {
  public var batch: Int
  public var inputHeight: Int
  public var inputWidth: Int
  public var channels: Int
  public var outputHeight: Int
  public var outputWidth: Int
  public var windowHeight: Int
  public var windowWidth: Int
  public var strideHeight: Int
  public var strideWidth: Int
  public var paddingTop: Int
  public var paddingLeft: Int

  /// Describes a pooling; the sizes must agree with each other, which the operation that calls has
  /// checked.
  public init(
    batch: Int, inputHeight: Int, inputWidth: Int, channels: Int,
    outputHeight: Int, outputWidth: Int, windowHeight: Int, windowWidth: Int,
    strideHeight: Int, strideWidth: Int, paddingTop: Int = 0, paddingLeft: Int = 0
  ) {
    self.batch = batch
    self.inputHeight = inputHeight
    self.inputWidth = inputWidth
    self.channels = channels
    self.outputHeight = outputHeight
    self.outputWidth = outputWidth
    self.windowHeight = windowHeight
    self.windowWidth = windowWidth
    self.strideHeight = strideHeight
    self.strideWidth = strideWidth
    self.paddingTop = paddingTop
    self.paddingLeft = paddingLeft
  }

  /// The number of input elements.
  public var inputCount: Int { batch * inputHeight * inputWidth * channels }
  /// The number of output elements, which is also the number of switches.
  public var outputCount: Int { batch * outputHeight * outputWidth * channels }

  /// The C view of the sizes, after a check of what the kernels rely on.
  var checked: ck_pool_geometry {
    precondition(
      min(batch, inputHeight, inputWidth, channels, outputHeight, outputWidth) >= 0
        && min(windowHeight, windowWidth, strideHeight, strideWidth) >= 1
        && min(paddingTop, paddingLeft) >= 0,
      "a pooling has sizes of at least 0, windows and strides of at least 1: \(self)")
    precondition(
      inputHeight * inputWidth <= Int(Int32.max),
      "a pooled plane has at most 2³¹ − 1 pixels, as switches are 32-bit: \(self)")
    return ck_pool_geometry(
      batch: batch, input_height: inputHeight, input_width: inputWidth, channels: channels,
      output_height: outputHeight, output_width: outputWidth, window_height: windowHeight,
      window_width: windowWidth, stride_height: strideHeight, stride_width: strideWidth,
      padding_top: paddingTop, padding_left: paddingLeft)
  }

  /// Whether the windows tile the input from its corner on, so that no input pixel is in two of
  /// them.
  var tiles: Bool {
    strideHeight == windowHeight && strideWidth == windowWidth && paddingTop == 0
      && paddingLeft == 0 && outputHeight > 0 && outputWidth > 0
  }
}

extension Kernels {
  /// The C kernels of pooling, unpooling, resizing and copying of this instruction set.
  var spatial: UnsafePointer<ck_spatial_kernels> { ck_spatial(instructionSet.code) }

  /// Runs `body(first, last)` over consecutive blocks of `rows` rows; the cut depends on the sizes
  /// alone.
  func forRowBlocks(_ rows: Int, elementsPerRow: Int, _ body: (Int, Int) -> Void) {
    guard rows > 0, elementsPerRow > 0 else { return }
    let size = max(1, 32_768 / elementsPerRow)
    let blocks = (rows + size - 1) / size
    if blocks == 1 {
      body(0, rows)
    } else {
      pool.parallelFor(blocks) { block in body(block * size, min((block + 1) * size, rows)) }
    }
  }

  /// The same, and hands the C view of the sizes to every block.
  func forRowBlocks<Sizes>(
    _ sizes: Sizes, _ rows: Int, elementsPerRow: Int,
    _ body: (UnsafePointer<Sizes>, Int, Int) -> Void
  ) {
    withUnsafePointer(to: sizes) { sizes in
      forRowBlocks(rows, elementsPerRow: elementsPerRow) { body(sizes, $0, $1) }
    }
  }

  /// Runs `body` over blocks of the output rows of a pooling.
  private func forOutputRows(
    _ g: PoolGeometry, _ body: (UnsafePointer<ck_pool_geometry>, Int, Int) -> Void
  ) {
    forRowBlocks(
      g.checked, g.batch * g.outputHeight, elementsPerRow: g.outputWidth * g.channels * 2, body)
  }

  /// Runs `body` over blocks of the input rows of a pooling.
  private func forInputRows(
    _ g: PoolGeometry, _ body: (UnsafePointer<ck_pool_geometry>, Int, Int) -> Void
  ) {
    forRowBlocks(
      g.checked, g.batch * g.inputHeight, elementsPerRow: g.inputWidth * g.channels, body)
  }

  /// Takes the maximum of each window: x [N, H, W, C] → y [N, H', W', C] and its switches of the
  /// same shape.
  ///
  /// A switch is the index row · W + column of the maximum within its input plane. Padding never
  /// wins, the first of equals in row-major order wins, and so does the first NaN. A window that
  /// lies wholly in the padding gives 0 and the switch −1.
  public func maxPool(
    _ geometry: PoolGeometry, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>,
    switches: UnsafeMutablePointer<Int32>?
  ) {
    forOutputRows(geometry) { spatial.pointee.max_pool($0, $1, $2, x, y, switches) }
  }

  /// Reads x [N, H, W, C] at the switches: y [N, H', W', C] (the adjoint of
  /// ``scatterSwitches(_:_:switches:_:)``).
  ///
  /// Switches are data and always checked: one that names no pixel reads 0. Returns the number of
  /// such switches, not counting −1, which stands for an empty window.
  public func gatherSwitches(
    _ geometry: PoolGeometry, _ x: UnsafePointer<Float>, switches: UnsafePointer<Int32>,
    _ y: UnsafeMutablePointer<Float>
  ) -> Int {
    var faults = ck_switch_faults()
    withUnsafeMutablePointer(to: &faults) { faults in
      forOutputRows(geometry) {
        spatial.pointee.gather_switches($0, $1, $2, x, switches, y, faults)
      }
    }
    return Int(faults.out_of_range)
  }

  /// Puts y [N, H', W', C] at its switches in x [N, H, W, C], zeros elsewhere: max unpooling, and
  /// the gradient of max pooling.
  ///
  /// All of x is written. Values with the same switch add up in row-major order. Switches are data
  /// and always checked: one that names no pixel is skipped. Returns the number of such switches,
  /// not counting −1, which stands for an empty window.
  public func scatterSwitches(
    _ geometry: PoolGeometry, _ y: UnsafePointer<Float>, switches: UnsafePointer<Int32>,
    _ x: UnsafeMutablePointer<Float>
  ) -> Int {
    var faults = ck_switch_faults()
    withUnsafeMutablePointer(to: &faults) { faults in
      forOutputRows(geometry) {
        if geometry.tiles {
          spatial.pointee.scatter_tiles($0, $1, $2, y, switches, x, faults)
        } else {
          ck_spatial_check_switches($0, $1, $2, switches, faults)
        }
      }
    }
    if faults.stray > 0 {
      scatterStraySwitches(geometry, y, switches, x)
    } else if !geometry.tiles {
      forInputRows(geometry) { ck_spatial_scatter_rows($0, $1, $2, y, switches, x) }
    }
    return Int(faults.out_of_range)
  }

  /// The scatter for switches that may name any pixel of their plane: parts are whole planes of a
  /// few channels.
  private func scatterStraySwitches(
    _ geometry: PoolGeometry, _ y: UnsafePointer<Float>, _ switches: UnsafePointer<Int32>,
    _ x: UnsafeMutablePointer<Float>
  ) {
    let blocks = (geometry.channels + 15) / 16
    withUnsafePointer(to: geometry.checked) { g in
      pool.parallelFor(geometry.batch * blocks) { index in
        let first = index % blocks * 16
        ck_spatial_scatter_plane(
          g, index / blocks, first, min(first + 16, geometry.channels), y, switches, x)
      }
    }
  }

  /// Averages each window: x [N, H, W, C] → y [N, H', W', C].
  ///
  /// With `countIncludesPadding` every sum is divided by the size of the whole window, else by the
  /// number of its pixels that lie in the input. A window that lies wholly in the padding gives 0.
  public func averagePool(
    _ geometry: PoolGeometry, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>,
    countIncludesPadding: Bool
  ) {
    forOutputRows(geometry) {
      spatial.pointee.average_pool($0, $1, $2, x, y, countIncludesPadding ? 1 : 0)
    }
  }

  /// The gradient (and adjoint) of average pooling: dy [N, H', W', C] → dx [N, H, W, C], all of it
  /// written.
  public func averagePoolGradient(
    _ geometry: PoolGeometry, _ dy: UnsafePointer<Float>, _ dx: UnsafeMutablePointer<Float>,
    countIncludesPadding: Bool
  ) {
    forInputRows(geometry) {
      spatial.pointee.average_pool_gradient($0, $1, $2, dy, dx, countIncludesPadding ? 1 : 0)
    }
  }

  /// Averages each plane: x [N, pixels, C] → y [N, C]; sums are taken 256 pixels at a time.
  public func globalAveragePool(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, batch: Int, pixels: Int,
    channels: Int
  ) {
    precondition(
      min(batch, channels) >= 0 && pixels >= 1,
      "a global average needs pixels: \(batch) × \(pixels) × \(channels)")
    let blocks = (channels + 31) / 32
    pool.parallelFor(batch * blocks) { index in
      let image = index / blocks
      let first = index % blocks * 32
      spatial.pointee.global_average(
        x + image * pixels * channels, y + image * channels, pixels, channels, first,
        min(first + 32, channels))
    }
  }

  /// The gradient (and adjoint) of the global average: dy [N, C] → dx [N, pixels, C].
  public func globalAveragePoolGradient(
    _ dy: UnsafePointer<Float>, _ dx: UnsafeMutablePointer<Float>, batch: Int, pixels: Int,
    channels: Int
  ) {
    precondition(
      min(batch, channels) >= 0 && pixels >= 1,
      "a global average needs pixels: \(batch) × \(pixels) × \(channels)")
    forRowBlocks(batch * pixels, elementsPerRow: channels) { first, last in
      spatial.pointee.global_average_gradient(dy, dx, pixels, channels, first, last)
    }
  }
}
