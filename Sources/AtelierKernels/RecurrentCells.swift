// One step of recurrent cells, and its gradient.

import CKernels

/// What a recurrent layer does at each step; H units, x·W + b and h·U are sums of a step.
public enum RecurrentCell: String, Sendable, Hashable, Codable, CaseIterable {
  /// h' = tanh(x·W + b + h·U) (Elman 1990).
  case tanh
  /// h' = max(0, x·W + b + h·U).
  case relu
  /// Long short-term memory (Hochreiter and Schmidhuber 1997, Gers and others 2000); gates input,
  /// forget, candidate, output, as PyTorch and Keras order them.
  case lstm
  /// Gated recurrent units (Cho and others 2014), the reset behind the recurrent product, as PyTorch
  /// and cuDNN have it; gates reset, update, candidate.
  case gru

  /// Sums a unit: the widths of W and U over H.
  public var sums: Int {
    switch self {
    case .tanh, .relu: 1
    case .lstm: 4
    case .gru: 3
    }
  }

  /// Values a unit that a step keeps for its gradient, beside the state.
  public var kept: Int {
    switch self {
    case .tanh, .relu: 0
    case .lstm, .gru: 4
    }
  }
}

extension Kernels {
  /// A step of long short-term memory over `rows` samples.
  /// - Parameters:
  ///   - before: The cells before it [rows, units].
  ///   - gates: The sums [rows, 4 · units], which become the gates' values.
  ///   - cells: The cells after it [rows, units].
  ///   - y: The state after it [rows, units].
  ///   - rows: Samples.
  ///   - units: Units of the state.
  public func lstmStep(
    before: UnsafePointer<Float>, gates: UnsafeMutablePointer<Float>,
    cells: UnsafeMutablePointer<Float>, y: UnsafeMutablePointer<Float>, rows: Int, units: Int
  ) {
    forRowBlocks(rows, elementsPerRow: 8 * units) { start, end in
      let at = start * units
      elementwise.pointee.lstm(
        before + at, gates + 4 * at, cells + at, y + at, end - start, units)
    }
  }

  /// The gradient of a step of long short-term memory.
  /// - Parameters:
  ///   - gates: The gates' values [rows, 4 · units].
  ///   - before: The cells before the step [rows, units].
  ///   - cells: The cells after it [rows, units].
  ///   - dy: The gradient of the state after it [rows, units].
  ///   - dCells: The gradient of the cells after it, which becomes that of those before it.
  ///   - dGates: The gradient of the sums [rows, 4 · units].
  ///   - rows: Samples.
  ///   - units: Units of the state.
  public func lstmStepGradient(
    gates: UnsafePointer<Float>, before: UnsafePointer<Float>, cells: UnsafePointer<Float>,
    dy: UnsafePointer<Float>, dCells: UnsafeMutablePointer<Float>,
    dGates: UnsafeMutablePointer<Float>, rows: Int, units: Int
  ) {
    forRowBlocks(rows, elementsPerRow: 8 * units) { start, end in
      let at = start * units
      elementwise.pointee.lstm_gradient(
        gates + 4 * at, before + at, cells + at, dy + at, dCells + at, dGates + 4 * at,
        end - start, units)
    }
  }

  /// A step of gated recurrent units over `rows` samples.
  /// - Parameters:
  ///   - x: The input's sums [rows, 3 · units].
  ///   - recurrent: The state's sums [rows, 3 · units].
  ///   - before: The state before it [rows, units].
  ///   - gates: What its gradient needs [rows, 4 · units].
  ///   - y: The state after it [rows, units].
  ///   - rows: Samples.
  ///   - units: Units of the state.
  public func gruStep(
    x: UnsafePointer<Float>, recurrent: UnsafePointer<Float>, before: UnsafePointer<Float>,
    gates: UnsafeMutablePointer<Float>, y: UnsafeMutablePointer<Float>, rows: Int, units: Int
  ) {
    forRowBlocks(rows, elementsPerRow: 8 * units) { start, end in
      let at = start * units
      elementwise.pointee.gru(
        x + 3 * at, recurrent + 3 * at, before + at, gates + 4 * at, y + at, end - start, units)
    }
  }

  /// The gradient of a step of gated recurrent units.
  /// - Parameters:
  ///   - gates: What the step kept [rows, 4 · units].
  ///   - before: The state before it [rows, units].
  ///   - dState: The gradient of the state after it, which becomes that of the state before it, but
  ///     for what comes through the recurrent product.
  ///   - dX: The gradient of the input's sums [rows, 3 · units].
  ///   - dRecurrent: The gradient of the state's sums [rows, 3 · units].
  ///   - rows: Samples.
  ///   - units: Units of the state.
  public func gruStepGradient(
    gates: UnsafePointer<Float>, before: UnsafePointer<Float>,
    dState: UnsafeMutablePointer<Float>, dX: UnsafeMutablePointer<Float>,
    dRecurrent: UnsafeMutablePointer<Float>, rows: Int, units: Int
  ) {
    forRowBlocks(rows, elementsPerRow: 8 * units) { start, end in
      let at = start * units
      elementwise.pointee.gru_gradient(
        gates + 4 * at, before + at, dState + at, dX + 3 * at, dRecurrent + 3 * at, end - start,
        units)
    }
  }
}
