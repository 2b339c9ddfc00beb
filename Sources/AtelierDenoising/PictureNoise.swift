// How noisy a picture is, for a network that reads it: one deviation, or a map of them.

import AtelierImages
import AtelierVision
import AtelierWorkbench
import AtelierZoo

/// The noise that a denoiser works with, of a whole picture or of one tile.
struct PictureNoise {
  /// The deviation everywhere, of 255; 0 where there is a map.
  var sigma: Float = 0
  /// Deviations in units of [0, 1]: of a picture one for each block, of a tile one a pixel.
  var map: FloatImage?

  /// A tile's part of a picture's noise, times a strength.
  ///
  /// Between the middles of its blocks the map is bilinear, beyond the outer ones it stays, as in
  /// training. Precondition: the tile begins at the corner of a block.
  func tile(x: Int, y: Int, _ size: PixelSize, strength: Float) -> PictureNoise {
    guard let map else { return PictureNoise(sigma: sigma * strength) }
    let columns = Self.weights(from: x, count: size.width, of: map.width)
    let rows = Self.weights(from: y, count: size.height, of: map.height)
    let samples = map.samples
    var values: [Float] = []
    values.reserveCapacity(size.width * size.height)
    samples.withUnsafeBufferPointer { samples in
      for row in rows {
        let (above, below) = (row.low * map.width, row.high * map.width)
        for column in columns {
          let upper =
            samples[above + column.low]
            + column.share * (samples[above + column.high] - samples[above + column.low])
          let lower =
            samples[below + column.low]
            + column.share * (samples[below + column.high] - samples[below + column.low])
          values.append(strength * (upper + row.share * (lower - upper)))
        }
      }
    }
    return PictureNoise(
      map: FloatImage(width: size.width, height: size.height, channels: 1, samples: values))
  }

  /// The two blocks between whose middles a pixel lies, and the share of the second.
  private struct Between {
    let low: Int
    let high: Int
    let share: Float
  }

  private static func weights(from start: Int, count: Int, of blocks: Int) -> [Between] {
    (start..<start + count).map { pixel in
      let place = (Float(pixel) + 0.5) / Float(BlindUNet.levelBlock) - 0.5
      let low = place.rounded(.down)
      return Between(
        low: min(max(Int(low), 0), blocks - 1), high: min(max(Int(low) + 1, 0), blocks - 1),
        share: place - low)
    }
  }

  /// A tile's noise turned as the tile is.
  func oriented(_ orientation: Orientation) -> PictureNoise {
    PictureNoise(sigma: sigma, map: map?.oriented(orientation))
  }
}

extension NoiseProfile {
  /// The deviation that rounding and compression leave in flat parts, of 255: no noise of a camera.
  private static let quantization: Float = 0.9
  /// How many times the network's own estimate may be exceeded: it takes for texture what a camera
  /// has smoothed.
  private static let mostBeyondEstimate: Float = 2.1

  /// How many times stronger the noise is at edges and in texture than in flat parts: 1 where it is
  /// white, 2.8 where neighbours are alike, because a camera that smoothed it spared those.
  private var hiddenFactor: Float {
    1 + 1.8 * min(max((autocorrelation[1] - 0.15) / 0.5, 0), 1)
  }

  /// How noisy each part of a picture is, in units of [0, 1]: what flat parts of the same brightness
  /// say, because a camera's noise depends on brightness and not on what is shown, limited by what
  /// the network sees (`estimate`), because texture everywhere looks like noise to flat parts.
  func noiseMap<Sample: ImageSample>(
    of image: Image<Sample>, estimate: FloatImage
  ) -> FloatImage {
    guard isKnown else { return estimate }
    let block = BlindUNet.levelBlock
    var map = estimate
    // The variances by brightness, once for each of 256.
    let tables = channels.indices.map { channel in
      (0..<256).map { sigma(channel: channel, at: Float($0)).map { $0 * $0 } }
    }
    let factor = hiddenFactor / 255
    image.samples.withUnsafeBufferPointer { samples in
      for row in 0..<map.height {
        for column in 0..<map.width {
          let rows = row * block..<min((row + 1) * block, image.height)
          let columns = column * block..<min((column + 1) * block, image.width)
          var (energy, count): (Float, Float) = (0, 0)
          for channel in tables.indices {
            var sum: Float = 0
            for y in rows {
              for x in columns {
                sum += samples[(y * image.width + x) * image.channels + channel].unit
              }
            }
            let brightness = 255 * sum / Float(rows.count * columns.count)
            guard let level = tables[channel][Int(min(max(brightness, 0), 255).rounded())]
            else { continue }
            energy += level
            count += 1
          }
          let index = row * map.width + column
          let square = energy / max(count, 1) - Self.quantization * Self.quantization
          map.samples[index] = min(
            Self.mostBeyondEstimate * map.samples[index], factor * max(square, 0).squareRoot())
        }
      }
    }
    return map
  }
}

extension Denoiser.Options {
  /// The noise that a denoiser is to work with: as given, as the model sees it, or as `estimate`
  /// says.
  func noise<Sample: ImageSample>(
    for denoiser: Denoiser, _ image: Image<Sample>, estimate: () throws -> Float
  ) throws -> PictureNoise {
    if let sigma { return PictureNoise(sigma: sigma) }
    if denoiser.hasNoiseMap, let noiseMap { return PictureNoise(map: noiseMap) }
    if denoiser.estimatesNoise { return PictureNoise(map: try denoiser.noiseMap(of: image)) }
    return PictureNoise(sigma: try estimate())
  }
}
