// The pictures of an evaluation of objects: the worst ones as a sheet, and how far scores can be
// trusted.

import AtelierDatasets
import AtelierImages
import AtelierWorkbench

/// Draws what an evaluation of objects is asked to draw.
final class ObjectSheet {
  /// The files that were written.
  private(set) var files: [String] = []
  private let sheet: String?
  private let reliability: String?
  private let palette: ClassPalette
  private let place: JobPlace
  private var worst = WorstPictures()

  init(_ request: SegmentEvaluateRequest, palette: ClassPalette, in place: JobPlace) {
    sheet = request.sheet
    reliability = request.reliability
    self.palette = palette
    self.place = place
  }

  /// Who looks on; detections of a score from `sureScore` on count as found.
  func watch(from sureScore: Double) -> MeasurementWatch {
    MeasurementWatch(
      sureScore: sureScore,
      see: { item, picture, found in
        guard self.sheet != nil else { return }
        try self.add(item, picture, found.filter { $0.score >= sureScore })
      },
      finish: { try self.finish($0) })
  }

  private func add(
    _ item: InstanceData.Item, _ picture: ByteImage, _ found: [EncodedObject]
  ) throws {
    let score = ContestScore.score(truth: item.objects, detections: found)
    try worst.add(score) {
      let truth = try SegmentationOutcome(objects: item.objects, size: picture.size)
      let outcome = try SegmentationOutcome(objects: found, size: picture.size)
      return [
        PictureGrid.Cell(picture, caption: item.name),
        PictureGrid.Cell(
          truth.overlay(on: picture, palette: palette), caption: "\(item.objects.count) drawn"),
        PictureGrid.Cell(
          outcome.overlay(on: picture, palette: palette),
          caption: "\(found.count) found, score \(InstanceReport.text(score))"),
      ]
    }
  }

  private func finish(_ scores: Reliability) throws {
    if let sheet {
      let drawn = worst.drawn(
        title: "the lowest scores first", columns: ["picture", "truth", "found"])
      try PictureJob.write(drawn, to: sheet, place: place)
      files.append(sheet)
    }
    if let reliability {
      let error = scores.error.map { InstanceReport.text($0) } ?? "none"
      try PictureJob.write(
        scores.drawn(title: "scores of objects: calibration error \(error)"), to: reliability,
        place: place)
      files.append(reliability)
    }
  }
}
