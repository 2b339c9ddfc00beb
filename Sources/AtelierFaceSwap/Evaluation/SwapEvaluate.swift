// `swap evaluate`: figures of a face swap against true pictures or on held-out crops.

import AtelierWorkbench
import Foundation

/// Which face swap is measured on what.
public struct SwapEvaluateRequest: JobRequest, Hashable {
  public var model = ""
  public var characters = false
  public var poses = 200
  public var frames = 150
  public var a: [String] = []
  public var b: [String] = []
  public var classifierA: [String] = []
  public var classifierB: [String] = []
  public var seed: UInt64 = 7
  public var output: String?

  public init() {}

  public static var form: Form<Self> {
    let many = NumberRange.from(1, to: 100_000)
    return Form([
      .model(\.model),
      Field(flag: "characters", \.characters, "Measure on the two fictional characters"),
      Field("poses", \.poses, "Poses of the characters", value: "n", many),
      Field("frames", \.frames, "Frames of the characters' clip", value: "n", many),
      .crops("a", \.a, "Held-out crops of A"), .crops("b", \.b, "Held-out crops of B"),
      .crops("classifier-a", \.classifierA, "Crops of A for the classifier's training"),
      .crops("classifier-b", \.classifierB, "The same of B"),
      Field("seed", \.seed, "The seed of poses and classifier", value: "seed"),
      Field(
        "output", \.output, "Write pictures to look at into this folder", value: "folder",
        kind: .output
      ).letter("o"),
    ])
  }

  public static func check(_ words: FieldWords) throws {
    try SwapPeople.check(words)
    let hasA = words["classifier-a"] != nil
    guard hasA == (words["classifier-b"] != nil), !hasA || words["characters"] == nil else {
      throw FieldError("--classifier-a and --classifier-b go together, with --a and --b")
    }
  }

  /// What is measured on.
  var faces: FaceSwapEvaluation.Faces {
    characters
      ? .characters(poses: poses, frames: frames, seed: seed)
      : .crops(
        a: SwapPeople.urls(a), b: SwapPeople.urls(b), classifierA: SwapPeople.urls(classifierA),
        classifierB: SwapPeople.urls(classifierB), seed: seed)
  }
}

/// Measures a face swap.
public enum SwapEvaluate: Job {
  public static let workshop = "swap"
  public static let name = "evaluate"
  public static let summary =
    "Measure a face swap: against true pictures, or on held-out crops of two people."
  public static let guide = """
    --characters draws the two fictional people in new poses, so that the true picture of the \
    other one is known. --a and --b take held-out crops, in the order of a clip; with \
    --classifier-a and --classifier-b, a classifier is trained on those crops and says who is seen.

    EXAMPLES
      atelier swap evaluate --model swap.safetensors --characters
      atelier swap evaluate --model mine.safetensors --a held/anna --b held/ben \\
        --classifier-a anna --classifier-b ben -o out
    """
  public static let takesPrecision = false

  public static func run(_ request: SwapEvaluateRequest, in place: JobPlace) throws -> Report {
    let model = try FaceSwapModel(contentsOf: ShippedModels.file(of: request.model))
    let result = try FaceSwapEvaluation.run(model, on: request.faces, kernels: place.kernels)
    var report = Report(value: result.report)
    if let output = request.output {
      for (name, picture) in result.pictures {
        let path = (output as NSString).appendingPathComponent(name)
        try PictureJob.write(picture, to: path, place: place)
        report.files.append(path)
      }
    }
    report.say(result.report.table)
    report.say("protocol: \(result.report.protocol)")
    return report
  }
}

extension FaceSwapReport {
  /// A line for each figure, a column for each direction.
  fileprivate var table: Table {
    var table = Table(["figure"] + directions.map { "\($0.from) to \($0.to)".uppercased() })
    func row(_ title: String, _ digits: Int, _ value: (Direction) -> Double?) {
      let values = directions.map(value)
      guard values.contains(where: { $0 != nil }) else { return }
      table.append([title] + values.map { $0.map { NumberText.fixed($0, digits) } ?? "–" })
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
    return table
  }
}
