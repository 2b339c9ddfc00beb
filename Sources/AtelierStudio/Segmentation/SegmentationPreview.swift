// A picture beside its truth and what a semantic model makes of it, for previews of a training.

import AtelierDatasets
import AtelierImages

extension Segmenter {
  /// Picture ∣ truth ∣ prediction ∣ confidence of one picture.
  func previewRow(_ item: SegmentedImage) throws -> [PictureGrid.Cell] {
    let found = try segment(item.image)
    var tally = SegmentationTally(classes: palette.count)
    tally.add(found.labels, truth: item.labels)
    let accuracy = tally.report(palette.names).globalAccuracy
    return [
      PictureGrid.Cell(item.image, caption: item.name),
      PictureGrid.Cell(item.labels.colored(palette)),
      PictureGrid.Cell(
        found.labels.colored(palette),
        caption: "\((1000 * accuracy).rounded() / 10) % of pixels"),
      PictureGrid.Cell(ColorMap.viridis.apply(to: found.confidence, range: 0...1)),
    ]
  }
}
