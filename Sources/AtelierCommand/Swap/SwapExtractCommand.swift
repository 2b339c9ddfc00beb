// `atelier swap extract IN… -o FACES`: faces out of pictures and films.

import ArgumentParser
import Atelier
import Foundation

/// Extracts faces.
struct SwapExtractCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "extract",
    abstract: "Cut faces out of pictures and films, aligned, for training.",
    discussion: """
      Faces are found by OpenCV's cascades (Debian: opencv-data), turned upright by their eyes, \
      or laid by their box where no eyes are found, and cut with a margin. Films need the program \
      ffmpeg. FACES/alignments.json says for each crop where it comes from, how it lies, how sharp \
      it is and how sure the search was; FACES-sheet.png shows them all. Weed out what is no face, \
      or someone else's, before training. A folder of aligned crops needs no extraction.

      EXAMPLES
        atelier swap extract photos/ clip.mp4 -o faces/a
        atelier swap extract clip.mp4 -o faces/b --every 5 --faces 1 \\
          --min-sharpness 0.02
        atelier swap extract frames/ -o faces/a --boxes boxes.csv
      """)

  @Argument(help: ArgumentHelp("Pictures, films, or folders of them.", valueName: "in"))
  var inputs: [String]

  @Option(
    name: [.customShort("o"), .long],
    help: ArgumentHelp("The folder of the crops.", valueName: "faces"))
  var output: String

  @Option(help: ArgumentHelp("The side of a crop, 32 to 1024.", valueName: "pixels"))
  var size = 256

  @Option(help: ArgumentHelp("Of films each so many-th frame.", valueName: "n"))
  var every = 1

  @Option(
    help: ArgumentHelp(
      "Leave out crops that are less sharp; the sheet shows the figures.", valueName: "value"))
  var minSharpness = 0.0

  @Flag(inversion: .prefixedNo, help: "Draw the contact sheet.")
  var sheet = true

  @OptionGroup(title: "FACE OPTIONS") var source: FaceSourceOptions
  @OptionGroup(title: "GENERAL OPTIONS") var global: GlobalOptions

  func validate() throws {
    guard FaceAlignments.cropSizes.contains(size) else {
      throw ValidationError("--size takes 32 to 1024; received \(size)")
    }
    guard (1...100_000).contains(every) else {
      throw ValidationError("--every takes 1 to 100000; received \(every)")
    }
    guard minSharpness >= 0, minSharpness.isFinite else {
      throw ValidationError("--min-sharpness takes 0 and more; received \(minSharpness)")
    }
  }

  func run() throws {
    let plan = try PicturePlan(inputs: inputs, output: output, extensions: MediaFile.extensions)
    var request = FaceExtractionRequest(
      sources: plan.tasks, locator: try source.locator(size: size, global), folder: output)
    request.leastSharpness = minSharpness
    request.frameStep = every
    request.writesSheets = sheet
    let interrupt = InterruptFlag.catchingSignals()
    let progress = WorkProgress("pictures", isQuiet: global.quiet)
    let (report, failed) = try FaceExtraction.run(
      request, pool: global.kernels.pool, progress: progress.show,
      isInterrupted: { interrupt.isRaised })
    progress.end()
    let failures = PictureFailure.list(plan, failed)
    if global.json {
      try Console.print(json: Ending(report: report, failures: failures))
    } else {
      global.say(Self.summary(report))
    }
    try PictureFailure.complain(failures)
    if report.isInterrupted { throw ExitCode(128 + (interrupt.signalNumber ?? 2)) }
    guard report.faces > 0 || report.tooBlurred == 0 else {
      throw StudioError(
        .data,
        "all \(report.tooBlurred) faces are less sharp than --min-sharpness \(minSharpness); "
          + "the sheet of an extraction without it shows how sharp they are")
    }
    guard report.faces > 0 else {
      throw StudioError(
        .data, "no face was found in \(report.pictures) pictures; try --smallest or --boxes")
    }
  }

  /// What `--json` prints.
  private struct Ending: Encodable {
    let report: FaceExtractionReport
    let failures: [PictureFailure]

    enum CodingKeys: CodingKey { case failures }

    func encode(to encoder: any Encoder) throws {
      try report.encode(to: encoder)
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(failures, forKey: .failures)
    }
  }

  private static func summary(_ report: FaceExtractionReport) -> String {
    let blurred = report.tooBlurred > 0 ? ", \(report.tooBlurred) left out as too blurred" : ""
    var lines = [
      "\(report.faces) faces in \(report.pictures) pictures (\(report.laidByEyes) laid by the "
        + "eyes, \(report.laidByBox) by the box\(blurred); \(report.withoutFace) pictures without "
        + "a face), \(NumberText.fixed(report.seconds, 1)) s, "
        + "\(NumberText.fixed(report.rate, 1)) pictures/s",
      "alignments: \(report.alignments)",
    ]
    lines += report.sheets.map { "sheet:      \($0)" }
    return lines.joined(separator: "\n")
  }
}
