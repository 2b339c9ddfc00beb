// The Dice loss of labels: the Dice loss of planes in another form, and what it refuses.

import AtelierEngine
import AtelierKernels
import TestSupport
import Testing

@Suite struct SparseDiceTests {
  private let shape: Shape = [2, 3, 4, 5]

  /// The loss of probabilities and its gradient.
  private func run(
    _ operation: any AtelierEngine.Operation, _ prediction: Tensor, _ target: Tensor
  ) throws -> (loss: Float, gradient: Tensor) {
    let graph = try Graph.trace { builder in
      let input = builder.input("x", prediction.shape)
      builder.output(
        "loss", input.applying(operation, with: [builder.input("target", target.shape)]))
    }.differentiated(withRespectToInputs: ["x"])
    let program = try Program(graph, parameters: ParameterStore(for: [graph], seed: 1))
    try program.setInput("x", prediction)
    try program.setInput("target", target)
    try program.run()
    return (try program.scalar("loss"), try program.output("gradient of x"))
  }

  @Test func labelsGiveWhatTheirPlanesGive() throws {
    let prediction = Tensor.uniform(shape, in: 0...1, seed: 1)
    let labels = (0..<24).map { Float($0 * 7 % 5) }
    var planes = Tensor(shape)
    for (row, label) in labels.enumerated() { planes.elements[row * 5 + Int(label)] = 1 }
    let sparse = try run(SparseDiceLoss(smooth: 0.7), prediction, Tensor([2, 3, 4], labels))
    let dense = try run(DiceLoss(smooth: 0.7), prediction, planes)
    #expect(abs(sparse.loss - dense.loss) < 1e-6)
    expectClose(sparse.gradient.elements, dense.gradient.elements, tolerance: 1e-6)
  }

  @Test func anIgnoredRowIsAsIfItWereNotThere() throws {
    let prediction = Tensor.uniform([4, 3], in: 0...1, seed: 2)
    let some = Tensor([3, 3], Array(prediction.elements.prefix(9)))
    let loss = SparseDiceLoss(smooth: 1, ignoreLabel: 255)
    let whole = try run(loss, prediction, Tensor([4], [0, 2, 1, 255]))
    let part = try run(loss, some, Tensor([3], [0, 2, 1]))
    #expect(whole.loss == part.loss)
    #expect(Array(whole.gradient.elements.prefix(9)) == part.gradient.elements)
    #expect(whole.gradient.elements.suffix(3).allSatisfy { $0 == 0 })
  }

  @Test func aLabelOutsideTheClassesIsAFault() {
    for label in [Float(3), -1, 254, .nan] {
      #expect(throws: DataFault.self) {
        try run(
          SparseDiceLoss(ignoreLabel: 255), Tensor([2, 3], repeating: 0.3),
          Tensor([2], [label, 0]))
      }
    }
  }

  @Test func labelsOfAnotherNumberAreRefused() throws {
    let error = #expect(throws: ShapeError.self) {
      try SparseDiceLoss().outputShapes([[4, 3], [3]])
    }
    #expect(error?.description == "expected 4 labels for probabilities [4, 3]; received [3]")
  }
}
