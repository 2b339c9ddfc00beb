// What a segmentation found in one picture, and the kinds of files that it can be written as.

import AtelierDatasets
import AtelierImages

/// A kind of file that a segmentation is written as.
public enum SegmentationOutput: String, Codable, Sendable, CaseIterable {
  /// `NAME-label.png`: 8-bit class indices with the classes' colours as palette.
  case label
  /// `NAME-color.png`: the classes' colours, RGB.
  case color
  /// `NAME-overlay.png`: the picture with objects or classes laid over it.
  case overlay
  /// `NAME-boxes.png`: the picture with the objects' boxes, each with class and score.
  case boxes
  /// `NAME-confidence.png`: 8-bit gray, 255 for certainty.
  case confidence
  /// `NAME-instances.png`: 16-bit gray numbers of objects from 1, 0 for none.
  case instances
  /// `NAME-objects/001-CLASS.png`: one mask an object, 255 inside.
  case objects
  /// `coco.json` of all pictures, and `coco-results.json` with the detections in the results form.
  case coco
  /// `objects.csv`: one line an object of all pictures.
  case csv
  /// `NAME-outlines.svg`: the outlines of objects with their holes.
  case svg

  /// What is written unless told otherwise.
  public static let standard: [SegmentationOutput] = [.label, .overlay, .coco]
}

/// What was found in one picture.
public struct SegmentationOutcome: Sendable {
  public let size: PixelSize
  /// The objects; for a semantic outcome the connected regions of each class.
  public let objects: [EncodedObject]
  public let labels: LabelMap
  /// How sure every pixel is, one channel in [0, 1].
  public let confidence: FloatImage
  /// The label of the objects' class 0.
  public let firstObjectLabel: Int
  /// Whether objects were found one by one, rather than as regions of a class.
  public let hasInstances: Bool

  /// The outcome of instance segmentation by masks of the size: labels are classes plus 1, 0 where
  /// no object is, and where objects overlap those of the surest; throws `DatasetError` for more
  /// than 65535 objects or a class beyond the 254 that labels can tell apart.
  public init(objects: [EncodedObject], size: PixelSize) throws(DatasetError) {
    if let last = objects.map(\.classIndex).max(), last >= 254 {
      throw DatasetError("expected objects of at most 254 classes, received class \(last)")
    }
    let numbers = try InstanceLabels(objects, size: size)
    labels = LabelMap(
      width: size.width, height: size.height,
      labels: numbers.labels.map { $0 == 0 ? 0 : UInt8(objects[Int($0) - 1].classIndex + 1) })
    confidence = FloatImage(
      width: size.width, height: size.height, channels: 1,
      samples: numbers.labels.map { $0 == 0 ? 0 : Float(objects[Int($0) - 1].score) })
    self.size = size
    self.objects = objects
    firstObjectLabel = 1
    hasInstances = true
  }

  /// The outcome of instance segmentation with masks of pixels.
  public init(objects: [MaskedObject], size: PixelSize) throws(DatasetError) {
    try self.init(objects: objects.map { EncodedObject($0) }, size: size)
  }

  /// The outcome of semantic segmentation, sure everywhere unless a confidence of one channel says
  /// less; objects are the connected regions of classes of at least `leastArea` pixels, but for a
  /// first class that is called background.
  public init(
    labels: LabelMap, confidence: FloatImage? = nil, palette: ClassPalette, leastArea: Int = 16
  ) {
    let hasBackground = palette.entries.first?.name.lowercased() == "background"
    firstObjectLabel = hasBackground ? 1 : 0
    self.labels = labels
    self.confidence =
      confidence
      ?? FloatImage(width: labels.width, height: labels.height, channels: 1, filledWith: 1)
    size = labels.size
    objects = labels.regions(
      firstLabel: firstObjectLabel, leastArea: leastArea, confidence: confidence)
    hasInstances = false
  }
}
