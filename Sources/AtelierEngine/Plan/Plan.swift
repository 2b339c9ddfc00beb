// The plan of a program: the fused graph in running order, and for every value where it lies.

import AtelierKernels

/// A graph made ready to run: fused, ordered, and every value placed.
public struct Plan: Sendable {
  /// Where a value lies.
  public enum Location: Sendable, Hashable {
    /// At this offset of the program's arena, in floats.
    case arena(Int)
    /// In the parameter store, under the parameter of this index of the graph.
    case parameter(Int)
    /// In the gradient block, under the parameter of this index of the graph.
    case gradient(Int)
    /// Nowhere: nobody reads it.
    case none
  }

  /// The fused graph; its nodes are the steps.
  public let graph: Graph
  /// One location per value of the graph.
  public let locations: [Location]
  /// The scratch memory of each step: an arena offset, nil when it needs none.
  public let workspaces: [Int?]
  /// The prepared memory of each step: an arena offset, nil when it needs none.
  public let prepared: [Int?]
  /// Whether what a step prepared stays from run to run (its parameters rest) or is made anew in each.
  public let keepsPrepared: [Bool]
  /// The parameters whose gradients a run hands over after each step, by their index in the graph;
  /// empty unless the plan was asked for it.
  public let handovers: [[Int]]
  /// The size of the arena in floats.
  public let arenaCount: Int
  /// What the planner placed, for tests and for the drawing.
  public let buffers: [BufferLifetime]
  /// Where each of `buffers` lies.
  public let memory: MemoryPlan

  /// Plans a graph, which must be specialized (and differentiated, for training) already, for these kernels.
  ///
  /// `isFused` says whether neighbours are fused; tests compare both. With `handsGradientsOver` a
  /// gradient lies in the arena, and only until it is complete and its parameter was read for the
  /// last time: then the run hands it over, and its memory serves again.
  public init(
    _ graph: Graph, kernels: Kernels = Kernels(), isFused: Bool = true,
    handsGradientsOver: Bool = false
  ) {
    let graph =
      isFused
      ? graph.fused().planned(kernels).loadingTogether().packingInRun()
      : graph.pruned().planned(kernels)
    self.graph = graph
    var builder = PlanBuilder(graph: graph, handsGradientsOver: handsGradientsOver)
    builder.placeValues()
    let extras = builder.placeExtras(kernels)
    buffers = builder.buffers
    memory = MemoryPlan(builder.buffers)
    arenaCount = memory.count
    let offsets = memory.offsets
    locations = builder.slots.map { slot in
      switch slot {
      case .buffer(let index): .arena(offsets[index])
      case .fixed(let location): location
      }
    }
    workspaces = extras.workspaces.map { $0.map { offsets[$0] } }
    prepared = extras.prepared.map { $0.map { offsets[$0] } }
    keepsPrepared = extras.keeps
    handovers = builder.handovers
  }

  /// A drawing of the plan: one line a step, with where its results lie, then the arena's size.
  public var description: String {
    var lines: [String] = []
    for (index, node) in graph.nodes.enumerated() {
      let places = node.outputs.map { value in
        "\(graph.values[value].shape) \(text(locations[value]))"
      }
      let algorithm = (node.operation as? any PlannedOperation)?.algorithm.map { " (\($0))" } ?? ""
      var line = "\(index)  \(node.name)  \(type(of: node.operation).kind)\(algorithm)  → "
      line += places.joined(separator: ", ")
      if let workspace = workspaces[index] { line += "  workspace @\(workspace)" }
      if let prepared = prepared[index] {
        line += "  prepared @\(prepared)\(keepsPrepared[index] ? " (kept)" : "")"
      }
      lines.append(line)
    }
    lines.append(
      "arena: \(arenaCount) floats; without reuse: \(buffers.reduce(0) { $0 + $1.count }) floats")
    return lines.joined(separator: "\n")
  }

  private func text(_ location: Location) -> String {
    switch location {
    case .arena(let offset): "@\(offset)"
    case .parameter(let index): "parameter \(graph.parameters[index].name)"
    case .gradient(let index): "gradient of \(graph.parameters[index].name)"
    case .none: "(not needed)"
    }
  }
}

/// Cuts the values of a graph into buffers with lifetimes.
private struct PlanBuilder {
  enum Slot {
    case buffer(Int)
    case fixed(Plan.Location)
  }

  /// Floats of packed weights of a layer that a training keeps from step to step.
  private static let mostKeptInTraining = 1_000_000

  let graph: Graph
  var buffers: [BufferLifetime] = []
  var slots: [Slot]
  /// The last step that reads each value; the number of steps when it outlives the run, −1 when nobody reads it.
  private var lastRead: [Int]
  /// As `lastRead`, by nodes alone, and for each parameter of the graph, under views too.
  private var lastReadByNode: [Int] = []
  private var lastReadOfParameter: [Int] = []
  private let handsGradientsOver: Bool
  /// The parameters whose gradients are handed over after each step.
  var handovers: [[Int]]
  /// The values that share each buffer.
  private var members: [[ValueID]] = []

  init(graph: Graph, handsGradientsOver: Bool) {
    self.graph = graph
    self.handsGradientsOver = handsGradientsOver
    handovers = graph.nodes.map { _ in [] }
    slots = graph.values.map { _ in .fixed(.none) }
    lastRead = [Int](repeating: -1, count: graph.values.count)
    for (step, node) in graph.nodes.enumerated() {
      let shapeOnly = node.operation.shapeOnlyInputs
      for (index, value) in node.inputs.enumerated() where !shapeOnly.contains(index) {
        lastRead[value] = step
      }
    }
    lastReadByNode = lastRead
    lastReadOfParameter = [Int](repeating: -1, count: graph.parameters.count)
    noteParameterReads()
    for value in graph.wanted { lastRead[value] = graph.nodes.count }
  }

  private mutating func noteParameterReads() {
    var parameters: [ValueID: Int] = [:]
    for (value, known) in graph.values.enumerated() {
      if case .parameter(let parameter) = known.source { parameters[value] = parameter }
    }
    for (step, node) in graph.nodes.enumerated() {
      for value in node.inputs {
        guard let parameter = parameters[value] else { continue }
        lastReadOfParameter[parameter] = step
      }
      if node.operation.isView { parameters[node.outputs[0]] = parameters[node.inputs[0]] }
    }
  }

  /// The gradients that can be handed over: made for one parameter, and no output of the graph.
  private func handedOver(_ gradients: [ValueID: Int]) -> Set<ValueID> {
    guard handsGradientsOver else { return [] }
    let outputs = Set(graph.outputs.map(\.value))
    var uses: [ValueID: Int] = [:]
    for gradient in graph.parameterGradients { uses[gradient.value, default: 0] += 1 }
    return Set(gradients.keys.filter { uses[$0] == 1 && !outputs.contains($0) })
  }

  /// Gives every value its place or its buffer.
  mutating func placeValues() {
    let end = graph.nodes.count
    // A gradient that the kernel writes straight into the gradient block; one that is a view or shared is copied at the end.
    var gradients: [ValueID: Int] = [:]
    for gradient in graph.parameterGradients where gradients[gradient.value] == nil {
      if case .node(let source, _) = graph.values[gradient.value].source,
        !graph.nodes[source].operation.isView
      {
        gradients[gradient.value] = gradient.parameter
      }
    }
    let handed = handedOver(gradients)
    for (index, value) in graph.values.enumerated() {
      switch value.source {
      case .parameter(let parameter): slots[index] = .fixed(.parameter(parameter))
      // Inputs stay whole through the run, so that a caller may run again without giving them again.
      case .input: append(index, BufferLifetime(count: value.shape.count, first: -1, last: end))
      case .node: break
      }
    }
    for (step, node) in graph.nodes.enumerated() {
      for (output, value) in node.outputs.enumerated() {
        if let parameter = gradients[value], handed.contains(value) {
          // Whoever takes it moves the parameter, which nobody may read after that in this run.
          let last = max(step, lastReadByNode[value], lastReadOfParameter[parameter])
          handovers[last].append(parameter)
          append(
            value,
            BufferLifetime(count: graph.values[value].shape.count, first: step, last: last))
        } else if let parameter = gradients[value] {
          slots[value] = .fixed(.gradient(parameter))
        } else if output == 0, let shared = sharedBuffer(node, step) {
          slots[value] = .buffer(shared)
          members[shared].append(value)
          buffers[shared].last = max(buffers[shared].last, lastRead[value], step)
        } else if output == 0, node.operation.isView {
          slots[value] = slots[node.inputs[0]]
        } else if lastRead[value] >= 0 || output == 0 {
          append(
            value,
            BufferLifetime(
              count: graph.values[value].shape.count, first: step,
              last: max(lastRead[value], step)))
        }
      }
    }
  }

  /// The buffer that output 0 of a node may take over: its input's under a view, or an input's that dies here.
  private func sharedBuffer(_ node: Graph.Node, _ step: Int) -> Int? {
    if node.operation.isView {
      if case .buffer(let buffer) = slots[node.inputs[0]] { return buffer }
      return nil
    }
    let count = graph.values[node.outputs[0]].shape.count
    let shapeOnly = node.operation.shapeOnlyInputs
    for index in node.operation.inPlaceInputs where !shapeOnly.contains(index) {
      let value = node.inputs[index]
      guard case .buffer(let buffer) = slots[value], buffers[buffer].first >= 0,
        graph.values[value].shape.count == count, buffers[buffer].count == count,
        members[buffer].allSatisfy({ lastRead[$0] <= step }),
        // The same value read twice, once in place and once not, must stay whole.
        node.inputs.filter({ $0 == value }).count == 1
      else { continue }
      return buffer
    }
    return nil
  }

  private mutating func append(_ value: ValueID, _ lifetime: BufferLifetime) {
    slots[value] = .buffer(buffers.count)
    buffers.append(lifetime)
    members.append([value])
  }

  /// Adds workspaces and prepared memory as buffers.
  mutating func placeExtras(
    _ kernels: Kernels
  ) -> (workspaces: [Int?], prepared: [Int?], keeps: [Bool]) {
    let moved = Set(graph.parameterGradients.map(\.parameter))
    var workspaces: [Int?] = []
    var prepared: [Int?] = []
    var keeps: [Bool] = []
    for (step, node) in graph.nodes.enumerated() {
      let shapes = graph.shapes(of: node)
      let scratch = node.operation.workspaceCount(shapes, kernels)
      workspaces.append(scratch > 0 ? buffers.count : nil)
      if scratch > 0 { buffers.append(.init(count: scratch, first: step, last: step)) }
      let ready = node.operation.preparedCount(shapes, kernels)
      // Weights that this very program moves change before each run, so their packed form only lives for a step.
      let rests = node.inputs.dropFirst().allSatisfy { value in
        if case .parameter(let index) = graph.values[value].source { return !moved.contains(index) }
        return true
      }
      let isParameter =
        node.inputs.count > 1
        && { if case .parameter = graph.values[node.inputs[1]].source { true } else { false } }()
      // A training lacks memory sooner than time: it packs large frozen weights anew in every step.
      let keep =
        ready > 0 && rests && isParameter && (moved.isEmpty || ready <= Self.mostKeptInTraining)
      prepared.append(ready > 0 ? buffers.count : nil)
      keeps.append(keep)
      if ready > 0 {
        buffers.append(
          keep
            ? .init(count: ready, first: -1, last: graph.nodes.count)
            : .init(count: ready, first: step, last: step))
      }
    }
    return (workspaces, prepared, keeps)
  }
}
