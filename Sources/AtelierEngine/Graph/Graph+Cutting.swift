// The beginning of a network by itself: what another one is built on.

extension Graph {
  /// The network up to a layer, with that layer's first result as its only output.
  ///
  /// What later layers alone need is left out, parameters too; names stay.
  ///
  /// - Parameters:
  ///   - layer: The name of the last layer.
  ///   - output: The name of the output.
  /// - Returns: A graph with the same inputs.
  /// - Throws: `ShapeError` when there is no layer of that name.
  public func cut(after layer: String, as output: String = "output") throws(ShapeError) -> Graph {
    guard let last = nodes.firstIndex(where: { $0.name == layer }) else {
      throw ShapeError("there is no layer \(layer) to cut after")
    }
    var isNeeded = [Bool](repeating: false, count: values.count)
    isNeeded[nodes[last].outputs[0]] = true
    for node in nodes[...last].reversed() where node.outputs.contains(where: { isNeeded[$0] }) {
      for input in node.inputs { isNeeded[input] = true }
    }
    var result = Graph()
    var moved: [ValueID: ValueID] = [:]
    for (value, description) in values.enumerated() {
      switch description.source {
      case .input(let name): moved[value] = result.appendInput(name, description.shape)
      case .parameter(let index) where isNeeded[value]:
        moved[value] = result.appendParameter(parameters[index])
      default: break
      }
    }
    for node in nodes[...last] where node.outputs.contains(where: { isNeeded[$0] }) {
      let outputs = try result.append(
        node.operation, node.inputs.compactMap { moved[$0] }, name: node.name,
        layerType: node.layerType)
      for (old, new) in zip(node.outputs, outputs) { moved[old] = new }
    }
    if let value = moved[nodes[last].outputs[0]] {
      result.outputs.append(Output(name: output, value: value))
    }
    return result
  }

  /// The network behind a layer, whose first result becomes the only input; outputs keep their names.
  ///
  /// - Parameters:
  ///   - layer: The name of the layer that is left out with all before it.
  ///   - input: The name of the new input.
  /// - Returns: A graph with the parameters that its layers read.
  /// - Throws: `ShapeError` when there is no such layer, or later ones read more than its result.
  public func rest(after layer: String, as input: String = "input") throws(ShapeError) -> Graph {
    guard let last = nodes.firstIndex(where: { $0.name == layer }) else {
      throw ShapeError("there is no layer \(layer) to begin after")
    }
    let kept = nodes[last].outputs[0]
    let later = nodes[(last + 1)...]
    let isRead = Set(later.flatMap(\.inputs))
    var result = Graph()
    var moved = [kept: result.appendInput(input, values[kept].shape)]
    for (value, description) in values.enumerated() {
      if case .parameter(let index) = description.source, isRead.contains(value) {
        moved[value] = result.appendParameter(parameters[index])
      }
    }
    for node in later {
      var inputs: [ValueID] = []
      for value in node.inputs {
        guard let new = moved[value] else {
          throw ShapeError("layer \(node.name) reads more than what \(layer) gives")
        }
        inputs.append(new)
      }
      let outputs = try result.append(
        node.operation, inputs, name: node.name, layerType: node.layerType)
      for (old, new) in zip(node.outputs, outputs) { moved[old] = new }
    }
    for output in outputs {
      guard let value = moved[output.value] else {
        throw ShapeError("output \(output.name) does not lie behind layer \(layer)")
      }
      result.outputs.append(Output(name: output.name, value: value))
    }
    return result
  }
}
