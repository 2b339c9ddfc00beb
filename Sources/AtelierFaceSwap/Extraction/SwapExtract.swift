// `swap extract`: faces out of pictures and films, for training.

import AtelierFiles
import AtelierMedia
import AtelierWorkbench

/// What faces are extracted from, and where to.
public struct SwapExtractRequest: JobRequest, Hashable {
  public var inputs: [String] = []
  public var output = ""
  public var size = 256
  public var frameStep = 1
  public var leastSharpness = 0.0
  public var writesSheets = true
  public var source = FaceSource()

  public init() {}

  public static var form: Form<Self> {
    Form([
      .inputs(\.inputs, "Pictures, films, or folders of them"),
      .output(\.output, "The folder of the crops", value: "faces"),
      Field(
        "size", \.size, "The side of a crop, 32 to 1024", value: "pixels",
        .from(
          Double(FaceAlignments.cropSizes.lowerBound),
          to: Double(FaceAlignments.cropSizes.upperBound))),
      Field(
        "every", \.frameStep, "Of films each so many-th frame", value: "n", .from(1, to: 100_000)),
      Field(
        "min-sharpness", \.leastSharpness,
        "Leave out crops that are less sharp; the sheet shows the figures", value: "value",
        .notNegative),
      Field(flag: "sheet", \.writesSheets, "Draw the contact sheet").byDefault("--sheet"),
      Field(flag: "no-sheet", \.writesSheets, "Draw no contact sheet", sets: false),
    ]).faces(\.source)
  }
}

/// Extracts faces.
public enum SwapExtract: Job {
  public static let workshop = "swap"
  public static let name = "extract"
  public static let summary = "Cut faces out of pictures and films, aligned, for training."
  public static let guide = """
    Faces are found by OpenCV's cascades (Debian: opencv-data), turned upright by their eyes, \
    or laid by their box where no eyes are found, and cut with a margin. A detector that is a \
    network finds far more and lays them by five points: YuNet as an .onnx file \
    (face_detection_yunet of opencv_zoo, Apache-2.0), given as --detector or put beside the \
    models as face-detector.onnx. Films need the program ffmpeg. FACES/alignments.json says for each crop where it comes from, how it lies, how sharp \
    it is and how sure the search was; FACES-sheet.png shows them all. Weed out what is no face, \
    or someone else's, before training. A folder of aligned crops needs no extraction.

    EXAMPLES
      atelier swap extract photos/ clip.mp4 -o faces/a
      atelier swap extract clip.mp4 -o faces/b --every 5 --faces 1 \\
        --min-sharpness 0.02
      atelier swap extract frames/ -o faces/a --boxes boxes.csv
    """
  public static let takesPrecision = false
  public static let heedsInterrupt = true

  public static func run(_ request: SwapExtractRequest, in place: JobPlace) throws -> Report {
    let plan = try PicturePlan(
      inputs: request.inputs, output: request.output, extensions: MediaFile.extensions)
    for remark in plan.remarks { place.remark(remark) }
    var found = try FaceExtraction.run(
      request, on: plan.tasks, locator: request.source.locator(size: request.size, in: place),
      in: place)
    found.failures = plan.missing + found.failures
    var report = Report(value: found)
    report.note(found.text)
    report.files = found.sheets
    report.failures = found.failures
    if found.isInterrupted {
      report.continuation = []
    } else if found.faces == 0, found.failures.isEmpty {
      report.fault = StudioError(
        .data,
        found.tooBlurred > 0
          ? "all \(found.tooBlurred) faces are less sharp than --min-sharpness "
            + "\(request.leastSharpness); the sheet of an extraction without it shows how sharp they are"
          : "no face was found in \(found.pictures == 1 ? "the picture" : "\(found.pictures) pictures"); "
            + request.source.advice)
    }
    return report
  }
}

extension FaceExtractionReport {
  /// What was found, for people.
  fileprivate var text: String {
    let blurred = tooBlurred > 0 ? ", \(tooBlurred) left out as too blurred" : ""
    let lines = [
      "\(faces) faces in \(pictures) pictures ("
        + (laidByPoints > 0 ? "\(laidByPoints) laid by five points, " : "")
        + "\(laidByEyes) laid by the eyes, \(laidByBox) by the box\(blurred); "
        + "\(withoutFace) pictures without "
        + "a face), \(NumberText.fixed(seconds, 1)) s, \(NumberText.fixed(rate, 1)) pictures/s"
    ]
    let written = alignments.isEmpty ? [] : ["alignments: \(alignments)"]
    return (lines + written + sheets.map { "sheet:      \($0)" }).joined(separator: "\n")
  }
}
