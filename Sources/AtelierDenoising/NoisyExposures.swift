// Pictures that are noisy as they come: what a training without clean pictures learns from and is
// judged by.

import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierTraining
import AtelierVision
import AtelierWorkbench
import Foundation

/// A noisy picture and, where there is one, what should come of it.
struct NoisyExposure {
  /// The side of the middle of a picture that a validation looks at.
  static let side = 192

  let noisy: FloatImage
  let target: FloatImage?

  /// The middle of a noisy picture and of what should come of it, of the same size.
  init(_ noisy: ImageFolder.Item, target: ImageFolder.Item?) {
    self.noisy = noisy.floats.middle(Self.side)
    self.target = target.map { $0.floats.middle(Self.side) }
  }

  /// The pictures of the same names as those of a folder, one for each, in the same order; throws
  /// `StudioError` for one that is not there or has another size.
  static func targets(
    of folder: ImageFolder, in places: [String], scale: Double
  ) throws -> ImageFolder {
    let isOneFile = places.count == 1 && folder.items.count == 1
    let files = try folder.items.map { item -> String in
      var isFolder: ObjCBool = false
      if isOneFile, FileManager.default.fileExists(atPath: places[0], isDirectory: &isFolder),
        !isFolder.boolValue
      {
        return places[0]
      }
      for place in places {
        if let file = PicturePair.file(named: item.name, in: place) { return file }
      }
      throw StudioError(
        .data,
        "\(item.name): there is no picture of that name in \(places.joined(separator: ", "))")
    }
    let targets = try ImageFolder(
      files.map { URL(fileURLWithPath: $0) }, mode: folder.mode, scale: scale)
    for ((item, target), file) in zip(zip(folder.items, targets.items), files) {
      try StudioError.unless(
        item.image.size == target.image.size, .data,
        "\(file): \(target.image.size), but \(item.name) has \(item.image.size)")
    }
    return targets
  }

  /// The radius of blind spots that the noise of a folder's pictures asks for: as far as it is
  /// correlated, by the median over a few of them.
  static func blindRadius(for folder: ImageFolder) -> Int {
    let lengths = folder.items.prefix(8).map {
      NoiseProfile(of: $0.image.middle(512)).correlationLength
    }.sorted()
    return min(lengths.isEmpty ? 0 : lengths[lengths.count / 2] - 1, BlindSpots.mostRadius / 2)
  }
}

/// What noisy pictures say of the weights of a denoiser.
struct ExposureJudgement {
  /// A picture, what the denoiser makes of it, and the figure of it.
  struct Row {
    let exposure: NoisyExposure
    let result: FloatImage
    let psnr: Double
  }

  let rows: [Row]
  private let figureName: String

  /// Denoises every picture and compares: with what should come out where that is known, else its
  /// guesses of hidden pixels with the noisy pixels themselves.
  ///
  /// The latter never gets above the noise's own level, but grows with what it should grow with.
  init(
    _ exposures: [NoisyExposure], by denoiser: Denoiser, spots: BlindSpots, seed: UInt64
  ) throws {
    var options = Denoiser.Options()
    options.sigma = 0
    figureName = exposures.first?.target == nil ? DenoisingTask.blindFigure : "psnr"
    rows = try exposures.enumerated().map { index, exposure in
      let result = try denoiser.denoise(exposure.noisy, options)
      if let target = exposure.target {
        return Row(
          exposure: exposure, result: result, psnr: try Metrics.psnr(target.bytes, result.bytes))
      }
      let noisy = exposure.noisy
      let tensor = Tensor(
        [1, noisy.height, noisy.width, noisy.channels], noisy.samples)
      let (hidden, mask) = spots.hide(tensor, seed: seed, step: index)
      let guesses = try denoiser.denoise(
        FloatImage(
          width: noisy.width, height: noisy.height, channels: noisy.channels,
          samples: hidden.elements), options)
      var (sum, count) = (0.0, 0.0)
      for index in noisy.samples.indices where mask.elements[index] > 0 {
        let difference = Double(guesses.samples[index] - noisy.samples[index])
        sum += difference * difference
        count += 1
      }
      return Row(exposure: exposure, result: result, psnr: -10 * log10(max(sum / count, 1e-12)))
    }
  }

  /// The mean figure, and noisy ∣ denoised ∣ wanted of the first pictures.
  var validation: Validation {
    let mean = rows.reduce(0) { $0 + $1.psnr } / Double(max(rows.count, 1))
    let rows = rows
    return Validation([figureName: mean]) {
      let hasTarget = rows.first?.exposure.target != nil
      let cells = try rows.prefix(4).map { row -> [PictureGrid.Cell] in
        let noisy = row.exposure.noisy.bytes
        guard let target = row.exposure.target?.bytes else {
          return [PictureGrid.Cell(noisy), PictureGrid.Cell(row.result.bytes)]
        }
        return [
          PictureGrid.Cell(
            noisy, caption: DenoisingTask.caption(try Metrics.psnr(target, noisy))),
          PictureGrid.Cell(row.result.bytes, caption: DenoisingTask.caption(row.psnr)),
          PictureGrid.Cell(target),
        ]
      }
      return PreviewSheet(
        PictureGrid(
          columnTitles: ["noisy", "denoised"] + (hasTarget ? ["wanted"] : []), rows: cells))
    }
  }
}

extension Image {
  /// The middle of the picture, of at most so many pixels a side.
  func middle(_ side: Int) -> Image {
    centerCropped(width: min(width, side), height: min(height, side))
  }
}
