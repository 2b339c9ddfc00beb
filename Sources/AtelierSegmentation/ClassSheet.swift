// The pictures of an evaluation of classes: the worst ones as a sheet, and how far probabilities can
// be trusted.

import AtelierDatasets
import AtelierFiles
import AtelierImages
import AtelierWorkbench

/// Draws what an evaluation of classes is asked to draw.
final class ClassSheet {
  private let sheet: String?
  private let reliability: String?
  private var worst = WorstPictures()

  /// Looks on at what is measured where a sheet is asked for.
  init(
    _ request: SegmentEvaluateRequest, palette: ClassPalette, watching extras: SegmentationExtras
  ) {
    sheet = request.sheet
    reliability = request.reliability
    guard sheet != nil else { return }
    extras.see = { [unowned self] item, labels, figure in
      worst.add(figure) {
        [
          PictureGrid.Cell(item.image, caption: item.name),
          PictureGrid.Cell(item.labels.colored(palette)),
          PictureGrid.Cell(
            labels.colored(palette), caption: "mIoU \(NumberText.fixed(100 * figure, 1)) %"),
        ]
      }
    }
  }

  /// Writes the pictures and gives their files back; throws `StudioError` when one cannot be made.
  func written(_ probabilities: Reliability, in place: JobPlace) throws -> [String] {
    var files: [String] = []
    func write(_ file: String?, _ draw: () -> ByteImage) throws {
      guard let file else { return }
      try PictureJob.write(draw(), to: file, place: place)
      files.append(file)
    }
    try write(sheet) {
      worst.drawn(title: "the lowest mIoU first", columns: ["picture", "truth", "found"])
    }
    try write(reliability) {
      let error = NumberText.fixed(100 * (probabilities.error ?? 0), 2)
      return probabilities.drawn(title: "probabilities: calibration error \(error) %")
    }
    return files
  }
}
