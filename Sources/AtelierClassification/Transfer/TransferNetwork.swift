// A network in three parts: what is taken over and rests, what is taken over and learns, the head.

import AtelierEngine
import AtelierFiles
import AtelierInterchange
import AtelierKernels
import AtelierWorkbench
import AtelierZoo

/// The graphs of a transfer.
package struct TransferNetwork {
  /// The whole network for one picture: what the model file gets.
  package let whole: Graph
  /// What rests, up to the one value that all later layers read, for one picture; nil where nothing
  /// can be computed beforehand.
  package let resting: Graph?
  /// The layers behind it with the head, for one sample of it (or one picture).
  package let learning: Graph
  /// The parameters that the source's file gives.
  package let parameters: [String: Tensor]
  /// The names of the head's parameters begin so.
  static let headPrefix = "head/"

  /// Takes a model apart for classes and pictures [1, height, width, channels].
  ///
  /// - Throws: `StudioError` when there is nothing to take over, `ShapeError` when the pictures do
  ///   not fit.
  package init(_ model: Model, _ form: TransferForm, classes: Int, picture: Shape, name: String)
    throws
  {
    guard let input = model.graph.input(named: "input"), model.graph.inputs.count == 1,
      let last = model.graph.lastPictureLayer, model.graph.values[input].shape.rank == 4
    else {
      throw StudioError(
        .data, "\(name): expected a network from pictures to features, received another")
    }
    let source = try model.graph.cut(after: last).reshaped(["input": picture])
    try StudioError.unless(
      !source.parameters.contains { $0.name.hasPrefix(Self.headPrefix) }, .data,
      "\(name): it has layers of the name head/ itself")
    let first = try source.firstMovingNode(form.mode, name: name)
    let trained = source.settingTrainable { parameter in
      source.reader(of: parameter).map { $0 >= first } ?? false
    }
    var tensors: [String: Tensor] = [:]
    for parameter in source.parameters where parameter.role != .constant {
      tensors[parameter.name] = model.parameters[parameter.name]
    }
    parameters = tensors
    /// A trunk with the head behind it.
    func headed(_ trunk: Graph) throws(ShapeError) -> Graph {
      try trunk.extended { builder, symbols in
        guard let features = symbols["output"] else { return }
        builder.output("output", form.head.logits(features, classes: classes))
      }
    }
    whole = try headed(trained)
    let crossing = trained.lastCrossing(before: first)
    guard let crossing else {
      (resting, learning) = (nil, whole)
      return
    }
    let resting = try trained.cut(after: trained.nodes[crossing].name)
    let shape = resting.outputs.first.map { resting.values[$0.value].shape } ?? picture
    // Means of resting features rest, too.
    if crossing == trained.nodes.count - 1, form.head == .means, shape.rank == 4 {
      self.resting = try resting.extended { builder, symbols in
        guard let features = symbols["output"] else { return }
        builder.output("output", GlobalAveragePool2D(name: TransferHead.meansName)(features))
      }
      learning = try Graph.trace { builder in
        let features = builder.input("input", [1, shape.channels])
        builder.output("output", form.head.logits(features, classes: classes))
      }
      return
    }
    self.resting = resting
    learning = try headed(try trained.rest(after: trained.nodes[crossing].name))
  }

  /// Numbers that move and numbers that rest, as Keras counts them.
  package var counts: String {
    func text(_ parameters: [Graph.Parameter]) -> String {
      Graph.grouped(parameters.reduce(0) { $0 + $1.shape.count })
    }
    let all = whole.parameters.filter { $0.role != .constant }
    let head = all.filter { $0.name.hasPrefix(Self.headPrefix) }
    return "total params: \(text(all)); trainable params: \(text(all.filter(\.isTrainable))), "
      + "\(text(head)) of them in the head; non-trainable params: "
      + text(all.filter { !$0.isTrainable })
  }
}

extension TransferHead {
  /// The name of the layer that takes means.
  static let meansName = TransferNetwork.headPrefix + "means"

  /// [N, H, W, C], or [N, C] of means, gives logits [N, classes].
  func logits(_ features: SymbolicTensor, classes: Int) -> SymbolicTensor {
    let prefix = TransferNetwork.headPrefix
    var x = features
    switch self {
    case .means:
      if x.shape.rank == 4 { x = GlobalAveragePool2D(name: Self.meansName)(x) }
    case .flattened(let units):
      x = Flatten(name: "\(prefix)flatten")(x)
      x = Dense(units: units, activation: .relu, name: "\(prefix)dense1")(x)
    }
    return Dense(units: classes, name: "\(prefix)output")(x)
  }
}

extension Graph {
  /// The first node that reads a parameter, or nil.
  fileprivate func reader(of parameter: String) -> Int? {
    guard let index = parameters.firstIndex(where: { $0.name == parameter }) else { return nil }
    return nodes.firstIndex { node in
      node.inputs.contains { values[$0].source == .parameter(index) }
    }
  }

  /// The first node of the layers that learn on; the number of nodes where none does.
  fileprivate func firstMovingNode(_ mode: TransferMode, name: String) throws -> Int {
    let weighted = nodes.indices.filter { index in
      nodes[index].inputs.contains {
        guard case .parameter(let parameter) = values[$0].source else { return false }
        return parameters[parameter].role == .weight && parameters[parameter].shape.rank >= 2
      }
    }
    switch mode {
    case .features: return nodes.count
    case .fineTune: return 0
    case .partial(let count):
      try StudioError.unless(
        count <= weighted.count, .usage,
        "--mode partial:\(count): \(name) has \(weighted.count) layers with weights")
      return weighted[weighted.count - count]
    }
  }

  /// The last node before `end` whose first result is all that later nodes read of earlier ones;
  /// nil where there is none.
  fileprivate func lastCrossing(before end: Int) -> Int? {
    // The last node that reads each value.
    var lastReader = [Int](repeating: -1, count: values.count)
    for (index, node) in nodes.enumerated() {
      for input in node.inputs { lastReader[input] = index }
    }
    for output in outputs { lastReader[output.value] = nodes.count }
    return (0..<end).reversed().first { candidate in
      let kept = nodes[candidate].outputs[0]
      return values.indices.allSatisfy { value in
        switch values[value].source {
        case .parameter: true
        case .input: lastReader[value] <= candidate
        case .node(let index, _):
          index > candidate || value == kept || lastReader[value] <= candidate
        }
      }
    }
  }
}
