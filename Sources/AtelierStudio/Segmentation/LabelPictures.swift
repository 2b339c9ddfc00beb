// What semantic segmentation found, as pictures: colours, overlay, confidence, palette labels.

import AtelierDatasets
import AtelierImages

/// Draws label maps.
public enum LabelPictures {
  /// The colour of pixels that do not count, in colour pictures.
  static let ignoredColor = PixelColor(0, 0, 0)

  /// A label map with its colours as an indexed picture, whose stored values are the labels.
  ///
  /// - Parameters:
  ///   - labels: Class indices; 255 where nothing counts.
  ///   - palette: The classes.
  /// - Returns: Indices and colours, as a palette PNG has them.
  public static func indexed(_ labels: LabelMap, _ palette: ClassPalette) -> IndexedImage {
    let colors = palette.entries.map { SIMD4($0.color[0], $0.color[1], $0.color[2], 255) }
    let unused = [SIMD4<UInt8>](
      repeating: SIMD4(0, 0, 0, 255), count: max(0, 256 - palette.count))
    let hasIgnored = labels.labels.contains(LabelMap.ignored)
    return IndexedImage(
      indices: ByteImage(
        width: labels.width, height: labels.height, channels: 1, samples: labels.labels),
      palette: hasIgnored ? colors + unused : colors)
  }

  /// A label map in its classes' colours, three channels; black where nothing counts.
  public static func colored(_ labels: LabelMap, _ palette: ClassPalette) -> ByteImage {
    indexed(labels, palette).colored
  }

  /// A picture with the classes' colours laid over it.
  ///
  /// - Parameters:
  ///   - labels: Class indices; where nothing counts the picture stays as it is.
  ///   - palette: The classes.
  ///   - picture: A picture of the labels' size.
  ///   - opacity: 0 (the picture alone) to 1 (the colours alone).
  /// - Returns: Three channels.
  /// - Precondition: the sizes are equal.
  public static func overlay(
    _ labels: LabelMap, _ palette: ClassPalette, on picture: ByteImage, opacity: Float = 0.5
  ) -> ByteImage {
    precondition(labels.size == picture.size, "a picture and labels of two sizes")
    let colors = colored(labels, palette)
    var result = picture.flattened().rgb
    let part = Int((max(0, min(1, opacity)) * 256).rounded())
    result.samples.withUnsafeMutableBufferPointer { target in
      colors.samples.withUnsafeBufferPointer { color in
        for (pixel, label) in labels.labels.enumerated() where label != LabelMap.ignored {
          for index in 3 * pixel..<3 * pixel + 3 {
            target[index] = UInt8(
              (Int(target[index]) * (256 - part) + Int(color[index]) * part + 128) >> 8)
          }
        }
      }
    }
    return result
  }

  /// Probabilities as a gray picture, 255 for certainty.
  public static func confidence(_ values: FloatImage) -> ByteImage { values.bytes }

  /// Picture ∣ truth ∣ prediction ∣ confidence of one picture.
  static func previewRow(
    _ item: SegmentedImage, _ segmenter: Segmenter
  ) throws -> [PictureGrid.Cell] {
    let found = try segmenter.segment(item.image)
    var tally = SegmentationTally(classes: segmenter.palette.count)
    tally.add(found.labels, truth: item.labels)
    let accuracy = tally.report(segmenter.palette.names).globalAccuracy
    return [
      PictureGrid.Cell(item.image, caption: item.name),
      PictureGrid.Cell(colored(item.labels, segmenter.palette)),
      PictureGrid.Cell(
        colored(found.labels, segmenter.palette),
        caption: "\((1000 * accuracy).rounded() / 10) % of pixels"),
      PictureGrid.Cell(ColorMap.viridis.apply(to: found.confidence, range: 0...1)),
    ]
  }
}
