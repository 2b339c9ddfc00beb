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
  /// - Returns: Average precision and recall as COCO defines them, with their protocol, over all pictures and each kind of them.
  /// - Throws: `StudioError` when the classes differ, `DatasetError` when a picture cannot be read.
  public static func run(
    _ segmenter: MaskRCNNSegmenter, on data: InstanceData, limit: Int = 100,
    longestSide: Int = MaskRCNNSegmenter.usualLimit, progress: (_ done: Int) -> Void = { _ in }
  ) throws -> InstanceSetReport {
    let names = segmenter.model.classNames
    // Sets without names of their own call every object the same.
    let isOneClass = data.classNames.count == 1 && names.count == 1
    for name in data.classNames where !isOneClass && !names.contains(name) {
      throw StudioError(
        .data,
        "\(data.name): expected the model's classes \(names.joined(separator: ", ")); received "
          + name)
    }
    let places = names.map { isOneClass ? 0 : data.classNames.firstIndex(of: $0) }
    return try data.measure("Mask R-CNN", detectionLimit: limit, progress: progress) { picture in
      try segmenter.objects(
        in: picture, .measuring(limit: limit), longestSide: longestSide
      ).compactMap { object in
        guard let place = places[object.classIndex] else { return nil }
        var encoded = EncodedObject(object)
        encoded.classIndex = place
        return encoded
      }
    }
  }
}
