// GAN-train: a classifier that learns from drawn pictures alone and is tried on real ones.
//
// Shmelkov, Schmid, Alahari: How good is my GAN? (2018).

import AtelierClassification
import AtelierDatasets
import AtelierEngine
import AtelierInterchange
import AtelierKernels
import AtelierTraining
import AtelierWorkbench
import AtelierZoo

/// Learns classes from a set in memory.
enum ClassifierOfSamples {
  /// The share of `test` that a new classifier of `network` gets right after `epochs` over `drawn`.
  static func accuracy(
    _ network: ClassifierNetwork, from drawn: LabeledImages, on test: LabeledImages, epochs: Int,
    seed: UInt64, in place: JobPlace
  ) throws -> Double {
    let batch = min(128, drawn.count)
    let architecture = ClassifierArchitecture(network, for: drawn)
    let graph = try architecture.graph(batch: batch).training(
      loss: .crossEntropy(), target: [batch])
    let store = try ParameterStore(for: [graph], seed: seed)
    var recipe = TrainingRecipe()
    (recipe.batch, recipe.seed, recipe.warmUp) = (batch, seed, 100)
    let program = try Program(graph, parameters: store, kernels: place.kernels, seed: seed)
    let step = try recipe.step(program, decaysOnlyMatrices: true, kernels: place.kernels)
    let source = try LabeledBatches(drawn, batchSize: batch, seed: seed)
    let loop = try TrainingLoop(
      [step], source: source, configuration: TrainingConfiguration(epochs: epochs, seed: seed),
      kernels: place.kernels)
    loop.interrupt = place.interrupt
    let counter = ProgressCounter("steps", place)
    loop.listeners = [
      ClosureListener { event in
        guard case .step(let report) = event, report.step % 10 == 0 else { return }
        counter.show(report.step, report.totalSteps)
      }
    ]
    try loop.run()
    let model = RunningModel(
      graph: try architecture.graph(),
      information: ModelInformation(
        task: Classifier.task, architecture: network.rawValue,
        preprocessing: architecture.preprocessing, classNames: drawn.classNames),
      store: store, kernels: place.kernels)
    return try ClassificationEvaluation.run(try Classifier([model]), on: test).accuracy
  }
}
