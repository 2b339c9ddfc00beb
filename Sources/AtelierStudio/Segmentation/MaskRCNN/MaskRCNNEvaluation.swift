// The figures of a Mask R-CNN over a set of pictures.

import AtelierDatasets
import AtelierImages

/// Measures Mask R-CNNs.
public enum MaskRCNNEvaluation {
  /// Finds the objects of every picture of a set and compares them with the truth.
  ///
  /// - Parameters:
  ///   - segmenter: The model at work.
  ///   - data: The pictures; its classes must be the model's, in any order.
  ///   - limit: The most objects of a picture.
  ///   - longestSide: A picture with a longer side is shrunk to this one for the network.
  ///   - progress: Called after each picture with how many are done.
  /// - Returns: Average precision and recall as COCO defines them, with their protocol.
  /// - Throws: `StudioError` when the classes differ, `DatasetError` when a picture cannot be read.
  public static func run(
    _ segmenter: MaskRCNNSegmenter, on data: InstanceData, limit: Int = 100,
    longestSide: Int = MaskRCNNSegmenter.usualLimit, progress: (_ done: Int) -> Void = { _ in }
  ) throws -> InstanceReport {
    let names = segmenter.model.classNames
    let places = try data.classNames.map { name in
      // Sets without names of their own call every object the same.
      if data.classNames.count == 1, names.count == 1 { return 0 }
      guard let place = names.firstIndex(of: name) else {
        throw StudioError(
          .data,
          "\(data.name): expected the model's classes \(names.joined(separator: ", ")); received "
            + name)
      }
      return place
    }
    var evaluation = InstanceEvaluation(classNames: names, detectionLimit: limit)
    for (index, item) in data.items.enumerated() {
      let found = try segmenter.objects(
        in: item.picture(), .measuring(limit: limit), longestSide: longestSide)
      let truth = item.objects.map { object in
        var object = object
        object.classIndex = places[object.classIndex]
        return object
      }
      evaluation.add(truth: truth, detections: found.map { EncodedObject($0) })
      progress(index + 1)
    }
    return evaluation.report(data: data.name)
  }
}
