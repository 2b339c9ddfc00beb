// Strided copies (concatenate, slice, crop) and padding with its adjoint.

import CKernels

/// What stands outside the edges of a padded image.
public enum PaddingMode: String, Codable, Sendable {
  /// Zeros.
  case zero
  /// The nearest pixel of the edge.
  case replicate
  /// The image mirrored at its edge pixels, which are not repeated; mirrored again where the
  /// padding is larger than the image.
  case reflect

  var code: Int32 {
    switch self {
    case .zero: 0
    case .replicate: 1
    case .reflect: 2
    }
  }
}

extension Kernels {
  /// Copies (or adds) a block of [batch, height, width] pixels of `channels` contiguous floats
  /// between two strided tensors.
  ///
  /// The starts are element offsets and the strides are elements per image, row and pixel. The two
  /// blocks must not overlap.
  public func copyBlock(
    from source: UnsafePointer<Float>, sourceStart: Int, sourceStrides: (Int, Int, Int),
    to destination: UnsafeMutablePointer<Float>, destinationStart: Int,
    destinationStrides: (Int, Int, Int), batch: Int, height: Int, width: Int, channels: Int,
    accumulate: Bool
  ) {
    precondition(
      min(batch, height, width, channels) >= 0,
      "a block has sizes of at least 0: \(batch) × \(height) × \(width) × \(channels)")
    let g = ck_block_geometry(
      height: height, width: width, channels: channels, source_image: sourceStrides.0,
      source_row: sourceStrides.1, source_pixel: sourceStrides.2,
      destination_image: destinationStrides.0, destination_row: destinationStrides.1,
      destination_pixel: destinationStrides.2)
    let from = source + sourceStart
    let to = destination + destinationStart
    forRowBlocks(g, batch * height, elementsPerRow: width * channels) {
      spatial.pointee.copy($0, $1, $2, from, to, accumulate ? 1 : 0)
    }
  }

  /// Pads: x [N, H, W, C] → y [N, top + H + bottom, left + W + right, C].
  public func pad(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, batch: Int, inputHeight: Int,
    inputWidth: Int, channels: Int, top: Int, bottom: Int, left: Int, right: Int, mode: PaddingMode
  ) {
    let g = padGeometry(
      batch, inputHeight, inputWidth, channels, (top, bottom), (left, right), mode)
    forRowBlocks(
      g, batch * (top + inputHeight + bottom),
      elementsPerRow: (left + inputWidth + right) * channels
    ) { spatial.pointee.pad($0, $1, $2, x, y) }
  }

  /// The gradient (and adjoint) of padding: dy [N, top + H + bottom, left + W + right, C] → dx [N,
  /// H, W, C], all of it written.
  ///
  /// Contributions add up in row-major order of the padded image.
  public func padGradient(
    _ dy: UnsafePointer<Float>, _ dx: UnsafeMutablePointer<Float>, batch: Int, inputHeight: Int,
    inputWidth: Int, channels: Int, top: Int, bottom: Int, left: Int, right: Int, mode: PaddingMode
  ) {
    let g = padGeometry(
      batch, inputHeight, inputWidth, channels, (top, bottom), (left, right), mode)
    forRowBlocks(g, batch * inputHeight, elementsPerRow: inputWidth * channels) {
      spatial.pointee.pad_gradient($0, $1, $2, dy, dx)
    }
  }

  private func padGeometry(
    _ batch: Int, _ inputHeight: Int, _ inputWidth: Int, _ channels: Int,
    _ vertical: (Int, Int), _ horizontal: (Int, Int), _ mode: PaddingMode
  ) -> ck_pad_geometry {
    precondition(
      min(batch, channels) >= 0 && min(vertical.0, vertical.1, horizontal.0, horizontal.1) >= 0
        && (mode == .zero ? min(inputHeight, inputWidth) >= 0 : min(inputHeight, inputWidth) >= 1),
      "padding is at least 0 and needs pixels to repeat: \(batch) × \(inputHeight) × "
        + "\(inputWidth) × \(channels), \(vertical), \(horizontal), \(mode.rawValue)")
    return ck_pad_geometry(
      batch: batch, input_height: inputHeight, input_width: inputWidth, channels: channels,
      top: vertical.0, bottom: vertical.1, left: horizontal.0, right: horizontal.1, mode: mode.code)
  }
}
