// `atelier swap`: the commands around face swaps.

import ArgumentParser

/// The group of face-swap commands.
struct SwapCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "swap",
    abstract: "Train and measure face swaps.",
    discussion: """
      EXAMPLES
        atelier swap train --a anna --b ben --network slim --run mine --minutes 60
      """,
    subcommands: [SwapTrainCommand.self, SwapEvaluateCommand.self])
}
