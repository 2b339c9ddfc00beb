// Tracing: layers are called on symbolic values, and a builder writes down the graph.

import AtelierKernels

/// The graph while layers are being called; it remembers the first error, so that calls need no `try`.
public final class GraphBuilder {
  fileprivate(set) var graph = Graph()
  private(set) var firstError: ShapeError?
  private var usedNames: [String: Int] = [:]
  /// The parameters of each layer value, so that calling it again shares them.
  private var shared: [ObjectIdentifier: [String: ValueID]] = [:]
  private var layerNames: [ObjectIdentifier: String] = [:]
  private var scopes: [String] = []
  /// Keeps identities alive, so that no two layers ever have the same one.
  private var identities: [LayerIdentity] = []
  private var streams: UInt64 = 0
  /// The max pools by name, for the unpoolings that mirror them.
  var pools: [String: PoolTrace] = [:]

  init() {}

  /// Adds an input.
  public func input(_ name: String, _ shape: Shape) -> SymbolicTensor {
    if graph.input(named: name) != nil { fail("there are two inputs named \(name)") }
    if shape.dimensions.contains(where: { $0 <= 0 }) {
      fail("input \(name) needs positive sizes; received \(shape)")
    }
    return SymbolicTensor(builder: self, value: graph.appendInput(name, shape), shape: shape)
  }

  /// Names a value that the caller reads after a run.
  public func output(_ name: String, _ tensor: SymbolicTensor) {
    if graph.output(named: name) != nil { fail("there are two outputs named \(name)") }
    graph.outputs.append(.init(name: name, value: tensor.value))
  }

  /// Puts `name` and a slash before the names of the layers that `body` calls.
  public func scope<Result>(_ name: String, _ body: () throws -> Result) rethrows -> Result {
    scopes.append(name)
    defer { scopes.removeLast() }
    return try body()
  }

  /// Remembers an error; the first one counts.
  public func fail(_ text: String) { if firstError == nil { firstError = ShapeError(text) } }

  /// A fresh number for a random stream.
  func newStream() -> UInt64 {
    streams += 1
    return streams
  }

  /// The unique name of a layer call: the given one, or the type in lower case with a number.
  func uniqueName(_ name: String?, type: String) -> String {
    let base = (scopes + [name ?? type]).joined(separator: "/")
    let number = usedNames[base, default: 0]
    usedNames[base] = number + 1
    return number == 0 ? base : "\(base)_\(number)"
  }

  /// The name under which a layer's parameters stand: that of its first call.
  func parameterScope(_ identity: LayerIdentity, _ callName: String) -> String {
    let key = ObjectIdentifier(identity)
    if let name = layerNames[key] { return name }
    layerNames[key] = callName
    shared[key] = [:]
    identities.append(identity)
    return callName
  }

  /// A layer's parameter: made at the first call, shared by later ones.
  func parameter(
    _ identity: LayerIdentity, _ scope: String, _ name: String, _ shape: Shape,
    _ initializer: Initializer, role: Graph.Role = .weight, isTrainable: Bool = true
  ) -> ValueID {
    let key = ObjectIdentifier(identity)
    if shared[key] == nil { identities.append(identity) }
    if let value = shared[key]?[name] {
      if graph.values[value].shape != shape {
        fail(
          "layer \(scope) is called again with \(name) of shape \(shape); it has \(graph.values[value].shape)"
        )
      }
      return value
    }
    if shape.dimensions.contains(where: { $0 <= 0 }) {
      fail("layer \(scope): parameter \(name) would have the empty shape \(shape)")
      return appendFailed(shape)
    }
    let value = graph.appendParameter(
      Graph.Parameter(
        name: "\(scope)/\(name)", shape: shape, initializer: initializer, role: role,
        isTrainable: isTrainable && role == .weight))
    shared[key, default: [:]][name] = value
    return value
  }

  /// Appends a parameter that no layer's identity stands for.
  func appendParameter(_ parameter: Graph.Parameter) -> ValueID { graph.appendParameter(parameter) }

  private func appendFailed(_ shape: Shape) -> ValueID {
    graph.appendInput("failed-\(graph.values.count)", shape)
  }

  /// Appends an operation; after an error the result is a placeholder.
  func apply(
    _ operation: any Operation, _ inputs: [ValueID], name: String, layerType: String?
  ) -> [SymbolicTensor] {
    do throws(ShapeError) {
      let outputs = try graph.append(operation, inputs, name: name, layerType: layerType)
      return outputs.map { SymbolicTensor(builder: self, value: $0, shape: graph.values[$0].shape) }
    } catch {
      fail(error.description)
      let shape = inputs.first.map { graph.values[$0].shape } ?? [1]
      let value = appendFailed(shape)
      let failed = SymbolicTensor(builder: self, value: value, shape: shape)
      return [failed, failed, failed]
    }
  }

  func finish() throws(ShapeError) -> Graph {
    if let firstError { throw firstError }
    return graph
  }

  /// Continues a graph that exists already, for adding losses to a model's graph.
  init(continuing graph: Graph) {
    self.graph = graph
    for node in graph.nodes { usedNames[node.name, default: 0] += 1 }
  }

  /// The symbol of a value of the graph that is continued.
  func symbol(_ value: ValueID) -> SymbolicTensor {
    SymbolicTensor(builder: self, value: value, shape: graph.values[value].shape)
  }

  /// Forgets all outputs, so that the continued graph names its own.
  func removeOutputs() { graph.outputs = [] }
}

/// What a max pool leaves for the unpooling that mirrors it.
struct PoolTrace {
  let input: SymbolicTensor
  let switches: SymbolicTensor
  let attributes: PoolAttributes
}

/// Tells layer values apart, so that a copy is the same layer and a new one is another.
public final class LayerIdentity: Sendable {}

/// A value of a graph that is being traced.
public struct SymbolicTensor {
  /// The builder that writes the graph down.
  public let builder: GraphBuilder
  let value: ValueID
  /// The sizes.
  public let shape: Shape

  /// Applies an operation that needs no parameters; the first output is the result.
  public func applying(
    _ operation: any Operation, with others: [SymbolicTensor] = [], name: String? = nil,
    layerType: String? = nil
  ) -> SymbolicTensor {
    outputs(of: operation, with: others, name: name, layerType: layerType)[0]
  }

  /// Applies an operation and gives all its outputs.
  func outputs(
    of operation: any Operation, with others: [SymbolicTensor] = [], name: String? = nil,
    layerType: String? = nil
  ) -> [SymbolicTensor] {
    let layerType = layerType ?? type(of: operation).kind
    let unique = builder.uniqueName(name, type: layerType)
    return builder.apply(
      operation, [value] + others.map(\.value), name: unique, layerType: layerType)
  }

  /// Element-wise sum.
  public static func + (left: SymbolicTensor, right: SymbolicTensor) -> SymbolicTensor {
    left.applying(BinaryOperation(.add), with: [right], name: "add", layerType: "Add")
  }

  /// Element-wise difference.
  public static func - (left: SymbolicTensor, right: SymbolicTensor) -> SymbolicTensor {
    left.applying(
      BinaryOperation(.subtract), with: [right], name: "subtract", layerType: "Subtract")
  }

  /// Element-wise product.
  public static func * (left: SymbolicTensor, right: SymbolicTensor) -> SymbolicTensor {
    left.applying(
      BinaryOperation(.multiply), with: [right], name: "multiply", layerType: "Multiply")
  }

  /// Element-wise quotient.
  public static func / (left: SymbolicTensor, right: SymbolicTensor) -> SymbolicTensor {
    left.applying(BinaryOperation(.divide), with: [right], name: "divide", layerType: "Divide")
  }

  /// A multiple.
  public static func * (factor: Float, tensor: SymbolicTensor) -> SymbolicTensor {
    tensor.applying(AffineOperation(scale: factor), name: "scale", layerType: "Scale")
  }

  /// The sum with a number.
  public static func + (tensor: SymbolicTensor, shift: Float) -> SymbolicTensor {
    tensor.applying(AffineOperation(shift: shift), name: "shift", layerType: "Shift")
  }

  /// The values limited to a range.
  public func clamped(_ range: ClosedRange<Float>) -> SymbolicTensor {
    applying(
      ClampOperation(lower: range.lowerBound, upper: range.upperBound), name: "clamp",
      layerType: "Clamp")
  }

  /// The mean of all elements, a scalar.
  public func mean() -> SymbolicTensor { applying(MeanOperation(), name: "mean") }
}

/// Channels of several tensors side by side.
public func concatenate(_ tensors: SymbolicTensor..., name: String? = nil) -> SymbolicTensor {
  concatenate(tensors, name: name)
}

/// Channels of several tensors side by side.
///
/// Precondition: at least one tensor.
public func concatenate(_ tensors: [SymbolicTensor], name: String? = nil) -> SymbolicTensor {
  precondition(!tensors.isEmpty, "concatenate takes at least one tensor")
  return tensors[0].applying(
    ConcatenateOperation(), with: Array(tensors.dropFirst()), name: name ?? "concatenate",
    layerType: "Concatenate")
}

/// Samples of several tensors one after the other: [N1, ...], [N2, ...], … give [N1 + N2 + …, ...].
///
/// Precondition: at least one tensor.
public func joinBatches(_ tensors: [SymbolicTensor], name: String? = nil) -> SymbolicTensor {
  precondition(!tensors.isEmpty, "join batches takes at least one tensor")
  return tensors[0].applying(
    JoinBatches(), with: Array(tensors.dropFirst()), name: name ?? "join_batches",
    layerType: "JoinBatches")
}

extension SymbolicTensor {
  /// Runs of samples: [N1 + N2 + …, ...] gives tensors [N1, ...], [N2, ...] and so on.
  public func splitBatch(sizes: [Int], name: String? = nil) -> [SymbolicTensor] {
    let parts = outputs(
      of: SplitBatch(sizes: sizes), name: name ?? "split_batch", layerType: "SplitBatch")
    // After an error, which the builder keeps, there may be fewer.
    return parts.count == sizes.count ? parts : sizes.map { _ in self }
  }
}

extension Graph {
  /// Writes down the graph of the inputs that `body` adds, the layers that it calls and the outputs that it names.
  ///
  /// - Throws: `ShapeError`, the first one, with the layer's name.
  public static func trace(_ body: (GraphBuilder) -> Void) throws(ShapeError) -> Graph {
    let builder = GraphBuilder()
    body(builder)
    return try builder.finish()
  }

  /// The graph with more layers after it, such as a loss.
  ///
  /// `body` gets the builder and this graph's inputs and outputs by name; the outputs that it names replace the old ones.
  ///
  /// - Throws: `ShapeError`, the first one, with the layer's name.
  public func extended(
    _ body: (GraphBuilder, [String: SymbolicTensor]) -> Void
  ) throws(ShapeError) -> Graph {
    let builder = GraphBuilder(continuing: self)
    var symbols: [String: SymbolicTensor] = [:]
    for input in inputs { symbols[input.name] = builder.symbol(input.value) }
    for output in outputs { symbols[output.name] = builder.symbol(output.value) }
    builder.removeOutputs()
    body(builder, symbols)
    return try builder.finish()
  }
}

extension GraphBuilder {
  /// Appends a network that exists already, such as the model of a file, to the one being traced.
  ///
  /// Its parameters join under their own names, behind `prefix`; a name that is there already is the
  /// same parameter, so two calls of one network share it.
  ///
  /// - Parameters:
  ///   - network: The network, in the form (`specialized`) that it is to run in.
  ///   - inputs: A tensor for each of its inputs by name; other sizes than its own are allowed where
  ///     its layers take them.
  ///   - prefix: What stands before the names of its layers and parameters.
  ///   - isTrainable: Whether its weights may move; nil leaves that to the network.
  ///   - tap: Gets each layer's name and first result, and gives what later layers read instead.
  /// - Returns: Its outputs by name; empty after an error, which the builder keeps.
  public func call(
    _ network: Graph, _ inputs: [String: SymbolicTensor], prefix: String = "",
    isTrainable: Bool? = nil, tap: (_ layer: String, SymbolicTensor) -> SymbolicTensor = { $1 }
  ) -> [String: SymbolicTensor] {
    var values = [ValueID?](repeating: nil, count: network.values.count)
    for (value, description) in network.values.enumerated() {
      switch description.source {
      case .input(let name):
        guard let tensor = inputs[name] else {
          fail("the network that is called has an input \(name), for which nothing was given")
          return [:]
        }
        values[value] = tensor.value
      case .parameter(let index):
        values[value] = joined(network.parameters[index], prefix, isTrainable)
      case .node: break
      }
    }
    for node in network.nodes {
      let results = apply(
        node.operation, node.inputs.compactMap { values[$0] },
        name: uniqueName(prefix + node.name, type: ""), layerType: node.layerType)
      if firstError != nil { return [:] }
      for (value, result) in zip(node.outputs, results) { values[value] = result.value }
      if let first = results.first { values[node.outputs[0]] = tap(node.name, first).value }
    }
    return Dictionary(
      uniqueKeysWithValues: network.outputs.compactMap { output in
        values[output.value].map { (output.name, symbol($0)) }
      })
  }

  /// The value of a parameter of a network that is called.
  private func joined(
    _ parameter: Graph.Parameter, _ prefix: String, _ isTrainable: Bool?
  ) -> ValueID {
    var parameter = parameter
    parameter.name = prefix + parameter.name
    if let isTrainable, parameter.role == .weight { parameter.isTrainable = isTrainable }
    guard let index = graph.parameters.firstIndex(where: { $0.name == parameter.name }) else {
      return graph.appendParameter(parameter)
    }
    if graph.parameters[index].shape != parameter.shape {
      fail(
        "parameter \(parameter.name) is there with shape \(graph.parameters[index].shape); "
          + "received \(parameter.shape)")
    }
    return graph.values.firstIndex { $0.source == .parameter(index) }
      ?? graph.appendParameter(parameter)
  }
}
