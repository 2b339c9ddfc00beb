// A U-Net on another model's layers: where its skips come from, its start, its two rates.

import AtelierEngine
import AtelierFiles
import AtelierInterchange
import AtelierSegmentation
import AtelierTraining
import AtelierWorkbench
import AtelierZoo
import Foundation
import TestSupport
import Testing

@Suite("Encoders of a U-Net")
struct SegmentationEncoderTests {
  private func encoder(_ network: ClassifierNetwork) throws -> Graph {
    let whole = try ClassifierArchitecture(
      network, classes: 3, height: 64, width: 64, channels: 3, mean: [0.4, 0.4, 0.4],
      deviation: [0.2, 0.2, 0.2]
    ).graph()
    return try whole.cut(after: try #require(whole.lastPictureLayer))
  }

  @Test(
    "skips come from the last features of each scale",
    arguments: [ClassifierNetwork.resnet18, .mobilenetV2])
  func skips(_ network: ClassifierNetwork) throws {
    let layers = try encoder(network)
    let graph = try EncoderUNet(encoder: layers, classes: 5, width: 4).graph(
      batch: 2, height: 64, width: 96)
    try graph.validate()
    #expect(graph.output(named: "output").map { graph.values[$0].shape } == [2, 64, 96, 5])
    // Four joins: scales 16, 8, 4 and 2; at the picture's own scale there are no features.
    let joins = graph.nodes.filter { $0.operation is ConcatenateOperation }
    #expect(joins.map { graph.values[$0.outputs[0]].shape.height } == [4, 8, 16, 32])
    let own = Set(graph.parameters.map(\.name))
    for parameter in layers.parameters where parameter.role != .constant {
      #expect(own.contains(EncoderUNet.encoderPrefix + parameter.name))
    }
  }

  @Test("the way down starts as in its file and learns at a tenth of the rate") func rates() throws
  {
    try withScratchFolder { folder in
      let whole = try ClassifierArchitecture(
        .mobilenetV2, classes: 3, height: 64, width: 64, channels: 3
      ).graph()
      let model = try Model(
        graph: whole, store: ParameterStore(for: [whole], seed: 9),
        information: ModelInformation(
          task: "classify", architecture: "mobilenet-v2", classNames: ["a", "b", "c"]))
      let file = folder.appending(path: "source.safetensors")
      try ModelFile.write(model, to: file)
      var request = SegmentationTrainingRequest(data: "shapes")
      request.encoder = file.path
      (request.cropHeight, request.cropWidth, request.batch) = (64, 64, 2)
      (request.warmUp, request.averageDecay, request.steps) = (0, nil, 1)
      request.holdOut = 2
      request.learningRate = 1e-3
      request.decay = .constant
      request.optimizer = .adam()
      let run = folder.appending(path: "run")
      _ = try SegmentationTraining.run(request, in: run, isResuming: false)
      let result = try ModelFile.read(from: run.appending(path: "last.safetensors"))
      func largestChange(_ name: String, _ start: Tensor) throws -> Float {
        let end = try #require(result.parameters[name])
        return zip(start.elements, end.elements).map { abs($0 - $1) }.max() ?? 0
      }
      let name = "features/1/conv/1/weight"
      let change = try largestChange(
        EncoderUNet.encoderPrefix + name, try #require(model.parameters[name]))
      // Adam's first step is the rate, whatever the gradient.
      #expect(change > 0.5e-4 && change < 1.5e-4)
      let bias = try largestChange(
        "head/bias", Tensor([result.information.classNames.count]))
      #expect(bias > 0.5e-3 && bias < 1.5e-3)
    }
  }
}
