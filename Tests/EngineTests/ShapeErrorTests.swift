// What layers say about bad arguments, word for word: expected, received, and the layer's name.

import AtelierEngine
import TestSupport
import Testing

/// A layer on a shape that it must refuse, and what it says.
struct RefusedLayer: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let text: String
  let build: @Sendable (GraphBuilder) -> Void

  init(_ name: String, _ input: Shape, _ layer: any Layer, says text: String) {
    testDescription = name
    self.text = text
    build = { _ = layer($0.input("x", input)) }
  }

  init(_ name: String, says text: String, _ build: @escaping @Sendable (GraphBuilder) -> Void) {
    testDescription = name
    self.text = text
    self.build = build
  }
}

@Suite("Shape errors")
struct ShapeErrorTests {
  @Test("a bad argument is refused, word for word", arguments: RefusedLayers.all)
  func refused(_ refused: RefusedLayer) {
    let text = shapeError { () throws(ShapeError) in _ = try Graph.trace(refused.build) }
    #expect(text == refused.text)
  }

  @Test("the first error counts") func firstError() {
    let text = shapeError { () throws(ShapeError) in
      _ = try Graph.trace { builder in
        let x = builder.input("x", [1, 4, 4, 3])
        let first = Dense(units: 2, name: "first")(x)
        _ = Dense(units: 2, name: "second")(first)
      }
    }
    #expect(text == "layer first: expected vectors [batch, features]; received [1, 4, 4, 3]")
  }

  @Test("a layer in a scope is named with its scope") func scope() {
    let text = shapeError { () throws(ShapeError) in
      _ = try Graph.trace { builder in
        let x = builder.input("x", [1, 4, 4, 3])
        builder.scope("head") { _ = Dense(units: 2)(x) }
      }
    }
    #expect(text == "layer head/dense: expected vectors [batch, features]; received [1, 4, 4, 3]")
  }

  @Test("differentiation says what it cannot do") func differentiation() throws {
    func text(
      of output: String = "loss", to inputs: [String] = [],
      _ build: (GraphBuilder) -> Void
    ) throws -> String {
      let graph = try Graph.trace(build)
      return shapeError { () throws(ShapeError) in
        _ = try graph.differentiated(output, withRespectToInputs: inputs)
      }
    }
    func twoInputs(_ builder: GraphBuilder, _ loss: Loss) {
      let x = builder.input("x", [2, 3])
      builder.output("loss", loss(x, builder.input("y", [2, 3])))
    }
    #expect(
      try text { builder in builder.output("y", builder.input("x", [2, 3])) }
        == "the graph has no output named loss to differentiate")
    #expect(
      try text(of: "y") { builder in builder.output("y", builder.input("x", [2, 3])) }
        == "only a scalar can be differentiated; y is [2, 3]")
    #expect(
      try text(to: ["z"]) { twoInputs($0, .squaredError) }
        == "the loss does not depend on the input z")
    #expect(
      try text(to: ["y"]) { twoInputs($0, .binaryCrossEntropy) }
        == "binary cross-entropy has no gradient to its target")
    #expect(
      try text(to: ["y"]) { twoInputs($0, .categoricalCrossEntropy) }
        == "categorical cross-entropy has no gradient to its targets")
    #expect(
      try text(to: ["y"]) { twoInputs($0, .dice(smooth: 1)) }
        == "the Dice loss has no gradient to its targets")
  }

  @Test("a sequential model without its input's shape") func sequential() {
    let text = shapeError { () throws(ShapeError) in
      _ = try Sequential { Dense(units: 2) }.graph()
    }
    #expect(text == "a sequential model needs its input's shape to be traced by itself")
  }

  @Test("another input size that a layer does not take") func reshaped() throws {
    let graph = try Sequential(input: .image(height: 4, width: 4, channels: 1)) {
      SpaceToDepth2D()
      Convolution2D(filters: 2, kernel: 3)
    }.graph()
    #expect(try graph.reshaped(["input": [3, 8, 6, 1]]).values.last?.shape == [3, 4, 3, 2])
    func text(_ shape: Shape) -> String {
      shapeError { () throws(ShapeError) in _ = try graph.reshaped(["input": shape]) }
    }
    #expect(
      text([1, 5, 4, 1])
        == "layer space_to_depth2d: expected an image batch with sizes divisible by 2×2; "
        + "received [1, 5, 4, 1]")
    #expect(
      text([1, 4, 4, 2])
        == "layer conv2d: expected 4 input channels; received 8")
    #expect(text([0, 4, 4, 1]) == "input input needs positive sizes; received [0, 4, 4, 1]")
  }
}
