// The workshop of networks that draw pictures from random numbers.

import AtelierWorkbench

/// Generates pictures.
public enum GenerateWorkshop: Workshop {
  public static let name = "generate"
  public static let summary = "Draw new pictures like those that a network was shown."
  public static let jobs: [any Job.Type] = [
    GenerateRun.self, GenerationTraining.self, GenerateInterpolate.self, GenerateEvaluate.self,
  ]
}
