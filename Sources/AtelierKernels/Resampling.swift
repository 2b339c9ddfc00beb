// Bilinear resizing and its scatter form.

import CKernels

extension Kernels {
  /// Resizes bilinearly: x [N, H, W, C] → y [N, H', W', C].
  ///
  /// Pixel centres lie at half coordinates, edges are clamped, and nothing is smoothed before
  /// shrinking.
  public func resizeBilinear(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, batch: Int, inputHeight: Int,
    inputWidth: Int, outputHeight: Int, outputWidth: Int, channels: Int
  ) {
    let g = resizeGeometry(batch, inputHeight, inputWidth, outputHeight, outputWidth, channels)
    forRowBlocks(g, batch * outputHeight, elementsPerRow: outputWidth * channels) {
      spatial.pointee.bilinear($0, $1, $2, x, y)
    }
  }

  /// The gradient (and adjoint) of bilinear resizing: dy [N, H', W', C] → dx [N, H, W, C], all of
  /// it written.
  ///
  /// Every output value is painted on the four pixels it was blended from; contributions add up in
  /// row-major order of the output.
  public func resizeBilinearGradient(
    _ dy: UnsafePointer<Float>, _ dx: UnsafeMutablePointer<Float>, batch: Int, inputHeight: Int,
    inputWidth: Int, outputHeight: Int, outputWidth: Int, channels: Int
  ) {
    let g = resizeGeometry(batch, inputHeight, inputWidth, outputHeight, outputWidth, channels)
    let scale = max(1, outputHeight * outputWidth / max(inputHeight * inputWidth, 1))
    forRowBlocks(g, batch * inputHeight, elementsPerRow: inputWidth * channels * scale) {
      spatial.pointee.bilinear_gradient($0, $1, $2, dy, dx)
    }
  }

  private func resizeGeometry(
    _ batch: Int, _ inputHeight: Int, _ inputWidth: Int, _ outputHeight: Int, _ outputWidth: Int,
    _ channels: Int
  ) -> ck_resize_geometry {
    precondition(
      min(batch, channels) >= 0 && min(inputHeight, inputWidth, outputHeight, outputWidth) >= 1,
      "a resize needs pixels: \(batch) × \(inputHeight) × \(inputWidth) × \(channels) to "
        + "\(outputHeight) × \(outputWidth)")
    return ck_resize_geometry(
      batch: batch, input_height: inputHeight, input_width: inputWidth,
      output_height: outputHeight, output_width: outputWidth, channels: channels)
  }
}
