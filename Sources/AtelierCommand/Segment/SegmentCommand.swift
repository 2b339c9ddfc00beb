// `atelier segment`: the commands around segmentation; `run` is meant when none is named.

import ArgumentParser

/// The group of segmenting commands.
struct SegmentCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "segment",
    abstract: "Say what every pixel shows; train, measure and compare networks.",
    discussion: """
      EXAMPLES
        atelier segment street.png --model mine.safetensors -o out
        atelier segment train --data camvid --network unet --run mine --minutes 30
        atelier segment evaluate --model mine/last.safetensors --data camvid
        atelier segment compare --unpool all --data camvid --width 16 --steps 2000 \\
          -o out
      """,
    subcommands: [
      SegmentRunCommand.self, SegmentTrainCommand.self, SegmentEvaluateCommand.self,
      SegmentCompareCommand.self, SegmentObjectsCommand.self,
    ], defaultSubcommand: SegmentRunCommand.self)
}
