// The law that the house stands on: each decoder step is the adjoint of an encoder step,
// ⟨A x, y⟩ = ⟨x, Aᵀ y⟩.

import AtelierEngine
import AtelierKernels
import TestSupport
import Testing

/// A linear map, and its adjoint as a layer or operation of its own.
struct AdjointPair: Sendable, CustomTestStringConvertible {
  let testDescription: String
  /// The shape of x; that of y follows.
  let input: Shape
  let map: @Sendable (SymbolicTensor) -> SymbolicTensor
  /// Nil where the adjoint exists only as the gradient.
  let adjoint: (@Sendable (SymbolicTensor) -> SymbolicTensor)?

  init(
    _ name: String, _ input: Shape, _ map: @escaping @Sendable (SymbolicTensor) -> SymbolicTensor,
    adjoint: (@Sendable (SymbolicTensor) -> SymbolicTensor)? = nil
  ) {
    testDescription = name
    self.input = input
    self.map = map
    self.adjoint = adjoint
  }

  /// A convolution and the transposed convolution with the same weights.
  static func convolution(
    _ name: String, _ input: Shape, filters: Int, kernel: Extent, stride: Extent = 1,
    padding: Padding = .valid, dilation: Extent = 1, groups: Int = 1, outputPadding: Extent = 0
  ) -> AdjointPair {
    let there = Convolution2D(
      filters: filters, kernel: kernel, stride: stride, padding: padding, dilation: dilation,
      groups: groups, hasBias: false, name: "shared")
    let back = TransposedConvolution2D(
      filters: input.channels, kernel: kernel, stride: stride, padding: padding,
      outputPadding: outputPadding, dilation: dilation, groups: groups, hasBias: false,
      name: "shared")
    return AdjointPair(name, input, { there($0) }, adjoint: { back($0) })
  }

  private static let border = Border(top: 2, bottom: 1, left: 0, right: 3)

  /// All pairs of the design's table, and the linear operations beside it.
  static let all: [AdjointPair] = [
    .convolution("convolution", [2, 5, 6, 3], filters: 4, kernel: 3),
    .convolution("convolution same", [1, 6, 5, 3], filters: 4, kernel: 3, padding: .same),
    .convolution(
      "convolution 5×2 explicit", [1, 6, 5, 2], filters: 3, kernel: Extent(5, 2),
      padding: .explicit(top: 2, bottom: 1, left: 0, right: 1)),
    .convolution(
      "convolution stride 2 same", [2, 6, 8, 3], filters: 5, kernel: 3, stride: 2, padding: .same),
    .convolution(
      "convolution stride 2 output padding", [1, 8, 7, 3], filters: 2, kernel: 3, stride: 2,
      padding: .symmetric(1), outputPadding: Extent(1, 0)),
    .convolution(
      "convolution stride 3 > kernel", [1, 8, 10, 2], filters: 3, kernel: 2, stride: 3,
      outputPadding: Extent(0, 2)),
    .convolution(
      "convolution dilation", [1, 9, 8, 2], filters: 3, kernel: 3, dilation: Extent(2, 3)),
    .convolution(
      "convolution dilation stride", [1, 11, 10, 2], filters: 3, kernel: 3, stride: 2,
      padding: .symmetric(1), dilation: 2, outputPadding: Extent(0, 1)),
    .convolution(
      "convolution groups", [2, 5, 5, 6], filters: 4, kernel: 3, padding: .same, groups: 2),
    .convolution(
      "convolution depthwise", [1, 5, 6, 7], filters: 7, kernel: 3, padding: .same, groups: 7),
    .convolution("convolution wide", [1, 24, 25, 32], filters: 48, kernel: 3, padding: .same),
    AdjointPair(
      "sum pool", [2, 4, 6, 3], { $0.applying(SumPool(window: Extent(2, 3))) },
      adjoint: { NearestUnpool2D(window: Extent(2, 3))($0) }),
    AdjointPair(
      "average pool", [2, 4, 6, 3], { AveragePool2D(window: Extent(2, 3))($0) },
      adjoint: { (1 / 6) * NearestUnpool2D(window: Extent(2, 3))($0) }),
    AdjointPair(
      "subsample", [2, 6, 6, 3], { $0.applying(Subsample(window: Extent(3, 2))) },
      adjoint: { BedOfNailsUnpool2D(window: Extent(3, 2))($0) }),
    AdjointPair("pad", [2, 3, 4, 2], { Pad2D(border)($0) }, adjoint: { Crop2D(border)($0) }),
    AdjointPair(
      "space to depth", [2, 4, 6, 3], { SpaceToDepth2D()($0) }, adjoint: { PixelShuffle2D()($0) }),
    AdjointPair(
      "channel slice", [3, 2, 2, 7], { $0.applying(ChannelSlice(start: 2, count: 3)) },
      adjoint: { $0.applying(ChannelEmbed(start: 2, total: 7)) }),
    AdjointPair(
      "flatten", [3, 2, 2, 7], { Flatten()($0) }, adjoint: { Reshape([2, 2, 7])($0) }),
    AdjointPair("bilinear", [2, 3, 5, 2], { BilinearUpsample2D(factor: Extent(2, 3))($0) }),
    AdjointPair(
      "bilinear to a smaller size", [1, 9, 7, 2],
      { $0.applying(BilinearResizeOperation(.size(Extent(4, 5)))) }),
    AdjointPair("pad replicate", [1, 3, 4, 2], { Pad2D(border, mode: .replicate)($0) }),
    AdjointPair("pad reflect", [1, 3, 4, 2], { Pad2D(border, mode: .reflect)($0) }),
    AdjointPair(
      "average pool overlapping", [1, 7, 8, 2],
      { AveragePool2D(window: 3, stride: 2, padding: .same)($0) }),
    AdjointPair("global average pool", [2, 3, 4, 3], { GlobalAveragePool2D()($0) }),
    AdjointPair("dense", [3, 7], { Dense(units: 5, hasBias: false)($0) }),
    AdjointPair("dense wide", [4, 70], { Dense(units: 33, hasBias: false)($0) }),
    AdjointPair("mean", [3, 4], { $0.mean() }),
    AdjointPair(
      "join and split batches", [3, 4],
      { joinBatches([$0.splitBatch(sizes: [2, 1])[1], $0, 3 * $0]) }),
    AdjointPair(
      "transpose", [2, 3, 4, 5], { $0.applying(TransposeOperation(order: [3, 0, 2, 1])) },
      adjoint: { $0.applying(TransposeOperation(order: [1, 3, 2, 0])) }),
    AdjointPair(
      "expand", [2, 1, 3], { $0.applying(ExpandOperation([2, 4, 3])) },
      adjoint: { $0.applying(ReduceOperation(.sum, axes: [1])) }),
    AdjointPair(
      "gather", [2, 5, 3], { $0.applying(GatherOperation(axis: 1, places: [4, 1, 1, 0])) },
      adjoint: { $0.applying(ScatterSum(axis: 1, places: [4, 1, 1, 0], size: 5)) }),
    AdjointPair(
      "resize cubic", [2, 4, 5, 3],
      { $0.applying(ResizeOperation(.size(Extent(7, 3)), method: .cubic(coefficient: -0.5))) }),
    AdjointPair(
      "resize with corners on corners", [1, 4, 5, 3],
      { $0.applying(ResizeOperation(.scale(height: 2.5, width: 2), coordinates: .alignCorners)) }),
    AdjointPair("concatenate twice", [3, 4], { concatenate($0, 2 * $0) }),
  ]
}

@Suite("Adjoint laws")
struct AdjointTests {
  @Test("⟨A x, y⟩ = ⟨x, Aᵀ y⟩", arguments: AdjointPair.all)
  func pair(_ pair: AdjointPair) throws {
    var output = Shape.scalar
    let there = try Graph.trace { builder in
      let result = pair.map(builder.input("x", pair.input))
      output = result.shape
      builder.output("Ax", result)
      let product = result * builder.input("y", result.shape)
      builder.output("loss", Float(result.shape.count) * product.mean())
    }.differentiated(withRespectToInputs: ["x"])
    let x = Tensor.random(pair.input, seed: 1)
    let y = Tensor.random(output, seed: 2)
    let back = try pair.adjoint.map { adjoint in
      try Graph.trace { builder in
        builder.output("Aᵀy", adjoint(builder.input("y", output)))
      }
    }
    let store = try ParameterStore(for: [there] + (back.map { [$0] } ?? []), seed: 5)
    let program = try Program(there, parameters: store)
    try program.setInput("x", x)
    try program.setInput("y", y)
    try program.run()
    let image = try program.output("Ax")
    let gradient = try program.output("gradient of x")
    try expectLaw(image, y, x, gradient, "gradient")
    guard let back else { return }
    let backward = try Program(back, parameters: store)
    try backward.setInput("y", y)
    try backward.run()
    let adjoint = try backward.output("Aᵀy")
    try expectLaw(image, y, x, adjoint, "adjoint")
    expectClose(adjoint, gradient, tolerance: 1e-6, "the adjoint is the gradient")
  }

  private func expectLaw(
    _ image: Tensor, _ y: Tensor, _ x: Tensor, _ adjoint: Tensor, _ comment: String
  ) throws {
    try #require(adjoint.shape == x.shape)
    let left = innerProduct(image.elements, y.elements)
    let right = innerProduct(x.elements, adjoint.elements)
    let size =
      (innerProduct(image.elements, image.elements) * innerProduct(y.elements, y.elements))
      .squareRoot()
    #expect(abs(left - right) <= 1e-6 * size, "\(comment): \(left) and \(right)")
  }

  @Test("reading regions and painting them", arguments: [1, 2, 5])
  func regions(samples: Int) throws {
    let align = RegionAlignOperation(size: Extent(3, 4), scale: 0.5, samples: samples)
    let (features, boxes): (Shape, Tensor) = (
      [2, 6, 7, 19],
      Tensor(
        [5, 5],
        [
          1, 0, 1, 9.5, 11, 0, 3, 2, 4, 12.5, -1, 0, 0, 9, 9, 0, -6, -5, 7, 8, 1, 0, 1, 9.5, 11,
        ])
    )
    let pooled: Shape = [5, 3, 4, 19]
    let there = try Graph.trace { builder in
      let x = builder.input("x", features)
      builder.output("Ax", x.applying(align, with: [builder.input("boxes", boxes.shape)]))
    }
    let back = try Graph.trace { builder in
      let y = builder.input("y", pooled)
      let others = [builder.input("boxes", boxes.shape), builder.input("like", features)]
      builder.output("Aᵀy", y.applying(RegionAlignGradient(align: align), with: others))
    }
    let x = Tensor.random(features, seed: 1)
    let y = Tensor.random(pooled, seed: 2)
    let image = try #require(try outputs(of: there, ["x": x, "boxes": boxes])["Ax"])
    let painted = try #require(
      try outputs(of: back, ["y": y, "boxes": boxes, "like": Tensor(features)])["Aᵀy"])
    try expectLaw(image, y, x, painted, "regions")
    // The row of no image is empty and gets nothing.
    #expect(image.elements[2 * 228..<3 * 228].allSatisfy { $0 == 0 })
    var other = y
    for index in 2 * 228..<3 * 228 { other.elements[index] += 1 }
    let same = try outputs(of: back, ["y": other, "boxes": boxes, "like": Tensor(features)])
    #expect(same["Aᵀy"] == painted)
  }

  @Test("a box of no image or of no size is a data fault")
  func strayBoxes() throws {
    let graph = try Graph.trace { builder in
      let x = builder.input("x", [2, 3, 3, 1])
      let align = RegionAlignOperation(size: 2, scale: 1)
      builder.output("y", x.applying(align, with: [builder.input("boxes", [1, 5])]))
    }
    for box in [[2, 0, 0, 1, 1], [0.5, 0, 0, 1, 1], [-2, 0, 0, 1, 1], [0, .nan, 0, 1, 1]] {
      let inputs = ["x": Tensor([2, 3, 3, 1]), "boxes": Tensor([1, 5], box.map { Float($0) })]
      #expect(throws: DataFault.self) { try outputs(of: graph, inputs) }
    }
  }

  @Test("pixel shuffle is also the inverse of space-to-depth", arguments: [1, 2, 3])
  func inverse(block: Int) throws {
    let shape: Shape = [2, 6, 12, 3]
    let graph = try Graph.trace { builder in
      let x = builder.input("x", shape)
      builder.output("same", PixelShuffle2D(block: block)(SpaceToDepth2D(block: block)(x)))
    }
    let x = Tensor.random(shape, seed: 4)
    #expect(try outputs(of: graph, ["x": x])["same"] == x)
  }

  @Test("unpooling through switches and picking by switches", arguments: [2, 3])
  func switches(stride: Int) throws {
    let attributes = PoolAttributes(window: 3, stride: Extent(stride), padding: .same)
    let shape: Shape = [2, 7, 8, 3]
    let pooled: Shape = stride == 2 ? [2, 4, 4, 3] : [2, 3, 3, 3]
    // A picks the values of x at the switches of the pool of another tensor; ⟨A x, y⟩ = ⟨x, Aᵀ y⟩.
    let graph = try Graph.trace { builder in
      let values = builder.input("y", pooled)
      let mirror = builder.input("mirror", shape)
      let pool = MaxPool2D(window: 3, stride: Extent(stride), padding: .same, name: "pool")
      _ = pool(mirror)
      builder.output("Aᵀy", MaxUnpool2D(mirroring: "pool")(values))
    }
    let gather = try Graph.trace { builder in
      let x = builder.input("x", shape)
      let switches = builder.input("switches", pooled)
      builder.output("Ax", x.applying(SwitchGather(attributes), with: [switches]))
    }
    let x = Tensor.random(shape, seed: 1)
    let y = Tensor.random(pooled, seed: 2)
    let mirror = Tensor.random(shape, seed: 3)
    let back = try #require(try outputs(of: graph, ["y": y, "mirror": mirror])["Aᵀy"])
    let indices = try Self.switches(of: mirror, attributes, pooled)
    let image = try #require(try outputs(of: gather, ["x": x, "switches": indices])["Ax"])
    try expectLaw(image, y, x, back, "switches")
  }

  /// The switches of a pool, found by brute force, as 32-bit integers in floats' places.
  private static func switches(
    of mirror: Tensor, _ attributes: PoolAttributes, _ pooled: Shape
  ) throws -> Tensor {
    let (height, width, channels) = (mirror.shape.height, mirror.shape.width, mirror.shape.channels)
    let stride = attributes.stride.height
    let padded = { (size: Int, count: Int) in max((count - 1) * stride + 3 - size, 0) / 2 }
    let (top, left) = (padded(height, pooled.height), padded(width, pooled.width))
    var result = Tensor(pooled)
    for index in 0..<pooled.count {
      let channel = index % channels
      let column = index / channels % pooled.width
      let row = index / channels / pooled.width % pooled.height
      let image = index / channels / pooled.width / pooled.height
      var best: (value: Float, place: Int) = (-.infinity, 0)
      for y in max(row * stride - top, 0)..<min(row * stride - top + 3, height) {
        for x in max(column * stride - left, 0)..<min(column * stride - left + 3, width) {
          let value = mirror.elements[((image * height + y) * width + x) * channels + channel]
          if value > best.value { best = (value, y * width + x) }
        }
      }
      result.elements[index] = Float(bitPattern: UInt32(best.place))
    }
    return result
  }
}

/// All outputs of a graph for given inputs, with parameters of seed 0.
func outputs(
  of graph: Graph, _ inputs: [String: Tensor], kernels: Kernels = Kernels()
) throws -> [String: Tensor] {
  let store = try ParameterStore(for: [graph], seed: 0)
  let program = try Program(graph, parameters: store, kernels: kernels)
  for (name, tensor) in inputs { try program.setInput(name, tensor) }
  try program.run()
  var result: [String: Tensor] = [:]
  for output in graph.outputs { result[output.name] = try program.output(output.name) }
  return result
}
