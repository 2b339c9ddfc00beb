// `atelier model shrink`: a model file with its large weights in 16 bits.

import ArgumentParser
import Atelier
import Foundation

/// Stores a model in about half the bytes.
struct ModelShrinkCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "shrink",
    abstract: "Store a model's weights in 16 bits: half the bytes.",
    discussion: """
      Weights are rounded to half precision, biases and statistics are kept; the tool computes in \
      32 bits as before. Measure the result: a network may need more.

      EXAMPLES
        atelier model shrink runs/mine/best.safetensors -o small.safetensors
      """)

  @Argument(help: ArgumentHelp("The model file.", valueName: "file"))
  var model: String

  @Option(
    name: [.customShort("o"), .long], help: ArgumentHelp("The smaller file.", valueName: "file"))
  var output: String

  @OptionGroup(title: "GENERAL OPTIONS") var global: GlobalOptions

  /// The sizes as `--json` prints them.
  private struct Sizes: Encodable {
    let file: String
    let before: Int
    let after: Int
  }

  func run() throws {
    try Reading.checkPresent([model])
    let input = URL(fileURLWithPath: model)
    let result = URL(fileURLWithPath: output)
    guard input.standardizedFileURL != result.standardizedFileURL else {
      throw StudioError(
        .usage, "\(output): the result would overwrite the model; name another place")
    }
    try ModelFile.write(ModelFile.read(from: input), to: result, form: .float16)
    let sizes = Sizes(file: output, before: try bytes(input), after: try bytes(result))
    guard !global.json else { return try Console.print(json: sizes) }
    global.say("\(output): \(sizes.after) bytes instead of \(sizes.before)")
  }

  private func bytes(_ file: URL) throws -> Int {
    try file.resourceValues(forKeys: [.fileSizeKey]).fileSize ?? 0
  }
}
