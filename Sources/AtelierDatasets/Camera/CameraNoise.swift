// The noise of a camera's files: photons and reading on the sensor, then all that a camera does.
//
// Brooks and others: Unprocessing Images for Learned Raw Denoising (2019); Guo, Yan, Zhang, Zuo,
// Zhang: Toward Convolutional Blind Denoising of Real Photographs (2019); Zhang and others:
// Practical Blind Image Denoising via Swin-Conv-UNet and Data Synthesis (2023).

import AtelierImages
import Foundation

/// One shot of one camera, drawn at random: colours, sensor, processing and file.
struct CameraNoise {
  /// The side of what the sensor sees over that of what it is enlarged from, at least 1.
  private let zoom: Float
  /// The side of the sensor's picture over that of the file's; below 1 the camera enlarges.
  private let reduction: Float
  private let demosaicking: Demosaicking
  private let phase: (x: Int, y: Int)
  private let colors: CameraColors
  /// The variance of a raw value v is shot · v + reading.
  private let shot: Float
  private let reading: Float
  private let isGray: Bool
  private let processing: CameraProcessing
  private let compressions: [BlockCompression]

  /// Draws a shot whose noise has the deviation `sigma`, of 255, in a mid gray of the file before
  /// colours are filled in.
  init(sigma: Float, using source: inout NormalSource) {
    let softens = source.uniform() < 0.6
    zoom = softens ? 1 + source.uniform() : 1
    let change = source.uniform()
    let amount = source.uniform()
    reduction = change < 0.2 ? 1.25 + 0.75 * amount : change < 0.4 ? 0.6 + 0.4 * amount : 1
    // Means of neighbours leave coloured fringes at sharp edges, which no one should learn to keep.
    let isBilinear = source.uniform() < 0.5 && zoom * reduction > 1.4
    demosaicking = isBilinear ? .bilinear : .directed
    phase = (source.index(below: 2), source.index(below: 2))
    colors = CameraColors(using: &source, normal: source.oneNormal())
    processing = CameraProcessing(sigma: sigma / 255, using: &source)
    // A camera smooths where it has more to smooth.
    let raw = processing.excess * sigma / 255 * colors.curve.slopeAtMidGray / colors.gains.y
    let share = 0.005 * pow(40, source.uniform())
    reading = share * raw * raw
    shot = (1 - share) * raw * raw * colors.gains.y / colors.curve.midGray
    isGray = source.uniform() < 0.08
    compressions = Self.compressions(using: &source)
  }

  /// None for a lossless file, one, or a second one of something that was saved again.
  private static func compressions(using source: inout NormalSource) -> [BlockCompression] {
    let kind = source.uniform()
    let quality = source.uniform()
    let again = source.uniform()
    guard kind > 0.15 else { return [] }
    let first = kind < 0.3 ? 40 + Int(45 * quality) : 85 + Int(16 * quality)
    var list = [
      BlockCompression(
        quality: min(first, 100), halvesColor: source.uniform() < 0.5,
        offset: (source.index(below: 16), source.index(below: 16)))
    ]
    if again < 0.3 {
      list.append(
        BlockCompression(
          quality: 90 + source.index(below: 11), halvesColor: false,
          offset: (source.index(below: 16), source.index(below: 16))))
    }
    return list
  }

  /// Replaces a clean patch by a noisy file's (`noisy`) and by what the same camera would have
  /// given without noise and without the file's loss (`clean`).
  ///
  /// Both hold [height, width, channels] values; `clean` holds the patch. Noisy values come out as
  /// 8 bits hold them.
  func expose(
    clean: UnsafeMutableBufferPointer<Float>, noisy: UnsafeMutableBufferPointer<Float>, width: Int,
    height: Int, channels: Int, using source: inout NormalSource
  ) {
    var scene = seen(clean, width: width, height: height, channels: channels)
    colors.unprocess(&scene)
    let mosaic = BayerMosaic(scene, phase: phase)
    var noise = mosaic
    addNoise(to: &noise.values, &source)
    let target = picture(mosaic, width: width, height: height)
    var result = picture(noise, width: width, height: height)
    for compression in compressions { compression.apply(to: &result) }
    target.write(to: clean, channels: channels)
    result.write(to: noisy, channels: channels)
    for index in noisy.indices {
      noisy[index] = (min(max(noisy[index], 0), 1) * 255).rounded() / 255
    }
  }

  /// The patch at the size of the sensor, softer than a reduced photograph is.
  private func seen(
    _ patch: UnsafeMutableBufferPointer<Float>, width: Int, height: Int, channels: Int
  ) -> ColorPlanes {
    guard zoom != 1 || reduction != 1 else {
      return ColorPlanes(
        interleaved: UnsafeBufferPointer(patch), width: width, height: height, channels: channels)
    }
    let size = (
      x: max(Int((Float(width) / zoom).rounded()), 1),
      y: max(Int((Float(height) / zoom).rounded()), 1)
    )
    let sensor = (
      x: Int((Float(width) * reduction).rounded()), y: Int((Float(height) * reduction).rounded())
    )
    let image = FloatImage(
      width: width, height: height, channels: channels, samples: Array(patch)
    ).cropped(
      x: (width - size.x) / 2, y: (height - size.y) / 2, width: size.x, height: size.y
    ).resized(width: sensor.x, height: sensor.y, filter: .bicubic)
    return image.samples.withUnsafeBufferPointer {
      ColorPlanes(interleaved: $0, width: sensor.x, height: sensor.y, channels: channels)
    }
  }

  private func addNoise(to values: inout [Float], _ source: inout NormalSource) {
    var local = source
    Ziggurat.edges.withUnsafeBufferPointer { table in
      guard let edges = table.baseAddress else { return }
      values.withUnsafeMutableBufferPointer { values in
        for index in values.indices {
          let variance = shot * max(values[index], 0) + reading
          values[index] += variance.squareRoot() * local.normal(edges)
        }
      }
    }
    source = local
  }

  /// What the camera makes of a mosaic, at the file's size.
  private func picture(_ mosaic: BayerMosaic, width: Int, height: Int) -> ColorPlanes {
    var planes = mosaic.demosaicked(demosaicking)
    colors.develop(&planes)
    planes.toLuminance()
    if isGray {
      for index in planes.area..<3 * planes.area { planes.values[index] = 0 }
    }
    processing.apply(to: &planes)
    planes.fromLuminance()
    guard planes.width != width || planes.height != height else { return planes }
    var result = ColorPlanes(width: width, height: height)
    for channel in 0..<3 {
      let plane = FloatImage(
        width: planes.width, height: planes.height, channels: 1,
        samples: Array(planes.values[channel * planes.area..<(channel + 1) * planes.area])
      ).resized(width: width, height: height, filter: reduction > 1 ? .area : .bicubic)
      result.values.replaceSubrange(
        channel * result.area..<(channel + 1) * result.area, with: plane.samples)
    }
    return result
  }
}

/// What a camera does to a developed picture: it is smoothed, sharpened, and its grain cored.
struct CameraProcessing {
  /// How many times stronger the sensor's noise is than without smoothing.
  let excess: Float
  /// The difference from a pixel that halves the square root of a neighbour's weight in an average
  /// that spares edges, in [0, 1]; 0 for no such average.
  private let edgeRange: Float
  /// Passes of a 3×3 binomial over the colour differences.
  private let colorPasses: Int
  /// Passes of the same over the luminance.
  private let lightPasses: Int
  /// What is added of the luminance's detail behind that.
  private let sharpening: Float
  /// The detail that is halved, smaller is suppressed; 0 for none.
  private let coring: Float

  init(sigma: Float, using source: inout NormalSource) {
    let sparesEdges = source.uniform() < 0.55
    let (strength, range) = (source.uniform(), source.uniform())
    excess = sparesEdges ? 1 + 3 * strength : 1
    edgeRange = sparesEdges ? excess * sigma * (1 + 2 * range) : 0
    colorPasses = source.uniform() < 0.5 ? 0 : 1 + source.index(below: 5)
    let passes = source.uniform()
    lightPasses = passes < 0.3 ? 0 : passes < 0.6 ? 1 : passes < 0.85 ? 2 : 3
    let sharpens = source.uniform() < 0.45
    let amount = source.uniform()
    sharpening = sharpens ? 1.2 * amount : 0
    let cores = source.uniform() < 0.15
    coring = cores ? sigma * (0.2 + 0.6 * source.uniform()) : 0
  }

  /// Changes luminance and colour differences.
  func apply(to planes: inout ColorPlanes) {
    let area = planes.area
    if edgeRange > 0 { averageSparingEdges(&planes) }
    for channel in 0..<3 {
      for _ in 0..<(channel == 0 ? lightPasses : colorPasses) {
        let smooth = Self.blurred(planes, channel)
        planes.values.replaceSubrange(channel * area..<(channel + 1) * area, with: smooth)
      }
    }
    guard sharpening != 0 || coring != 0 else { return }
    let smooth = Self.blurred(planes, 0)
    for index in 0..<area {
      var detail = planes.values[index] - smooth[index]
      if coring > 0 { detail *= detail * detail / (detail * detail + coring * coring) }
      planes.values[index] = smooth[index] + (1 + sharpening) * detail
    }
  }

  /// Replaces each pixel by a mean of 5×5 in which pixels of another luminance hardly count.
  ///
  /// Tomasi, Manduchi: Bilateral Filtering for Gray and Color Images (1998), with weights that need
  /// no exponentials. What is left of noise is weak and coarse where the picture is flat, and strong
  /// at edges and in texture.
  private func averageSparingEdges(_ planes: inout ColorPlanes) {
    let (width, height, area) = (planes.width, planes.height, planes.area)
    let inverse = 1 / (edgeRange * edgeRange)
    var result = planes.values
    planes.values.withUnsafeBufferPointer { values in
      for row in 0..<height {
        for column in 0..<width {
          let center = values[row * width + column]
          var (sum, weights) = (SIMD3<Float>.zero, Float(0))
          for y in max(row - 2, 0)...min(row + 2, height - 1) {
            for x in max(column - 2, 0)...min(column + 2, width - 1) {
              let place = y * width + x
              let difference = values[place] - center
              let share = 1 / (1 + difference * difference * inverse)
              let weight = share * share
              sum += weight * SIMD3(values[place], values[area + place], values[2 * area + place])
              weights += weight
            }
          }
          let place = row * width + column
          for channel in 0..<3 { result[channel * area + place] = sum[channel] / weights }
        }
      }
    }
    planes.values = result
  }

  /// A plane under the 3×3 binomial, edges repeated.
  private static func blurred(_ planes: ColorPlanes, _ channel: Int) -> [Float] {
    let (width, height) = (planes.width, planes.height)
    let first = channel * planes.area
    var rows = [Float](repeating: 0, count: planes.area)
    var result = rows
    planes.values.withUnsafeBufferPointer { values in
      for row in 0..<height {
        let start = first + row * width
        for column in 0..<width {
          let left = values[start + max(column - 1, 0)]
          let right = values[start + min(column + 1, width - 1)]
          rows[row * width + column] = (left + 2 * values[start + column] + right) / 4
        }
      }
    }
    rows.withUnsafeBufferPointer { rows in
      for row in 0..<height {
        let above = max(row - 1, 0) * width
        let below = min(row + 1, height - 1) * width
        for column in 0..<width {
          result[row * width + column] =
            (rows[above + column] + 2 * rows[row * width + column] + rows[below + column]) / 4
        }
      }
    }
    return result
  }
}

extension NormalSource {
  /// A whole number in 0..<count.
  mutating func index(below count: Int) -> Int { min(Int(uniform() * Float(count)), count - 1) }

  /// A normal number, one by itself.
  mutating func oneNormal() -> Float {
    Ziggurat.edges.withUnsafeBufferPointer { table in
      table.baseAddress.map { normal($0) } ?? 0
    }
  }
}
