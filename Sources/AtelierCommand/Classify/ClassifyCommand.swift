// `atelier classify`: the commands around classifying; `run` is meant when none is named.

import ArgumentParser
import Atelier
import Foundation

/// The group of classifying commands.
struct ClassifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "classify",
    abstract: "Say what pictures show; train, measure and explain classifiers.",
    discussion: """
      EXAMPLES
        atelier classify train --data fashion-mnist --network course --run mine
        atelier classify evaluate --model mine/best.safetensors --data fashion-mnist
        atelier classify photo.png --model mine/best.safetensors
        atelier classify explain photo.png --model mine/best.safetensors -o out
      """,
    subcommands: [
      ClassifyRunCommand.self, ClassifyTrainCommand.self, ClassifyEvaluateCommand.self,
      ClassifyExplainCommand.self,
    ], defaultSubcommand: ClassifyRunCommand.self)
}

/// Which models a command looks with.
struct ClassifierOptions: ParsableArguments {
  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "The model file; of several the probabilities are averaged.", valueName: "file"))
  var model: [String]

  func validate() throws {
    guard !model.isEmpty else { throw ValidationError("--model needs a file") }
  }

  /// The models at work.
  func load(_ kernels: Kernels) throws -> Classifier {
    try Classifier(
      model.map { try ModelFile.read(from: URL(fileURLWithPath: $0)) }, kernels: kernels)
  }
}

extension Classifier {
  /// The form that pictures of class folders need for these models.
  var form: PictureForm {
    PictureForm(width: size.width, height: size.height, mode: channels == 1 ? .gray : .color)
  }
}
