// Training of a semantic network: the job, and the mathematics.

import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierKernels
import AtelierScenery
import AtelierTraining
import AtelierWorkbench
import AtelierZoo
import Foundation

/// Trains semantic networks.
public enum SegmentationTraining: TrainingJob {
  public static let workshop = "segment"
  public static let name = "train"
  public static let summary = "Train a network on pictures and masks."
  public static let guide = """
    The data: CamVid's folders (train and trainannot, val and valannot), train/images and \
    train/masks, or images and masks. A mask is a PNG of its picture's name and size: palette \
    or gray, whose stored values are the classes, or colours. classes.txt beside the folders \
    lists INDEX NAME RED GREEN BLUE a line; 255 and classes named void do not count. Ctrl-C \
    saves; --resume goes on as if nothing had happened.

    NETWORKS
    \(Catalogue.list(for: .segment))
      \(MaskRCNNModel.architecture):
        a mask for every object; more options: segment train-objects --help
      \(StarModel.architecture):
        crowded round objects; more options: segment train-stars --help

    EXAMPLES
      atelier segment train --data camvid --network unet --run mine --minutes 30
      atelier segment train --data shapes --network mask-rcnn --run it --minutes 60
      atelier segment train --data scenes --network unet --width 24 --levels 5 \\
        --run wide --steps 20000
      atelier segment train --run mine --resume --minutes 60
    """

  public static func task(
    _ request: SegmentationTrainingRequest, isResuming: Bool, kernels: Kernels
  ) throws -> SegmentationTask {
    try SegmentationTask(request, isResuming: isResuming, kernels: kernels)
  }

  /// The networks whose trainings are jobs of their own.
  static let otherNetworks: [String] = [MaskRCNNModel.architecture, StarModel.architecture]

  /// The name of a network of objects means its training, and so does a run folder of one.
  public static func handOver(
    _ words: FieldWords, in run: RunPlace
  ) throws -> (job: any Job.Type, words: FieldWords)? {
    let given = words["network"]?.last
    func isMeant<Other: TrainingJob>(_ job: Other.Type, _ network: String) -> Bool {
      run.resume
        ? Request.form.fixed(of: words).isEmpty && job.isJob(ofRun: run.url) : given == network
    }
    if isMeant(MaskRCNNTraining.self, MaskRCNNModel.architecture) {
      return try handOver(words, to: MaskRCNNTraining.self, of: MaskRCNNModel.architecture)
    }
    if isMeant(StarTraining.self, StarModel.architecture) {
      return try handOver(words, to: StarTraining.self, of: StarModel.architecture)
    }
    return nil
  }

  /// The words as another job understands them.
  private static func handOver<Other: TrainingJob>(
    _ words: FieldWords, to job: Other.Type, of network: String
  ) throws -> (job: any Job.Type, words: FieldWords) {
    var shared = words
    shared["network"] = nil
    if let word = shared.removeValue(forKey: "crop")?.last {
      let crop = try PixelSize(word: word)
      guard crop.width == crop.height else {
        throw StudioError(.usage, "\(network) takes square crops; received --crop \(crop)")
      }
      shared["side"] = [crop.width.word]
    }
    let others = Request.form.fields.map(\.name).filter {
      shared[$0] != nil && Other.Request.form.field($0) == nil
    }
    guard others.isEmpty else {
      throw StudioError(
        .usage,
        "\(network) does not have \(others.map { "--" + $0 }.joined(separator: ", ")); "
          + "see atelier \(job.path) --help")
    }
    return (job, shared)
  }
}
