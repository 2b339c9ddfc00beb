// `atelier swap`: the commands around face swaps; `run` is meant when none is named.

import ArgumentParser

/// The group of face-swap commands.
struct SwapCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "swap",
    abstract: "Swap faces: extract, train, convert pictures and films, measure.",
    discussion: """
      Swap only faces of people who have agreed to it. Every result says in its metadata that it \
      is synthetic, and by which model.

      EXAMPLES
        atelier swap extract clip.mp4 photos/ -o faces/a
        atelier swap train --a faces/a --b faces/b --network half --run mine \\
          --minutes 60
        atelier swap clip.mp4 --model mine/best.safetensors --to b -o swapped.mp4
        atelier swap evaluate --model mine/best.safetensors --a held/a --b held/b
      """,
    subcommands: [
      SwapExtractCommand.self, SwapTrainCommand.self, SwapMatchCommand.self, SwapRunCommand.self,
      SwapEvaluateCommand.self,
    ],
    defaultSubcommand: SwapRunCommand.self)
}
