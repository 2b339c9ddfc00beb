// Every operation and loss against PyTorch: values, gradients, running statistics and switches.

import AtelierEngine
import AtelierKernels
import TestSupport
import Testing

@Suite("Golden values from PyTorch")
struct GoldenOperationTests {
  @Test(
    "operation = PyTorch, forward and gradients", arguments: try GoldenCases.load("operations"))
  func matches(_ golden: GoldenCase) throws {
    let network = try GoldenNetwork(golden)
    for instructionSet in InstructionSet.available {
      for isFused in [true, false] {
        let result = try network.run(instructionSet: instructionSet, isFused: isFused)
        let place = "\(golden.name) \(instructionSet) \(isFused ? "fused" : "plain")"
        var (output, expected) = (result.output, try golden.tensor("output"))
        if golden.operation == "ssim_loss" {
          // The similarity near 1 is what single precision can give, not its distance from 1.
          output.elements = output.elements.map { 1 - $0 }
          expected.elements = expected.elements.map { 1 - $0 }
        }
        try compare(output, expected, "\(place): result")
        for role in golden.differentiated {
          try compare(result.gradients[role], golden.gradient(role), "\(place): d\(role)")
        }
        for role in golden.extras.keys where role.hasPrefix("updated") {
          try compare(result.updated[role], golden.tensor(role), "\(place): \(role)")
        }
      }
    }
  }

  /// Within 1e-5 in norm, and each element within 1e-4 of its size plus a tenth of the ordinary
  /// size: a norm that a few large elements rule would not see the small ones.
  private func compare(_ received: Tensor?, _ expected: Tensor, _ comment: String) throws {
    let received = try #require(received, "\(comment) is missing")
    expectClose(received, expected, tolerance: 1e-5, comment)
    let ordinary = expected.elements.map(abs).sorted()[expected.count / 2]
    expectEveryClose(
      received.elements, expected.elements, tolerance: 1e-4, floor: max(0.1 * ordinary, 1e-3),
      comment)
  }

  /// The switches of max pooling are PyTorch's: unpooling the maxima through them puts each where
  /// it came from.
  @Test("switches = PyTorch", arguments: try GoldenCases.load("operations", operation: "max_pool"))
  func switches(_ golden: GoldenCase) throws {
    let x = try golden.tensor("x")
    let switches = try golden.tensor("switches")
    let upstream = try golden.tensor("upstream")
    var expected = Tensor(x.shape)
    let channels = x.shape.channels
    let pooled = switches.count / x.shape.batch
    for index in 0..<switches.count {
      let plane = index / pooled * x.shape.height * x.shape.width
      let pixel = plane + Int(switches.elements[index])
      expected.elements[pixel * channels + index % channels] += upstream.elements[index]
    }
    let network = try GoldenNetwork(golden)
    let result = try network.run(instructionSet: .preferred, isFused: true)
    let gradient = try #require(result.gradients["x"])
    expectClose(gradient, expected, tolerance: 1e-6, golden.name)
    // Exactly the same places, not only close.
    #expect(gradient.elements.map { $0 == 0 } == expected.elements.map { $0 == 0 })
  }

  /// No case is lost on the way: the counts per family that the script writes.
  @Test func everyFamilyIsThere() throws {
    let cases = try GoldenCases.load("operations")
    let families = Dictionary(grouping: cases, by: \.operation).mapValues(\.count)
    #expect(families.count == 55)
    #expect(families["convolution"] == 71)
    #expect(families["transposed_convolution"] == 47)
    #expect(families["region_align"] == 6)
    #expect(cases.count == 339)
    #expect(Set(cases.map(\.name)).count == cases.count)
  }
}
