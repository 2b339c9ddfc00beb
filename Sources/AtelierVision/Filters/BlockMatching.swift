// Denoising by block matching and collaborative filtering (BM3D), which needs no training.
//
// Dabov, Foi, Katkovnik, Egiazarian: Image Denoising by Sparse 3-D Transform-Domain Collaborative
// Filtering (2007). Similar blocks are stacked, and the stack is transformed along all three axes:
// what the blocks have in common ends in few large coefficients, noise stays spread over all.
// A first pass drops the small coefficients; a second one finds better groups in the first one's
// result and weighs each coefficient by what that result says of it (Wiener 1949).

import AtelierImages
import AtelierKernels

/// Takes white Gaussian noise of a known deviation out of pictures.
public enum BlockMatching {
  /// The picture without noise of deviation `sigma` (of 255, at least 0), of the same size and
  /// channels; alpha is kept as it is.
  ///
  /// Values are nominally in [0, 1], may lie outside it by noise, and are not clipped. Colour goes
  /// through an orthonormal luminance and two differences; the luminance alone says which blocks
  /// are similar (the paper's section on colour). The bits do not depend on the pool's threads.
  /// - Precondition: sigma is finite and not negative.
  public static func denoised(
    _ image: FloatImage, sigma: Float, pool: ThreadPool = .shared
  ) -> FloatImage {
    precondition(sigma >= 0 && sigma < .infinity, "a deviation is finite and not negative")
    guard sigma > 0 else { return image }
    let profile = BlockMatchingProfile(sigma: sigma)
    let noisy = BlockMatchingPlanes(image, leastSide: profile.largestBlock)
    let first = BlockMatchingPass(profile.first, sigma: sigma, noisy: noisy, guide: noisy)
    let basic = first.run(on: pool)
    let second = BlockMatchingPass(profile.second, sigma: sigma, noisy: noisy, guide: basic)
    return second.run(on: pool).image(like: image)
  }
}

/// The paper's normal profile (its table 1): how the two passes work at a noise level.
struct BlockMatchingProfile: Sendable {
  /// How one pass finds similar blocks and filters them.
  struct Pass: Sendable {
    /// What happens to the coefficients of a group.
    enum Shrinkage: Sendable {
      /// Those below this multiple of the noise's deviation become zero.
      case hardThreshold(Float)
      /// Each is weighed by the energy that the guide has there.
      case wiener
    }

    /// The transform of a block, which also says its side.
    var transform: BlockTransform
    var shrinkage: Shrinkage
    /// Pixels between reference blocks.
    var step: Int
    /// Blocks that start up to this far from the reference, in each direction, are compared.
    var reach = 19
    /// The most blocks of a group, a power of two.
    var groupSize: Int
    /// The largest mean squared difference of similar blocks, in squared units of 8-bit values.
    var largestDifference: Float
    /// The Kaiser window's beta, which lets a block's middle count more than its border.
    var windowBeta = 2.0
  }

  var first: Pass
  var second: Pass
  /// The larger of the two block sides.
  var largestBlock: Int { max(first.transform.side, second.transform.side) }

  /// The settings for noise of deviation `sigma`, of 255.
  init(sigma: Float) {
    if sigma <= 40 {
      first = Pass(
        transform: .biorthogonal(side: 8), shrinkage: .hardThreshold(2.7), step: 3, groupSize: 16,
        largestDifference: 2500)
      second = Pass(
        transform: .cosine(side: 8), shrinkage: .wiener, step: 3, groupSize: 32,
        largestDifference: 400)
    } else {
      // In strong noise the paper compares coefficients of larger blocks; more and looser matches
      // of pixels do better (Hou, Zhao, Yang, Cheng: Comments on "Image Denoising by Sparse 3-D
      // Transform-Domain Collaborative Filtering", 2011), and so have the published figures.
      first = Pass(
        transform: .biorthogonal(side: 8), shrinkage: .hardThreshold(2.8), step: 4, groupSize: 32,
        largestDifference: 25000)
      second = Pass(
        transform: .cosine(side: 11), shrinkage: .wiener, step: 6, groupSize: 32,
        largestDifference: 3500)
    }
  }
}
