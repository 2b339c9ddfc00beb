// `atelier swap`: the commands around face swaps; `run` is meant when none is named.

import ArgumentParser

/// The group of face-swap commands.
struct SwapCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "swap",
    abstract: "Swap faces: extract them, and convert pictures and films.",
    discussion: """
      Swap only faces of people who have agreed to it. Every result says in its metadata that it \
      is synthetic, and by which model.

      EXAMPLES
        atelier swap extract clip.mp4 photos/ -o faces/a
        atelier swap clip.mp4 --model swap.safetensors --to b -o swapped.mp4
      """,
    subcommands: [SwapExtractCommand.self, SwapRunCommand.self],
    defaultSubcommand: SwapRunCommand.self)
}
