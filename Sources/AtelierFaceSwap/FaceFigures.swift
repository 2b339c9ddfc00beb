// Figures of batches of faces: absolute error, PSNR and SSIM.

import AtelierEngine
import AtelierImages
import AtelierWorkbench

/// Figures of two batches of faces of one shape.
enum FaceFigures {
  /// The mean absolute error of all values.
  static func meanAbsoluteError(_ first: Tensor, _ second: Tensor) -> Double {
    let sum = zip(first.elements, second.elements).reduce(0.0) { $0 + Double(abs($1.0 - $1.1)) }
    return sum / Double(max(first.count, 1))
  }

  /// Means over the faces of PSNR in decibels and SSIM, both of 8-bit RGB.
  static func likeness(_ first: Tensor, _ second: Tensor) throws -> (psnr: Double, ssim: Double) {
    var sums = (psnr: 0.0, ssim: 0.0)
    let pairs = zip(first.pictures, second.pictures)
    for (one, other) in pairs {
      sums.psnr += try Metrics.psnr(one, other)
      sums.ssim += try Metrics.ssim(one, other)
    }
    let count = Double(max(first.shape.batch, 1))
    return (sums.psnr / count, sums.ssim / count)
  }
}
