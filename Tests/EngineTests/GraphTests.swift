// Graphs as values: JSON and back, and validation of graphs that no tracing could have made.

import AtelierEngine
import AtelierKernels
import Foundation
import TestSupport
import Testing

@Suite("Graph")
struct GraphTests {
  /// x [1, 4] → dense [1, 3] → activation → softmax: values 0 … 5.
  private static func network() throws -> Graph {
    try Sequential(input: .vector(4)) {
      Dense(units: 3, activation: .tanh)
      Softmax()
    }.graph()
  }

  @Test("the traced graph, value by value") func traced() throws {
    let graph = try Self.network()
    #expect(graph.values.map(\.shape) == [[1, 4], [4, 3], [3], [1, 3], [1, 3], [1, 3]])
    #expect(
      graph.values.map(\.source) == [
        .input("input"), .parameter(0), .parameter(1), .node(0, output: 0), .node(1, output: 0),
        .node(2, output: 0),
      ])
    #expect(graph.nodes.map(\.inputs) == [[0, 1, 2], [3], [4]])
    #expect(graph.nodes.map(\.outputs) == [[3], [4], [5]])
    #expect(graph.nodes.map(\.name) == ["dense", "dense/activation", "softmax"])
    #expect(graph.outputs.map(\.name) == ["output"])
    #expect(graph.outputs.map(\.value) == [5])
    try graph.validate()
  }

  @Test("a big graph survives JSON") func coding() throws {
    for seed in UInt64(0)..<20 {
      let network = try RandomGraph.network(seed: seed, layers: 60)
      let graph = try network.specialized(for: .train).differentiated(withRespectToInputs: ["x"])
      let data = try JSONEncoder().encode(graph)
      let decoded = try JSONDecoder().decode(Graph.self, from: data)
      #expect(decoded == graph)
      #expect(decoded.hashValue == graph.hashValue)
      try decoded.validate()
      #expect(graph.nodes.count > 60)
    }
  }

  @Test("what JSON cannot hold is refused") func refusedCoding() throws {
    func text(_ json: String) -> String? {
      do {
        _ = try JSONDecoder().decode(Shape.self, from: Data(json.utf8))
        return nil
      } catch { return "\(error)" }
    }
    #expect(text("[1, 2]") == nil)
    #expect(text("[-1, 4]") == "a shape has no negative sizes; received [-1, 4]")
    let data = try JSONEncoder().encode(Self.network())
    let json = try #require(String(data: data, encoding: .utf8))
    let unknown = json.replacingOccurrences(of: "\"softmax\"", with: "\"warp-drive\"")
    let error = #expect(throws: ShapeError.self) {
      _ = try JSONDecoder().decode(Graph.self, from: Data(unknown.utf8))
    }
    #expect(
      error?.description == "the graph names an operation that is not known here: warp-drive")
  }

  // MARK: Validation

  /// A change to a graph's JSON and what validation says of it.
  struct Mutation: Sendable, CustomTestStringConvertible {
    let path: [String]
    let value: String
    let text: String

    /// Sets what lies at `path` (names and indices, separated by dots) to a JSON value.
    init(_ path: String, _ value: String, says text: String) {
      self.path = path.split(separator: ".").map(String.init)
      self.value = value
      self.text = text
    }

    var testDescription: String { "\(path.joined(separator: ".")) = \(value)" }

    static let all: [Mutation] = [
      Mutation("nodes.0.inputs.0", "99", says: "layer dense reads value 99, which does not exist"),
      Mutation("nodes.0.inputs.0", "-1", says: "layer dense reads value -1, which does not exist"),
      Mutation(
        "nodes.0.inputs.0", "5", says: "layer dense reads value 5 before it is computed"),
      Mutation(
        "nodes.1.inputs.0", "4", says: "layer dense/activation reads value 4 before it is computed"),
      Mutation(
        "nodes.0.inputs", "[0, 1]", says: "layer dense: convolution-2d takes 3 inputs; received 2"),
      Mutation(
        "nodes.1.inputs.0", "0",
        says: "layer dense/activation gives [[1, 4]]; the graph says [[1, 3]]"),
      Mutation(
        "nodes.0.inputs.2", "0",
        says: "layer dense: expected a bias of shape [3]; received [1, 4]"),
      Mutation(
        "values.3.shape", "[1, 5]", says: "layer dense gives [[1, 3]]; the graph says [[1, 5]]"),
      Mutation("values.0.shape", "[0, 4]", says: "value 0 has the empty shape [0, 4]"),
      Mutation(
        "values.0.shape", "[1, 5]", says: "layer dense: expected 4 input features; received 5"),
      Mutation(
        "values.0.shape", "[4611686018427387904, 4]",
        says: "value 0 has the shape [4611686018427387904, 4], which is too large"),
      Mutation(
        "values.1.source.parameter._0", "9",
        says: "value 1 names parameter 9 that does not fit"),
      Mutation(
        "values.1.source.parameter._0", "1",
        says: "value 1 names parameter 1 that does not fit"),
      Mutation(
        "values.3.source.node._0", "7", says: "value 3 names node 7 that does not write it"),
      Mutation(
        "values.3.source.node._0", "1", says: "value 3 names node 1 that does not write it"),
      Mutation(
        "values.3.source.node.output", "1", says: "value 3 names node 0 that does not write it"),
      Mutation(
        "nodes.2.outputs.0", "4", says: "value 5 names node 2 that does not write it"),
      Mutation(
        "nodes.2.outputs", "[5, 0]", says: "layer softmax writes value 0, which has another source"),
      Mutation(
        "nodes.2.outputs", "[5, 88]", says: "layer softmax writes a value that does not exist"),
      Mutation("parameters.1.name", "\"dense/weight\"", says: "parameter names are not unique"),
      Mutation(
        "parameters.1.shape", "[4]", says: "value 2 names parameter 1 that does not fit"),
      Mutation(
        "outputs.0.value", "6", says: "output output names value 6, which does not exist"),
      Mutation(
        "parameterGradients", "[{\"parameter\": 0, \"value\": 5}]",
        says: "parameter 0 has no gradient of its shape"),
      Mutation(
        "parameterGradients", "[{\"parameter\": 7, \"value\": 5}]",
        says: "parameter 7 has no gradient of its shape"),
    ]
  }

  @Test("a graph that no tracing could have made", arguments: Mutation.all)
  func mutated(_ mutation: Mutation) throws {
    let data = try JSONEncoder().encode(Self.network())
    let value = try JSONSerialization.jsonObject(
      with: Data(mutation.value.utf8), options: .fragmentsAllowed)
    let object = try JSONSerialization.jsonObject(with: data)
    let changed = try #require(setting(object, mutation.path[...], to: value))
    let json = try JSONSerialization.data(withJSONObject: changed)
    let graph = try JSONDecoder().decode(Graph.self, from: json)
    let text = shapeError { () throws(ShapeError) in try graph.validate() }
    #expect(text == mutation.text)
  }

  /// The JSON value with what lies at `path` replaced; nil when there is nothing.
  private func setting(_ object: Any, _ path: ArraySlice<String>, to value: Any) -> Any? {
    guard let key = path.first else { return value }
    if var dictionary = object as? [String: Any] {
      guard let child = dictionary[key] else { return nil }
      dictionary[key] = setting(child, path.dropFirst(), to: value)
      return dictionary[key] == nil ? nil : dictionary
    }
    if var array = object as? [Any], let index = Int(key), array.indices.contains(index),
      let child = setting(array[index], path.dropFirst(), to: value)
    {
      array[index] = child
      return array
    }
    return nil
  }

  // MARK: Extending

  @Test("a model's graph grows by a loss; names stay unique, old outputs go") func extended() throws
  {
    let graph = try Self.network()
    let longer = try graph.extended { builder, symbols in
      guard let output = symbols["output"], let input = symbols["input"] else { return }
      let target = builder.input("target", output.shape)
      builder.output("loss", Loss.squaredError(Softmax()(output), target))
      builder.output("input", input)
    }
    #expect(longer.nodes.map(\.name) == graph.nodes.map(\.name) + ["softmax_1", "loss"])
    #expect(longer.outputs.map(\.name) == ["loss", "input"])
    #expect(longer.inputs.map(\.name) == ["input", "target"])
    #expect(longer.parameters == graph.parameters)
    try longer.validate()
  }

  @Test("names: by type and number, in scopes, as given") func names() throws {
    let graph = try Graph.trace { builder in
      var x = builder.input("x", [1, 4, 4, 2])
      x = Convolution2D(filters: 2, kernel: 3)(x)
      builder.scope("block") {
        x = Convolution2D(filters: 2, kernel: 3)(x)
        builder.scope("inner") { x = Convolution2D(filters: 2, kernel: 1, name: "point")(x) }
        x = Convolution2D(filters: 2, kernel: 3)(x)
      }
      builder.output("y", x)
    }
    #expect(
      graph.nodes.map(\.name) == ["conv2d", "block/conv2d", "block/inner/point", "block/conv2d_1"])
    #expect(graph.parameters.count == 8)
    #expect(graph.parameters[4].name == "block/inner/point/weight")
  }
}
