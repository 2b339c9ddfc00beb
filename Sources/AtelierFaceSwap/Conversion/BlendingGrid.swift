// One face under every way to lay it into its frame, side by side, so that one can choose.

import AtelierImages
import AtelierVision
import AtelierWorkbench

/// Draws a face under each colour transfer, blending and mask.
public enum BlendingGrid {
  /// The width to which small cut-outs are enlarged at least, in pixels.
  private static let smallestCell = 160

  /// The grid: a row for each colour transfer, a column for each blending and mask, RGB; the frame
  /// as it was comes first, and the first face is shown with what is around it.
  public static func render(
    _ frame: ByteImage, faces: [SwappedFace], compositor: FaceCompositor, title: String
  ) throws -> ByteImage {
    guard let face = faces.first else { return frame.rgb }
    let around = face.located.box.corrected(scale: 1.7, right: 0, down: 0)
    let left = max(0, min(frame.width - 1, Int(around.x)))
    let top = max(0, min(frame.height - 1, Int(around.y)))
    let width = max(1, min(frame.width - left, Int(around.width)))
    let height = max(1, min(frame.height - top, Int(around.height)))
    func cell(_ image: ByteImage) -> PictureGrid.Cell {
      PictureGrid.Cell(image.cropped(x: left, y: top, width: width, height: height).rgb)
    }
    let masks = FaceMask.allCases.filter { $0 != .learned || face.mask != nil }
    var columns = ["before"]
    for blending in FaceCompositor.Blending.allCases {
      columns += masks.map { "\(blending.rawValue), \($0.rawValue)" }
    }
    let colored = frame.isGray ? frame.withChannels(3) : frame
    let rows = try ColorTransfer.allCases.map { transfer in
      var cells = [cell(colored)]
      for blending in FaceCompositor.Blending.allCases {
        for mask in masks {
          var varied = compositor
          varied.colorTransfer = transfer
          varied.blending = blending
          varied.mask = mask
          var image = colored
          for face in faces.reversed() {
            try varied.composite(face.picture, learnedMask: face.mask, into: &image, map: face.map)
          }
          cells.append(cell(image))
        }
      }
      return cells
    }
    return PictureGrid(
      title: title, columnTitles: columns,
      rowTitles: ColorTransfer.allCases.map { "colour \($0.rawValue)" }, rows: rows,
      magnification: max(1, (smallestCell + width - 1) / width)
    ).render()
  }
}
