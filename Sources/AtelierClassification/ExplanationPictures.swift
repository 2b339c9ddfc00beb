// Explanations as pictures: heat over the picture, kernels and maps as tables.

import AtelierFiles
import AtelierImages
import AtelierKernels
import AtelierVision
import AtelierWorkbench

/// Draws what a `ClassifierExplainer` found.
public enum ExplanationPictures {
  /// Heat of one channel over a gray version of a picture of its size, both half strong, RGB;
  /// values of at most 0 are cold, the largest is hottest.
  public static func overlay(_ heat: FloatImage, on picture: ByteImage) -> ByteImage {
    let peak = max(heat.samples.max() ?? 0, .leastNormalMagnitude)
    let colors = ColorMap.magma.apply(to: heat, range: 0...peak)
    let gray = picture.flattened().gray
    return ByteImage(width: heat.width, height: heat.height, channels: 3) { target in
      for sample in target.indices {
        target[sample] = UInt8(
          (Int(colors.samples[sample]) * 3 + Int(gray.samples[sample / 3])) / 4)
      }
    }
  }

  /// The sheet of one picture: the picture, occlusion, saliency (of a model that reads histograms of
  /// gradients these) and Grad-CAM for a class, else the likeliest, which comes back; throws `StudioError` when there is no such class or layer.
  public static func sheet(
    _ explainer: ClassifierExplainer, _ image: ByteImage, class index: Int? = nil,
    layer: String? = nil
  ) throws -> (sheet: ByteImage, prediction: Prediction) {
    let ranked = try explainer.classifier.classify(image, top: .max)
    guard
      let prediction = index.map({ wanted in ranked.first { $0.index == wanted } }) ?? ranked.first
    else { throw StudioError(.usage, "there is no class \(index ?? 0)") }
    let row = try row(explainer, image, class: prediction.index, layer: layer)
    let percent = Int((100 * prediction.probability).rounded())
    var grid = PictureGrid(
      title: "\(prediction.name), \(percent) %",
      columnTitles: ["picture", "occlusion", "saliency", "Grad-CAM"], rows: [row],
      magnification: magnification(explainer))
    if let histograms = explainer.histograms {
      // Strokes need more room than a pixel each, so the others are magnified before.
      let factor = grid.magnification
      grid.magnification = 1
      grid.columnTitles = ["picture", "occlusion", "gradients", "Grad-CAM"]
      for index in grid.rows[0].indices {
        let cell = grid.rows[0][index].picture
        grid.rows[0][index].picture = cell.resized(
          width: cell.width * factor, height: cell.height * factor, filter: .nearest)
      }
      let strokes = GradientPicture.draw(
        histograms, of: explainer.fitted(image).picture.floats, side: histograms.cell * factor)
      grid.rows[0].insert(PictureGrid.Cell(strokes), at: 2)
    }
    return (grid.render(), prediction)
  }

  /// The cells of one picture's row.
  static func row(
    _ explainer: ClassifierExplainer, _ image: ByteImage, class index: Int, layer: String? = nil
  ) throws -> [PictureGrid.Cell] {
    let picture = explainer.fitted(image).picture
    func cell(_ heat: FloatImage) -> PictureGrid.Cell {
      // Grad-CAM weighs whole maps; where dense layers follow, none may speak for the class.
      let isCold = heat.samples.allSatisfy { $0 <= 0 }
      return PictureGrid.Cell(overlay(heat, on: picture), caption: isCold ? "no heat" : "")
    }
    // Histograms change at once when a gradient turns: there is no saliency through them.
    let saliency =
      explainer.histograms == nil ? [cell(try explainer.saliency(image, class: index))] : []
    return [PictureGrid.Cell(picture), cell(try explainer.occlusion(image, class: index))]
      + saliency + [cell(try explainer.gradCAM(image, class: index, layer: layer))]
  }

  private static func magnification(_ explainer: ClassifierExplainer) -> Int {
    max(1, 160 / max(explainer.classifier.size.width, explainer.classifier.size.height))
  }

  /// A table of the first kernels, zero in the middle of the colours; throws `StudioError` when the
  /// network has no convolution.
  public static func kernels(_ explainer: ClassifierExplainer) throws -> ByteImage {
    let kernels = try explainer.firstKernels()
    let peak = kernels.flatMap(\.samples).reduce(Float.leastNormalMagnitude) { max($0, abs($1)) }
    let pictures = kernels.map { kernel in
      kernel.channels == 1
        ? ColorMap.diverging.apply(to: kernel, range: -peak...peak)
        : ByteImage(
          width: kernel.width, height: kernel.height, channels: 3,
          samples: kernel.samples.map { UInt8(127.5 + 127 * $0 / peak) })
    }
    return table(pictures, title: "kernels of the first convolution", side: 64)
  }

  /// A table of a layer's maps for a picture, each from its least (dark) to its largest value;
  /// throws `StudioError` when there is no such layer.
  public static func maps(
    _ explainer: ClassifierExplainer, _ image: ByteImage, layer: String
  ) throws -> ByteImage {
    let maps = try explainer.maps(image, layer: layer).map { ColorMap.viridis.apply(to: $0) }
    return table(maps, title: layer, side: 84)
  }

  private static func table(_ pictures: [ByteImage], title: String, side: Int) -> ByteImage {
    let columns = max(1, Int(Double(pictures.count).squareRoot().rounded(.up)))
    let rows = stride(from: 0, to: pictures.count, by: columns).map { first in
      pictures[first..<min(first + columns, pictures.count)].map { PictureGrid.Cell($0) }
    }
    let size = pictures.first.map { max($0.width, $0.height) } ?? 1
    return PictureGrid(title: title, rows: rows, magnification: max(1, side / size), padding: 6)
      .render()
  }
}
