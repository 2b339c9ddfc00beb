// A graph rewritten for one purpose: training or inference forms, fused operations, and nothing that nobody reads.

import AtelierKernels

/// What a program is for.
public enum Purpose: String, Sendable, Hashable, Codable {
  /// Batch statistics and dropout are at work.
  case train
  /// Running statistics, no dropout; gradients may still be wanted (an attack, an explanation).
  case infer
}

extension Graph {
  /// The graph with batch normalization and dropout in the form of the purpose.
  ///
  /// Call before differentiation.
  public func specialized(for purpose: Purpose) -> Graph {
    var result = self
    for index in nodes.indices {
      if var normalization = nodes[index].operation as? BatchNormalizationOperation {
        // A frozen normalization keeps its statistics even while the rest trains.
        let isFrozen =
          if case .parameter(let gamma) = values[nodes[index].inputs[1]].source {
            !parameters[gamma].isTrainable
          } else { false }
        normalization.isTraining = purpose == .train && !isFrozen
        result.nodes[index].operation = normalization
      }
      if var dropout = nodes[index].operation as? DropoutOperation {
        dropout.isTraining = purpose == .train
        result.nodes[index].operation = dropout
      }
      if var normalization = nodes[index].operation as? SpectralNormalizationOperation {
        normalization.isTraining = purpose == .train
        result.nodes[index].operation = normalization
      }
    }
    return result
  }

  /// The values that must outlive the run.
  var wanted: [ValueID] { outputs.map(\.value) + parameterGradients.map(\.value) }

  /// How many node inputs and wanted values name each value.
  func useCounts() -> [Int] {
    var counts = [Int](repeating: 0, count: values.count)
    for node in nodes {
      for input in node.inputs { counts[input] += 1 }
    }
    for value in wanted { counts[value] += 1 }
    return counts
  }

  /// The graph without nodes that no wanted value depends on; value numbers stay.
  func pruned() -> Graph {
    var isNeeded = [Bool](repeating: false, count: values.count)
    for value in wanted { isNeeded[value] = true }
    var keep = [Bool](repeating: false, count: nodes.count)
    for index in nodes.indices.reversed()
    where nodes[index].outputs.contains(where: { isNeeded[$0] }) {
      keep[index] = true
      for input in nodes[index].inputs { isNeeded[input] = true }
    }
    return reordered(nodes.indices.filter { keep[$0] })
  }

  /// The graph with only these nodes, in this order.
  func reordered(_ order: [Int]) -> Graph {
    var result = self
    result.nodes = order.map { nodes[$0] }
    for index in result.nodes.indices { result.connectOutputs(of: index) }
    return result
  }

  /// Says of the values that a node writes that it does.
  mutating func connectOutputs(of index: Int) {
    for (output, value) in nodes[index].outputs.enumerated() {
      values[value].source = .node(index, output: output)
    }
  }
}
