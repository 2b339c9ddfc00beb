// A classifier trained without a run folder and measured on its set's test part: for comparisons.

import AtelierDatasets
import AtelierEngine
import AtelierInterchange
import AtelierKernels
import AtelierTraining
import AtelierWorkbench
import Foundation

/// Trains a classifier and measures it.
package enum ClassifierTrial {
  /// What came of it.
  package struct Result {
    /// Weights of the network.
    package var parameters: Int
    /// Seconds of training.
    package var seconds: Double
    /// The measure on the test part; nil when the training was interrupted.
    package var report: ClassificationReport?
  }

  /// Trains as a request says, and measures on the test part of its set.
  package static func run(
    _ request: ClassificationTrainingRequest, kernels: Kernels, interrupt: InterruptFlag,
    listener: any TrainingListener
  ) throws -> Result {
    let task = try ClassificationTask(
      request.perShard(), isResuming: false, kernels: kernels)
    let loop = try task.loop(in: nil, kernels: kernels)
    loop.interrupt = interrupt
    loop.listeners.append(listener)
    let stop = try loop.run()
    let model = try loop.withAverage { try task.model(step: stop.step, metrics: [:]) }
    var result = Result(parameters: model.graph.parameterCount, seconds: stop.seconds)
    guard stop.reason != .interrupted else { return result }
    let test = try LabeledImages.read(
      URL(fileURLWithPath: request.data), part: .test, form: request.form)
    result.report = try ClassificationEvaluation.run(
      Classifier([model], kernels: kernels), on: test)
    return result
  }
}
