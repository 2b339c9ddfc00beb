// The second round of fusion: concatenations, their gradients, batch normalizations, their
// statistics and poolings, which the convolutions around them do while they load and store.

import AtelierKernels

extension Graph {
  /// The graph with every concatenation, cut, normalization, pooling and sum of statistics moved into the convolutions around it, where all of
  /// them can do it with the algorithms that were chosen.
  ///
  /// What moves is no longer written to memory and read again: a normalized image is worked out by each reader from the image before.
  func loadingTogether() -> Graph {
    var fusion = LoadingFusion(graph: self)
    for index in nodes.indices {
      switch nodes[index].operation {
      case is ConcatenateOperation: fusion.joinLoads(of: index)
      case let normalization as BatchNormalizationOperation where normalization.isTraining:
        fusion.normalizeLoads(of: index, normalization)
      case let convolution as PlannedConvolution<TransposedConvolutionOperation>:
        fusion.cutStores(of: index, convolution)
      default: break
      }
    }
    for index in nodes.indices where !fusion.isRemoved[index] {
      fusion.poolStores(of: index)
      fusion.tellMoments(to: index)
    }
    let result = fusion.graph
    return result.reordered(result.nodes.indices.filter { !fusion.isRemoved[$0] })
  }
}

/// The state of the second round; nodes keep their numbers.
private struct LoadingFusion {
  var graph: Graph
  var isRemoved: [Bool]
  private let readers: [[Int]]
  private let wanted: Set<ValueID>

  init(graph: Graph) {
    self.graph = graph
    isRemoved = [Bool](repeating: false, count: graph.nodes.count)
    var readers = [[Int]](repeating: [], count: graph.values.count)
    for (index, node) in graph.nodes.enumerated() {
      for input in node.inputs { readers[input].append(index) }
    }
    self.readers = readers
    wanted = Set(graph.wanted)
  }

  /// Lets the readers of a concatenation of two images read both.
  mutating func joinLoads(of index: Int) {
    let node = graph.nodes[index]
    guard node.inputs.count == 2, node.inputs[0] != node.inputs[1] else { return }
    let start = graph.values[node.inputs[0]].shape.channels
    guard canLoad(node.outputs[0], restStart: start) else { return }
    var loading = InputLoading()
    loading.restStart = start
    move(node.outputs[0], loading, first: node.inputs[0], following: [node.inputs[1]])
    isRemoved[index] = true
  }

  /// Lets the readers of a batch normalization work it out for themselves.
  mutating func normalizeLoads(of index: Int, _ normalization: BatchNormalizationOperation) {
    let node = graph.nodes[index]
    guard let slope = normalization.activation.negativeSlope, slope <= 1,
      graph.values[node.outputs[0]].shape.rank == 4, canLoad(node.outputs[0], restStart: 0)
    else { return }
    var loading = InputLoading()
    loading.normalizedSlope = slope
    move(
      node.outputs[0], loading, first: node.inputs[0],
      following: [node.outputs[1], node.outputs[2], node.inputs[1], node.inputs[2]])
    graph.nodes[index].operation = BatchStatistics(operation: normalization)
    graph.nodes[index].inputs = [node.inputs[0], node.inputs[3], node.inputs[4]]
    graph.nodes[index].outputs = [node.outputs[1], node.outputs[2]]
    graph.connectOutputs(of: index)
  }

  /// Lets the convolution before a max pooling of 2×2 windows, whose switches nobody reads, store the maxima too.
  mutating func poolStores(of index: Int) {
    let node = graph.nodes[index]
    guard let pool = node.operation as? MaxPoolOperation,
      pool.attributes == PoolAttributes(window: 2), readers[node.outputs[1]].isEmpty,
      !wanted.contains(node.outputs[1]),
      case .node(let source, output: 0) = graph.values[node.inputs[0]].source,
      var convolution = graph.nodes[source].operation as? PlannedConvolution<ConvolutionOperation>,
      convolution.second == nil, convolution.operation.epilogue.activation.negativeSlope != nil,
      convolution.plan.canPool
    else { return }
    convolution.second = .maxima
    graph.nodes[source].operation = convolution
    graph.nodes[source].outputs.append(node.outputs[0])
    graph.values[node.outputs[0]].source = .node(source, output: 1)
    isRemoved[index] = true
  }

  /// Lets the convolution before a batch normalization tell the moments of what it stores.
  mutating func tellMoments(to index: Int) {
    let node = graph.nodes[index]
    let told: any Operation
    switch node.operation {
    case let normalization as BatchNormalizationOperation where normalization.isTraining:
      told = NormalizationByMoments(operation: normalization)
    case let statistics as BatchStatistics:
      told = BatchStatistics(operation: statistics.operation, hasMoments: true)
    default: return
    }
    guard case .node(let source, output: 0) = graph.values[node.inputs[0]].source,
      var convolution = graph.nodes[source].operation as? PlannedConvolution<ConvolutionOperation>,
      convolution.operation.epilogue.activation.negativeSlope != nil,
      convolution.second != .maxima, let parts = convolution.plan.momentParts
    else { return }
    if convolution.second == nil {
      let channels = graph.values[node.inputs[0]].shape.channels
      graph.nodes[source].outputs.append(graph.values.count)
      graph.values.append(
        Graph.Value(shape: [parts, 2 * channels + 1], source: .node(source, output: 1)))
      convolution.second = .moments(parts: parts)
      graph.nodes[source].operation = convolution
    }
    graph.nodes[index].operation = told
    graph.nodes[index].inputs.append(graph.nodes[source].outputs[1])
  }

  /// Lets an input gradient store the two parts of a concatenation's gradient apart.
  mutating func cutStores(
    of index: Int, _ convolution: PlannedConvolution<TransposedConvolutionOperation>
  ) {
    let output = graph.nodes[index].outputs[0]
    let epilogue = convolution.operation.epilogue
    let parts = readers[output].compactMap { reader -> (node: Int, slice: ChannelSlice)? in
      (graph.nodes[reader].operation as? ChannelSlice).map { (reader, $0) }
    }.sorted { $0.slice.start < $1.slice.start }
    guard parts.count == 2, readers[output].count == 2, !wanted.contains(output),
      convolution.second == nil, !epilogue.hasAddend, epilogue.maskSlope == nil,
      epilogue.activation == .identity,
      parts[0].slice.start == 0, parts[0].slice.count == parts[1].slice.start,
      parts[1].slice.start + parts[1].slice.count == graph.values[output].shape.channels,
      convolution.plan.canStoreApart(restStart: parts[1].slice.start)
    else { return }
    var cut = convolution
    cut.second = .rest(start: parts[1].slice.start)
    graph.nodes[index].operation = cut
    graph.nodes[index].outputs = parts.map { graph.nodes[$0.node].outputs[0] }
    graph.connectOutputs(of: index)
    for part in parts { isRemoved[part.node] = true }
  }

  /// Whether all readers of a value are convolutions and weight gradients that can put it together while they load it.
  private func canLoad(_ value: ValueID, restStart: Int) -> Bool {
    guard !wanted.contains(value), !readers[value].isEmpty else { return false }
    return readers[value].allSatisfy { reader in
      let node = graph.nodes[reader]
      guard node.inputs[0] == value, !node.inputs.dropFirst().contains(value) else { return false }
      return (node.operation as? any LoadingOperation)?.canLoad(restStart: restStart) == true
    }
  }

  /// Gives every reader of `value` the loading instead.
  private mutating func move(
    _ value: ValueID, _ loading: InputLoading, first: ValueID, following: [ValueID]
  ) {
    for reader in readers[value] {
      if let operation = graph.nodes[reader].operation as? any LoadingOperation {
        graph.nodes[reader].operation = operation.withLoading(loading)
      }
      graph.nodes[reader].inputs[0] = first
      graph.nodes[reader].inputs += following
    }
  }
}
