// Networks written as ONNX: what stands in the file reads back as a network of the same outputs.

import AtelierEngine
import AtelierInterchange
import AtelierKernels
import Foundation
import Testing

@Suite("Networks to ONNX")
struct ONNXExportTests {
  /// A network with an input [2, H, W, C] and the largest difference of its outputs after the way there and back.
  private func difference(
    _ input: Shape, _ writing: ONNXWriting = ONNXWriting(),
    _ layers: (SymbolicTensor) -> SymbolicTensor
  ) throws -> Float {
    let graph = try Graph.trace { builder in
      builder.output("output", layers(builder.input("input", input)))
    }
    let store = try ParameterStore(for: [graph], seed: 4)
    let model = try Model(
      graph: graph, store: store, information: ModelInformation(task: "test", architecture: "net"))
    var options = ONNXImport.Options()
    if writing.isDynamic {
      options.shapes = ["input": [input[0], input[3], input[1], input[2]]]
    }
    let back = try ONNXImport(try ONNXExport.bytes(of: model, writing), name: "net.onnx", options)
    var generator = RandomGenerator(seed: 6)
    let x = Tensor(input, (0..<input.count).map { _ in generator.uniform(-1...1) })
    let first = try result(graph, store, x)
    let second = try result(back.model.graph, try back.model.store(), x)
    #expect(first.shape == second.shape)
    return zip(first.elements, second.elements).reduce(0) { max($0, abs($1.0 - $1.1)) }
  }

  private func result(_ graph: Graph, _ store: ParameterStore, _ x: Tensor) throws -> Tensor {
    let program = try Program(graph.specialized(for: .infer), parameters: store)
    try program.setInput("input", x)
    try program.run()
    return try program.output("output")
  }

  @Test("a classifier whose flattened image meets a dense layer", arguments: [false, true])
  func classifier(isDynamic: Bool) throws {
    var writing = ONNXWriting()
    writing.isDynamic = isDynamic
    let worst = try difference([2, 8, 6, 3], writing) { x in
      let maps = MaxPool2D()(
        Activate(.hardSwish)(BatchNormalization()(Convolution2D(filters: 5, kernel: 3)(x))))
      let hidden = Dense(units: 9, activation: .relu)(Dropout(0.5)(Flatten()(maps)))
      return Softmax()(Dense(units: 4)(hidden))
    }
    #expect(worst < 1e-6)
  }

  @Test("a segmentation of odd sizes by switches")
  func unpooling() throws {
    let worst = try difference([1, 9, 7, 2]) { x in
      let down = MaxPool2D(name: "a")(
        Convolution2D(filters: 4, kernel: 3, activation: .elu(alpha: 1))(x))
      let inner = MaxPool2D(name: "b")(Convolution2D(filters: 4, kernel: 3)(down))
      let up = MaxUnpool2D(mirroring: "b")(Activate(.silu)(inner))
      return Convolution2D(filters: 3, kernel: 3)(MaxUnpool2D(mirroring: "a")(up))
    }
    #expect(worst < 1e-6)
  }

  @Test("every way to enlarge and to shrink")
  func sizes() throws {
    let worst = try difference([2, 4, 6, 4]) { x in
      let shuffled = SpaceToDepth2D()(PixelShuffle2D()(x))
      let transposed = TransposedConvolution2D(filters: 4, kernel: 3, stride: 2)(shuffled)
      let grown = BilinearUpsample2D()(NearestUnpool2D()(x))
      let nails = BedOfNailsUnpool2D()(Convolution2D(filters: 3, kernel: 1)(x))
      let joined = concatenate(transposed, nails, AveragePool2D()(grown))
      let padded = Pad2D(Border(top: 1, bottom: 2, left: 0, right: 1), mode: .reflect)(joined)
      let cropped = Crop2D(Border(top: 0, bottom: 1, left: 1, right: 0))(padded)
      return GroupNormalization(groups: 3)(InstanceNormalization()(Activate(.gelu)(cropped))[0..<9])
    }
    #expect(worst < 1e-5)
  }

  @Test("weights in 16 bits")
  func half() throws {
    var writing = ONNXWriting()
    writing.isHalf = true
    let worst = try difference([1, 6, 6, 8], writing) { Convolution2D(filters: 16, kernel: 3)($0) }
    #expect(worst > 0 && worst < 2e-3)
  }
}

extension SymbolicTensor {
  /// Some channels.
  fileprivate subscript(range: Range<Int>) -> SymbolicTensor {
    applying(ChannelSlice(start: range.lowerBound, count: range.count))
  }
}
