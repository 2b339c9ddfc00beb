// Calls of the same layers on several inputs become one call on a larger batch.

extension Graph {
  /// The graph in which layers that are called on several inputs run once, on all samples; this one where nothing is shared.
  ///
  /// A shared encoder reads its weights half as often then, and its kernels get twice the samples
  /// to share them. Only operations that treat each sample alone are joined, so results stay the
  /// same. Join before differentiating; names of inputs, outputs and parameters stay.
  ///
  /// - Throws: `ShapeError` when the graph itself is not valid.
  public func joiningSharedCalls() throws(ShapeError) -> Graph {
    let calls = SharedCalls(self)
    guard calls.members.contains(where: { $0.count > 1 }) else { return self }
    return try calls.rebuilt()
  }
}

/// The nodes of a graph in groups of calls that can run as one.
private struct SharedCalls {
  let graph: Graph
  /// The nodes of each group in running order; empty where the nodes went to another group.
  private(set) var members: [[Int]]
  /// The group of each node.
  private var group: [Int]

  init(_ graph: Graph) {
    self.graph = graph
    members = graph.nodes.indices.map { [$0] }
    group = Array(graph.nodes.indices)
    for node in graph.nodes.indices where graph.nodes[node].operation.treatsSamplesAlone {
      guard
        let twin = (0..<node).first(where: {
          group[$0] == $0 && isTwin($0, node) && !depends(node, on: $0)
        })
      else { continue }
      members[twin].append(node)
      members[node] = []
      group[node] = twin
    }
  }

  /// The node and the output that a value comes from; nil for inputs and parameters.
  private func source(_ value: ValueID) -> (node: Int, output: Int)? {
    if case .node(let node, let output) = graph.values[value].source { (node, output) } else { nil }
  }

  private func isParameter(_ value: ValueID) -> Bool {
    if case .parameter = graph.values[value].source { true } else { false }
  }

  /// Whether node `later` does the same as node `first` with the same parameters on other samples.
  private func isTwin(_ first: Int, _ later: Int) -> Bool {
    let (a, b) = (graph.nodes[first], graph.nodes[later])
    guard a.inputs.count == b.inputs.count, a.operation.equals(b.operation) else { return false }
    var sharesParameters = false
    var followsTwins = false
    for (x, y) in zip(a.inputs, b.inputs) {
      if isParameter(x) || isParameter(y) {
        guard graph.values[x].source == graph.values[y].source else { return false }
        sharesParameters = true
        continue
      }
      guard graph.values[x].shape == graph.values[y].shape else { return false }
      if let from = source(x), let to = source(y), group[from.node] == group[to.node],
        from.output == to.output, from.node != to.node
      {
        followsTwins = true
      }
    }
    return sharesParameters || followsTwins
  }

  /// Whether a node needs a result of group `target`, directly or through other groups.
  private func depends(_ node: Int, on target: Int) -> Bool {
    var seen = Set([node])
    var open = [node]
    while let next = open.popLast() {
      for input in graph.nodes[next].inputs {
        guard let from = source(input) else { continue }
        if group[from.node] == target { return true }
        for member in members[group[from.node]] where seen.insert(member).inserted {
          open.append(member)
        }
      }
    }
    return false
  }

  /// The graph with one node a group, and the batches joined and cut where groups begin and end.
  func rebuilt() throws(ShapeError) -> Graph {
    var emission = Emission(graph)
    var isDone = [Bool](repeating: false, count: graph.nodes.count)
    var remaining = graph.nodes.count
    while remaining > 0 {
      let before = remaining
      for index in members.indices where !isDone[index] && !members[index].isEmpty {
        let isReady = members[index].allSatisfy { node in
          graph.nodes[node].inputs.allSatisfy { source($0).map { isDone[group[$0.node]] } ?? true }
        }
        guard isReady else { continue }
        try emission.emit(members[index])
        isDone[index] = true
        remaining -= members[index].count
      }
      precondition(remaining < before, "joined calls wait for each other")
    }
    return try emission.finished()
  }
}

/// The joined graph while it grows.
private struct Emission {
  private let old: Graph
  private var new = Graph()
  /// The new value of each old one, where it exists alone.
  private var alone: [ValueID?]
  /// The new value that holds an old one among others, and which of its runs of samples it is.
  private var joined: [(value: ValueID, run: Int)?]
  /// The cuts of joined values.
  private var cuts: [ValueID: [ValueID]] = [:]
  /// The batch sizes of joined values, in order.
  private var sizes: [ValueID: [Int]] = [:]

  init(_ graph: Graph) {
    old = graph
    alone = graph.values.map { _ in nil }
    joined = graph.values.map { _ in nil }
    for (index, value) in graph.values.enumerated() {
      if case .input(let name) = value.source { alone[index] = new.appendInput(name, value.shape) }
    }
    // Parameters keep their order; a value reads each.
    let readers = graph.parameters.map { new.appendParameter($0) }
    for (index, value) in graph.values.enumerated() {
      if case .parameter(let parameter) = value.source { alone[index] = readers[parameter] }
    }
  }

  /// Appends the node of a group.
  mutating func emit(_ members: [Int]) throws(ShapeError) {
    let node = old.nodes[members[0]]
    var inputs: [ValueID] = []
    for position in node.inputs.indices {
      inputs.append(
        try input(
          members.map { old.nodes[$0].inputs[position] },
          name: members.count > 1 ? node.name + "/join" : node.name))
    }
    let outputs = try new.append(node.operation, inputs, name: node.name, layerType: node.layerType)
    for (position, output) in outputs.enumerated() {
      let values = members.map { old.nodes[$0].outputs[position] }
      if values.count == 1 {
        alone[values[0]] = output
        continue
      }
      sizes[output] = values.map { old.values[$0].shape.batch }
      for (run, value) in values.enumerated() { joined[value] = (output, run) }
    }
  }

  /// One value that holds all of `values` one after the other.
  private mutating func input(_ values: [ValueID], name: String) throws(ShapeError) -> ValueID {
    if values.count == 1 { return try single(values[0]) }
    if case .parameter = old.values[values[0]].source { return try single(values[0]) }
    if let whole = joined[values[0]], sizes[whole.value]?.count == values.count,
      values.enumerated().allSatisfy({
        joined[$0.element].map { $0.value } == whole.value && joined[$0.element]?.run == $0.offset
      })
    {
      return whole.value
    }
    var parts: [ValueID] = []
    for value in values { parts.append(try single(value)) }
    return try new.append(JoinBatches(), parts, name: name)[0]
  }

  /// An old value by itself, cut out of a joined one when it must be.
  private mutating func single(_ value: ValueID) throws(ShapeError) -> ValueID {
    if let value = alone[value] { return value }
    guard let whole = joined[value], let parts = sizes[whole.value] else {
      throw ShapeError("value \(value) is read before it is computed")
    }
    if cuts[whole.value] == nil {
      guard case .node(let node, _) = new.values[whole.value].source else {
        throw ShapeError("value \(value) is not computed by a node")
      }
      cuts[whole.value] = try new.append(
        SplitBatch(sizes: parts), [whole.value], name: new.nodes[node].name + "/split")
    }
    guard let cut = cuts[whole.value] else { return whole.value }
    return cut[whole.run]
  }

  /// The graph with its outputs.
  mutating func finished() throws(ShapeError) -> Graph {
    for output in old.outputs {
      new.outputs.append(.init(name: output.name, value: try single(output.value)))
    }
    return new
  }
}
