// What a semantic segmentation says of each class: some classes alone, and the share of each.

import AtelierDatasets
import AtelierImages
import AtelierWorkbench

extension SemanticSegmentation {
  /// The same with some of the classes alone; pixels of others get no class, 255.
  public func keeping(_ classes: Set<Int>) -> SemanticSegmentation {
    SemanticSegmentation(
      labels: LabelMap(
        width: labels.width, height: labels.height,
        labels: labels.labels.map { classes.contains(Int($0)) ? $0 : LabelMap.ignored }),
      confidence: confidence)
  }

  /// Pixels and mean probability of each class in their order; the mean is 0 for a class without
  /// pixels.
  public func classShares(_ count: Int) -> [(pixels: Int, confidence: Double)] {
    var pixels = [Int](repeating: 0, count: 256)
    var sums = [Double](repeating: 0, count: 256)
    for (label, value) in zip(labels.labels, confidence.samples) {
      pixels[Int(label)] += 1
      sums[Int(label)] += Double(value)
    }
    return (0..<count).map { (pixels[$0], pixels[$0] > 0 ? sums[$0] / Double(pixels[$0]) : 0) }
  }
}
