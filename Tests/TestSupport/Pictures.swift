// Pictures that tests of several modules share: drawn scenes, noise, waves of colour, and how two pictures differ.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierScenery
import Foundation

/// A scene in gray or colour.
public func scene(
  _ kind: SceneKind, width: Int = 96, height: Int = 64, seed: UInt64 = 1, isGray: Bool = true
) throws -> ByteImage {
  let image = try SampleScenes.render(kind, width: width, height: height, seed: seed).bytes
  return isGray ? image.gray : image.rgb
}

/// One picture of every scene, 256×192 in gray, rendered once.
private let everyScene = Result {
  try SceneKind.allCases.map { try scene($0, width: 256, height: 192) }
}

/// One picture of every scene, 256×192 in gray.
public func allScenes() throws -> [ByteImage] { try everyScene.get() }

/// A colour picture of floats: waves with some noise, other colours for other seeds.
public func colorPicture(_ width: Int, _ height: Int, seed: UInt64) -> FloatImage {
  var generator = RandomGenerator(seed: seed)
  let phase = Float(seed % 7)
  var image = FloatImage(width: width, height: height, channels: 3)
  for y in 0..<height {
    for x in 0..<width {
      for channel in 0..<3 {
        let wave = sin(Float(x) / 9 + phase * Float(channel + 1)) * cos(Float(y) / 7 + phase)
        image[x, y, channel] =
          0.5 + 0.3 * wave + Float.random(in: -0.1...0.1, using: &generator)
      }
    }
  }
  return image
}

/// A picture with protocol noise added, not clipped.
public func noisy(_ image: ByteImage, sigma: Float, seed: UInt64 = 0, index: Int = 0) -> FloatImage
{
  var samples = image.floats.samples
  NoiseModel.addProtocolNoise(to: &samples, sigma: sigma, seed: seed, imageIndex: index)
  return FloatImage(
    width: image.width, height: image.height, channels: image.channels, samples: samples)
}

/// The largest difference of two pictures of one size.
public func largestDifference(_ first: FloatImage, _ second: FloatImage) -> Float {
  zip(first.samples, second.samples).reduce(0) { max($0, abs($1.0 - $1.1)) }
}

/// The root of the mean squared difference of two pictures of one size.
public func rootMeanSquare(_ first: FloatImage, _ second: FloatImage) -> Float {
  let sum = zip(first.samples, second.samples).reduce(Float(0)) {
    $0 + ($1.0 - $1.1) * ($1.0 - $1.1)
  }
  return (sum / Float(first.samples.count)).squareRoot()
}
