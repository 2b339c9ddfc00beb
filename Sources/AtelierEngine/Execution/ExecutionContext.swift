// What an operation sees while it runs: memory, shapes, kernels, and where data faults are reported.

import AtelierKernels

/// A fault in the data that a program met while it ran, such as a label outside the classes.
public struct DataFault: Error, Hashable, Sendable, CustomStringConvertible {
  /// The layer, what was expected and what was received.
  public let description: String

  /// Makes a fault with its text.
  public init(_ description: String) { self.description = description }
}

/// What changes from run to run, shared by all nodes of a program.
final class RunState: @unchecked Sendable {
  /// The training step, which dropout mixes into its seed.
  var step: UInt64 = 0
  /// The seed of the training.
  var seed: UInt64 = 0
  /// The first fault of this run.
  var fault: DataFault?
}

/// The memory and the shapes of one node of a program.
public struct ExecutionContext {
  /// The layer's name, for faults.
  public let name: String
  /// The kernels to run.
  public let kernels: Kernels
  /// The shapes of inputs and outputs.
  public let shapes: NodeShapes
  let inputPointers: [UnsafeMutablePointer<Float>]
  let outputPointers: [UnsafeMutablePointer<Float>?]
  /// Scratch memory of the size that `workspaceCount` asked for.
  public let workspace: UnsafeMutablePointer<Float>?
  /// Prepared memory of the size that `preparedCount` asked for.
  public let preparedMemory: UnsafeMutablePointer<Float>?
  let state: RunState

  /// The elements of an input.
  public func input(_ index: Int) -> UnsafePointer<Float> { UnsafePointer(inputPointers[index]) }

  /// The elements of an input that the operation updates in place, such as running statistics.
  public func mutableInput(_ index: Int) -> UnsafeMutablePointer<Float> { inputPointers[index] }

  /// The memory of output 0, which every node needs.
  public var output: UnsafeMutablePointer<Float> {
    guard let pointer = outputPointers[0] else {
      preconditionFailure("layer \(name) runs although nobody reads its output")
    }
    return pointer
  }

  /// The memory of an output; nil where nobody reads it.
  public func output(_ index: Int) -> UnsafeMutablePointer<Float>? { outputPointers[index] }

  /// Prepared memory; the operation asked for it.
  public var prepared: UnsafeMutablePointer<Float> {
    guard let preparedMemory else { preconditionFailure("layer \(name) has nothing prepared") }
    return preparedMemory
  }

  /// Scratch memory; the operation asked for it.
  public var scratch: UnsafeMutablePointer<Float> {
    guard let workspace else { preconditionFailure("layer \(name) has no workspace") }
    return workspace
  }

  /// The seed of a random stream in this step.
  public func seed(stream: UInt64) -> UInt64 {
    var generator = RandomGenerator(seed: state.seed, state.step, stream)
    return generator.next()
  }

  /// Remembers a fault, which ends the run with an error; the first one counts.
  public func report(_ text: @autoclosure () -> String) {
    if state.fault == nil { state.fault = DataFault("layer \(name): \(text())") }
  }
}
