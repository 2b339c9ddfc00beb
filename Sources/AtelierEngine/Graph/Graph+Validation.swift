// Checks of a graph that came from outside, and the same graph for other input sizes.

extension Graph {
  /// Throws unless the graph is one that tracing could have made.
  ///
  /// Every index is in range, nodes read only what came before, each value has one source, parameter names are unique,
  /// and every shape is the one that the operations' shape rules give.
  public func validate() throws(ShapeError) {
    for (index, value) in values.enumerated() {
      try check(value.shape, of: "value \(index)")
      switch value.source {
      case .input: break
      case .parameter(let parameter):
        guard parameters.indices.contains(parameter), parameters[parameter].shape == value.shape
        else { throw ShapeError("value \(index) names parameter \(parameter) that does not fit") }
      case .node(let node, let output):
        guard nodes.indices.contains(node), nodes[node].outputs.indices.contains(output),
          nodes[node].outputs[output] == index
        else { throw ShapeError("value \(index) names node \(node) that does not write it") }
      }
    }
    for (names, what) in [
      (parameters.map(\.name), "parameter"), (inputs.map(\.name), "input"),
      (outputs.map(\.name), "output"),
    ] where Set(names).count != names.count {
      throw ShapeError("\(what) names are not unique")
    }
    for parameter in parameters { try check(parameter.shape, of: "parameter \(parameter.name)") }
    try validateNodes()
    for output in outputs where !values.indices.contains(output.value) {
      throw ShapeError("output \(output.name) names value \(output.value), which does not exist")
    }
    for gradient in parameterGradients {
      guard values.indices.contains(gradient.value),
        parameters.indices.contains(gradient.parameter),
        values[gradient.value].shape == parameters[gradient.parameter].shape
      else { throw ShapeError("parameter \(gradient.parameter) has no gradient of its shape") }
    }
  }

  private func check(_ shape: Shape, of what: String) throws(ShapeError) {
    guard shape.dimensions.allSatisfy({ $0 > 0 }) else {
      throw ShapeError("\(what) has the empty shape \(shape)")
    }
    guard shape.isCountable else {
      throw ShapeError("\(what) has the shape \(shape), which is too large")
    }
  }

  private func validateNodes() throws(ShapeError) {
    for (index, node) in nodes.enumerated() {
      for input in node.inputs {
        guard values.indices.contains(input) else {
          throw ShapeError("layer \(node.name) reads value \(input), which does not exist")
        }
        if case .node(let source, _) = values[input].source, source >= index {
          throw ShapeError("layer \(node.name) reads value \(input) before it is computed")
        }
      }
      for (output, value) in node.outputs.enumerated() {
        guard values.indices.contains(value) else {
          throw ShapeError("layer \(node.name) writes a value that does not exist")
        }
        guard values[value].source == .node(index, output: output) else {
          throw ShapeError("layer \(node.name) writes value \(value), which has another source")
        }
      }
      let shapes = try node.operation.countableShapes(
        node.inputs.map { values[$0].shape }, layer: node.name)
      guard shapes == node.outputs.map({ values[$0].shape }) else {
        throw ShapeError(
          "layer \(node.name) gives \(shapes); the graph says \(node.outputs.map { values[$0].shape })"
        )
      }
    }
  }

  /// The same network for other input shapes; every other shape follows by the operations' shape rules.
  ///
  /// Inputs that are not named keep theirs, and names and parameters stay.
  ///
  /// - Throws: `ShapeError` with the layer's name where a layer does not take the new size.
  public func reshaped(_ shapes: [String: Shape]) throws(ShapeError) -> Graph {
    var result = self
    for (name, value) in inputs {
      guard let shape = shapes[name] else { continue }
      guard shape.dimensions.allSatisfy({ $0 > 0 }) else {
        throw ShapeError("input \(name) needs positive sizes; received \(shape)")
      }
      guard shape.isCountable else {
        throw ShapeError("input \(name) has the shape \(shape), which is too large")
      }
      result.values[value].shape = shape
    }
    for node in nodes {
      let given = try node.operation.countableShapes(
        node.inputs.map { result.values[$0].shape }, layer: node.name)
      for (value, shape) in zip(node.outputs, given) { result.values[value].shape = shape }
    }
    return result
  }

  /// The same network with every weight, by name, made trainable or not; statistics and constants never are.
  public func settingTrainable(_ isTrainable: (String) -> Bool) -> Graph {
    var result = self
    for index in parameters.indices where parameters[index].role == .weight {
      result.parameters[index].isTrainable = isTrainable(parameters[index].name)
    }
    return result
  }
}
