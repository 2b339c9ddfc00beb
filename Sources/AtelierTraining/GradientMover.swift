// Moves each parameter as soon as its gradient is complete, so that no two gradients need memory at once.

import AtelierEngine
import AtelierKernels

/// What moves the parameters of one step while its program runs.
///
/// The parameters become the same to the bit as by gradients side by side. Only the norm, which is
/// reported, is summed parameter by parameter and may differ in its last digits. Where the loss is
/// not finite nothing is moved; where a gradient is not, the ones before it in the run have been:
/// the loop then puts the last good state back, which it does for either.
final class GradientMover {
  private let step: TrainingStep
  private let rates: [Double]
  private var running: [OptimizerState.SingleStep?]
  private let owners: [String: Int]
  private var isStopped = false
  /// For each optimizer, the sum of the squares of its gradients.
  private(set) var squares: [Double]

  /// Takes the gradients of the step's program from now on; `rates` are the optimizers'.
  init(_ step: TrainingStep, rates: [Double]) {
    self.step = step
    self.rates = rates
    running = rates.map { _ in nil }
    squares = rates.map { _ in 0 }
    var owners: [String: Int] = [:]
    for (index, optimizer) in step.optimizers.enumerated() {
      for entry in optimizer.entries { owners[entry.name] = index }
    }
    self.owners = owners
    step.program.onGradient = { [unowned self] entry, gradient in self.take(entry, gradient) }
  }

  deinit { step.program.onGradient = nil }

  private func take(_ entry: ParameterStore.Entry, _ gradient: UnsafeMutablePointer<Float>) {
    guard !isStopped, let owner = owners[entry.name] else { return }
    let optimizer = step.optimizers[owner]
    let numbers: OptimizerState.SingleStep
    if let known = running[owner] {
      numbers = known
    } else {
      // The loss is there before the first gradient.
      guard let loss = try? step.program.scalar("loss"), loss.isFinite else {
        isStopped = true
        return
      }
      numbers = optimizer.beginStep(learningRate: rates[owner])
      running[owner] = numbers
    }
    let square = optimizer.move(entry, by: gradient, in: numbers)
    squares[owner] += square
    isStopped = !square.isFinite
  }
}
