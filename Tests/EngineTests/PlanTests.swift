// Plans: exact offsets and drawings of small graphs, in-place results, views, and inputs that stay
// whole.

import AtelierEngine
import AtelierKernels
import TestSupport
import Testing

@Suite("Plan")
struct PlanTests {
  private func plan(isFused: Bool = true, _ body: (GraphBuilder) -> Void) throws -> Plan {
    Plan(try Graph.trace(body).specialized(for: .infer), isFused: isFused)
  }

  /// Where the first output of the node of a name lies.
  private func location(_ plan: Plan, _ name: String) throws -> Plan.Location {
    let node = try #require(plan.graph.nodes.first { $0.name == name })
    return plan.locations[node.outputs[0]]
  }

  private func input(_ plan: Plan, _ name: String) throws -> Plan.Location {
    plan.locations[try #require(plan.graph.input(named: name))]
  }

  @Test("three nodes, drawn to the letter") func drawing() throws {
    let plan = try plan { builder in
      let x = builder.input("x", [1, 4, 4, 2])
      let pooled = MaxPool2D(name: "pool")(Activate(.silu, name: "first")(x))
      builder.output("y", Flatten(name: "flat")(Activate(.tanh, name: "second")(pooled)))
    }
    #expect(
      plan.description == """
        0  first  activation  → [1, 4, 4, 2] @32
        1  pool  max-pool-2d  → [1, 2, 2, 2] @64, [1, 2, 2, 2] (not needed)
        2  second  activation  → [1, 2, 2, 2] @64
        3  flat  reshape  → [1, 8] @64
        arena: 80 floats; without reuse: 72 floats
        """)
    #expect(plan.arenaCount == 80)
    #expect(
      plan.buffers == [
        BufferLifetime(count: 32, first: -1, last: 4), BufferLifetime(count: 32, first: 0, last: 1),
        BufferLifetime(count: 8, first: 1, last: 4),
      ])
    #expect(plan.memory.offsets == [0, 32, 64])
  }

  @Test("switches are kept for the unpooling that mirrors the pool") func switches() throws {
    let plan = try plan { builder in
      let pooled = MaxPool2D(name: "pool")(builder.input("x", [1, 4, 4, 1]))
      builder.output("y", MaxUnpool2D(mirroring: "pool", name: "unpool")(pooled))
    }
    #expect(
      plan.description == """
        0  pool  max-pool-2d  → [1, 2, 2, 1] @32, [1, 2, 2, 1] @48
        1  unpool  max-unpool-2d  → [1, 4, 4, 1] @16
        arena: 64 floats; without reuse: 40 floats
        """)
  }

  @Test("memory is used again once its value is dead") func reuse() throws {
    let plan = try plan { builder in
      var x = builder.input("x", [1, 4, 4, 1])
      for step in 0..<4 { x = NearestUnpool2D(window: 1, name: "step\(step)")(x) }
      builder.output("y", x)
    }
    // Nothing runs in place, so two places take turns.
    let places = try (0..<4).map { try location(plan, "step\($0)") }
    #expect(places == [.arena(16), .arena(32), .arena(16), .arena(32)])
    #expect(plan.arenaCount == 48)
  }

  @Test("a chain runs in place") func inPlace() throws {
    let plan = try plan { builder in
      let x = builder.input("x", [3, 5])
      let a = Activate(.silu, name: "a")(x)
      let b = Softmax(name: "b")(a)
      builder.output("y", b.clamped(0...1))
    }
    let first = try location(plan, "a")
    #expect(try input(plan, "x") != first)
    #expect(try location(plan, "b") == first)
    #expect(try location(plan, "clamp") == first)
    #expect(plan.arenaCount == 32)
  }

  @Test("nothing is overwritten that is read later") func readLater() throws {
    let plan = try plan { builder in
      let a = Activate(.silu, name: "a")(builder.input("x", [3, 5]))
      let b = Activate(.tanh, name: "b")(a)
      let sum = a + b
      builder.output("kept", sum)
      builder.output("y", Activate(.sigmoid, name: "c")(sum))
    }
    let (a, b) = (try location(plan, "a"), try location(plan, "b"))
    #expect(a != b)
    // The sum may take a's place, which dies in it; what follows may not take the output's.
    #expect(try location(plan, "add") == a)
    #expect(try location(plan, "c") != a)
  }

  @Test("a value read twice by one node stays whole") func readTwice() throws {
    let plan = try plan { builder in
      let a = Activate(.silu, name: "a")(builder.input("x", [3, 5]))
      builder.output("y", a * a)
    }
    #expect(try location(plan, "multiply") != location(plan, "a"))
  }

  @Test("views lie where their tensor lies, and keep it alive") func views() throws {
    let plan = try plan { builder in
      let x = builder.input("x", [2, 2, 2, 3])
      let a = Activate(.silu, name: "a")(x)
      let flat = Flatten(name: "flat")(a)
      let dropped = Dropout(0.5, name: "dropped")(flat)
      let b = Activate(.tanh, name: "b")(dropped)
      builder.output("sum", b + Activate(.gelu, name: "c")(flat))
      builder.output("input", Flatten(name: "flat input")(x))
    }
    let a = try location(plan, "a")
    #expect(try location(plan, "flat") == a)
    #expect(try location(plan, "dropped") == a)
    // b must not overwrite a, since c reads it through the view; c may.
    #expect(try location(plan, "b") != a)
    #expect(try location(plan, "c") == a)
    #expect(try location(plan, "flat input") == input(plan, "x"))
  }

  @Test("inputs stay whole, also through views, and a second run needs no new ones")
  func inputsStay() throws {
    let graph = try Graph.trace { builder in
      let x = builder.input("x", [2, 6])
      let y = Activate(.relu)(Reshape([3, 2])(x))
      builder.output("y", Flatten()(y) + Activate(.tanh)(x))
    }
    let program = try Program(graph, parameters: try ParameterStore(for: [graph], seed: 0))
    let x = Tensor.random([2, 6], seed: 1)
    try program.setInput("x", x)
    try program.run()
    let first = try program.output("y")
    for _ in 0..<3 { try program.run() }
    #expect(try program.output("y") == first)
    var kept: [Float] = []
    try program.withInput("x") { kept = Array($0) }
    #expect(kept == x.elements)
  }

  @Test("gradients are written straight into the gradient block") func gradients() throws {
    let graph = try Graph.trace { builder in
      let x = builder.input("x", [2, 3])
      let layer = Dense(units: 3, name: "dense")
      builder.output("loss", layer(layer(x)).mean())
    }.differentiated()
    let plan = Plan(graph, isFused: false)
    // A layer called twice has the sum of two gradients; that sum is written in place.
    let places = plan.graph.parameterGradients.map { plan.locations[$0.value] }
    #expect(places == [.gradient(0), .gradient(1)])
    #expect(plan.graph.parameters.map(\.name) == ["dense/weight", "dense/bias"])
    for gradient in plan.graph.parameterGradients {
      guard case .node(let node, _) = plan.graph.values[gradient.value].source else { continue }
      #expect(plan.graph.nodes[node].operation is BinaryOperation)
    }
  }

  @Test("parameters lie in the store; what nobody reads lies nowhere") func otherPlaces() throws {
    let graph = try Graph.trace { builder in
      builder.output("y", BatchNormalization(name: "norm")(builder.input("x", [2, 3])))
    }
    let plan = Plan(graph)
    let node = try #require(plan.graph.nodes.first)
    #expect(node.inputs.dropFirst().map { plan.locations[$0] } == (0..<4).map { .parameter($0) })
    #expect(node.outputs.dropFirst().map { plan.locations[$0] } == [.none, .none])
  }

  @Test("nodes that nobody needs are not planned") func pruning() throws {
    let plan = try plan { builder in
      let x = builder.input("x", [2, 3])
      _ = Dense(units: 100, name: "unused")(x)
      builder.output("y", Activate(.tanh, name: "used")(x))
    }
    #expect(plan.graph.nodes.map(\.name) == ["used"])
  }

  @Test("a program that would need more than the limit is refused") func tooLarge() throws {
    let graph = try Graph.trace { builder in
      builder.output("y", NearestUnpool2D(window: 32_768)(builder.input("x", [1, 4, 4, 1])))
    }
    let store = try ParameterStore(for: [graph], seed: 0)
    let text = shapeError { () throws(ShapeError) in _ = try Program(graph, parameters: store) }
    #expect(
      text
        == "the program would need 64 GiB for its intermediate values; at most 64 GiB are allowed"
    )
  }
}
