// A model at work: its graph over a store of parameters, a program for each shape planned once.

import AtelierEngine
import AtelierFiles
import AtelierInterchange
import AtelierKernels

/// A model at work, from a file or over the parameters of a training that still moves them.
///
/// Programs see every change of the store, so a training measures and draws with the weights that
/// it has, and nothing is copied. Used by one thread at a time.
public final class RunningModel {
  /// The graph, for any batch of its own input sizes.
  public let graph: Graph
  /// What is known of the model.
  public let information: ModelInformation
  /// The parameters.
  public let store: ParameterStore
  /// Instruction set and threads.
  public let kernels: Kernels
  /// How many programs are kept.
  public var capacity: Int
  private var programs: [(key: AnyHashable, program: Program)] = []
  /// Whether the graph came from a file, so that what does not fit is that file's fault.
  package private(set) var isRead = false
  /// The beginning of an error about the model: its file, where it has one.
  package private(set) var beginning = ""

  /// Takes a model that was read; throws `StudioError`, "expected a model that …", when it is of
  /// another task.
  public convenience init(
    _ model: Model, task: String, _ expectation: String, capacity: Int = 4, kernels: Kernels
  ) throws {
    try StudioError.unless(
      model.information.task == task, .data,
      model.beginning + "expected a model that \(expectation), received one for the task "
        + model.information.task)
    try self.init(
      graph: model.graph, information: model.information, store: model.store(),
      capacity: capacity, kernels: kernels)
    isRead = true
    beginning = model.beginning
  }

  /// Takes a graph over parameters that are there already, such as a training's own.
  public init(
    graph: Graph, information: ModelInformation, store: ParameterStore, capacity: Int = 4,
    kernels: Kernels
  ) {
    self.graph = graph
    self.information = information
    self.store = store
    self.capacity = capacity
    self.kernels = kernels
  }

  /// The shape of an input of the graph; nil when there is none of that name.
  public func inputShape(_ name: String = "input") -> Shape? {
    graph.input(named: name).map { graph.values[$0].shape }
  }

  /// The shape of an output of the graph; nil when there is none of that name.
  public func outputShape(_ name: String = "output") -> Shape? {
    graph.output(named: name).map { graph.values[$0].shape }
  }

  /// The program for inputs of given shapes, planned when it is not there yet; `extend` adds what
  /// the model file has not, such as probabilities, always the same for one set of shapes.
  ///
  /// Throws `ShapeError` when the graph does not take the shapes or there is no memory.
  public func program(
    _ shapes: [String: Shape], extend: (Graph) throws -> Graph = { $0 }
  ) throws -> Program {
    try program(key: AnyHashable(shapes)) {
      try extend(graph.reshaped(shapes).specialized(for: .infer))
    }
  }

  /// Gives the memory of all programs back; they are planned again when they are asked for.
  public func forgetPrograms() { programs.removeAll() }

  /// The program of a key, of a graph made when it is not there yet.
  public func program(key: AnyHashable, _ make: () throws -> Graph) throws -> Program {
    if let index = programs.firstIndex(where: { $0.key == key }) {
      let known = programs.remove(at: index)
      programs.append(known)
      return known.program
    }
    // The one that was not used for the longest time goes first.
    programs.removeFirst(max(programs.count - capacity + 1, 0))
    let made: Program
    do { made = try Program(make(), parameters: store, kernels: kernels) } catch let error
      as ShapeError where isRead && !error.isMemory
    {
      throw StudioError(.data, beginning + "the model does not take what it is given: \(error)")
    }
    programs.append((key, made))
    return made
  }
}

extension RunningModel {
  /// The model with the present parameters, what is known of its training and its figures.
  package func card(_ training: [String: String], _ figures: [String: Double]) throws -> Model {
    var information = information
    (information.training, information.figures) = (training, figures)
    return try Model(graph: graph, store: store, information: information)
  }

  /// The shapes of a graph's only input, `input`, and of `output`; throws `StudioError` without them.
  package func ends() throws(StudioError) -> (input: Shape, output: Shape) {
    guard let input = inputShape(), graph.inputs.count == 1, let output = outputShape() else {
      throw StudioError(.data, "the model has no input and output of these names")
    }
    return (input, output)
  }
}
