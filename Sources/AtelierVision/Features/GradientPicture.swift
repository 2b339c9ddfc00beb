// Pictures of histograms of oriented gradients: in each cell strokes along the edges that it found.

import AtelierImages
import AtelierKernels
import Foundation

/// Draws histograms of oriented gradients.
public enum GradientPicture {
  /// White strokes on black, one channel: in each cell a stroke a direction along the edge, across
  /// the gradient, as bright as its bin is full of the fullest one's; cells of `side` pixels.
  ///
  /// Precondition: the picture has at least one cell, and the side is positive.
  public static func draw(
    _ numbers: OrientedGradients, of picture: FloatImage, side: Int = 16
  ) -> ByteImage {
    let (rows, columns) = (numbers.cells(picture.height), numbers.cells(picture.width))
    precondition(rows > 0 && columns > 0 && side > 0, "a picture without a cell")
    let cells = picture.samples.withUnsafeBufferPointer { samples in
      samples.baseAddress.map {
        Kernels().gradientCells(
          numbers, $0, height: picture.height, width: picture.width, channels: picture.channels)
      } ?? []
    }
    let peak = max(cells.max() ?? 0, .leastNormalMagnitude)
    var image = FloatImage(width: columns * side, height: rows * side, channels: 1)
    for (index, value) in cells.enumerated() where value > 0 {
      let (cell, bin) = index.quotientAndRemainder(dividingBy: numbers.orientations)
      let (row, column) = cell.quotientAndRemainder(dividingBy: columns)
      let angle = Double.pi * (Double(bin) + 0.5) / Double(numbers.orientations)
      // The edge runs across its gradient.
      let (dx, dy) = (-sin(angle), cos(angle))
      let reach = Double(side) / 2 - 1
      for step in -2 * side...2 * side {
        let distance = reach * Double(step) / Double(2 * side)
        let x = column * side + Int(Double(side) / 2 + distance * dx)
        let y = row * side + Int(Double(side) / 2 + distance * dy)
        image[x, y, 0] = max(image[x, y, 0], value / peak)
      }
    }
    return image.bytes
  }
}
