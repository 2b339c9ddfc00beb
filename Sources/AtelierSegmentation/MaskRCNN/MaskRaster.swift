// Masks between a picture's pixels and the mask head's square.

import AtelierImages
import AtelierWorkbench
import AtelierZoo

/// The two ways of a mask: into a region's square for training, and from there back into the picture.
package enum MaskRaster {
  /// The truth as the mask head should draw it: for each of its pixels the part that the object covers, in [0, 1].
  ///
  /// Four points a pixel, each bilinear between the picture's pixels: a mask that is smooth where the edge crosses a pixel, pasted
  /// back, finds the edge to a part of a pixel.
  package static func target(_ truth: InstanceTruth, in box: RegionBox) -> [Float] {
    let side = MaskRCNN.maskSide
    let (wide, high) = (box.width / Float(side), box.height / Float(side))
    var target = [Float](repeating: 0, count: side * side)
    for row in 0..<side {
      for column in 0..<side {
        var sum: Float = 0
        for part in 0..<4 {
          let x = Float(column) + (part % 2 == 0 ? 0.25 : 0.75)
          let y = Float(row) + (part < 2 ? 0.25 : 0.75)
          sum += truth.coverage(x: box.left + x * wide, y: box.top + y * high)
        }
        target[row * side + column] = sum / 4
      }
    }
    return target
  }

  /// Pastes a predicted mask, side · side probabilities, into a region of a picture: bilinear
  /// between the square's pixels, cut at one half; nil when no pixel is left.
  package static func pasted(_ mask: [Float], in box: RegionBox, size: PixelSize) -> BinaryMask? {
    let side = MaskRCNN.maskSide
    guard box.width > 0, box.height > 0 else { return nil }
    func range(_ low: Float, _ high: Float, _ limit: Int) -> Range<Int> {
      let first = Int(min(max(0, low.rounded(.down)), Float(limit)))
      return first..<max(first, Int(min(Float(limit), max(0, high.rounded(.up)))))
    }
    let columns = range(box.left, box.right, size.width)
    let rows = range(box.top, box.bottom, size.height)
    guard !columns.isEmpty, !rows.isEmpty else { return nil }
    let taps = columns.map {
      tap((Float($0) + 0.5 - box.left) / box.width * Float(side) - 0.5, side)
    }
    var pixels = [Bool](repeating: false, count: size.width * size.height)
    var isEmpty = true
    for y in rows {
      let row = tap((Float(y) + 0.5 - box.top) / box.height * Float(side) - 0.5, side)
      for (x, column) in zip(columns, taps) {
        func at(_ column: Int, _ row: Int) -> Float {
          column >= 0 && column < side && row >= 0 && row < side ? mask[row * side + column] : 0
        }
        let upper =
          at(column.low, row.low) * (1 - column.part) + at(column.low + 1, row.low) * column.part
        let lower =
          at(column.low, row.low + 1) * (1 - column.part)
          + at(column.low + 1, row.low + 1) * column.part
        if upper * (1 - row.part) + lower * row.part >= 0.5 {
          pixels[y * size.width + x] = true
          isEmpty = false
        }
      }
    }
    return isEmpty ? nil : BinaryMask(width: size.width, height: size.height, pixels: pixels)
  }

  /// The lower of the two pixels around a place and how far the place lies towards the upper one.
  private static func tap(_ place: Float, _ side: Int) -> (low: Int, part: Float) {
    let clamped = min(max(place, -1), Float(side))
    let low = clamped.rounded(.down)
    return (Int(low), clamped - low)
  }
}
