// A swapped face goes back into its frame: colours, sharpness, mask, blend.

import AtelierImages
import Foundation

/// How a swapped face is laid into its frame.
///
/// All mixing happens on the sRGB-encoded values of the file, as the eye judges seams there;
/// `ColorTransfer.reinhard` alone goes through linear light. The same pictures give the same bytes.
public struct FaceCompositor: Sendable, Hashable, Codable {
  /// How face and frame are joined.
  public enum Blending: String, Sendable, CaseIterable, Codable {
    /// Mixed by the mask.
    case feather
    /// Poisson cloning within the mask, then mixed by it.
    case seamless
  }

  /// How the face gets the frame's colours.
  public var colorTransfer: ColorTransfer
  /// The part of the crop that is pasted.
  public var mask: FaceMask
  /// How far the mask is made smaller, as part of the crop's width, in −0.5...0.5; negative makes
  /// it larger.
  public var erosion: Float
  /// The radius of the mask's soft edge, as part of the crop's width, in 0...0.5.
  public var feather: Float
  /// How face and frame are joined.
  public var blending: Blending
  /// The amount of the unsharp mask, 0 for none.
  public var sharpening: Float
  /// The unsharp mask's deviation in pixels of the frame.
  public var sharpeningSigma: Float

  /// Describes how a face is laid into its frame.
  public init(
    colorTransfer: ColorTransfer = .reinhard, mask: FaceMask = .ellipse, erosion: Float = 0,
    feather: Float = 0.06, blending: Blending = .feather, sharpening: Float = 0,
    sharpeningSigma: Float = 1
  ) {
    self.colorTransfer = colorTransfer
    self.mask = mask
    self.erosion = erosion
    self.feather = feather
    self.blending = blending
    self.sharpening = sharpening
    self.sharpeningSigma = sharpeningSigma
  }

  /// The side below which masks are made larger than the face, so that parts of a pixel count.
  private static let smallestMask = 128

  /// The mask of a crop of a positive size, refined, one channel in [0, 1]; `learned`, of any size,
  /// is the network's for `FaceMask.learned`.
  public func refinedMask(width: Int, height: Int, learned: FloatImage? = nil) -> FloatImage {
    func pixels(_ part: Float) -> Int {
      Int((max(-0.5, min(0.5, part.isFinite ? part : 0)) * Float(width)).rounded())
    }
    return mask.picture(width: width, height: height, learned: learned)
      .eroded(radius: pixels(erosion)).feathered(radius: max(0, pixels(feather)))
  }

  /// Lays a face into a frame, where it touches it; only pixels under the mask change.
  ///
  /// - Parameters:
  ///   - face: The swapped crop, RGB in [0, 1], of any size.
  ///   - learned: The network's mask, for `FaceMask.learned`.
  ///   - frame: The picture, RGB or RGB with alpha, of any samples.
  ///   - map: From the frame's coordinates to the crop's, in pixels of `face`: the 2×3 matrix by
  ///     which the crop was cut out.
  /// - Returns: Whether the face touches the frame.
  /// - Throws: `ImageError` when channels do not fit or the matrix has no inverse.
  @discardableResult
  public func composite<Sample: ImageSample>(
    _ face: FloatImage, learnedMask learned: FloatImage? = nil, into frame: inout Image<Sample>,
    map: AffineMap
  ) throws -> Bool {
    guard face.channels == 3, frame.channels >= 3 else {
      throw ImageError(
        .argument, name: "face and frame", expected: "a face of 3 channels and a frame of 3 or 4",
        received: "\(face.channels) and \(frame.channels)")
    }
    guard let back = map.inverse else {
      throw ImageError(
        .argument, name: "alignment", expected: "a 2x3 matrix with an inverse",
        received: "\(map.elements)")
    }
    guard let touched = back.touched(width: face.width, height: face.height, within: frame.size)
    else { return false }
    // One more pixel around, where there is one: the edge that Poisson cloning joins.
    let columns = max(0, touched.x.lowerBound - 1)..<min(frame.width, touched.x.upperBound + 1)
    let rows = max(0, touched.y.lowerBound - 1)..<min(frame.height, touched.y.upperBound + 1)
    let background = frame.cropped(
      x: columns.lowerBound, y: rows.lowerBound, width: columns.count, height: rows.count
    ).rgb.floats
    let local = AffineMap.scaling(
      1, x: Double(columns.lowerBound), y: Double(rows.lowerBound)
    ).followed(by: map)
    let weights = sampledMask(face.size, learned, local, background.size)
    var layer = face.sampled(
      through: local, width: background.width, height: background.height, interpolation: .bicubic)
    layer = try colorTransfer.apply(to: layer, matching: background, mask: weights)
    layer = layer.unsharpMasked(amount: sharpening, sigma: sharpeningSigma)
    if blending == .seamless {
      layer = try SeamlessCloning.clone(
        layer, onto: background, within: weights, threshold: 1 / 255)
    }
    Self.mix(layer, weights, into: &frame, x: columns.lowerBound, y: rows.lowerBound)
    return true
  }

  /// The refined mask as the frame sees it; 0 beyond the crop.
  private func sampledMask(
    _ face: PixelSize, _ learned: FloatImage?, _ map: AffineMap, _ size: PixelSize
  ) -> FloatImage {
    let factor = max(1, (Self.smallestMask + face.width - 1) / face.width)
    // A border of zeros, so that reading beyond the crop gives 0.
    let mask = refinedMask(
      width: face.width * factor, height: face.height * factor, learned: learned)
    var framed = FloatImage(width: mask.width + 2, height: mask.height + 2, channels: 1)
    framed.paste(mask, x: 1, y: 1)
    // One reading a pixel: pixels whose centre is beyond the mask stay untouched.
    return framed.sampled(
      through: map.followed(by: .scaling(Double(factor), x: 1, y: 1)), width: size.width,
      height: size.height, isAntialiased: false)
  }

  private static func mix<Sample: ImageSample>(
    _ layer: FloatImage, _ weights: FloatImage, into frame: inout Image<Sample>, x: Int, y: Int
  ) {
    let (width, channels) = (frame.width, frame.channels)
    frame.samples.withUnsafeMutableBufferPointer { target in
      layer.samples.withUnsafeBufferPointer { layer in
        weights.samples.withUnsafeBufferPointer { mask in
          for row in 0..<weights.height {
            for column in 0..<weights.width {
              let pixel = row * weights.width + column
              let weight = mask[pixel]
              guard weight > 0 else { continue }
              let place = ((y + row) * width + x + column) * channels
              for channel in 0..<3 {
                let old = target[place + channel].unit
                target[place + channel] = Sample(
                  unit: old + weight * (layer[pixel * 3 + channel] - old))
              }
            }
          }
        }
      }
    }
  }
}
