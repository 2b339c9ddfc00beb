// Steps of recurrent cells and their gradients, against the reference.

import AtelierKernels
import Testing

private typealias Support = ElementSupport

@Suite("Recurrent cells")
struct RecurrentCellTests {
  static let sizes: [ElementSupport.Grid] = [
    .init(1, 1), .init(3, 5), .init(2, 16), .init(5, 17), .init(7, 33), .init(300, 20),
  ]

  private func made(
    _ counts: [Int], _ body: ([UnsafeMutablePointer<Float>]) -> Void
  ) -> [Float] {
    var memory = [Float](repeating: .nan, count: counts.reduce(0, +))
    memory.withUnsafeMutableBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      var places: [UnsafeMutablePointer<Float>] = []
      var at = 0
      for count in counts {
        places.append(base + at)
        at += count
      }
      body(places)
    }
    return memory
  }

  @Test(arguments: sizes)
  func lstm(size: ElementSupport.Grid) {
    let (rows, units, count) = (size.pixels, size.channels, size.count)
    let before = Support.values(count, seed: 1)
    let sums = Support.values(4 * count, seed: 2)
    let (dy, dCells) = (Support.values(count, seed: 3), Support.values(count, seed: 4))
    let twin = Reference.lstmStep(before: before, sums: sums, rows: rows, units: units)
    Support.verify(absolute: 1e-6, reference: twin.gates + twin.cells + twin.y) { kernels in
      made([4 * count, count, count]) { place in
        place[0].update(from: sums, count: 4 * count)
        kernels.lstmStep(
          before: before, gates: place[0], cells: place[1], y: place[2], rows: rows, units: units)
      }
    }
    let gradient = Reference.lstmStepGradient(
      gates: twin.gates, before: before, cells: twin.cells, dy: dy, dCells: dCells, rows: rows,
      units: units)
    Support.verify(absolute: 2e-6, reference: gradient.dCells + gradient.dGates) { kernels in
      made([count, 4 * count]) { place in
        place[0].update(from: dCells, count: count)
        kernels.lstmStepGradient(
          gates: twin.gates, before: before, cells: twin.cells, dy: dy, dCells: place[0],
          dGates: place[1], rows: rows, units: units)
      }
    }
  }

  @Test(arguments: sizes)
  func gru(size: ElementSupport.Grid) {
    let (rows, units, count) = (size.pixels, size.channels, size.count)
    let before = Support.values(count, seed: 1)
    let (x, recurrent) = (Support.values(3 * count, seed: 2), Support.values(3 * count, seed: 3))
    let dState = Support.values(count, seed: 4)
    let twin = Reference.gruStep(
      x: x, recurrent: recurrent, before: before, rows: rows, units: units)
    Support.verify(absolute: 1e-6, reference: twin.gates + twin.y) { kernels in
      made([4 * count, count]) { place in
        kernels.gruStep(
          x: x, recurrent: recurrent, before: before, gates: place[0], y: place[1], rows: rows,
          units: units)
      }
    }
    let gradient = Reference.gruStepGradient(
      gates: twin.gates, before: before, dState: dState, rows: rows, units: units)
    Support.verify(
      absolute: 2e-6, reference: gradient.dState + gradient.dX + gradient.dRecurrent
    ) { kernels in
      made([count, 3 * count, 3 * count]) { place in
        place[0].update(from: dState, count: count)
        kernels.gruStepGradient(
          gates: twin.gates, before: before, dState: place[0], dX: place[1],
          dRecurrent: place[2], rows: rows, units: units)
      }
    }
  }
}
