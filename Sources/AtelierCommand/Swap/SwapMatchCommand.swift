// `atelier swap match`: brings the codes of both people of a trained face swap together.

import ArgumentParser
import Atelier
import Foundation

/// Matches the codes of a face swap.
struct SwapMatchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "match",
    abstract: "Match both people's codes after a training, so that poses carry over exactly.",
    discussion: """
      The affine map between the distributions of both people's codes is computed from training \
      faces, no pairs needed, and becomes part of the model. It is right where both people take \
      the same poses about as often; measure with swap evaluate before and after. The more faces \
      the better: from two for each number of a code on (384 of each person for slim, 1,024 for \
      half, 2,048 for original) the codes themselves are assigned to each other, which finds \
      more than their mean and covariance tell.

      EXAMPLES
        atelier swap match --model mine.safetensors --a anna --b ben \\
          -o matched.safetensors
        atelier swap match --model drawn.safetensors --characters 5000 \\
          -o matched.safetensors
      """)

  @Option(help: ArgumentHelp("The model file.", valueName: "file"))
  var model: String

  @Option(
    parsing: .upToNextOption, help: ArgumentHelp("Training crops of A.", valueName: "dir"))
  var a: [String] = []

  @Option(
    parsing: .upToNextOption, help: ArgumentHelp("Training crops of B.", valueName: "dir"))
  var b: [String] = []

  @Option(
    help: ArgumentHelp("Poses of the two fictional characters instead.", valueName: "poses"))
  var characters: Int?

  @Option(help: ArgumentHelp("The seed of the poses.", valueName: "seed"))
  var seed: UInt64 = 1

  @Option(
    name: [.customShort("o"), .long], help: ArgumentHelp("The new model.", valueName: "file"))
  var output: String

  @OptionGroup(title: "GENERAL OPTIONS") var global: GlobalOptions

  func validate() throws {
    guard (characters != nil) != !(a.isEmpty && b.isEmpty) else {
      throw ValidationError("expected either --characters or --a and --b")
    }
    guard characters != nil || !(a.isEmpty || b.isEmpty) else {
      throw ValidationError("expected crops of both people: --a and --b")
    }
    if let characters, !(2...100_000).contains(characters) {
      throw ValidationError("--characters takes 2 to 100000; received \(characters)")
    }
  }

  func run() throws {
    let trained = try FaceSwapModel(contentsOf: URL(fileURLWithPath: model))
    try Reading.checkPresent(a + b)
    let faces: CodeMatching.Faces =
      characters.map { .characters(poses: $0, seed: seed) }
      ?? .crops(
        a: a.map { URL(fileURLWithPath: $0) }, b: b.map { URL(fileURLWithPath: $0) })
    let matched = try CodeMatching.run(trained, on: faces, kernels: global.kernels)
    try ModelFile.write(matched, to: URL(fileURLWithPath: output))
    let note = matched.information.training["codes"] ?? ""
    guard !global.json else { return try Console.print(json: ["model": output, "codes": note]) }
    global.say("codes \(note): \(output)")
  }
}
