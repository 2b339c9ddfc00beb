// Training of a Mask R-CNN: the job, and the mathematics: two programs over one store.

import AtelierDatasets
import AtelierEngine
import AtelierImages
import AtelierKernels
import AtelierTraining
import AtelierWorkbench
import AtelierZoo

/// Trains Mask R-CNNs.
public enum MaskRCNNTraining: TrainingJob {
  public static let workshop = "segment"
  public static let name = "train-objects"
  public static let summary = "Train a Mask R-CNN: a mask for every object."
  public static let guide = """
    EXAMPLES
      atelier segment train-objects --data shapes --run shapes --minutes 40
      atelier segment train-objects --data nuclei --microscope --run nuclei \\
        --minutes 60
      atelier segment train-objects --run shapes --resume --minutes 60
    """

  public static func task(
    _ request: MaskRCNNTrainingRequest, isResuming: Bool, kernels: Kernels
  ) throws -> MaskRCNNTask {
    try MaskRCNNTask(request, isResuming: isResuming, kernels: kernels)
  }
}
