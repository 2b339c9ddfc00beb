// Output sizes on the edges: kernel > input, stride > kernel, dilation, output padding, odd sizes.

import AtelierEngine
import AtelierKernels
import TestSupport
import Testing

/// One size along an axis and what a layer must make of it.
struct SizeRow: Sendable, CustomTestStringConvertible {
  let input: Int
  let kernel: Int
  let stride: Int
  let padding: Padding
  var dilation = 1
  var outputPadding = 0
  let output: Int

  var testDescription: String {
    "\(input) by kernel \(kernel) stride \(stride) \(padding) dilation \(dilation) "
      + "output padding \(outputPadding)"
  }

  static let convolution: [SizeRow] = [
    SizeRow(input: 5, kernel: 3, stride: 1, padding: .same, output: 5),
    SizeRow(input: 5, kernel: 3, stride: 2, padding: .same, output: 3),
    SizeRow(input: 4, kernel: 3, stride: 2, padding: .same, output: 2),
    SizeRow(input: 7, kernel: 2, stride: 3, padding: .same, output: 3),
    SizeRow(input: 2, kernel: 7, stride: 1, padding: .same, output: 2),
    SizeRow(input: 1, kernel: 1, stride: 5, padding: .same, output: 1),
    SizeRow(input: 9, kernel: 3, stride: 4, padding: .same, dilation: 3, output: 3),
    SizeRow(input: 5, kernel: 3, stride: 2, padding: .valid, output: 2),
    SizeRow(input: 5, kernel: 2, stride: 3, padding: .valid, output: 2),
    SizeRow(input: 5, kernel: 5, stride: 1, padding: .valid, output: 1),
    SizeRow(input: 8, kernel: 1, stride: 3, padding: .valid, output: 3),
    SizeRow(input: 1, kernel: 1, stride: 5, padding: .valid, output: 1),
    SizeRow(input: 7, kernel: 3, stride: 1, padding: .valid, dilation: 2, output: 3),
    SizeRow(input: 5, kernel: 3, stride: 2, padding: .valid, dilation: 2, output: 1),
    SizeRow(input: 1, kernel: 3, stride: 1, padding: .symmetric(1), output: 1),
    SizeRow(input: 2, kernel: 5, stride: 2, padding: .symmetric(3), output: 2),
    SizeRow(input: 3, kernel: 2, stride: 1, padding: .symmetric(4), output: 10),
  ]

  static let transposed: [SizeRow] = [
    SizeRow(input: 4, kernel: 2, stride: 2, padding: .valid, output: 8),
    SizeRow(input: 4, kernel: 3, stride: 2, padding: .symmetric(1), output: 7),
    SizeRow(input: 4, kernel: 3, stride: 2, padding: .symmetric(1), outputPadding: 1, output: 8),
    SizeRow(input: 4, kernel: 3, stride: 2, padding: .same, output: 8),
    SizeRow(input: 5, kernel: 4, stride: 3, padding: .same, output: 15),
    SizeRow(input: 4, kernel: 1, stride: 2, padding: .same, output: 8),
    SizeRow(input: 3, kernel: 2, stride: 3, padding: .valid, output: 8),
    SizeRow(input: 3, kernel: 2, stride: 3, padding: .valid, outputPadding: 2, output: 10),
    SizeRow(input: 1, kernel: 3, stride: 2, padding: .valid, output: 3),
    SizeRow(input: 5, kernel: 3, stride: 1, padding: .valid, dilation: 2, output: 9),
    SizeRow(
      input: 4, kernel: 2, stride: 2, padding: .valid, dilation: 3, outputPadding: 2, output: 12),
    SizeRow(input: 6, kernel: 5, stride: 1, padding: .symmetric(2), output: 6),
  ]

  static let pooling: [SizeRow] = [
    SizeRow(input: 5, kernel: 2, stride: 2, padding: .valid, output: 2),
    SizeRow(input: 5, kernel: 2, stride: 2, padding: .same, output: 3),
    SizeRow(input: 7, kernel: 3, stride: 2, padding: .valid, output: 3),
    SizeRow(input: 7, kernel: 3, stride: 2, padding: .symmetric(1), output: 4),
    SizeRow(input: 7, kernel: 2, stride: 3, padding: .valid, output: 2),
    SizeRow(input: 1, kernel: 1, stride: 4, padding: .valid, output: 1),
    SizeRow(input: 2, kernel: 5, stride: 1, padding: .same, output: 2),
    SizeRow(input: 3, kernel: 3, stride: 1, padding: .symmetric(2), output: 5),
  ]
}

@Suite("Shape tables")
struct ShapeTableTests {
  /// The planned output of a layer on a square of the row's size, and that of the run.
  private func expectSize(_ row: SizeRow, _ layer: any Layer) throws {
    var planned = Shape.scalar
    // Different sizes on the two axes, so that none can stand for the other.
    let shape: Shape = [2, row.input, row.input + 12 * row.stride, 2]
    let graph = try Graph.trace { builder in
      let result = layer(builder.input("x", shape))
      planned = result.shape
      builder.output("y", result)
    }
    #expect(planned.height == row.output)
    let y = try #require(try outputs(of: graph, ["x": .random(shape, seed: 1)])["y"])
    #expect(y.shape == planned)
    #expect(y.elements.allSatisfy { $0.isFinite })
  }

  @Test("convolution", arguments: SizeRow.convolution)
  func convolution(_ row: SizeRow) throws {
    try expectSize(
      row,
      Convolution2D(
        filters: 3, kernel: Extent(row.kernel), stride: Extent(row.stride), padding: row.padding,
        dilation: Extent(row.dilation)))
  }

  @Test("transposed convolution", arguments: SizeRow.transposed)
  func transposed(_ row: SizeRow) throws {
    try expectSize(
      row,
      TransposedConvolution2D(
        filters: 3, kernel: Extent(row.kernel), stride: Extent(row.stride), padding: row.padding,
        outputPadding: Extent(row.outputPadding), dilation: Extent(row.dilation)))
  }

  @Test("pooling", arguments: SizeRow.pooling)
  func pooling(_ row: SizeRow) throws {
    let (window, stride) = (Extent(row.kernel), Extent(row.stride))
    try expectSize(row, MaxPool2D(window: window, stride: stride, padding: row.padding))
    try expectSize(row, AveragePool2D(window: window, stride: stride, padding: row.padding))
  }

  /// Layers whose two axes differ, and the shape that each must give.
  private static let exact: [(layer: any Layer, input: Shape, output: Shape)] = [
    (NearestUnpool2D(window: Extent(2, 3)), [1, 3, 4, 5], [1, 6, 12, 5]),
    (BedOfNailsUnpool2D(window: Extent(3, 1)), [1, 3, 4, 5], [1, 9, 4, 5]),
    (BilinearUpsample2D(factor: Extent(2, 3)), [2, 3, 4, 5], [2, 6, 12, 5]),
    (PixelShuffle2D(block: 2), [1, 3, 4, 8], [1, 6, 8, 2]),
    (SpaceToDepth2D(block: 2), [1, 6, 8, 2], [1, 3, 4, 8]),
    (MaxPool2D(window: Extent(2, 3)), [1, 7, 7, 2], [1, 3, 2, 2]),
    (AveragePool2D(window: Extent(3, 2), stride: Extent(1, 2)), [1, 7, 7, 2], [1, 5, 3, 2]),
    (GlobalAveragePool2D(), [2, 3, 4, 5], [2, 5]),
    (GlobalMaxPool2D(), [2, 3, 4, 5], [2, 5]),
    (Pad2D(Border(top: 1, bottom: 2, left: 3, right: 4)), [1, 3, 4, 5], [1, 6, 11, 5]),
    (Crop2D(Border(top: 1, bottom: 0, left: 1, right: 2)), [1, 3, 4, 5], [1, 2, 1, 5]),
    (Flatten(), [2, 3, 4, 5], [2, 60]),
    (Reshape([4, 15]), [2, 3, 4, 5], [2, 4, 15]),
    (Dense(units: 7), [2, 5], [2, 7]),
    (
      Convolution2D(filters: 6, kernel: Extent(3, 5), padding: .valid), [1, 7, 7, 2], [1, 5, 3, 6]
    ),
    (
      Convolution2D(filters: 6, kernel: 3, stride: Extent(1, 2)), [1, 7, 8, 2], [1, 7, 4, 6]
    ),
    (
      TransposedConvolution2D(
        filters: 6, kernel: Extent(2, 3), stride: Extent(2, 3), padding: .valid,
        outputPadding: Extent(1, 0)), [1, 3, 4, 2], [1, 7, 12, 6]
    ),
    (Activate(.gelu), [2, 3], [2, 3]),
    (Softmax(), [2, 3], [2, 3]),
    (Dropout(0.5), [2, 3], [2, 3]),
    (BatchNormalization(), [2, 3, 4, 5], [2, 3, 4, 5]),
    (GroupNormalization(groups: 5), [2, 3, 4, 5], [2, 3, 4, 5]),
    (InstanceNormalization(), [2, 3, 4, 5], [2, 3, 4, 5]),
  ]

  @Test("every layer, height and width apart", arguments: exact.indices)
  func exactShapes(_ index: Int) throws {
    let (layer, input, output) = Self.exact[index]
    let graph = try Graph.trace { builder in
      builder.output("y", layer(builder.input("x", input)))
    }
    let y = try #require(try outputs(of: graph, ["x": .random(input, seed: 1)])["y"])
    #expect(y.shape == output, "\(type(of: layer))")
  }

  @Test("a shape's parts") func parts() {
    let image = Shape.image(batch: 2, height: 3, width: 4, channels: 5)
    #expect(image == [2, 3, 4, 5])
    #expect(image.count == 120 && image.rank == 4)
    #expect([image.batch, image.height, image.width, image.channels] == [2, 3, 4, 5])
    #expect(image.withBatch(7) == [7, 3, 4, 5])
    #expect(image.description == "[2, 3, 4, 5]")
    #expect(Shape.scalar.count == 1 && Shape.scalar.channels == 1 && Shape.scalar.batch == 1)
    #expect(Shape.scalar.withBatch(3) == .scalar)
    #expect(Shape.vector(batch: 3, channels: 4) == [3, 4])
    #expect(Shape.vector(channels: 4).height == 1)
  }
}
