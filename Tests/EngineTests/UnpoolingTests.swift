// The three unpoolings by worked examples, and switches that are data: duplicates, out of range, odd
// sizes.

import AtelierEngine
import TestSupport
import Testing

@Suite("Unpooling")
struct UnpoolingTests {
  /// The course's example: [[.29 .47 .46] [.15 0 0] [0 .57 1.49]].
  private static let example = Tensor(
    [1, 3, 3, 1], [0.29, 0.47, 0.46, 0.15, 0, 0, 0, 0.57, 1.49])

  private func result(_ layer: any Layer, of tensor: Tensor) throws -> Tensor {
    let graph = try Graph.trace { builder in
      builder.output("y", layer(builder.input("x", tensor.shape)))
    }
    return try #require(try outputs(of: graph, ["x": tensor])["y"])
  }

  @Test("the course's example, nearest: each value repeated in its 2×2 window")
  func nearest() throws {
    let expected: [Float] = [
      0.29, 0.29, 0.47, 0.47, 0.46, 0.46,
      0.29, 0.29, 0.47, 0.47, 0.46, 0.46,
      0.15, 0.15, 0, 0, 0, 0,
      0.15, 0.15, 0, 0, 0, 0,
      0, 0, 0.57, 0.57, 1.49, 1.49,
      0, 0, 0.57, 0.57, 1.49, 1.49,
    ]
    #expect(try result(NearestUnpool2D(), of: Self.example) == Tensor([1, 6, 6, 1], expected))
  }

  @Test("the course's example, bed of nails: each value top-left, zeros elsewhere")
  func bedOfNails() throws {
    let expected: [Float] = [
      0.29, 0, 0.47, 0, 0.46, 0,
      0, 0, 0, 0, 0, 0,
      0.15, 0, 0, 0, 0, 0,
      0, 0, 0, 0, 0, 0,
      0, 0, 0.57, 0, 1.49, 0,
      0, 0, 0, 0, 0, 0,
    ]
    #expect(try result(BedOfNailsUnpool2D(), of: Self.example) == Tensor([1, 6, 6, 1], expected))
  }

  @Test("max unpooling puts each maximum back where it was")
  func maxUnpool() throws {
    let x = Tensor(
      [1, 4, 4, 1],
      [
        1, 2, 6, 3,
        3, 5, 2, 1,
        1, 2, 2, 1,
        7, 3, 4, 8,
      ])
    let graph = try Graph.trace { builder in
      let pooled = MaxPool2D(name: "pool")(builder.input("x", x.shape))
      builder.output("pooled", pooled)
      builder.output("y", MaxUnpool2D(mirroring: "pool")(pooled))
    }
    let results = try outputs(of: graph, ["x": x])
    #expect(results["pooled"] == Tensor([1, 2, 2, 1], [5, 6, 7, 8]))
    let expected: [Float] = [
      0, 0, 6, 0,
      0, 5, 0, 0,
      0, 0, 0, 0,
      7, 0, 0, 8,
    ]
    #expect(results["y"] == Tensor([1, 4, 4, 1], expected))
  }

  @Test("ties go to the first in row-major order") func ties() throws {
    let graph = try Graph.trace { builder in
      let pooled = MaxPool2D(name: "pool")(builder.input("x", [1, 2, 2, 1]))
      builder.output("y", MaxUnpool2D(mirroring: "pool")(pooled))
    }
    let results = try outputs(of: graph, ["x": Tensor([1, 2, 2, 1], [1, 3, 3, 3])])
    #expect(results["y"]?.elements == [0, 3, 0, 0])
  }

  @Test(
    "odd sizes come back exactly",
    arguments: [
      (5, 7, 2, 2), (7, 5, 3, 2), (9, 9, 2, 3), (1, 3, 1, 2), (11, 6, 3, 3), (5, 4, 2, 1),
    ])
  func oddSizes(_ height: Int, _ width: Int, _ window: Int, _ stride: Int) throws {
    for padding in [Padding.valid, .same] {
      let shape: Shape = [2, height, width, 3]
      let graph = try Graph.trace { builder in
        let pool = MaxPool2D(
          window: Extent(window), stride: Extent(stride), padding: padding, name: "pool")
        let pooled = pool(builder.input("x", shape))
        builder.output("pooled", pooled)
        builder.output("y", MaxUnpool2D(mirroring: "pool")(pooled))
      }
      let x = Tensor.distinct(shape, seed: 6)
      let results = try outputs(of: graph, ["x": x])
      let back = try #require(results["y"])
      #expect(back.shape == shape)
      // What comes back is x's own value or zero, or a multiple where windows share their maximum.
      for (value, original) in zip(back.elements, x.elements) where value != 0 {
        let times = value / original
        #expect(abs(times - times.rounded()) < 1e-4 && times >= 1)
        if stride >= window { #expect(value == original) }
      }
      let pooled = try #require(results["pooled"])
      let difference = back.elements.reduce(0, +) - pooled.elements.reduce(0, +)
      #expect(abs(difference) < 1e-3)
    }
  }

  /// Values and switches as inputs, unpooled to 3×3.
  private func unpooled(_ values: [Float], switches: [Int32]) throws -> Tensor {
    let attributes = PoolAttributes(window: 2, stride: 1)
    let graph = try Graph.trace { builder in
      let values = builder.input("values", [1, 2, 2, 1])
      let switches = builder.input("switches", [1, 2, 2, 1])
      let mirror = builder.input("mirror", [1, 3, 3, 1])
      builder.output(
        "y",
        values.applying(
          MaxUnpoolOperation(attributes), with: [switches, mirror], name: "unpool"))
    }
    let bits = switches.map { Float(bitPattern: UInt32(bitPattern: $0)) }
    let inputs = ["values": Tensor([1, 2, 2, 1], values), "switches": Tensor([1, 2, 2, 1], bits)]
    return try #require(try outputs(of: graph, inputs)["y"])
  }

  @Test("values that share a switch add up") func duplicates() throws {
    let y = try unpooled([1, 2, 4, 8], switches: [0, 4, 4, 8])
    #expect(y.elements == [1, 0, 0, 0, 6, 0, 0, 0, 8])
  }

  @Test("a switch of −1 stands for no pixel") func noPixel() throws {
    let y = try unpooled([1, 2, 4, 8], switches: [0, -1, 4, -1])
    #expect(y.elements == [1, 0, 0, 0, 4, 0, 0, 0, 0])
  }

  @Test(
    "a switch outside the plane is a data fault",
    arguments: [([9, 4, 4, 8], 1), ([-2, 4, 4, 8], 1), ([.min, .max, 4, 1_000_000], 3)]
      as [(
        [Int32], Int
      )])
  func outOfRange(_ switches: [Int32], _ faults: Int) throws {
    let error = #expect(throws: DataFault.self) {
      _ = try unpooled([1, 2, 4, 8], switches: switches)
    }
    #expect(error?.description == "layer unpool: \(faults) switches lie outside the plane of 3×3")
  }

  @Test("picking by a switch outside the plane is a data fault") func gatherOutOfRange() throws {
    let graph = try Graph.trace { builder in
      let x = builder.input("x", [1, 3, 3, 1])
      let switches = builder.input("switches", [1, 2, 2, 1])
      builder.output(
        "y",
        x.applying(
          SwitchGather(PoolAttributes(window: 2, stride: 1)), with: [switches], name: "gather"))
    }
    let bits: [Float] = [0, 4, 8, 9].map { Float(bitPattern: $0) }
    let error = #expect(throws: DataFault.self) {
      _ = try outputs(of: graph, ["switches": Tensor([1, 2, 2, 1], bits)])
    }
    #expect(error?.description == "layer gather: 1 switches lie outside the plane of 3×3")
  }

  @Test("labels outside the classes are data faults") func labels() throws {
    func fault(_ loss: Loss, _ labels: [Float]) -> String? {
      let error = #expect(throws: DataFault.self) {
        let graph = try Graph.trace { builder in
          let logits = builder.input("x", [2, 3])
          builder.output("loss", loss(logits, builder.input("labels", [2, 1])))
        }
        _ = try outputs(of: graph, ["labels": Tensor([2, 1], labels)])
      }
      return error?.description
    }
    #expect(
      fault(.crossEntropy(), [0, 3]) == "layer loss: 1 labels lie outside the classes 0..<3")
    #expect(
      fault(.crossEntropy(ignoreLabel: 7), [-1, .nan])
        == "layer loss: 2 labels lie outside the classes 0..<3")
    #expect(
      fault(.margin(isTargeted: false, kappa: 0), [0, 3])
        == "layer loss: label 3.0 lies outside the classes 0..<3")
  }
}
