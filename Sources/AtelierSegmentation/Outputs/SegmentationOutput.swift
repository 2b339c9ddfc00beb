// What a segmentation found in one picture, and the kinds of files that it can be written as.

import AtelierDatasets
import AtelierImages
import AtelierWorkbench

/// A kind of file that a segmentation is written as; `SegmentRun.guide` tells what each holds.
public enum SegmentationOutput: String, Codable, Sendable, CaseIterable {
  case label
  case color
  case overlay
  case boxes
  case confidence
  case instances
  case objects
  case coco
  case csv
  case svg
  case labelme
  case yolo
  case voc

  /// What is written unless told otherwise.
  public static let standard: [SegmentationOutput] = [.label, .overlay, .coco]

  /// What follows a picture's name in that of its file or folder; nil for the files of all pictures.
  var ending: String? {
    switch self {
    case .label, .color, .overlay, .boxes, .confidence, .instances: "-\(rawValue).png"
    case .objects: "-objects"
    case .svg: "-outlines.svg"
    case .labelme: ".json"
    case .yolo: ".txt"
    case .coco, .csv, .voc: nil
    }
  }

  /// The files or folder of a picture, below the folder of results, or of a set that has its pictures
  /// in folders of their own.
  func files(of stem: String, inSet: Bool = false) -> [String] {
    switch self {
    case .voc: return ["SegmentationClass/\(stem).png", "SegmentationObject/\(stem).png"]
    case .label where inSet: return ["masks/\(stem).png"]
    case .instances where inSet: return ["labels/\(stem).png"]
    default: return ending.map { [stem + $0] } ?? []
    }
  }

  /// The folder of a set's pictures that lie with these files; nothing for beside them.
  var pictureFolder: String {
    switch self {
    case .voc: "JPEGImages/"
    case .label, .instances: "images/"
    default: ""
    }
  }

  /// The files of all pictures of a call.
  func sharedFiles(inSet: Bool = false) -> [String] {
    switch self {
    case .label: inSet ? ["classes.txt"] : []
    case .coco: ["coco.json", "coco-results.json"]
    case .csv: ["objects.csv"]
    case .yolo: ["classes.txt", "data.yaml"]
    case .voc: ["labelmap.txt"]
    default: []
    }
  }
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
