// A second network where the one for photographs has found much: both together are better than either.

import AtelierImages
import AtelierWorkbench
import AtelierZoo

/// The network for white noise, asked too where the one for photographs has taken much away.
///
/// The photographs' network knows what a clean picture looks like and leaves it nearly as it is, but
/// stops early where the noise is strong; the other one smooths all of it and knows no photograph.
/// How much the first has changed tells real noise from texture better than any estimate, and so does
/// where: noise goes everywhere, texture that was taken for noise goes where little else is. The
/// numbers were chosen on the 100 PolyU crops and 32 clean photographs of the project's measurements.
package struct SecondOpinion {
  /// What came of a picture.
  package struct Weight: Sendable, Hashable, Codable {
    /// The deviation that the second network was told, of 255.
    package let sigma: Float
    /// Its share of the result, above 0 and at most 1.
    package let share: Float
  }

  /// By how much the first result must differ for the second network to be asked, root mean square
  /// of 255, and from where on it has its full share.
  private static let changes: ClosedRange<Float> = 0.5...1.2
  private static let fullShare: Float = 0.8
  /// How many times more may be changed where the result is flat than where it is busy: up to here the
  /// share is full, from there on it is none.
  private static let flatness: ClosedRange<Float> = 1.15...1.35
  /// The second network's deviation where nothing was changed, and for each unit of change.
  private static let (leastSigma, slope): (Float, Float) = (7, 1.5)
  /// Pictures with more pixels go through one of the two networks alone, which a part of them tells.
  static let mostPixels = 4 << 20
  private static let partSide = 1024

  let denoiser: Denoiser
  /// The file of its model.
  let file: String

  /// What the second network is to do after a change; nil for nothing.
  package static func weight(after change: PictureChange) -> Weight? {
    let size = change.rootMeanSquare
    let place = (size - changes.lowerBound) / (changes.upperBound - changes.lowerBound)
    let noise =
      (flatness.upperBound - change.flatness) / (flatness.upperBound - flatness.lowerBound)
    guard place > 0, noise > 0 else { return nil }
    return Weight(
      sigma: leastSigma + slope * size, share: fullShare * min(place, 1) * min(noise, 1))
  }

  /// A picture denoised by `first`, and by this network where that changes much.
  func denoised(
    _ picture: any StoredPicture, by first: Denoiser, _ options: Denoiser.Options
  ) throws -> (picture: any StoredPicture, weight: Weight?) {
    guard let picture = picture as? any StoredPicture & ComparablePicture else {
      return (try picture.denoised(by: first, options), nil)
    }
    return try ask(picture, first, options)
  }

  private func ask<Picture: StoredPicture & ComparablePicture>(
    _ picture: Picture, _ first: Denoiser, _ options: Denoiser.Options
  ) throws -> (picture: any StoredPicture, weight: Weight?) {
    guard picture.size.width * picture.size.height <= Self.mostPixels else {
      return try askOne(picture, first, options)
    }
    let result = try picture.denoised(by: first, options)
    guard let result = result as? Picture,
      let weight = Self.weight(after: picture.change(to: result)),
      let other = try picture.denoised(by: denoiser, told(weight, options)) as? Picture
    else { return (result, nil) }
    return (result.blended(with: other, share: weight.share), weight)
  }

  /// One of the two networks for a large picture, as the middle of it tells.
  private func askOne<Picture: StoredPicture & ComparablePicture>(
    _ picture: Picture, _ first: Denoiser, _ options: Denoiser.Options
  ) throws -> (picture: any StoredPicture, weight: Weight?) {
    let part = picture.middlePart(side: Self.partSide)
    var own = options
    own.noiseMap = options.noiseMap.map { $0.middlePart(of: picture.size, side: Self.partSide) }
    guard let result = try part.denoised(by: first, own) as? Picture,
      let weight = Self.weight(after: part.change(to: result)), weight.share > Self.fullShare / 2
    else { return (try picture.denoised(by: first, options), nil) }
    // A large picture leaves no room for the programs of both.
    first.model.forgetPrograms()
    return (
      try picture.denoised(by: denoiser, told(weight, options)),
      Weight(sigma: weight.sigma, share: 1)
    )
  }

  private func told(_ weight: Weight, _ options: Denoiser.Options) -> Denoiser.Options {
    var own = options
    (own.sigma, own.noiseMap) = (weight.sigma, nil)
    return own
  }
}

/// What a denoiser has changed.
package struct PictureChange: Sendable, Hashable {
  /// The root mean square of the change, of 255.
  package var rootMeanSquare: Float
  /// The change in the flattest quarter of the result's blocks over that in the busiest.
  package var flatness: Float

  package init(rootMeanSquare: Float, flatness: Float) {
    self.rootMeanSquare = rootMeanSquare
    self.flatness = flatness
  }
}

/// A picture that can be compared and blended with another of its kind and size.
package protocol ComparablePicture {
  /// A square of `side` pixels about the middle, smaller where the picture is, whose corner is one
  /// of a block of the noise map.
  func middlePart(side: Int) -> Self
  /// What was changed of its colours.
  func change(to other: Self) -> PictureChange
  /// This picture with a share of another; where both are the same nothing changes.
  func blended(with other: Self, share: Float) -> Self
}

extension Image: ComparablePicture {
  package func middlePart(side: Int) -> Image {
    let place = MiddlePart(size, side: side)
    return cropped(x: place.x, y: place.y, width: place.width, height: place.height)
  }

  package func change(to other: Image) -> PictureChange {
    let colors = hasAlpha ? channels - 1 : channels
    let side = 8
    var blocks: [(change: Float, variance: Float)] = []
    samples.withUnsafeBufferPointer { before in
      other.samples.withUnsafeBufferPointer { after in
        for top in stride(from: 0, to: height, by: side) {
          for left in stride(from: 0, to: width, by: side) {
            let (rows, columns) = (top..<min(top + side, height), left..<min(left + side, width))
            let count = Float(rows.count * columns.count)
            var (change, variance): (Float, Float) = (0, 0)
            for channel in 0..<colors {
              var (sum, squares): (Float, Float) = (0, 0)
              for y in rows {
                for x in columns {
                  let index = (y * width + x) * channels + channel
                  let value = 255 * after[index].unit
                  let difference = value - 255 * before[index].unit
                  change += difference * difference
                  sum += value
                  squares += value * value
                }
              }
              variance += squares / count - (sum / count) * (sum / count)
            }
            blocks.append((change / count / Float(colors), variance))
          }
        }
      }
    }
    blocks.sort { $0.variance < $1.variance }
    func mean(_ part: ArraySlice<(change: Float, variance: Float)>) -> Float {
      part.reduce(0) { $0 + $1.change } / Float(max(part.count, 1))
    }
    let quarter = max(blocks.count / 4, 1)
    let (flat, busy) = (mean(blocks.prefix(quarter)), mean(blocks.suffix(quarter)))
    return PictureChange(
      rootMeanSquare: mean(blocks[...]).squareRoot(),
      flatness: busy > 0 ? (flat / busy).squareRoot() : flat > 0 ? .infinity : 1)
  }

  package func blended(with other: Image, share: Float) -> Image {
    var result = self
    result.samples.withUnsafeMutableBufferPointer { target in
      other.samples.withUnsafeBufferPointer { source in
        for index in target.indices where target[index] != source[index] {
          let (own, its) = (target[index].unit, source[index].unit)
          target[index] = Sample(unit: own + share * (its - own))
        }
      }
    }
    return result
  }
}

/// Where the middle part of a picture lies.
private struct MiddlePart {
  let (x, y, width, height): (Int, Int, Int, Int)

  init(_ size: PixelSize, side: Int) {
    let block = 16
    x = max(0, size.width - side) / 2 / block * block
    y = max(0, size.height - side) / 2 / block * block
    width = min(side, size.width)
    height = min(side, size.height)
  }
}

extension FloatImage {
  /// The blocks of a noise map that belong to the middle part of its picture.
  fileprivate func middlePart(of size: PixelSize, side: Int) -> FloatImage {
    let place = MiddlePart(size, side: side)
    let block = BlindUNet.levelBlock
    return cropped(
      x: place.x / block, y: place.y / block, width: (place.width + block - 1) / block,
      height: (place.height + block - 1) / block)
  }
}
