// `atelier swap evaluate`: figures of a face swap against true pictures or on held-out crops.

import ArgumentParser
import Atelier
import Foundation

/// Measures a face swap.
struct SwapEvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "Measure a face swap: against true pictures, or on held-out crops of two people.",
    discussion: """
      --characters draws the two fictional people in new poses, so that the true picture of the \
      other one is known. --a and --b take held-out crops, in the order of a clip; with \
      --classifier-a and --classifier-b, a classifier is trained on those crops and says who is seen.

      EXAMPLES
        atelier swap evaluate --model swap.safetensors --characters
        atelier swap evaluate --model mine.safetensors --a held/anna --b held/ben \\
          --classifier-a anna --classifier-b ben -o out
      """)

  @Option(help: ArgumentHelp("The model file.", valueName: "file"))
  var model: String

  @Flag(help: "Measure on the two fictional characters.")
  var characters = false

  @Option(help: ArgumentHelp("Poses of the characters.", valueName: "n"))
  var poses = 200

  @Option(help: ArgumentHelp("Frames of the characters' clip.", valueName: "n"))
  var frames = 150

  @Option(
    parsing: .upToNextOption, help: ArgumentHelp("Held-out crops of A.", valueName: "dir"))
  var a: [String] = []

  @Option(
    parsing: .upToNextOption, help: ArgumentHelp("Held-out crops of B.", valueName: "dir"))
  var b: [String] = []

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Crops of A for the classifier's training.", valueName: "dir"))
  var classifierA: [String] = []

  @Option(
    parsing: .upToNextOption, help: ArgumentHelp("The same of B.", valueName: "dir"))
  var classifierB: [String] = []

  @Option(help: ArgumentHelp("The seed of poses and classifier.", valueName: "seed"))
  var seed: UInt64 = 7

  @Option(
    name: [.customShort("o"), .long],
    help: ArgumentHelp("Write pictures to look at into this folder.", valueName: "folder"))
  var output: String?

  @OptionGroup(title: "GENERAL OPTIONS") var global: GlobalOptions

  func validate() throws {
    guard characters != !(a.isEmpty && b.isEmpty) else {
      throw ValidationError("expected either --characters or --a and --b")
    }
    guard characters || !(a.isEmpty || b.isEmpty) else {
      throw ValidationError("expected crops of both people: --a and --b")
    }
    guard classifierA.isEmpty == classifierB.isEmpty, classifierA.isEmpty || !characters else {
      throw ValidationError("--classifier-a and --classifier-b go together, with --a and --b")
    }
    for (name, value) in [("--poses", poses), ("--frames", frames)]
    where !(1...100_000).contains(value) {
      throw ValidationError("\(name) takes 1 to 100000; received \(value)")
    }
  }

  func run() throws {
    let model = try FaceSwapModel(contentsOf: URL(fileURLWithPath: model))
    try Reading.checkPresent(a + b + classifierA + classifierB)
    func urls(_ paths: [String]) -> [URL] { paths.map { URL(fileURLWithPath: $0) } }
    let faces: FaceSwapEvaluation.Faces =
      characters
      ? .characters(poses: poses, frames: frames, seed: seed)
      : .crops(
        a: urls(a), b: urls(b), classifierA: urls(classifierA), classifierB: urls(classifierB),
        seed: seed)
    let result = try FaceSwapEvaluation.run(model, on: faces, kernels: global.kernels)
    if let output { try write(result.pictures, to: output) }
    guard !global.json else { return try Console.print(json: result.report) }
    Console.print(Self.table(result.report))
    Console.print("protocol: \(result.report.protocol)")
  }

  private func write(_ pictures: [(name: String, picture: ByteImage)], to path: String) throws {
    let folder = URL(fileURLWithPath: path)
    do {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      for (name, picture) in pictures {
        try ImageFile.write(picture, to: folder.appendingPathComponent(name))
      }
    } catch {
      throw StudioError(.cannotCreate, "\(path): cannot be written: \(Failure(error).message)")
    }
  }

  /// A line for each figure, a column for each direction.
  private static func table(_ report: FaceSwapReport) -> String {
    var table = TextTable(
      ["figure"] + report.directions.map { "\($0.from) to \($0.to)".uppercased() })
    func row(
      _ title: String, _ digits: Int, _ value: (FaceSwapReport.Direction) -> Double?
    ) {
      let values = report.directions.map(value)
      guard values.contains(where: { $0 != nil }) else { return }
      table.append(
        [title] + values.map { $0.map { NumberText.fixed($0, digits) } ?? "–" })
    }
    row("faces", 0) { Double($0.reconstruction.faces) }
    row("reconstruction error", 4) { $0.reconstruction.mae }
    row("reconstruction PSNR dB", 2) { $0.reconstruction.psnr }
    row("reconstruction SSIM", 4) { $0.reconstruction.ssim }
    row("swap against truth, error", 4) { $0.truth?.mae }
    row("swap against truth, PSNR dB", 2) { $0.truth?.psnr }
    row("swap against truth, SSIM", 4) { $0.truth?.ssim }
    row("cycle error", 4) { $0.cycle.mae }
    row("real faces called by their name %", 1) { $0.identity.map { 100 * $0.real } }
    row("swaps called the other %", 1) { $0.identity.map { 100 * $0.swapped } }
    row("head follows, x", 3) { $0.motion?.x }
    row("head follows, y", 3) { $0.motion?.y }
    row("the true picture's head, x", 3) { $0.motion?.trueX }
    row("the true picture's head, y", 3) { $0.motion?.trueY }
    row("mouth follows", 3) { $0.motion?.mouth }
    row("mouth against known opening", 3) { $0.motion?.mouthKnown }
    row("true pictures against it", 3) { $0.motion?.mouthCeiling }
    return table.text
  }
}
