// The figures of a Mask R-CNN over a set of pictures.

import AtelierDatasets
import AtelierFiles
import AtelierWorkbench

extension MaskRCNNSegmenter {
  /// Compares the objects of every picture of a set with the truth: average precision and recall as
  /// COCO defines them; throws `StudioError` when the classes differ, `DatasetError` when a picture
  /// cannot be read.
  ///
  /// The set's classes must be among the model's, unless both have just one. The selection's limit
  /// is also that of the detections of a class in a picture; a picture with a longer side than the
  /// longest is shrunk for the network.
  public func measure(
    on data: InstanceData, _ selection: ObjectSelection = .measuring(),
    longestSide: Int = MaskRCNNSegmenter.usualLimit, progress: (_ done: Int) -> Void = { _ in },
    skip: ((String) -> Void)? = nil
  ) throws -> InstanceSetReport {
    let names = model.classNames
    for name in data.classNames where !names.contains(name) {
      // Sets without names of their own call every object the same.
      if data.classNames.count == 1, names.count == 1 { continue }
      throw StudioError(
        .data,
        "\(data.name): expected the model's classes \(names.joined(separator: ", ")); received "
          + name)
    }
    // What the set has no class for cannot be right or wrong there.
    let places = names.map { name in
      names.count == 1 && data.classNames.count == 1 ? 0 : data.classNames.firstIndex(of: name)
    }
    return try data.measure(
      "Mask R-CNN", detectionLimit: selection.limit, progress: progress, skip: skip
    ) { picture in
      try objects(in: picture, selection, longestSide: longestSide)
        .compactMap { object in
          guard let place = places[object.classIndex] else { return nil }
          var object = object
          object.classIndex = place
          return EncodedObject(object)
        }
    }
  }
}
