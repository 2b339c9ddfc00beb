// A model's weights as PyTorch lays them out, and the lines of Python that load them.

import AtelierEngine
import AtelierFiles
import AtelierKernels
import Foundation

/// A model's weights for PyTorch: safetensors with a module's names a layer, and a snippet with those modules.
package struct TorchLayers {
  /// The file of the weights.
  package let file: SafetensorsFile
  /// Python that makes one module a layer and loads the file into them.
  package let snippet: String

  /// What the snippet begins with.
  package static let firstWords = "# The weights of"

  /// Lays out the weights of a model.
  ///
  /// - Throws: `ShapeError` for a layer with weights that PyTorch has no module for.
  package init(_ model: Model, fileName: String) throws {
    var layout = TorchLayout(model)
    try layout.run()
    file = layout.file
    // A module that holds others comes before them.
    let modules = layout.modules.enumerated().sorted {
      let depths = [$0, $1].map { $0.element.name.count { $0 == "." } }
      return (depths[0], $0.offset) < (depths[1], $1.offset)
    }.map { "        self.add(\"\($0.element.name)\", nn.\($0.element.module))" }
    let buffers = layout.buffers.map {
      "        self.register_buffer(\"\($0.name)\", torch.zeros(\($0.shape)))"
    }
    let remarks =
      layout.remarks.map { "# \($0)" } + ["# Pictures: \(model.information.preprocessing)."]
    let lines = modules + buffers
    snippet = """
      \(Self.firstWords) \(model.information.architecture), one module a layer.
      \(remarks.joined(separator: "\n"))
      import torch
      from safetensors.torch import load_file
      from torch import nn


      class Layers(nn.Module):
          def __init__(self):
              super().__init__()
      \(lines.joined(separator: "\n"))

          def add(self, name, module):
              place = self
              *parents, last = name.split(".")
              for part in parents:
                  if not hasattr(place, part):
                      place.add_module(part, nn.Module())
                  place = getattr(place, part)
              place.add_module(last, module)


      layers = Layers()
      layers.load_state_dict(load_file("\(fileName)"))
      layers.eval()
      """
  }
}

/// The layers while they are laid out.
private struct TorchLayout {
  let graph: Graph
  let writer: ONNXWriter
  var file: SafetensorsFile
  var modules: [(name: String, module: String)] = []
  /// What is no weight but belongs to the network, such as the mean of its pictures.
  var buffers: [(name: String, shape: String)] = []
  /// What the layers do not say, a line each.
  var remarks: [String] = []
  /// The modules of parameters that other layers share.
  private var known: [String: String] = [:]

  init(_ model: Model) {
    graph = model.graph
    writer = ONNXWriter(model, ONNXWriting())
    file = SafetensorsFile(metadata: ["format": "pt"])
  }

  mutating func run() throws {
    var flat: [ValueID: Shape] = [:]
    for node in graph.nodes {
      let (input, output) = (graph.values[node.inputs.first ?? 0].shape, node.outputs[0])
      switch node.operation {
      case is ReshapeOperation where input.rank == 4 && graph.values[output].shape.rank == 2:
        flat[output] = input
      case is DropoutOperation, is ActivationOperation, is AffineOperation:
        flat[output] = flat[node.inputs[0]]
      case let operation as ConvolutionOperation:
        try convolution(operation, node, flat[node.inputs[0]])
      case let operation as TransposedConvolutionOperation: try transposed(operation, node)
      case let operation as BatchNormalizationOperation:
        try add(
          node,
          "BatchNorm2d(\(input.channels), eps=\(operation.epsilon), momentum=\(operation.momentum))",
          ["weight", "bias", "running_mean", "running_var"])
      case let operation as GroupNormalizationOperation:
        let groups = operation.groups == 0 ? input.channels : operation.groups
        try add(
          node, "GroupNorm(\(groups), \(input.channels), eps=\(operation.epsilon))",
          ["weight", "bias"])
      case is ParametricReLUOperation:
        try add(node, "PReLU(\(input.channels))", ["weight"])
      default: break
      }
      try note(node)
    }
  }

  /// What a step does with numbers that are no module's.
  private mutating func note(_ node: Graph.Node) throws {
    if let affine = node.operation as? AffineOperation {
      remarks.append("\(node.name): x * \(affine.scale) + \(affine.shift)")
    }
    guard let binary = node.operation as? BinaryOperation else { return }
    for value in node.inputs {
      guard case .parameter(let index) = graph.values[value].source else { continue }
      let name = graph.parameters[index].name.replacingOccurrences(of: "/", with: "_")
        .replacingOccurrences(of: ".", with: "_")
      let tensor = try writer.numbers(value)
      let shape = tensor.shape.dimensions.map(String.init).joined(separator: ", ")
      if !buffers.contains(where: { $0.name == name }) {
        buffers.append((name, shape))
        try file.append(name, tensor)
      }
      remarks.append(
        "\(node.name): \(binary.operator.rawValue) with the buffer \(name), by channel")
    }
  }

  /// Adds a module and its tensors, which the inputs after the first are.
  private mutating func add(
    _ node: Graph.Node, _ module: String, _ names: [String], first: Tensor? = nil
  ) throws {
    guard
      node.inputs.dropFirst().prefix(names.count).allSatisfy({ value in
        if case .parameter = graph.values[value].source { true } else { false }
      })
    else { return }
    let parameter = writer.parameterName(node.inputs[1])
    guard known[parameter] == nil else { return }
    // A module is called as its parameters are, which foreign names have come from.
    let place = graph.parameters.first { $0.name == parameter }?.name ?? node.name
    let layer = place.split(separator: "/").dropLast().joined(separator: ".")
    var name = layer.isEmpty ? node.name.replacingOccurrences(of: "/", with: ".") : layer
    while modules.contains(where: { $0.name == name }) { name += "_" }
    known[parameter] = name
    modules.append((name, module))
    for (index, suffix) in names.enumerated() where node.inputs.indices.contains(index + 1) {
      let tensor =
        try index == 0
        ? first ?? writer.numbers(node.inputs[1]) : writer.numbers(node.inputs[index + 1])
      try file.append("\(name).\(suffix)", tensor)
    }
  }

  private func pair(_ extent: Extent) -> String {
    extent.height == extent.width ? "\(extent.height)" : "(\(extent.height), \(extent.width))"
  }

  private mutating func convolution(
    _ operation: ConvolutionOperation, _ node: Graph.Node, _ flat: Shape?
  ) throws {
    let shape = graph.values[node.inputs[1]].shape
    var weights = try writer.numbers(node.inputs[1])
    let hasBias = operation.epilogue.hasBias
    let names = hasBias ? ["weight", "bias"] : ["weight"]
    let bias = hasBias ? "" : ", bias=False"
    guard shape.rank == 4 else {
      if let flat {
        // PyTorch flattens [C, H, W].
        weights = try writer.transposed(
          Tensor([flat.height, flat.width, flat.channels, shape[1]], weights.elements),
          [2, 0, 1, 3])
      }
      let turned = try writer.transposed(Tensor(shape, weights.elements), [1, 0])
      return try add(node, "Linear(\(shape[0]), \(shape[1])\(bias))", names, first: turned)
    }
    let attributes = operation.attributes
    let input = graph.values[node.inputs[0]].shape
    var module =
      "Conv2d(\(input.channels), \(shape[3]), \(pair(Extent(shape[0], shape[1])))"
      + (attributes.stride == 1 ? "" : ", stride=\(pair(attributes.stride))")
    switch attributes.padding {
    case .valid: break
    case .same: module += attributes.stride == 1 ? ", padding=\"same\"" : ""
    case .explicit(let top, _, let left, _): module += ", padding=\(pair(Extent(top, left)))"
    }
    module += attributes.dilation == 1 ? "" : ", dilation=\(pair(attributes.dilation))"
    module += attributes.groups == 1 ? "" : ", groups=\(attributes.groups)"
    try add(node, module + bias + ")", names, first: try writer.transposed(weights, [3, 2, 0, 1]))
  }

  private mutating func transposed(
    _ operation: TransposedConvolutionOperation, _ node: Graph.Node
  ) throws {
    let shape = graph.values[node.inputs[1]].shape
    guard shape.rank == 4 else { throw ShapeError("\(node.name) is the adjoint of a dense layer") }
    let attributes = operation.attributes
    let hasBias = operation.epilogue.hasBias
    let module =
      "ConvTranspose2d(\(shape[3]), \(shape[2] * attributes.groups), "
      + "\(pair(Extent(shape[0], shape[1]))), stride=\(pair(attributes.stride))"
      + (attributes.groups == 1 ? "" : ", groups=\(attributes.groups)")
      + (hasBias ? ")" : ", bias=False)")
    try add(
      node, module, hasBias ? ["weight", "bias"] : ["weight"],
      first: try writer.transposed(try writer.numbers(node.inputs[1]), [3, 2, 0, 1]))
  }
}
