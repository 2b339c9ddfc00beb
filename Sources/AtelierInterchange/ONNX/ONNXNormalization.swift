// Normalizations, local response and softmax.

import AtelierEngine
import AtelierKernels

extension ONNXImporter {
  /// A value with axis 1 last, under a shape of rows and channels, and the arrangement of results.
  private mutating func channelsLast(
    _ value: ArrangedValue
  ) throws -> (value: ValueID, order: [Int], count: Int) {
    guard value.axes.count >= 2 else {
      throw ONNXRefusal("expected a batch with channels, received \(value.dimensions)")
    }
    let count = value.dimensions[1]
    let order = value.order(endingWith: [1])
    // An image keeps its shape.
    let present = shape(value.value).dimensions
    if order == Array(value.factors.indices), present.count >= 2, present.last == count {
      return (value.value, order, count)
    }
    if value.axes.count == 4 {
      let sizes = value.dimensions
      let images = value.axes[0] + value.axes[2] + value.axes[3] + value.axes[1].sorted()
      let placed = try place(value, images, [sizes[0], sizes[2], sizes[3], count])
      return (placed, images, count)
    }
    return (try place(value, order, [value.count / max(count, 1), count]), order, count)
  }

  mutating func batchNormalization(_ call: ONNXCall) throws -> ONNXValue {
    guard try call.integer("training_mode", 0) == 0 else {
      throw ONNXRefusal("is in training mode; export the network for inference")
    }
    let x = try arranged(call, 0)
    let (value, order, count) = try channelsLast(x)
    let channels = x.permutation(of: [1])
    let roles: [(String, Graph.Role)] = [
      ("gamma", .weight), ("beta", .weight), ("running_mean", .statistic),
      ("running_variance", .statistic),
    ]
    var inputs = [value]
    for (index, role) in roles.enumerated() {
      inputs.append(
        try vector(
          call, index + 1, role.0, count: count, channels: channels, role: role.1))
    }
    let operation = BatchNormalizationOperation(
      try call.float("epsilon", 1e-5), newBatch: 1 - (try call.float("momentum", 0.9)))
    return .arranged(moved(x, order, try one(operation, inputs)))
  }

  mutating func instanceNormalization(_ call: ONNXCall) throws -> ONNXValue {
    let x = try arranged(call, 0)
    let epsilon = try call.float("epsilon", 1e-5)
    guard x.axes.count >= 3 else {
      throw ONNXRefusal("expected an image, received \(x.dimensions)")
    }
    let (batch, channels) = (x.dimensions[0], x.dimensions[1])
    // Groups of channels that lie side by side, as exporters write group normalization.
    let inner = x.axes.dropFirst(2).flatMap { $0 }
    if x.axes[1] == x.axes[1].sorted(), let last = x.axes[1].last, last < x.factors.count - 1,
      x.axes[0].allSatisfy({ $0 == 0 }), x.axes[1].count == 1
    {
      let tail = Array((last + 1)..<x.factors.count)
      let width = tail.reduce(1) { $0 * x.factors[$1] }
      if tail.allSatisfy({ inner.contains($0) }) {
        return .arranged(
          try normalized(
            call, x, Array(x.factors.indices), groups: channels, width: width, batch: batch,
            epsilon))
      }
    }
    let order = x.axes[0] + inner.sorted() + x.axes[1]
    return .arranged(
      try normalized(call, x, order, groups: channels, width: 1, batch: batch, epsilon))
  }

  /// A normalization of groups of `width` channels, with scale and shift (inputs 1 and 2) a group.
  private mutating func normalized(
    _ call: ONNXCall, _ x: ArrangedValue, _ order: [Int], groups: Int, width: Int, batch: Int,
    _ epsilon: Float
  ) throws -> ArrangedValue {
    let channels = groups * width
    let sizes = [batch, x.count / batch / channels, channels]
    let present = shape(x.value).dimensions
    let isImage =
      order == Array(x.factors.indices) && present.first == batch && present.last == channels
    let laid = isImage ? x.value : try place(x, order, sizes)
    let repeats = width == 1 ? nil : (0..<channels).map { $0 / width }
    let gamma = try grouped(call, 1, "gamma", groups, repeats)
    let beta = try grouped(call, 2, "beta", groups, repeats)
    let result = try one(
      GroupNormalizationOperation(width == 1 ? 0 : groups, epsilon), [laid, gamma, beta])
    return moved(x, order, result)
  }

  /// A vector of a number a group, each repeated for its channels.
  private mutating func grouped(
    _ call: ONNXCall, _ index: Int, _ name: String, _ groups: Int, _ repeats: [Int]?
  ) throws -> ValueID {
    guard let repeats else {
      return try vector(call, index, name, count: groups, channels: nil)
    }
    guard let constant = try constant(call, index), constant.count == groups else {
      throw ONNXRefusal("expected \(groups) known numbers as \(name)")
    }
    return try parameter(
      constant.reshaped([groups]).gathered(0, repeats), from: source(call, index), name,
      arrangement: "groups of \(repeats.count)")
  }

  mutating func groupNormalization(_ call: ONNXCall) throws -> ONNXValue {
    let x = try arranged(call, 0)
    let groups = try call.integer("num_groups", 1)
    guard x.axes.count >= 3, groups > 0, x.dimensions[1] % groups == 0 else {
      throw ONNXRefusal("\(x.dimensions) does not divide into \(groups) groups")
    }
    let (batch, channels) = (x.dimensions[0], x.dimensions[1])
    let inner = x.axes.dropFirst(2).flatMap { $0 }
    let order = x.axes[0] + inner.sorted() + x.axes[1]
    let present = shape(x.value).dimensions
    let isImage =
      order == Array(x.factors.indices) && present.first == batch && present.last == channels
    let laid =
      isImage ? x.value : try place(x, order, [batch, x.count / batch / channels, channels])
    // Before opset 21 there is a number a group, since then a number a channel.
    let repeats = version >= 21 ? nil : (0..<channels).map { $0 / (channels / groups) }
    let count = version >= 21 ? channels : groups
    let gamma = try grouped(call, 1, "gamma", count, repeats)
    let beta = try grouped(call, 2, "beta", count, repeats)
    let result = try one(
      GroupNormalizationOperation(groups, try call.float("epsilon", 1e-5)), [laid, gamma, beta])
    return .arranged(moved(x, order, result))
  }

  mutating func layerNormalization(_ call: ONNXCall) throws -> [ONNXValue] {
    let x = try arranged(call, 0)
    let first = try axis(try call.integer("axis", -1), rank: x.axes.count)
    let axes = Array(first..<x.axes.count)
    let count = axes.reduce(1) { $0 * x.dimensions[$1] }
    let order = x.order(endingWith: axes)
    let rows = try place(x, order, [x.count / count, count])
    let channels = x.permutation(of: axes)
    let gamma = try vector(call, 1, "gamma", count: count, channels: channels)
    let beta: ValueID
    if call.has(2) {
      beta = try vector(call, 2, "beta", count: count, channels: channels)
    } else {
      beta = try parameter(
        ConstantTensor(
          dimensions: [count], numbers: .floats([Float](repeating: 0, count: count))),
        from: nil, "beta", arrangement: "")
    }
    let results = try append(
      GroupNormalizationOperation(1, try call.float("epsilon", 1e-5)), [rows, gamma, beta])
    let normalized = moved(x, order, results[0])
    // Mean and inverse deviation have one element along the axes that were normalized.
    let gone = Set(axes.flatMap { normalized.axes[$0] })
    let statistics = withoutFactors(normalized, gone)
    return [.arranged(normalized)]
      + results[1...].map { .arranged(statistics.with($0)) }
  }

  mutating func localResponse(_ call: ONNXCall) throws -> ONNXValue {
    var x = try arranged(call, 0)
    let size = try call.integer("size", 0)
    guard (1...4096).contains(size) else { throw ONNXRefusal("has \(size) neighbours") }
    if x.permutation(of: [1]) != nil { x = try settled(x) }
    let (value, order, _) = try channelsLast(x)
    let numbers = LocalResponse(
      size: size, alpha: try call.float("alpha", 1e-4), beta: try call.float("beta", 0.75),
      bias: try call.float("bias", 1))
    return .arranged(moved(x, order, try one(LocalResponseOperation(numbers), [value])))
  }

  mutating func softmax(_ call: ONNXCall) throws -> ONNXValue {
    let x = try arranged(call, 0)
    let first = try axis(
      try call.integer("axis", version < 13 ? 1 : -1), rank: x.axes.count)
    // Before opset 13 all axes from this one on are one.
    let axes = version < 13 ? Array(first..<x.axes.count) : [first]
    let count = axes.reduce(1) { $0 * x.dimensions[$1] }
    let order = x.order(endingWith: axes)
    let present = shape(x.value).dimensions
    let isLast = order == Array(x.factors.indices) && present.last == count
    let rows = isLast ? x.value : try place(x, order, [x.count / max(count, 1), count])
    var result = try one(SoftmaxOperation.standard, [rows])
    if call.type == "LogSoftmax" { result = try one(ActivationOperation(.logarithm), [result]) }
    return .arranged(moved(x, order, result))
  }
}
