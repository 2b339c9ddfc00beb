// A planned graph bound to memory: runs without allocating.

import AtelierKernels

/// A graph planned for one batch shape and one purpose, bound to a parameter store and to an arena of its own.
///
/// Give the inputs, run, read the outputs. A program is used by one thread at a time.
public final class Program: @unchecked Sendable {
  /// How the program was laid out.
  public let plan: Plan
  /// The parameters that it reads (and whose statistics it moves).
  public let parameters: ParameterStore
  /// The gradient block, cut up like the parameter store; only parameters with gradients are ever written.
  public let gradients: UnsafeMutablePointer<Float>
  /// Called with each parameter's entry and its gradient, in a program that hands gradients over.
  ///
  /// That is once the gradient is complete and no node of the run reads the parameter any more, so
  /// that it may be moved at once. Gradients that are in the block all the same come at the end.
  package var onGradient: ((ParameterStore.Entry, UnsafeMutablePointer<Float>) -> Void)?
  /// Whether gradients are handed over by `onGradient` instead of being left in `gradients`.
  package let handsGradientsOver: Bool
  /// Called after each step with its index, when set; for profiles.
  public var onStep: ((Int) -> Void)?

  /// The most floats that an arena may have: 64 GiB, so that a hostile model file cannot ask for more.
  static let arenaLimit = 16 << 30

  private let arena: UnsafeMutablePointer<Float>
  private let contexts: [ExecutionContext]
  private let state: RunState
  /// The store's index of each parameter of the graph.
  private let storeIndices: [Int]
  /// Gradients that a kernel could not write in place: from, to, count.
  private let copies: [(from: UnsafeMutablePointer<Float>, to: Int, count: Int)]
  private var preparedVersions: [UInt64]
  /// The parameters' indices in the store that a run moves, such as those of running statistics.
  private let movedStatistics: [Int]

  /// Plans and binds a graph.
  ///
  /// - Parameters:
  ///   - graph: A specialized graph, differentiated when it is to train.
  ///   - parameters: A store that has all of the graph's parameters.
  ///   - kernels: Instruction set and threads.
  ///   - seed: The seed of dropout.
  ///   - isFused: Whether neighbours are fused; tests compare both.
  ///   - handsGradientsOver: Whether gradients are handed over one by one, whose memory serves again
  ///     then (`Plan`), instead of lying side by side at the end of a run.
  /// - Throws: `ShapeError` when the store lacks a parameter or has it in another shape.
  public init(
    _ graph: Graph, parameters: ParameterStore, kernels: Kernels = Kernels(), seed: UInt64 = 0,
    isFused: Bool = true, handsGradientsOver: Bool = false
  ) throws(ShapeError) {
    let plan = Plan(
      graph, kernels: kernels, isFused: isFused, handsGradientsOver: handsGradientsOver)
    self.handsGradientsOver = handsGradientsOver
    var indices: [Int] = []
    for parameter in plan.graph.parameters {
      guard let index = parameters.index(named: parameter.name),
        parameters.entries[index].shape == parameter.shape
      else {
        throw ShapeError(
          "the parameter store has no parameter \(parameter.name) of shape \(parameter.shape)")
      }
      indices.append(index)
    }
    self.plan = plan
    self.parameters = parameters
    storeIndices = indices
    let state = RunState()
    state.seed = seed
    self.state = state
    guard plan.arenaCount <= Self.arenaLimit else {
      throw ShapeError(
        "the program would need \(plan.arenaCount / 268_435_456) GiB for its intermediate values; at most \(Self.arenaLimit / 268_435_456) GiB are allowed"
      )
    }
    let arena = try AlignedMemory.allocate(max(plan.arenaCount, 1))
    do throws(ShapeError) {
      gradients = try AlignedMemory.allocate(
        Self.leavesAll(plan) ? max(parameters.count, 1) : 1)
    } catch {
      AlignedMemory.free(arena)
      throw error
    }
    self.arena = arena
    let memory = Binding(
      plan: plan, arena: arena, gradients: gradients, parameters: parameters, indices: indices)
    contexts = plan.graph.nodes.indices.map { memory.context($0, kernels, state) }
    copies = memory.copies()
    preparedVersions = [UInt64](repeating: 0, count: plan.graph.nodes.count)
    movedStatistics = memory.movedStatistics()
  }

  deinit {
    AlignedMemory.free(arena)
    AlignedMemory.free(gradients)
  }

  /// The names and shapes of the inputs.
  public var inputs: [(name: String, shape: Shape)] {
    plan.graph.inputs.map { ($0.name, plan.graph.values[$0.value].shape) }
  }

  /// Copies a tensor into an input.
  ///
  /// - Throws: `ShapeError` when there is no such input or its shape differs.
  public func setInput(_ name: String, _ tensor: Tensor) throws(ShapeError) {
    let (value, shape) = try value(ofInput: name)
    guard shape == tensor.shape else {
      throw ShapeError("input \(name) has shape \(shape); received \(tensor.shape)")
    }
    guard case .arena(let offset) = plan.locations[value] else { return }
    (arena + offset).update(from: tensor.elements, count: shape.count)
  }

  /// Lets the caller write an input in place; the buffer is as long as the input's shape.
  ///
  /// - Throws: `ShapeError` when there is no such input.
  public func withInput(
    _ name: String, _ body: (UnsafeMutableBufferPointer<Float>) -> Void
  ) throws(ShapeError) {
    let (value, shape) = try value(ofInput: name)
    if case .arena(let offset) = plan.locations[value] {
      body(UnsafeMutableBufferPointer(start: arena + offset, count: shape.count))
    }
  }

  private func value(ofInput name: String) throws(ShapeError) -> (ValueID, Shape) {
    guard let value = plan.graph.input(named: name) else {
      throw ShapeError(
        "there is no input named \(name); there are \(plan.graph.inputs.map(\.name))")
    }
    return (value, plan.graph.values[value].shape)
  }

  /// Runs all steps.
  ///
  /// - Parameter step: The training step, which dropout mixes into its seed.
  /// - Throws: `DataFault` when the inputs hold what the graph cannot take, such as a label outside the classes.
  public func run(step: UInt64 = 0) throws(DataFault) {
    state.step = step
    state.fault = nil
    let nodes = plan.graph.nodes
    for index in contexts.indices {
      let operation = nodes[index].operation
      defer { handOver(after: index) }
      if operation.isView { continue }
      if contexts[index].preparedMemory != nil {
        let version = versionOfParameters(index)
        if !plan.keepsPrepared[index] || preparedVersions[index] != version {
          operation.prepare(contexts[index])
          preparedVersions[index] = version
        }
      }
      operation.run(contexts[index])
      onStep?(index)
    }
    for copy in copies { (gradients + copy.to).update(from: copy.from, count: copy.count) }
    handOverTheRest()
    for index in movedStatistics { parameters.touch(index: index) }
    if let fault = state.fault { throw fault }
  }

  /// Whether some gradient is left in the gradient block.
  private static func leavesAll(_ plan: Plan) -> Bool {
    plan.graph.parameterGradients.count > plan.handovers.reduce(0) { $0 + $1.count }
  }

  private func handOver(after step: Int) {
    // What was computed from wrong data moves nothing.
    guard handsGradientsOver, let onGradient, state.fault == nil else { return }
    for parameter in plan.handovers[step] {
      guard let value = plan.graph.gradientValue(of: parameter),
        case .arena(let offset) = plan.locations[value]
      else { continue }
      onGradient(parameters.entries[storeIndices[parameter]], arena + offset)
    }
  }

  private func handOverTheRest() {
    guard handsGradientsOver, let onGradient, state.fault == nil else { return }
    let handed = Set(plan.handovers.joined())
    for gradient in plan.graph.parameterGradients where !handed.contains(gradient.parameter) {
      let entry = parameters.entries[storeIndices[gradient.parameter]]
      onGradient(entry, gradients + entry.offset)
    }
  }

  /// A number that grows whenever a parameter that a node reads changes.
  private func versionOfParameters(_ index: Int) -> UInt64 {
    var version: UInt64 = 0
    for input in plan.graph.nodes[index].inputs {
      if case .parameter(let parameter) = plan.graph.values[input].source {
        version += parameters.version(storeIndices[parameter])
      }
    }
    return version
  }

  /// A copy of an output.
  ///
  /// - Throws: `ShapeError` when there is no such output.
  public func output(_ name: String) throws(ShapeError) -> Tensor {
    let (pointer, shape) = try pointer(ofOutput: name)
    return Tensor(shape, Array(UnsafeBufferPointer(start: pointer, count: shape.count)))
  }

  /// Lets the caller read an output in place.
  ///
  /// - Throws: `ShapeError` when there is no such output.
  public func withOutput<Result>(
    _ name: String, _ body: (UnsafeBufferPointer<Float>) -> Result
  ) throws(ShapeError) -> Result {
    let (pointer, shape) = try pointer(ofOutput: name)
    return body(UnsafeBufferPointer(start: pointer, count: shape.count))
  }

  /// The value of a scalar output.
  ///
  /// - Throws: `ShapeError` when there is no such output.
  public func scalar(_ name: String) throws(ShapeError) -> Float {
    try pointer(ofOutput: name).0[0]
  }

  private func pointer(ofOutput name: String) throws(ShapeError) -> (UnsafePointer<Float>, Shape) {
    guard let value = plan.graph.output(named: name) else {
      throw ShapeError(
        "there is no output named \(name); there are \(plan.graph.outputs.map(\.name))")
    }
    let memory = Binding(
      plan: plan, arena: arena, gradients: gradients, parameters: parameters, indices: storeIndices)
    guard let pointer = memory.pointer(value) else {
      throw ShapeError("output \(name) was not computed")
    }
    return (UnsafePointer(pointer), plan.graph.values[value].shape)
  }

  /// The gradient of a parameter, nil when it has none or hands it over.
  public func gradient(of name: String) -> Tensor? {
    guard !handsGradientsOver,
      let gradient = plan.graph.parameterGradients.first(where: {
        plan.graph.parameters[$0.parameter].name == name
      })
    else { return nil }
    let entry = parameters.entries[storeIndices[gradient.parameter]]
    return Tensor(
      entry.shape,
      Array(UnsafeBufferPointer(start: gradients + entry.offset, count: entry.shape.count)))
  }

  /// The store's entries that this program has gradients of.
  public var trainedEntries: [ParameterStore.Entry] {
    plan.graph.parameterGradients.map { parameters.entries[storeIndices[$0.parameter]] }
      .sorted { $0.offset < $1.offset }
  }

  /// The store's entries that a run itself moves, such as running statistics, in order.
  package var movedEntries: [ParameterStore.Entry] {
    Set(movedStatistics).sorted().map { parameters.entries[$0] }
  }

  /// The entries that this program has gradients of, each with the step (`onStep`) after which its
  /// gradient is in the block; nil for the end of the run.
  package var gradientSteps: [(entry: ParameterStore.Entry, step: Int?)] {
    let copied = Set(copies.map(\.to))
    var makers: [ValueID: Int] = [:]
    for (index, node) in plan.graph.nodes.enumerated() {
      for output in node.outputs { makers[output] = index }
    }
    return plan.graph.parameterGradients.map { gradient in
      let entry = parameters.entries[storeIndices[gradient.parameter]]
      return (entry, copied.contains(entry.offset) ? nil : makers[gradient.value])
    }
  }

  /// Bytes of the arena and of the gradient block that is in use.
  public var memoryBytes: Int {
    let handed = Set(plan.handovers.joined())
    let left = plan.graph.parameterGradients.filter { !handed.contains($0.parameter) }
    return 4
      * left.reduce(plan.arenaCount) { $0 + plan.graph.parameters[$1.parameter].shape.count }
  }
}

/// Turns a plan's locations into addresses.
private struct Binding {
  let plan: Plan
  let arena: UnsafeMutablePointer<Float>
  let gradients: UnsafeMutablePointer<Float>
  let parameters: ParameterStore
  let indices: [Int]

  func pointer(_ value: ValueID) -> UnsafeMutablePointer<Float>? {
    switch plan.locations[value] {
    case .arena(let offset): arena + offset
    case .parameter(let index): parameters.pointer + entry(index).offset
    case .gradient(let index): gradients + entry(index).offset
    case .none: nil
    }
  }

  private func entry(_ parameter: Int) -> ParameterStore.Entry {
    parameters.entries[indices[parameter]]
  }

  func context(_ index: Int, _ kernels: Kernels, _ state: RunState) -> ExecutionContext {
    let node = plan.graph.nodes[index]
    let shapeOnly = node.operation.shapeOnlyInputs
    let inputs = node.inputs.enumerated().map { position, value in
      // An input of which only the shape is used may have no memory left; any address will do.
      if shapeOnly.contains(position) { return arena }
      guard let address = pointer(value) else {
        preconditionFailure("layer \(node.name) reads value \(value), which the plan did not place")
      }
      return address
    }
    return ExecutionContext(
      name: node.name, kernels: kernels, shapes: plan.graph.shapes(of: node),
      inputPointers: inputs, outputPointers: node.outputs.map(pointer),
      workspace: plan.workspaces[index].map { arena + $0 },
      preparedMemory: plan.prepared[index].map { arena + $0 }, state: state)
  }

  /// Gradients that lie elsewhere than in their place of the gradient block.
  func copies() -> [(from: UnsafeMutablePointer<Float>, to: Int, count: Int)] {
    let handed = Set(plan.handovers.joined())
    return plan.graph.parameterGradients.compactMap { gradient in
      let entry = entry(gradient.parameter)
      guard !handed.contains(gradient.parameter), let from = pointer(gradient.value),
        from != gradients + entry.offset
      else { return nil }
      return (from, entry.offset, entry.shape.count)
    }
  }

  /// The store's indices of parameters that a run moves.
  func movedStatistics() -> [Int] {
    plan.graph.nodes.flatMap { node in
      node.operation.movedInputs.compactMap { input in
        if case .parameter(let index) = plan.graph.values[node.inputs[input]].source {
          indices[index]
        } else {
          nil
        }
      }
    }
  }
}

extension Graph {
  /// The value that is the gradient of a parameter.
  fileprivate func gradientValue(of parameter: Int) -> ValueID? {
    parameterGradients.first { $0.parameter == parameter }?.value
  }
}
