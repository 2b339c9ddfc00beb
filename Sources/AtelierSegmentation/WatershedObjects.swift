// The blobs of the watershed baseline as objects, and their figures over a set.

import AtelierDatasets
import AtelierImages
import AtelierVision
import AtelierWorkbench

extension WatershedBaseline {
  /// The blobs of at least `leastArea` pixels of a picture, whose luminance counts, as objects of
  /// class 0 in the order of their first pixels; a score says how far an object's mean lies beyond
  /// the threshold; none in a picture of one colour.
  public func objects(in picture: ByteImage) -> [EncodedObject] {
    guard let (regions, contrasts) = regions(in: picture) else { return [] }
    let areas = regions.areas
    return regions.masks.enumerated().compactMap { index, mask in
      guard areas[index] >= leastArea else { return nil }
      return EncodedObject(classIndex: 0, mask: mask, score: contrasts[index])
    }
  }

  /// How many detections count in a picture of nuclei; the fullest have more than 300.
  public static let detectionLimit = 500

  /// The figures of the baseline over a set with one class, such as the test part of the nuclei,
  /// and over each kind of picture; what cannot be read goes as
  /// `InstanceData.measure` says.
  public static func measure(
    _ data: InstanceData, baseline: WatershedBaseline = .init(), progress: (Int) -> Void = { _ in },
    skip: ((String) -> Void)? = nil
  ) throws -> InstanceSetReport {
    try measure(
      data, baseline: baseline, watch: MeasurementWatch(), progress: progress, skip: skip)
  }

  /// The same, with somebody who looks on.
  static func measure(
    _ data: InstanceData, baseline: WatershedBaseline = .init(), watch: MeasurementWatch,
    progress: (Int) -> Void, skip: ((String) -> Void)?
  ) throws -> InstanceSetReport {
    try data.measure(
      "Otsu threshold and watershed of distances", detectionLimit: detectionLimit, watch: watch,
      progress: progress, skip: skip
    ) { baseline.objects(in: $0) }
  }
}
