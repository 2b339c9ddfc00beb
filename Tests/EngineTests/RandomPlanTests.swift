// Random networks: no two live buffers overlap, and memory that is used again changes no result.

import AtelierEngine
import AtelierKernels
import TestSupport
import Testing

@Suite("Random networks")
struct RandomPlanTests {
  @Test("300 plans: no two live buffers overlap") func plans() throws {
    var saved = 0
    for seed in 0..<300 {
      let network = try RandomGraph.network(seed: UInt64(seed), layers: 2 + seed % 20)
      let purpose: Purpose = seed % 3 == 0 ? .infer : .train
      let graph = try network.specialized(for: purpose).differentiated()
      try graph.validate()
      for isFused in [true, false] {
        let plan = Plan(graph, isFused: isFused)
        expectDisjoint(plan.buffers, plan.memory, "seed \(seed)")
        #expect(plan.memory.count == plan.arenaCount)
        if plan.arenaCount < plan.buffers.reduce(0, { $0 + $1.count }) { saved += 1 }
        // Whatever a step reads or writes has a place that holds it.
        for node in plan.graph.nodes {
          let shapeOnly = node.operation.shapeOnlyInputs
          for (index, value) in node.inputs.enumerated() where !shapeOnly.contains(index) {
            #expect(plan.locations[value] != .none, "seed \(seed): \(node.name) reads nothing")
          }
          for value in node.inputs + node.outputs {
            guard case .arena(let offset) = plan.locations[value] else { continue }
            #expect(offset + plan.graph.values[value].shape.count <= plan.arenaCount)
          }
        }
      }
    }
    #expect(saved > 500)
  }

  /// Runs a training step and gives the loss and all gradients.
  private func results(
    _ seed: UInt64, layers: Int, keepsAll: Bool, isFused: Bool
  ) throws -> [String: Tensor] {
    let graph = try RandomGraph.network(seed: seed, layers: layers, keepsAll: keepsAll)
      .specialized(for: .train).differentiated(withRespectToInputs: ["x"])
    let store = try ParameterStore(for: [graph], seed: seed)
    let program = try Program(graph, parameters: store, seed: 3, isFused: isFused)
    try program.setInput("x", .random([2, 8, 8, 4], seed: seed))
    // The second run finds the first one's rubbish everywhere.
    for _ in 0..<2 { try program.run(step: 1) }
    var results = ["loss": try program.output("loss"), "dx": try program.output("gradient of x")]
    for entry in program.trainedEntries { results[entry.name] = program.gradient(of: entry.name) }
    return results
  }

  @Test("60 networks: results are those of a plan in which nothing is used again")
  func runs() throws {
    for seed in UInt64(0)..<60 {
      let layers = 3 + Int(seed % 15)
      let shared = try results(seed, layers: layers, keepsAll: false, isFused: false)
      let kept = try results(seed, layers: layers, keepsAll: true, isFused: false)
      #expect(shared == kept, "seed \(seed)")
      let fused = try results(seed, layers: layers, keepsAll: false, isFused: true)
      #expect(fused.keys.sorted() == kept.keys.sorted())
      for (name, tensor) in kept {
        let size = tensor.elements.map(abs).max() ?? 0
        // Gradients that are zero but for rounding have no relative error.
        if size < 1e-6 { continue }
        expectClose(try #require(fused[name]), tensor, tolerance: 2e-4, "seed \(seed): \(name)")
      }
    }
  }

  @Test(
    "60 networks: gradients handed over are those of the block, and nobody reads what was moved")
  func handedOver() throws {
    var count = 0
    for seed in UInt64(0)..<60 {
      let graph = try RandomGraph.network(seed: seed, layers: 3 + Int(seed % 15))
        .specialized(for: .train).differentiated(withRespectToInputs: ["x"])
      for isFused in [true, false] {
        func results(handsOver: Bool) throws -> [String: Tensor] {
          let store = try ParameterStore(for: [graph], seed: seed)
          let program = try Program(
            graph, parameters: store, seed: 3, isFused: isFused, handsGradientsOver: handsOver)
          expectDisjoint(program.plan.buffers, program.plan.memory, "seed \(seed)")
          count += program.plan.handovers.joined().count
          try program.setInput("x", .random([2, 8, 8, 4], seed: seed))
          var results: [String: Tensor] = [:]
          program.onGradient = { entry, gradient in
            let values = UnsafeMutableBufferPointer(start: gradient, count: entry.shape.count)
            #expect(results[entry.name] == nil, "seed \(seed): \(entry.name) came twice")
            results[entry.name] = Tensor(entry.shape, Array(values))
            values.update(repeating: .nan)
            (store.pointer + entry.offset).update(repeating: .nan, count: entry.shape.count)
            store.touch([entry.name])
          }
          try program.run(step: 1)
          if !handsOver {
            #expect(results.isEmpty)
            for entry in program.trainedEntries {
              results[entry.name] = program.gradient(of: entry.name)
            }
          }
          results["loss"] = try program.output("loss")
          results["dx"] = try program.output("gradient of x")
          return results
        }
        let (handed, block) = (try results(handsOver: true), try results(handsOver: false))
        #expect(handed == block, "seed \(seed)")
      }
    }
    #expect(count > 200)
  }
}
