// The flat description of a network: values, the nodes that compute them, and the parameters they read.

/// A network as a value: nodes in an order in which they can run, and the values between them.
///
/// Made by tracing layers (`Graph.trace`), by `Sequential`, or read from a model file. Validation, differentiation, summary, plan and
/// file are functions of it.
public struct Graph: Sendable, Hashable, Codable {
  /// Where a value comes from.
  public enum Source: Sendable, Hashable, Codable {
    /// The caller gives it under this name.
    case input(String)
    /// It is the parameter of this index.
    case parameter(Int)
    /// It is an output of a node.
    case node(Int, output: Int)
  }

  /// A tensor that exists while the graph runs.
  public struct Value: Sendable, Hashable, Codable {
    /// Its sizes.
    public var shape: Shape
    /// Where it comes from.
    public var source: Source
  }

  /// What a parameter is for.
  public enum Role: String, Sendable, Hashable, Codable {
    /// Learnt by gradients.
    case weight
    /// Gathered while training, such as a running mean.
    case statistic
    /// Fixed by its initialiser, such as a filter window; not written to model files.
    case constant
  }

  /// A tensor that outlives the run.
  public struct Parameter: Sendable, Hashable, Codable {
    /// The unique name, as it stands in model files.
    public var name: String
    /// Its sizes.
    public var shape: Shape
    /// How it starts.
    public var initializer: Initializer
    /// What it is for.
    public var role: Role
    /// Whether training moves it; only weights can be trainable.
    public var isTrainable: Bool
  }

  /// One operation at work.
  public struct Node: Sendable, Codable {
    /// The layer's name, unique per layer call.
    public var name: String
    /// The layer's type as the summary shows it; nil for helpers that the summary joins to the layer before.
    public var layerType: String?
    /// What runs.
    public var operation: any Operation
    /// The values it reads.
    public var inputs: [ValueID]
    /// The values it writes.
    public var outputs: [ValueID]
  }

  /// A value that the caller can read after a run.
  public struct Output: Sendable, Hashable, Codable {
    /// The name to ask for.
    public var name: String
    /// Which value.
    public var value: ValueID
  }

  /// The gradient of the loss with respect to one parameter.
  public struct ParameterGradient: Sendable, Hashable, Codable {
    /// Index into `parameters`.
    public var parameter: Int
    /// The value that holds the gradient.
    public var value: ValueID
  }

  /// All values; a `ValueID` is an index here.
  public internal(set) var values: [Value] = []
  /// All nodes, in an order in which they can run.
  public internal(set) var nodes: [Node] = []
  /// All parameters.
  public internal(set) var parameters: [Parameter] = []
  /// What the caller can read.
  public internal(set) var outputs: [Output] = []
  /// What differentiation added; empty for a graph that only infers.
  public internal(set) var parameterGradients: [ParameterGradient] = []

  /// An empty graph.
  public init() {}

  /// The inputs by name, in the order in which they were made.
  public var inputs: [(name: String, value: ValueID)] {
    values.indices.compactMap { index in
      if case .input(let name) = values[index].source { (name, index) } else { nil }
    }
  }

  /// The value behind an input's name.
  public func input(named name: String) -> ValueID? { inputs.first { $0.name == name }?.value }

  /// The value behind an output's name.
  public func output(named name: String) -> ValueID? { outputs.first { $0.name == name }?.value }

  /// The shapes around a node.
  public func shapes(of node: Node) -> NodeShapes {
    NodeShapes(
      inputs: node.inputs.map { values[$0].shape }, outputs: node.outputs.map { values[$0].shape })
  }

  /// The number of elements of all weights and statistics (constants apart).
  public var parameterCount: Int {
    parameters.filter { $0.role != .constant }.reduce(0) { $0 + $1.shape.count }
  }

  /// The number of elements that training moves.
  public var trainableParameterCount: Int {
    parameters.filter(\.isTrainable).reduce(0) { $0 + $1.shape.count }
  }

  /// Appends a node and returns its outputs.
  ///
  /// Throws the operation's shape error with the layer's name before it.
  package mutating func append(
    _ operation: any Operation, _ inputs: [ValueID], name: String, layerType: String? = nil
  ) throws(ShapeError) -> [ValueID] {
    let shapes = try operation.countableShapes(inputs.map { values[$0].shape }, layer: name)
    let first = values.count
    for (index, shape) in shapes.enumerated() {
      values.append(Value(shape: shape, source: .node(nodes.count, output: index)))
    }
    let outputs = Array(first..<values.count)
    nodes.append(
      Node(
        name: name, layerType: layerType, operation: operation, inputs: inputs, outputs: outputs))
    return outputs
  }

  /// Appends an input value.
  package mutating func appendInput(_ name: String, _ shape: Shape) -> ValueID {
    values.append(Value(shape: shape, source: .input(name)))
    return values.count - 1
  }

  /// Names a value that the caller reads after a run.
  package mutating func appendOutput(_ name: String, _ value: ValueID) {
    outputs.append(Output(name: name, value: value))
  }

  /// Appends a parameter whose numbers a file has, and the value that reads it.
  package mutating func appendParameter(
    read name: String, _ shape: Shape, role: Role, isTrainable: Bool
  ) -> ValueID {
    appendParameter(
      Parameter(
        name: name, shape: shape, initializer: .zeros, role: role, isTrainable: isTrainable))
  }

  /// Appends a parameter and the value that reads it.
  mutating func appendParameter(_ parameter: Parameter) -> ValueID {
    parameters.append(parameter)
    values.append(Value(shape: parameter.shape, source: .parameter(parameters.count - 1)))
    return values.count - 1
  }
}

extension Graph.Node: Hashable {
  /// Compares all parts, the operation by type and attributes.
  public static func == (left: Self, right: Self) -> Bool {
    left.name == right.name && left.layerType == right.layerType && left.inputs == right.inputs
      && left.outputs == right.outputs && left.operation.equals(right.operation)
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(name)
    hasher.combine(AnyHashable(operation))
    hasher.combine(inputs)
    hasher.combine(outputs)
  }
}

extension Graph.Node {
  private enum Key: String, CodingKey { case name, layerType, kind, attributes, inputs, outputs }

  /// Reads a node; the operation's type is looked up by its kind.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    let kind = try container.decode(String.self, forKey: .kind)
    guard let type = OperationRegistry.type(of: kind) else {
      throw ShapeError("the graph names an operation that is not known here: \(kind)")
    }
    name = try container.decode(String.self, forKey: .name)
    layerType = try container.decodeIfPresent(String.self, forKey: .layerType)
    operation = try type.init(from: container.superDecoder(forKey: .attributes))
    inputs = try container.decode([ValueID].self, forKey: .inputs)
    outputs = try container.decode([ValueID].self, forKey: .outputs)
  }

  /// Writes a node with its operation's kind and attributes.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(name, forKey: .name)
    try container.encodeIfPresent(layerType, forKey: .layerType)
    try container.encode(type(of: operation).kind, forKey: .kind)
    try operation.encode(to: container.superEncoder(forKey: .attributes))
    try container.encode(inputs, forKey: .inputs)
    try container.encode(outputs, forKey: .outputs)
  }
}
