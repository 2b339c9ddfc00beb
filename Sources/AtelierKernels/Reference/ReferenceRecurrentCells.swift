// The reference twins of recurrent steps: one unit at a time, in double precision.

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

extension Reference {
  private static func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }

  /// A step of long short-term memory: gates, cells and state after it.
  public static func lstmStep(
    before: [Float], sums: [Float], rows: Int, units: Int
  ) -> (gates: [Float], cells: [Float], y: [Float]) {
    var gates = sums
    var (cells, y) = (before, before)
    for row in 0..<rows {
      for unit in 0..<units {
        let (at, base) = (row * units + unit, row * 4 * units + unit)
        let sum = (0..<4).map { Double(sums[base + $0 * units]) }
        let values = [sigmoid(sum[0]), sigmoid(sum[1]), tanh(sum[2]), sigmoid(sum[3])]
        let cell = values[1] * Double(before[at]) + values[0] * values[2]
        for gate in 0..<4 { gates[base + gate * units] = Float(values[gate]) }
        cells[at] = Float(cell)
        y[at] = Float(values[3] * tanh(cell))
      }
    }
    return (gates, cells, y)
  }

  /// The gradient of a step of long short-term memory: of the cells before it and of the sums.
  public static func lstmStepGradient(
    gates: [Float], before: [Float], cells: [Float], dy: [Float], dCells: [Float], rows: Int,
    units: Int
  ) -> (dCells: [Float], dGates: [Float]) {
    var dGates = gates
    var dBefore = dCells
    for row in 0..<rows {
      for unit in 0..<units {
        let (at, base) = (row * units + unit, row * 4 * units + unit)
        let gate = (0..<4).map { Double(gates[base + $0 * units]) }
        let squashed = tanh(Double(cells[at]))
        let up = Double(dy[at])
        let dCell = Double(dCells[at]) + up * gate[3] * (1 - squashed * squashed)
        let slopes = [
          dCell * gate[2] * gate[0] * (1 - gate[0]),
          dCell * Double(before[at]) * gate[1] * (1 - gate[1]),
          dCell * gate[0] * (1 - gate[2] * gate[2]),
          up * squashed * gate[3] * (1 - gate[3]),
        ]
        for index in 0..<4 { dGates[base + index * units] = Float(slopes[index]) }
        dBefore[at] = Float(dCell * gate[1])
      }
    }
    return (dBefore, dGates)
  }

  /// A step of gated recurrent units: what is kept and the state after it.
  public static func gruStep(
    x: [Float], recurrent: [Float], before: [Float], rows: Int, units: Int
  ) -> (gates: [Float], y: [Float]) {
    var gates = [Float](repeating: 0, count: 4 * rows * units)
    var y = before
    for row in 0..<rows {
      for unit in 0..<units {
        let (at, base) = (row * units + unit, row * 3 * units + unit)
        let own = (0..<3).map { Double(x[base + $0 * units]) }
        let other = (0..<3).map { Double(recurrent[base + $0 * units]) }
        let (reset, update) = (sigmoid(own[0] + other[0]), sigmoid(own[1] + other[1]))
        let candidate = tanh(own[2] + reset * other[2])
        for (gate, value) in [reset, update, candidate, other[2]].enumerated() {
          gates[row * 4 * units + gate * units + unit] = Float(value)
        }
        y[at] = Float((1 - update) * candidate + update * Double(before[at]))
      }
    }
    return (gates, y)
  }

  /// The gradient of a step of gated recurrent units: of the state before it, without the recurrent
  /// product's part, and of both kinds of sums.
  public static func gruStepGradient(
    gates: [Float], before: [Float], dState: [Float], rows: Int, units: Int
  ) -> (dState: [Float], dX: [Float], dRecurrent: [Float]) {
    var dX = [Float](repeating: 0, count: 3 * rows * units)
    var (dRecurrent, dBefore) = (dX, dState)
    for row in 0..<rows {
      for unit in 0..<units {
        let (at, base) = (row * units + unit, row * 3 * units + unit)
        let gate = (0..<4).map { Double(gates[row * 4 * units + $0 * units + unit]) }
        let up = Double(dState[at])
        let dCandidate = up * (1 - gate[1]) * (1 - gate[2] * gate[2])
        let slopes = [
          dCandidate * gate[3] * gate[0] * (1 - gate[0]),
          up * (Double(before[at]) - gate[2]) * gate[1] * (1 - gate[1]), dCandidate,
        ]
        for index in 0..<3 {
          dX[base + index * units] = Float(slopes[index])
          dRecurrent[base + index * units] = Float(slopes[index] * (index == 2 ? gate[0] : 1))
        }
        dBefore[at] = Float(up * gate[1])
      }
    }
    return (dBefore, dX, dRecurrent)
  }
}
