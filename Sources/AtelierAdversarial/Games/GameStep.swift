// The sides of a game as the steps of one training: each has a graph in which the other is frozen.

import AtelierEngine
import AtelierKernels
import AtelierTraining
import AtelierWorkbench

/// One side of a game.
///
/// A training against an opponent, whatever is played for, is a list of these over one store.
package struct GameStep {
  /// The side's name in reports and before the names of its inputs.
  package var name: String
  /// Its differentiated graph; what it must not move is frozen in it.
  package var graph: Graph
  /// Its optimizer and rate.
  package var recipe: TrainingRecipe
  /// How often it moves while the others move once, each time on inputs of its own: `name`,
  /// `name-2` and so on.
  package var turns = 1

  /// Describes a side.
  package init(_ name: String, _ graph: Graph, _ recipe: TrainingRecipe, turns: Int = 1) {
    (self.name, self.graph, self.recipe, self.turns) = (name, graph, recipe, turns)
  }

  /// The names of a side's turns.
  package static func names(_ name: String, turns: Int) -> [String] {
    (1...max(turns, 1)).map { $0 == 1 ? name : "\(name)-\($0)" }
  }

  /// The steps of a training, side after side; throws `ShapeError` or `TrainingError` when a side
  /// does not fit the store.
  package static func steps(
    _ sides: [GameStep], over store: ParameterStore, kernels: Kernels
  ) throws -> [TrainingStep] {
    try sides.flatMap { side in
      let program = try Program(
        side.graph, parameters: store, kernels: kernels, seed: side.recipe.seed)
      let first = try side.recipe.step(program, name: side.name, kernels: kernels)
      // A side's turns share one program and one optimizer, so they cost no more memory than one.
      return try names(side.name, turns: side.turns).map { name in
        try TrainingStep(name: name, program: program, optimizers: first.optimizers)
      }
    }
  }
}
