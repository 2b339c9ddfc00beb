// What an evaluation of instance segmentation found; encodes to the JSON that `--json` prints.

import AtelierWorkbench

/// The figures of instance segmentation with their protocol; fractions of 1, nil where no object counts.
public struct InstanceReport: Sendable, Codable, Hashable {
  /// COCO's twelve figures: average precision, mean over IoU 0.5, 0.55 … 0.95, at 0.5 and at 0.75,
  /// of small objects (at most 32² pixels), medium and large ones (96² and more); average recall
  /// with at most 1, 10 and all detections a picture and class, and of objects by size.
  public struct Figures: Sendable, Codable, Hashable {
    public var ap: Double?
    public var ap50: Double?
    public var ap75: Double?
    public var apSmall: Double?
    public var apMedium: Double?
    public var apLarge: Double?
    public var ar1: Double?
    public var ar10: Double?
    public var ar: Double?
    public var arSmall: Double?
    public var arMedium: Double?
    public var arLarge: Double?

    enum CodingKeys: String, CodingKey {
      case ap, ap50, ap75, ar1, ar10, ar
      case apSmall = "ap_small"
      case apMedium = "ap_medium"
      case apLarge = "ap_large"
      case arSmall = "ar_small"
      case arMedium = "ar_medium"
      case arLarge = "ar_large"
    }
  }

  /// The figures of one class.
  public struct ClassFigures: Sendable, Codable, Hashable {
    public var name: String
    /// Its true objects, crowds not counted.
    public var objects: Int
    public var masks: Figures
    public var boxes: Figures
  }

  /// The figures of the Data Science Bowl 2018, all classes as one.
  public struct Contest: Sendable, Codable, Hashable {
    /// TP / (TP + FP + FN), mean over IoU above 0.5, 0.55 … 0.95, then over pictures.
    public var score: Double
    /// The same at IoU above 0.5 alone.
    public var score50: Double
    /// The overlap of all objects' pixels with all detections' pixels, over all pictures.
    public var foregroundIoU: Double

    enum CodingKeys: String, CodingKey {
      case score, score50
      case foregroundIoU = "foreground_iou"
    }
  }

  /// How many objects are found and how well: panoptic quality and its two factors (Kirillov and
  /// others 2019), mean over the classes.
  public struct Panoptic: Sendable, Codable, Hashable {
    /// From which score on detections count.
    public var leastScore: Double
    /// The product of both, mean over the classes.
    public var quality: Double
    /// The mean overlap of what was found.
    public var segmentation: Double
    /// The harmonic mean of how much was found and how much of it is there.
    public var recognition: Double

    enum CodingKeys: String, CodingKey {
      case quality, segmentation, recognition
      case leastScore = "least_score"
    }
  }

  /// How the figures came about.
  public var `protocol`: String
  public var pictures: Int
  /// The true objects, crowds not counted.
  public var objects: Int
  public var detections: Int
  /// By masks, mean over the classes.
  public var masks: Figures
  /// By boxes, mean over the classes.
  public var boxes: Figures
  public var classes: [ClassFigures]
  public var contest: Contest?
  public var panoptic: Panoptic?
  /// How far the scores are from the share of detections that meet an object by half.
  public var calibrationError: Double?

  enum CodingKeys: String, CodingKey {
    case `protocol`, pictures, objects, detections, masks, boxes, classes, contest, panoptic
    case calibrationError = "calibration_error"
  }
}

extension InstanceReport {
  /// The figures as a table of text: one row for all, one a class, masks and boxes side by side.
  public var table: [String] {
    let width = max(12, (classes.map(\.name.count).max() ?? 0) + 2)
    func row(_ name: String, _ objects: Int, _ masks: Figures, _ boxes: Figures) -> String {
      let cells =
        [masks.ap, masks.ap50, masks.ap75, masks.apSmall, masks.apMedium, masks.apLarge, masks.ar]
        + [boxes.ap, boxes.ap50, boxes.ap75]
      return padded(name, width) + leading("\(objects)", 8)
        + cells.map { leading(Self.text($0), 8) }.joined()
    }
    func padded(_ text: String, _ width: Int) -> String {
      text + String(repeating: " ", count: max(0, width - text.count))
    }
    func leading(_ text: String, _ width: Int) -> String {
      String(repeating: " ", count: max(1, width - text.count)) + text
    }
    let titles = [
      "AP", "AP50", "AP75", "small", "medium", "large", "AR", "boxAP", "box50", "box75",
    ]
    var lines = [
      padded("masks, boxes", width) + leading("objects", 8) + titles.map { leading($0, 8) }.joined()
    ]
    lines.append(row("all", objects, masks, boxes))
    if classes.count > 1 { lines += classes.map { row($0.name, $0.objects, $0.masks, $0.boxes) } }
    return lines
  }

  /// A figure with three decimals, a dash where there is none.
  static func text(_ value: Double?) -> String {
    guard let value else { return "-" }
    let thousandths = Int((value * 1000).rounded())
    let digits = String(thousandths % 1000)
    return "\(thousandths / 1000)." + String(repeating: "0", count: 3 - digits.count) + digits
  }
}
