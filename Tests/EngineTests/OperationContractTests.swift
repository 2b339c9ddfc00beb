// The contract of operations: every kind in the registry has a line here, and keeps to what the
// protocol promises.

import AtelierEngine
import AtelierKernels
import Foundation
import TestSupport
import Testing

/// One kind of operation and a layer case in whose graph (with its gradient) it is at work.
struct OperationLine: Sendable, CustomTestStringConvertible {
  let kind: String
  /// The name of a case of `LayerCases`.
  let layerCase: String
  /// How many inputs the operation takes there.
  let inputs: Int

  init(_ type: any AtelierEngine.Operation.Type, _ layerCase: String, inputs: Int) {
    kind = type.kind
    self.layerCase = layerCase
    self.inputs = inputs
  }

  var testDescription: String { kind }

  /// The one list: a new operation is one line here.
  static let all: [OperationLine] = [
    OperationLine(ConvolutionOperation.self, "conv 3×3 same", inputs: 3),
    OperationLine(TransposedConvolutionOperation.self, "transposed output padding", inputs: 3),
    OperationLine(ConvolutionWeightGradient.self, "conv groups 2", inputs: 2),
    OperationLine(ChannelSum.self, "transposed dilation 2", inputs: 1),
    OperationLine(MaxPoolOperation.self, "max pool odd batch 3", inputs: 1),
    OperationLine(MaxUnpoolOperation.self, "max unpool", inputs: 3),
    OperationLine(SwitchGather.self, "max unpool odd of another tensor", inputs: 2),
    OperationLine(AveragePoolOperation.self, "average pool", inputs: 1),
    OperationLine(AveragePoolGradient.self, "average pool same", inputs: 2),
    OperationLine(GlobalAveragePoolOperation.self, "global average pool", inputs: 1),
    OperationLine(GlobalAveragePoolGradient.self, "global average pool", inputs: 2),
    OperationLine(NearestUnpoolOperation.self, "nearest unpool", inputs: 1),
    OperationLine(SumPool.self, "nearest unpool 3×1", inputs: 1),
    OperationLine(BedOfNailsUnpoolOperation.self, "bed of nails", inputs: 1),
    OperationLine(Subsample.self, "bed of nails 2×3", inputs: 1),
    OperationLine(BilinearResizeOperation.self, "bilinear", inputs: 1),
    OperationLine(BilinearResizeGradient.self, "bilinear 3×2", inputs: 2),
    OperationLine(PixelShuffleOperation.self, "pixel shuffle", inputs: 1),
    OperationLine(SpaceToDepthOperation.self, "space to depth", inputs: 1),
    OperationLine(RegionAlignOperation.self, "region align", inputs: 2),
    OperationLine(RegionAlignGradient.self, "region align of half scale", inputs: 3),
    OperationLine(ConcatenateOperation.self, "concatenate", inputs: 3),
    OperationLine(ChannelSlice.self, "channel slice", inputs: 1),
    OperationLine(ChannelEmbed.self, "channel slice", inputs: 1),
    OperationLine(PadOperation.self, "pad zero", inputs: 1),
    OperationLine(PadGradient.self, "pad reflect", inputs: 1),
    OperationLine(CropOperation.self, "crop", inputs: 1),
    OperationLine(ReshapeOperation.self, "flatten", inputs: 1),
    OperationLine(JoinBatches.self, "join batches", inputs: 2),
    OperationLine(SplitBatch.self, "split batch", inputs: 1),
    OperationLine(ActivationOperation.self, "relu", inputs: 1),
    OperationLine(ActivationGradient.self, "gelu", inputs: 2),
    OperationLine(BinaryOperation.self, "divide", inputs: 2),
    OperationLine(AffineOperation.self, "scale and shift", inputs: 1),
    OperationLine(ClampOperation.self, "clamp", inputs: 1),
    OperationLine(ClampGradient.self, "clamp", inputs: 2),
    OperationLine(FillOperation.self, "identity", inputs: 0),
    OperationLine(MeanOperation.self, "mean", inputs: 1),
    OperationLine(Broadcast.self, "mean", inputs: 2),
    OperationLine(SoftmaxOperation.self, "softmax", inputs: 1),
    OperationLine(SoftmaxGradient.self, "softmax of pixels", inputs: 2),
    OperationLine(BatchNormalizationOperation.self, "batch normalization", inputs: 5),
    OperationLine(BatchNormalizationGradient.self, "batch normalization", inputs: 5),
    OperationLine(GroupNormalizationOperation.self, "group normalization", inputs: 3),
    OperationLine(GroupNormalizationGradient.self, "instance normalization", inputs: 5),
    OperationLine(DropoutOperation.self, "dropout", inputs: 1),
    OperationLine(PointwiseLossOperation.self, "Huber", inputs: 2),
    OperationLine(PointwiseLossGradient.self, "Charbonnier", inputs: 3),
    OperationLine(SparseCrossEntropy.self, "cross-entropy", inputs: 2),
    OperationLine(SparseCrossEntropyGradient.self, "focal", inputs: 4),
    OperationLine(CategoricalCrossEntropy.self, "categorical cross-entropy", inputs: 2),
    OperationLine(CategoricalCrossEntropyGradient.self, "categorical cross-entropy", inputs: 3),
    OperationLine(SpectralNormalizationOperation.self, "conv spectral", inputs: 2),
    OperationLine(SpectralNormalizationGradient.self, "conv spectral", inputs: 5),
    OperationLine(SampleShift.self, "sample shift", inputs: 2),
    OperationLine(MarginLoss.self, "margin", inputs: 2),
    OperationLine(MarginLossGradient.self, "margin to a class", inputs: 3),
    OperationLine(DiceLoss.self, "Dice", inputs: 2),
    OperationLine(DiceLossGradient.self, "Dice", inputs: 4),
    OperationLine(SparseDiceLoss.self, "Dice of labels", inputs: 2),
    OperationLine(
      SparseDiceLossGradient.self, "Dice of labels with one that does not count", inputs: 4),
    OperationLine(TransposeOperation.self, "transpose", inputs: 1),
    OperationLine(RegroupOperation.self, "regroup", inputs: 1),
    OperationLine(ExpandOperation.self, "expand", inputs: 1),
    OperationLine(ReduceOperation.self, "reduce mean", inputs: 1),
    OperationLine(MaximumMask.self, "reduce maximum", inputs: 3),
    OperationLine(GatherOperation.self, "gather", inputs: 1),
    OperationLine(ScatterSum.self, "scatter sum", inputs: 1),
    OperationLine(BroadcastBinaryOperation.self, "repeated divide", inputs: 2),
    OperationLine(MatrixProductOperation.self, "matrix product", inputs: 2),
    OperationLine(ParametricReLUOperation.self, "parametric relu", inputs: 2),
    OperationLine(ParametricReLUGradient.self, "parametric relu", inputs: 3),
    OperationLine(LocalResponseOperation.self, "local response", inputs: 1),
    OperationLine(LocalResponseGradient.self, "local response", inputs: 2),
    OperationLine(OrientedGradientsOperation.self, "oriented gradients", inputs: 1),
    OperationLine(RecurrentOperation.self, "gru", inputs: 3),
    OperationLine(RecurrentGradient.self, "lstm", inputs: 5),
    OperationLine(ResizeOperation.self, "resize cubic", inputs: 1),
    OperationLine(ResizeGradient.self, "resize nearest", inputs: 2),
  ]
}

@Suite("Operation contract")
struct OperationContractTests {
  /// The graph of a line's case and the first node of its kind.
  private func example(_ line: OperationLine) throws -> (graph: Graph, node: Graph.Node) {
    let layerCase = try #require(LayerCases.all.first { $0.name == line.layerCase })
    let graph = try TracedCase(layerCase).graph
    let node = try #require(
      graph.nodes.first { type(of: $0.operation).kind == line.kind },
      "\(line.layerCase) has no \(line.kind)")
    return (graph, node)
  }

  @Test("every kind has exactly one line") func everyKind() {
    let kinds = OperationRegistry.all.map { $0.kind }
    #expect(Set(kinds).count == kinds.count)
    #expect(OperationLine.all.map(\.kind).sorted() == kinds.sorted())
  }

  @Test("a kind names its type and nothing else does") func lookUp() {
    for type in OperationRegistry.all {
      #expect(OperationRegistry.type(of: type.kind).map { $0 == type } == true)
    }
    #expect(OperationRegistry.type(of: "warp-drive") == nil)
  }

  @Test("the shape rule gives the graph's shapes again", arguments: OperationLine.all)
  func shapeRule(_ line: OperationLine) throws {
    let (graph, node) = try example(line)
    let shapes = graph.shapes(of: node)
    #expect(node.inputs.count == line.inputs)
    #expect(try node.operation.outputShapes(shapes.inputs) == shapes.outputs)
  }

  @Test("a wrong number of inputs is refused", arguments: OperationLine.all)
  func inputCount(_ line: OperationLine) throws {
    let (graph, node) = try example(line)
    let shapes = graph.shapes(of: node).inputs
    if [ConcatenateOperation.kind, JoinBatches.kind].contains(line.kind) {
      let none = shapeError { () throws(ShapeError) in _ = try node.operation.outputShapes([]) }
      #expect(none == "\(line.kind) takes at least one tensor; received 0")
      return
    }
    let one: Shape = [1]
    let many = shapeError { () throws(ShapeError) in
      _ = try node.operation.outputShapes(shapes + [one])
    }
    // A padding's gradient speaks as the cropping whose shape rule it shares.
    let kind = line.kind == PadGradient.kind ? CropOperation.kind : line.kind
    #expect(many == "\(kind) takes \(line.inputs) inputs; received \(line.inputs + 1)")
    if line.inputs > 0 {
      let none = shapeError { () throws(ShapeError) in _ = try node.operation.outputShapes([]) }
      #expect(none == "\(kind) takes \(line.inputs) inputs; received 0")
    }
  }

  @Test("attributes survive JSON", arguments: OperationLine.all)
  func coding(_ line: OperationLine) throws {
    let (_, node) = try example(line)
    let data = try JSONEncoder().encode(node)
    let text = try #require(String(data: data, encoding: .utf8))
    #expect(text.contains("\"kind\":\"\(line.kind)\""))
    let decoded = try JSONDecoder().decode(Graph.Node.self, from: data)
    #expect(decoded == node)
    #expect(decoded.hashValue == node.hashValue)
  }

  @Test("indices of special inputs exist; a view keeps the count", arguments: OperationLine.all)
  func traits(_ line: OperationLine) throws {
    let (graph, node) = try example(line)
    let shapes = graph.shapes(of: node)
    for index in node.operation.shapeOnlyInputs + node.operation.inPlaceInputs {
      #expect(shapes.inputs.indices.contains(index))
    }
    for index in node.operation.inPlaceInputs {
      #expect(!node.operation.shapeOnlyInputs.contains(index))
    }
    if node.operation.isView { #expect(shapes.inputs[0].count == shapes.outputs[0].count) }
    #expect(node.operation.multiplyAdds(shapes) >= 0)
    let isProduct =
      line.kind.contains("convolution") || line.kind.hasPrefix("recurrence")
      || line.kind == MatrixProductOperation.kind
    #expect((node.operation.multiplyAdds(shapes) > 0) == isProduct)
  }

  @Test("the gradient of a curved activation is not differentiated again")
  func secondDerivative() throws {
    let layerCase = try #require(LayerCases.all.first { $0.name == "gelu" })
    let graph = try TracedCase(layerCase).graph
    let longer = try graph.extended { builder, symbols in
      if let gradient = symbols["gradient of x"] { builder.output("loss", gradient.mean()) }
    }
    let text = shapeError { () throws(ShapeError) in
      _ = try longer.differentiated(withRespectToInputs: ["x"])
    }
    #expect(text == "the gradient of gelu has no gradient to what it was taken at")
  }
}

/// The text of the shape error that `body` throws, or that it threw none.
func shapeError(_ body: () throws(ShapeError) -> Void) -> String {
  do throws(ShapeError) {
    try body()
    return "(no error)"
  } catch {
    return error.description
  }
}
