// Recurrent layers of ONNX: RNN, LSTM and GRU, in one direction or both.

import AtelierEngine
import AtelierFiles
import AtelierKernels

extension ONNXImporter {
  /// RNN, LSTM or GRU: the states of all steps [T, directions, N, H], the last ones [directions, N,
  /// H] and, of LSTM, the last cells; those that nobody reads are left out at the end.
  mutating func recurrence(_ call: ONNXCall) throws -> [ONNXValue] {
    let form = try ONNXRecurrentForm(call)
    try refuseStates(call)
    var x = try arranged(call, 0)
    guard x.axes.count == 3 else {
      throw ONNXRefusal("expected sequences of rank 3, received \(x.dimensions)")
    }
    if form.isBatchFirst { x = x.transposed([1, 0, 2]) }
    let (steps, batch, features) = (x.dimensions[0], x.dimensions[1], x.dimensions[2])
    let sequence = try place(x, x.sequence, [steps, batch, 1, features])
    var (states, lasts, cells): ([ValueID], [ValueID], [ValueID]) = ([], [], [])
    let outputs = call.node.outputs
    func isRead(_ index: Int) -> Bool {
      outputs.indices.contains(index) && readers[outputs[index]] != nil
    }
    for (place, isReversed) in form.ways.enumerated() {
      let results = try direction(
        call, form, sequence, features, place, isReversed: isReversed)
      let last = GatherOperation(axis: 0, places: [isReversed ? 0 : steps - 1])
      states.append(results[0])
      if isRead(1) { lasts.append(try one(last, [results[0]], isHelper: true)) }
      if isRead(2) { cells.append(try one(last, [results[2]], isHelper: true)) }
    }
    let (ways, units) = (form.ways.count, form.units)
    var whole = ArrangedValue(
      try joined(states), dimensions: [steps, ways, batch, units], order: [0, 2, 1, 3],
      isBatched: false)
    if form.isBatchFirst { whole = whole.transposed([2, 0, 1, 3]) }
    var values: [ONNXValue] = [.arranged(whole)]
    for (index, parts) in [lasts, cells].enumerated() where isRead(index + 1) {
      // What nobody reads in between has a value all the same.
      while values.count <= index { values.append(.unknown) }
      var value = ArrangedValue(
        try joined(parts), dimensions: [ways, batch, units], order: [1, 0, 2], isBatched: false)
      if form.isBatchFirst { value = value.transposed([1, 0, 2]) }
      values.append(.arranged(value))
    }
    return values
  }

  /// Channels of one or two values side by side.
  private mutating func joined(_ parts: [ValueID]) throws -> ValueID {
    parts.count == 1 ? parts[0] : try one(ConcatenateOperation.standard, parts, isHelper: true)
  }

  /// Refuses lengths a sample, starts other than zeros, and peepholes.
  private mutating func refuseStates(_ call: ONNXCall) throws {
    if call.has(4) { throw ONNXRefusal("sequences of lengths of their own are not supported") }
    for index in [5, 6] where call.has(index) {
      guard let start = try constant(call, index), start.floats.allSatisfy({ $0 == 0 }) else {
        throw ONNXRefusal("begins with a state other than zeros")
      }
    }
    if call.has(7) { throw ONNXRefusal("peepholes are not supported") }
  }

  /// The results of a recurrence in one direction: states and what is kept beside them.
  private mutating func direction(
    _ call: ONNXCall, _ form: ONNXRecurrentForm, _ sequence: ValueID, _ features: Int,
    _ place: Int, isReversed: Bool
  ) throws -> [ValueID] {
    let sums = form.cell.sums * form.units
    let rows = form.rows
    func weights(_ index: Int, _ inner: Int, _ what: String) throws -> ConstantTensor {
      guard let all = try constant(call, index),
        all.dimensions == [form.ways.count, sums, inner]
      else {
        throw ONNXRefusal(
          "expected \(what) [\(form.ways.count), \(sums), \(inner)] that are known before it runs")
      }
      return all.gathered(0, [place]).reshaped([sums, inner]).gathered(0, rows).transposed([1, 0])
    }
    let way = isReversed ? "back/" : ""
    let weight = try parameter(
      weights(1, features, "weights").reshaped([1, 1, features, sums]), from: source(call, 1),
      "\(way)weight", arrangement: "recurrence \(place)")
    let recurrent = try parameter(
      weights(2, form.units, "recurrent weights"), from: source(call, 2),
      "\(way)recurrent_weight", arrangement: "recurrence \(place)")
    var biases = [[Float](repeating: 0, count: sums), [Float](repeating: 0, count: sums)]
    if call.has(3) {
      guard let all = try constant(call, 3), all.dimensions == [form.ways.count, 2 * sums] else {
        throw ONNXRefusal("expected biases [\(form.ways.count), \(2 * sums)] that are known")
      }
      let own = Array(all.floats[place * 2 * sums..<(place + 1) * 2 * sums])
      biases = [rows.map { own[$0] }, rows.map { own[sums + $0] }]
    }
    // The candidate of gated units has the recurrent bias behind its reset; all others add up.
    let isApart = form.cell == .gru
    let first = isApart ? biases[0] : zip(biases[0], biases[1]).map(+)
    func vector(_ values: [Float], _ name: String) throws -> ValueID {
      try parameter(
        ConstantTensor(dimensions: [sums], numbers: .floats(values)),
        from: call.has(3) ? source(call, 3) : nil, way + name,
        arrangement: "recurrence \(place) \(name)")
    }
    let products = try one(
      ConvolutionOperation.dense(hasBias: true), [sequence, weight, vector(first, "bias")])
    let bias = isApart ? [try vector(biases[1], "recurrent_bias")] : []
    return try append(
      RecurrentOperation(form.cell, isReversed: isReversed), [products, recurrent] + bias)
  }
}

/// What the attributes of a recurrent node say.
private struct ONNXRecurrentForm {
  let cell: RecurrentCell
  let units: Int
  /// Whether each direction goes from the last step to the first.
  let ways: [Bool]
  /// Whether samples are the first axis, not steps.
  let isBatchFirst: Bool

  init(_ call: ONNXCall) throws {
    units = try call.integer("hidden_size", 0)
    guard (1...1 << 20).contains(units) else {
      throw ONNXRefusal("expected a hidden_size above 0, received \(units)")
    }
    switch try call.text("direction", "forward") {
    case "forward": ways = [false]
    case "reverse": ways = [true]
    case "bidirectional": ways = [false, true]
    case let other: throw ONNXRefusal("there is no direction \(quoted(other))")
    }
    isBatchFirst = try call.integer("layout", 0) != 0
    guard call.node.attributes["clip"] == nil else {
      throw ONNXRefusal("limits its sums, which is not supported")
    }
    let names = try call.texts("activations")?.map { $0.lowercased() }
    func expect(_ usual: [String]) throws {
      let all = ways.flatMap { _ in usual }
      guard names == nil || names == all else {
        throw ONNXRefusal("expected the activations \(usual), received \(names ?? [])")
      }
    }
    switch call.type {
    case "LSTM":
      cell = .lstm
      try expect(["sigmoid", "tanh", "tanh"])
      guard try call.integer("input_forget", 0) == 0 else {
        throw ONNXRefusal("joins input and forget gate, which is not supported")
      }
    case "GRU":
      cell = .gru
      try expect(["sigmoid", "tanh"])
      guard try call.integer("linear_before_reset", 0) == 1 else {
        throw ONNXRefusal("resets before the product (linear_before_reset 0), not behind it")
      }
    default:
      cell = names?.first == "relu" ? .relu : .tanh
      try expect([cell.rawValue])
    }
  }

  /// The file's row of each of the engine's sums: gates there come as input, output, forget,
  /// candidate, and as update, reset, candidate.
  var rows: [Int] {
    let gates: [Int] =
      switch cell {
      case .lstm: [0, 2, 3, 1]
      case .gru: [1, 0, 2]
      case .tanh, .relu: [0]
      }
    return gates.flatMap { gate in gate * units..<(gate + 1) * units }
  }
}
