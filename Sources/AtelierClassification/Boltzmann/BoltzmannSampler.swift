// Gibbs sampling of a stack of Boltzmann machines over parameters that a training may still move.

import AtelierEngine
import AtelierKernels
import AtelierZoo

/// Ways up and down a stack, each a program planned once, with bits drawn between them; used by one
/// thread at a time.
package final class BoltzmannSampler {
  /// The machines from the pictures up.
  package let levels: [BoltzmannLevel]
  /// States at once.
  package let batch: Int
  private let up: [Program]
  private let down: [Program]
  private let kernels: Kernels

  /// Plans the ways of a stack for a number of states; throws `ShapeError` when the store lacks a
  /// parameter.
  package init(
    _ levels: [BoltzmannLevel], store: ParameterStore, batch: Int, kernels: Kernels
  ) throws(ShapeError) {
    self.levels = levels
    self.batch = batch
    self.kernels = kernels
    func program(
      _ units: Int, _ body: (SymbolicTensor) -> SymbolicTensor
    ) throws(ShapeError) -> Program {
      let graph = try Graph.trace { builder in
        builder.output("output", body(builder.input("input", [batch, units])))
      }
      return try Program(graph, parameters: store, kernels: kernels)
    }
    var (up, down): ([Program], [Program]) = ([], [])
    for level in levels {
      up.append(try program(level.visible) { level.hiddenMean($0) })
      down.append(try program(level.hidden) { level.visibleMean($0) })
    }
    (self.up, self.down) = (up, down)
  }

  /// The means of a level's hidden units: [batch, visible] gives [batch, hidden].
  package func hidden(_ visible: Tensor, level: Int) throws -> Tensor {
    try Self.run(up[level], visible)
  }

  /// The means of a level's visible units: [batch, hidden] gives [batch, visible].
  package func visible(_ hidden: Tensor, level: Int) throws -> Tensor {
    try Self.run(down[level], hidden)
  }

  /// The means up to below the topmost machine: pictures [batch, samples] as it sees them.
  package func below(_ pictures: Tensor) throws -> Tensor {
    try levels.indices.dropLast().reduce(pictures) { try hidden($0, level: $1) }
  }

  /// What topmost visible units draw as pictures, by means.
  package func pictures(_ visible: Tensor) throws -> Tensor {
    try levels.indices.dropLast().reversed().reduce(visible) { try self.visible($0, level: $1) }
  }

  /// Steps of Gibbs sampling in the topmost machine from visible states.
  ///
  /// Hidden units are always drawn as bits, visible ones where `drawsVisible`; else, and after the
  /// last step, they are their means. Each state draws by the seed and the path alone.
  package func gibbs(
    _ visible: Tensor, steps: Int, drawsVisible: Bool, seed: UInt64, path: UInt64
  ) throws -> Tensor {
    let top = levels.count - 1
    var state = visible
    for step in 0..<steps {
      var hidden = try hidden(state, level: top)
      draw(&hidden, seed, path, UInt64(2 * step))
      state = try self.visible(hidden, level: top)
      if drawsVisible, step < steps - 1, !levels[top].isGaussian {
        draw(&state, seed, path, UInt64(2 * step + 1))
      }
    }
    return state
  }

  /// Bits by their probabilities, in place.
  package func draw(_ means: inout Tensor, _ seed: UInt64, _ path: UInt64, _ turn: UInt64) {
    let (rows, units) = (means.shape.batch, means.shape.channels)
    means.elements.withUnsafeMutableBufferPointer { elements in
      kernels.pool.parallelFor(rows) { row in
        var generator = RandomGenerator(seed: seed, path, turn, UInt64(row))
        for unit in row * units..<(row + 1) * units {
          elements[unit] = generator.uniform() < elements[unit] ? 1 : 0
        }
      }
    }
  }

  private static func run(_ program: Program, _ input: Tensor) throws -> Tensor {
    try program.setInput("input", input)
    try program.run()
    return try program.output("output")
  }
}
