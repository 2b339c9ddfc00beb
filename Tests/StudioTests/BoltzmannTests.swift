// Boltzmann machines at work: bars are learnt, chains go on after a resume, stacks become classifiers.

import AtelierClassification
import AtelierDatasets
import AtelierEngine
import AtelierGeneration
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierTraining
import AtelierWorkbench
import AtelierZoo
import Foundation
import TestSupport
import Testing

@Suite(.serialized) struct BoltzmannTests {
  /// Class folders of gray pictures of 6×6 with one bright row, or one bright column.
  private func makeBars(in folder: URL) throws -> URL {
    let data = folder.appending(path: "bars")
    for (name, isRow) in [("column", false), ("row", true)] {
      let place = data.appending(path: name)
      try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
      for index in 0..<60 {
        let samples = (0..<36).map { place -> UInt8 in
          (isRow ? place / 6 : place % 6) == index % 6 ? 255 : 0
        }
        try ImageFile.write(
          ByteImage(width: 6, height: 6, channels: 1, samples: samples),
          to: place.appending(path: String(format: "%03d.png", index)))
      }
    }
    return data
  }

  private func request(_ data: URL) -> BoltzmannTrainingRequest {
    var request = BoltzmannTrainingRequest(data: data.path)
    request.picturesForm = PictureForm(width: 6, height: 6, mode: .gray)
    (request.hidden, request.holdOut) = (24, 24)
    (request.recipe.batch, request.recipe.epochs) = (12, 60)
    request.recipe.learningRate = 0.1
    request.recipe.validationInterval = 80
    return request
  }

  /// The metrics of each validation of a training.
  @discardableResult private func train(
    _ request: BoltzmannTrainingRequest, in run: URL, isResuming: Bool = false, until: Int? = nil
  ) throws -> [[String: Double]] {
    var metrics: [[String: Double]] = []
    let interrupt = InterruptFlag()
    let listener = ClosureListener { event in
      if case .validated(let report) = event { metrics.append(report.metrics) }
      if case .step(let report) = event, report.step == until { interrupt.raise() }
    }
    try BoltzmannTraining.run(
      request, in: run, isResuming: isResuming, listeners: [listener], interrupt: interrupt)
    return metrics
  }

  @Test("learns bars: likelier pictures, small errors", arguments: [false, true])
  func learns(isPersistent: Bool) throws {
    try withScratchFolder { folder in
      var request = try request(makeBars(in: folder))
      request.machine.isPersistent = isPersistent
      let metrics = try train(request, in: folder.appending(path: "run"))
      let (first, last) = (try #require(metrics.first), try #require(metrics.last))
      #expect(metrics.count > 3)
      #expect(try #require(last["pseudo_likelihood"]) > #require(first["pseudo_likelihood"]) + 2)
      #expect(try #require(last["reconstruction"]) < 0.05)
    }
  }

  @Test("an interrupted training goes on to the same bytes, its chains, too")
  func resumed() throws {
    try withScratchFolder { folder in
      var request = try request(makeBars(in: folder))
      request.machine.isPersistent = true
      request.machine.gibbsSteps = 2
      request.machine.sparsity = 0.1
      request.recipe.epochs = 4
      let (whole, parts) = (folder.appending(path: "whole"), folder.appending(path: "parts"))
      try train(request, in: whole)
      try train(request, in: parts, until: 13)
      try train(request, in: parts, isResuming: true)
      let models = try [whole, parts].map {
        try ModelFile.read(from: $0.appending(path: "last.safetensors"))
      }
      #expect(models[0].parameters == models[1].parameters)
    }
  }

  @Test("a stack draws, and shows its filters")
  func stacked() throws {
    try withScratchFolder { folder in
      var request = try request(makeBars(in: folder))
      request.recipe.epochs = 2
      try train(request, in: folder.appending(path: "first"))
      request.below = folder.appending(path: "first/last.safetensors").path
      request.hidden = 7
      try train(request, in: folder.appending(path: "second"))
      let file = folder.appending(path: "second/last.safetensors")
      let model = try ModelFile.read(from: file)
      #expect(model.parameters["level2/weight"]?.shape == [24, 7])
      #expect(
        model.parameters["level1/weight"]
          == (try ModelFile.read(from: folder.appending(path: "first/last.safetensors")))
          .parameters["level1/weight"])
      var draw = GenerateRunRequest()
      (draw.model, draw.count, draw.gibbsSteps) = (file.path, 3, 5)
      draw.output = folder.appending(path: "drawn").path
      #expect(try GenerateRun.run(draw, in: JobPlace()).files.count == 3)
      draw.showsFilters = true
      draw.output = folder.appending(path: "filters.png").path
      #expect(try GenerateRun.run(draw, in: JobPlace()).files.count == 1)
    }
  }

  @Test("machines become a classifier, whose run goes on after an interrupt in a machine")
  func belief() throws {
    try withScratchFolder { folder in
      let data = try makeBars(in: folder)
      var request = BeliefTrainingRequest(data: data.path)
      request.form = PictureForm(width: 6, height: 6, mode: .gray)
      (request.widths, request.machineEpochs, request.holdOut) = ([20, 16], 2, 24)
      (request.recipe.batch, request.recipe.epochs) = (12, 80)
      (request.visibleDropout, request.hiddenDropout) = (0, 0.1)
      request.recipe.learningRate = 0.02
      func run(_ name: String, isResuming: Bool = false, machineUntil: Int? = nil) throws {
        let interrupt = InterruptFlag()
        var place = JobPlace(interrupt: interrupt) { event in
          guard case .training(.step(let report)) = event, report.step == machineUntil else {
            return
          }
          interrupt.raise()
        }
        var words = RunPlace()
        (words.run, words.resume) = (folder.appending(path: name).path, isResuming)
        place.run = words
        // The machines hold out 1000 pictures by default; bars are fewer.
        _ = try BeliefTraining.run(request, in: place)
      }
      try run("whole")
      try run("parts", machineUntil: 5)
      #expect(
        !FileManager.default.fileExists(
          atPath: folder.appending(path: "parts/last.safetensors").path))
      try run("parts", isResuming: true)
      let models = try ["whole", "parts"].map {
        try ModelFile.read(from: folder.appending(path: "\($0)/last.safetensors"))
      }
      #expect(models[0].parameters == models[1].parameters)
      #expect(try #require(models[0].information.figures["accuracy"]) > 0.9)
    }
  }
}
