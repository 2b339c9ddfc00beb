// ROI align and its scatter form.

import CKernels

/// The sizes of a ROI align (He and others 2017): boxes on [batch, height, width, channels] are read
/// at a fixed number of bins.
public struct RegionGeometry: Sendable, Hashable {
  /// Images.
  public var batch: Int
  /// Rows of the features.
  public var height: Int
  /// Columns of the features.
  public var width: Int
  /// Channels of the features.
  public var channels: Int
  /// Rows of bins of a region.
  public var outputHeight: Int
  /// Columns of bins of a region.
  public var outputWidth: Int
  /// Points along each side of a bin, 1...8; a bin is their mean.
  public var samples: Int
  /// Pixels of the features in one unit of the boxes.
  public var scale: Float

  /// Describes a ROI align.
  public init(
    batch: Int, height: Int, width: Int, channels: Int, outputHeight: Int, outputWidth: Int,
    samples: Int, scale: Float
  ) {
    self.batch = batch
    self.height = height
    self.width = width
    self.channels = channels
    self.outputHeight = outputHeight
    self.outputWidth = outputWidth
    self.samples = samples
    self.scale = scale
  }

  /// The most points along a side of a bin.
  public static let mostSamples = Int(CK_REGION_SAMPLES)

  fileprivate var checked: ck_region_geometry {
    precondition(
      min(batch, channels) >= 0 && min(height, width, outputHeight, outputWidth) >= 1
        && (1...Self.mostSamples).contains(samples),
      "a ROI align needs pixels, bins and 1...\(Self.mostSamples) samples: \(self)")
    return ck_region_geometry(
      batch: batch, height: height, width: width, channels: channels,
      output_height: outputHeight, output_width: outputWidth, samples: samples, scale: scale)
  }
}

extension Kernels {
  /// Reads regions bilinearly: x [N, H, W, C] and boxes [R, 5] → y [R, h, w, C].
  ///
  /// A box is image, left, top, right, bottom; pixel centres lie at half coordinates (the aligned form). A point up to one pixel
  /// outside reads the edge, one farther away reads 0; a box of an image that is not there gives zeros.
  public func regionAlign(
    _ geometry: RegionGeometry, _ x: UnsafePointer<Float>, boxes: UnsafePointer<Float>,
    regions: Int, _ y: UnsafeMutablePointer<Float>
  ) {
    let points = geometry.outputHeight * geometry.outputWidth * geometry.samples * geometry.samples
    forRowBlocks(geometry.checked, regions, elementsPerRow: points * geometry.channels) {
      spatial.pointee.region_align($0, $1, $2, x, boxes, y)
    }
  }

  /// The gradient (and adjoint) of `regionAlign` to the features: dy [R, h, w, C] → dx [N, H, W, C], all of it written.
  ///
  /// Contributions add up in the order of the boxes. Parts are some channels of one image.
  public func regionAlignGradient(
    _ geometry: RegionGeometry, _ dy: UnsafePointer<Float>, boxes: UnsafePointer<Float>,
    regions: Int, _ dx: UnsafeMutablePointer<Float>
  ) {
    let blocks = (geometry.channels + 31) / 32
    withUnsafePointer(to: geometry.checked) { g in
      pool.parallelFor(geometry.batch * blocks) { index in
        let first = index % blocks * 32
        spatial.pointee.region_align_gradient(
          g, regions, index / blocks, first, min(first + 32, geometry.channels), dy, boxes, dx)
      }
    }
  }
}
