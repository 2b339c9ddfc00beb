// A model run on another framework's inputs, its outputs and layers held against that framework's.

import AtelierEngine
import AtelierFiles
import AtelierKernels

/// The comparison of a model with arrays of another framework.
package struct ModelComparison {
  /// What came of one output or layer.
  package struct Row: Sendable {
    /// Its name in the file of arrays.
    package let name: String
    /// Its sizes here.
    package let shape: Shape
    /// The largest value there.
    package let largest: Float
    /// The largest difference, as a part of the largest value; infinite where sizes differ.
    package let difference: Double
  }

  private let model: Model
  private let ports: [ONNXImport.Port]
  private let outputs: [ONNXImport.Port]

  /// Compares a model of a file.
  package init(_ model: Model) { (self.model, ports, outputs) = (model, [], []) }

  /// Compares an imported model, whose file says how axes lie.
  package init(_ imported: ONNXImport) {
    (model, ports, outputs) = (imported.model, imported.inputs, imported.outputs)
  }

  /// Runs the model on the arrays' inputs and compares every array that has the name of an output
  /// or of a layer.
  ///
  /// - Throws: `FileError` when an input has no array or nothing could be compared.
  package func run(_ archive: NumPyArchive, kernels: Kernels = Kernels()) throws -> [Row] {
    var arrays: [String: NumPyArray] = [:]
    for (name, array) in archive.arrays {
      arrays[name] = array
      for prefix in ["in:", "out:"] where name.hasPrefix(prefix) {
        arrays[String(name.dropFirst(prefix.count))] = array
      }
    }
    var graph = model.graph
    var inputs: [String: Tensor] = [:]
    var shapes: [String: Shape] = [:]
    for (name, value) in graph.inputs {
      let foreign = ports.first { $0.modelName == name }
      guard
        let array = arrays[foreign?.name ?? name] ?? (graph.inputs.count == 1 ? only(arrays) : nil)
      else { throw FileError(file: "arrays", message: "expected an array for the input \(name)") }
      let tensor = tensor(array, like: graph.values[value].shape, foreign?.order)
      inputs[name] = tensor
      shapes[name] = tensor.shape
    }
    if ports.isEmpty { graph = try graph.reshaped(shapes) }
    let known = Set(graph.outputs.map(\.name))
    var layers: [String] = []
    for node in graph.nodes where arrays[node.name] != nil && !known.contains(node.name) {
      graph.appendOutput(node.name, node.outputs[0])
      layers.append(node.name)
    }
    let program = try Program(
      graph.specialized(for: .infer), parameters: try model.store(), kernels: kernels)
    for (name, tensor) in inputs { try program.setInput(name, tensor) }
    try program.run()
    var rows: [Row] = []
    for output in graph.outputs {
      let foreign = outputs.first { $0.modelName == output.name }
      guard let array = arrays[foreign?.name ?? output.name] else { continue }
      rows.append(row(try program.output(output.name), array, output.name, foreign?.order))
    }
    guard !rows.isEmpty else {
      throw FileError(
        file: "arrays",
        message: "expected an array named as an output (\(known.sorted().joined(separator: ", "))) "
          + "or a layer")
    }
    return rows
  }

  /// The only array that is an input by its prefix, where names do not agree.
  private func only(_ arrays: [String: NumPyArray]) -> NumPyArray? {
    let given = arrays.filter { $0.key.hasPrefix("in:") }
    return given.count == 1 ? given.first?.value : nil
  }

  /// An array as a tensor here, its axes moved where it is an image of another order.
  private func tensor(_ array: NumPyArray, like shape: Shape, _ order: [Int]?) -> Tensor {
    var moved = array
    if let order, order.count == array.sizes.count {
      moved = array.transposed(order)
    } else if array.sizes.count == 4, shape.rank == 4, array.sizes[1] == shape.channels,
      array.sizes[3] != shape.channels || array.sizes[2] != shape.width
    {
      moved = array.transposed([0, 2, 3, 1])
    }
    return Tensor(Shape(moved.sizes.isEmpty ? [1] : moved.sizes), moved.elements)
  }

  private func row(_ result: Tensor, _ array: NumPyArray, _ name: String, _ order: [Int]?) -> Row {
    let expected = tensor(array, like: result.shape, order)
    let largest = expected.elements.reduce(Float(0)) { $1.isFinite ? max($0, abs($1)) : $0 }
    guard expected.count == result.count else {
      return Row(name: name, shape: result.shape, largest: largest, difference: .infinity)
    }
    var worst: Float = 0
    for (a, b) in zip(result.elements, expected.elements) where a.bitPattern != b.bitPattern {
      if a.isNaN && b.isNaN { continue }
      let difference = abs(a - b)
      worst = difference.isNaN ? .infinity : max(worst, difference)
    }
    return Row(
      name: name, shape: result.shape, largest: largest,
      difference: Double(worst) / Double(max(largest, 1e-6)))
  }
}
