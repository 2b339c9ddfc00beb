// The workshop of face swaps.

import AtelierWorkbench

/// The workshop of face swaps.
public enum SwapWorkshop: Workshop {
  public static let name = "swap"
  public static let summary = "Swap faces: extract, train, convert pictures and films, measure."
  public static let guide = """
    Swap only faces of people who have agreed to it. Every result says in its metadata that it \
    is synthetic, and by which model.

    EXAMPLES
      atelier swap extract clip.mp4 photos/ -o faces/a
      atelier swap train --a faces/a --b faces/b --network half --run mine \\
        --minutes 60
      atelier swap clip.mp4 --model mine/best.safetensors --to b -o swapped.mp4
      atelier swap evaluate --model mine/best.safetensors --a held/a --b held/b
    """
  public static let jobs: [any Job.Type] = [
    SwapExtract.self, FaceSwapTraining.self, SwapMatch.self, SwapRun.self, SwapEvaluate.self,
  ]
}
