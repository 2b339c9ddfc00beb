// `atelier denoise`: the commands around denoising; `run` is meant when none is named.

import ArgumentParser

/// The group of denoising commands.
struct DenoiseCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "denoise",
    abstract: "Take the noise out of pictures; train, measure and compare denoisers.",
    discussion: """
      EXAMPLES
        atelier denoise photo.png -o clean.png
        atelier denoise scans/ -o cleaned/ --compare
        atelier denoise train --data photos --network unet --run mine --minutes 30
        atelier denoise evaluate --model mine.safetensors --data test --sigma 25
        atelier denoise compare --unpool all --data photos --steps 2000 -o out
      """,
    subcommands: [
      DenoiseRunCommand.self, DenoiseTrainCommand.self, DenoiseEvaluateCommand.self,
      DenoiseCompareCommand.self,
    ], defaultSubcommand: DenoiseRunCommand.self)
}
