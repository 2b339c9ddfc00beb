// Reverse-mode differentiation of a graph: appends the nodes that compute gradients, and none that nobody needs.

import AtelierKernels

/// What an operation sees when it appends its gradient.
public struct Derivation {
  /// The node to differentiate.
  public let node: Graph.Node
  /// The values that the node reads and those that it writes.
  public var inputs: [ValueID] { node.inputs }
  public var outputs: [ValueID] { node.outputs }
  /// The gradient of each output; nil where the loss does not depend on it.
  public let upstreams: [ValueID?]
  /// Whether the gradient of an input is needed.
  public let isNeeded: [Bool]
  /// The graph that grows.
  var graph: Graph

  /// The gradient of output 0, which is there unless the operation differentiates every output.
  public var upstream: ValueID {
    guard let upstream = upstreams[0] else {
      preconditionFailure("layer \(node.name) is differentiated although nobody needs its output")
    }
    return upstream
  }

  /// The shape of a value.
  public func shape(_ value: ValueID) -> Shape { graph.values[value].shape }

  /// Appends a node named after the one that is differentiated.
  public mutating func append(
    _ operation: any Operation, _ inputs: [ValueID]
  ) throws(ShapeError) -> [ValueID] {
    try graph.append(operation, inputs, name: node.name + "/gradient")
  }

  /// Appends a node with one result.
  public mutating func one(
    _ operation: any Operation, _ inputs: [ValueID]
  ) throws(ShapeError) -> ValueID {
    try append(operation, inputs)[0]
  }

  /// Appends a node whose one result is the gradient of input 0; the others have none.
  mutating func first(
    _ operation: any Operation, _ inputs: [ValueID]
  ) throws(ShapeError) -> [ValueID?] {
    [try one(operation, inputs)] + node.inputs.dropFirst().map { _ in nil }
  }
}

extension Graph {
  /// The graph with the gradients of a scalar value appended.
  ///
  /// Only paths between the loss and trainable parameters (or the named inputs) are differentiated, so a frozen part costs what
  /// its input gradient costs, or nothing.
  ///
  /// - Parameters:
  ///   - output: The name of the scalar output to differentiate.
  ///   - inputs: Names of inputs whose gradients become outputs named `gradient of NAME`.
  ///   - areParametersMoved: Whether gradients of parameters are wanted; without them a loss may be
  ///     made of the inputs' gradients and the graph be differentiated again.
  /// - Returns: This graph's nodes followed by gradient nodes; `parameterGradients` is filled.
  /// - Throws: `ShapeError` when the output is missing or not scalar, or an operation on the path has no gradient.
  public func differentiated(
    _ output: String = "loss", withRespectToInputs inputs: [String] = [],
    areParametersMoved: Bool = true
  ) throws(ShapeError) -> Graph {
    guard let loss = self.output(named: output) else {
      throw ShapeError("the graph has no output named \(output) to differentiate")
    }
    guard values[loss].shape.count == 1 else {
      throw ShapeError("only a scalar can be differentiated; \(output) is \(values[loss].shape)")
    }
    var differentiation = Differentiation(
      graph: self, wantedInputs: Set(inputs), areParametersMoved: areParametersMoved)
    return try differentiation.run(from: loss, wantedInputs: inputs)
  }
}

/// The state of one reverse sweep.
private struct Differentiation {
  var graph: Graph
  /// Whether a value depends on something whose gradient is wanted.
  let depends: [Bool]
  /// The gradient contributions to each value so far.
  var contributions: [ValueID: [ValueID]] = [:]

  init(graph: Graph, wantedInputs: Set<String>, areParametersMoved: Bool) {
    self.graph = graph
    var depends = graph.values.map { value in
      switch value.source {
      case .input(let name): wantedInputs.contains(name)
      case .parameter(let index): areParametersMoved && graph.parameters[index].isTrainable
      case .node: false
      }
    }
    for node in graph.nodes {
      let shapeOnly = node.operation.shapeOnlyInputs
      let any = node.inputs.enumerated().contains {
        depends[$0.element] && !shapeOnly.contains($0.offset)
      }
      for output in node.outputs { depends[output] = any }
    }
    self.depends = depends
  }

  mutating func run(from loss: ValueID, wantedInputs: [String]) throws(ShapeError) -> Graph {
    let forward = graph.nodes
    contributions[loss] = try graph.append(
      FillOperation(value: 1, shape: graph.values[loss].shape), [], name: "loss/gradient")
    for node in forward.reversed() where node.outputs.contains(where: { depends[$0] }) {
      var upstreams: [ValueID?] = []
      for output in node.outputs { upstreams.append(try total(of: output, name: node.name)) }
      let differentiable = node.operation.differentiatesEveryOutput ? upstreams : [upstreams[0]]
      guard differentiable.contains(where: { $0 != nil }) else { continue }
      let shapeOnly = node.operation.shapeOnlyInputs
      let needed = node.inputs.enumerated().map {
        depends[$0.element] && !shapeOnly.contains($0.offset)
      }
      guard needed.contains(true) else { continue }
      var context = Derivation(node: node, upstreams: upstreams, isNeeded: needed, graph: graph)
      let gradients = try node.operation.differentiate(&context)
      graph = context.graph
      for (index, input) in node.inputs.enumerated() where needed[index] {
        if let gradient = gradients[index] { contributions[input, default: []].append(gradient) }
      }
    }
    for value in forward.isEmpty ? [] : Array(depends.indices) {
      if case .parameter(let index) = graph.values[value].source, depends[value],
        let gradient = try total(of: value, name: graph.parameters[index].name)
      {
        graph.parameterGradients.append(.init(parameter: index, value: gradient))
      }
    }
    for name in wantedInputs {
      guard let value = graph.input(named: name), let gradient = try total(of: value, name: name)
      else { throw ShapeError("the loss does not depend on the input \(name)") }
      graph.outputs.append(.init(name: "gradient of \(name)", value: gradient))
    }
    return graph
  }

  /// The sum of the contributions to a value, which becomes its only contribution.
  private mutating func total(of value: ValueID, name: String) throws(ShapeError) -> ValueID? {
    guard let parts = contributions[value], var sum = parts.first else { return nil }
    for part in parts.dropFirst() {
      sum = try graph.append(BinaryOperation(.add), [sum, part], name: name + "/gradient")[0]
    }
    contributions[value] = [sum]
    return sum
  }
}
