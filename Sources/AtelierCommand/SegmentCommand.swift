// `atelier segment`: the commands around segmentation.

import ArgumentParser

/// The group of segmenting commands.
struct SegmentCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "segment",
    abstract: "Say what every pixel shows; train and measure semantic networks.",
    discussion: """
      EXAMPLES
        atelier segment train --data camvid --network unet --run mine --minutes 30
        atelier segment evaluate --model mine/last.safetensors --data camvid
      """,
    subcommands: [SegmentTrainCommand.self, SegmentEvaluateCommand.self])
}
