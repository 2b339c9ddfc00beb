// The course's workshop: games and their learners, text by characters, ensembles, features in files.

import AtelierClassification
import AtelierCourse
import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierInterchange
import AtelierKernels
import AtelierTraining
import AtelierWorkbench
import AtelierZoo
import Foundation
import TestSupport
import Testing

/// A place without a terminal, with a run folder where asked for.
private func place(_ run: URL? = nil, resume: Bool = false) -> JobPlace {
  var place = JobPlace(kernels: Kernels(), interrupt: InterruptFlag()) { _ in }
  if let run {
    var own = RunPlace()
    (own.run, own.resume) = (run.path, resume)
    place.run = own
  }
  return place
}

@Suite("Course", .serialized)
struct CourseTests {
  @Test(
    "a game is learnt a little, its pictures and model are there; the same seed, the same figures")
  func playing() throws {
    try withScratchFolder { folder in
      for (game, learner) in [("catch", "dqn"), ("maze", "policy")] {
        func play(_ name: String) throws -> PlayReport {
          let request = try PlayRequest(words: [
            "game": [game], "learner": [learner], "rounds": ["120"], "games": ["60"],
            "output": [folder.appending(path: name).path], "seed": ["3"],
          ])
          return try #require(try CoursePlay.run(request, in: place()).value as? PlayReport)
        }
        let (first, second) = (try play("a"), try play("b"))
        #expect(first.won == second.won && first.meanReturn == second.meanReturn)
        #expect(first.played == second.played && first.rounds == 120)
        #expect((0...1).contains(first.won) && (0...1).contains(first.wonBefore))
        let curves = try ImageFile.read(folder.appending(path: "a/curves.png").path)
        #expect(curves.width == 960)
        let model = try ModelFile.read(from: folder.appending(path: "a/model.safetensors"))
        #expect(model.information.task == "play" && model.information.training["game"] == game)
      }
    }
  }

  @Test("a text is learnt and written on in characters that it has, the same with the same seed")
  func text() throws {
    try withScratchFolder { folder in
      let page = folder.appending(path: "page.txt")
      let lines = String(repeating: "ab cab cab\n", count: 120)
      try Data(lines.utf8).write(to: page)
      let out = folder.appending(path: "out").path
      let request = try TextRequest(words: [
        "in": [page.path], "output": [out], "units": ["24"], "length": ["12"], "batch": ["8"],
        "steps": ["150"], "learning-rate": ["0.02"], "count": ["40"], "temperature": ["0"],
      ])
      let learnt = try #require(try CourseText.run(request, in: place()).value as? TextReport)
      // Five characters by lot would be 2.3 bits; the text has one way to go on.
      #expect(try #require(learnt.bits) < 0.6)
      #expect(learnt.text.count == 40 && learnt.text.allSatisfy { "abc \n".contains($0) })
      let again = try TextRequest(words: [
        "model": ["\(out)/model.safetensors"], "count": ["40"], "temperature": ["0"],
      ])
      let written = try #require(try CourseText.run(again, in: place()).value as? TextReport)
      #expect(written.text == learnt.text)
      let daring = try TextRequest(words: [
        "model": ["\(out)/model.safetensors"], "temperature": ["5"], "count": ["200"],
      ])
      let other = try #require(try CourseText.run(daring, in: place()).value as? TextReport)
      #expect(other.text.count == 200 && other.text.hasPrefix(learnt.text) == false)
      #expect(
        errorLine {
          let words = ["model": ["\(out)/model.safetensors"], "prompt": ["ZZ"]]
          _ = try CourseText.run(TextRequest(words: words), in: place())
        } == "the model knows no character of the beginning 'ZZ'")
      try Data([0xFF, 0xFE, 0x00]).write(to: page)
      #expect(
        errorLine { _ = try CourseText.run(request, in: place()) }
          == "\(page.path): expected a text in UTF-8")
    }
  }

  @Test("a model that reads histograms takes pictures, also from its file, and is explained")
  func histograms() throws {
    try withScratchFolder { folder in
      let data = folder.appending(path: "bars")
      try writeBars(in: data, count: 30, seed: 1)
      var request = ClassificationTrainingRequest(data: data.path, network: .linear)
      request.form = PictureForm(width: 16, height: 16, mode: .gray)
      request.features.kind = .hog
      request.recipe.epochs = 12
      request.recipe.batch = 9
      request.recipe.warmUp = 0
      request.recipe.learningRate = 0.02
      let run = folder.appending(path: "run")
      let stop = try ClassificationTraining.run(request, in: run, isResuming: false)
      #expect(try #require(stop.best) > 0.8)
      let model = try ModelFile.read(from: run.appending(path: "best.safetensors"))
      #expect(model.information.preprocessing.contains("histograms of 9 directions"))
      let explainer = try ClassifierExplainer(model)
      #expect(explainer.histograms == OrientedGradients())
      let picture = try ImageFile.read(data.appending(path: "lying/0.png").path)
      let sheet = try ExplanationPictures.sheet(explainer, picture)
      #expect(sheet.sheet.width > 4 * 160)
    }
  }

  @Test("members of an ensemble learn from pictures of their own; a resumed one tells the same")
  func ensembles() throws {
    try withScratchFolder { folder in
      let data = folder.appending(path: "bars")
      try writeBars(in: data, count: 30, seed: 2)
      let words: FieldWords = [
        "data": [data.path], "networks": ["linear,shallow"], "ensemble": ["3"], "bagging": [""],
        "size": ["16x16"], "gray": [""], "epochs": ["2"], "batch": ["9"], "hold-out": ["20"],
      ]
      let run = folder.appending(path: "three")
      var own = RunPlace()
      own.run = run.path
      let (job, shared) = try #require(try ClassificationTraining.handOver(words, in: own))
      #expect(job.path == "classify ensemble")
      func train(resume: Bool) throws -> EnsembleReport {
        own.resume = resume
        let request = try job.request(resume ? [:] : shared, in: own)
        let typed = try #require(request as? ClassificationTrainingRequest)
        func perform<Work: Job>(_ work: Work.Type) throws -> Report {
          let request = try #require(typed as? Work.Request)
          return try work.run(request, in: place(run, resume: resume))
        }
        return try #require(try perform(job).value as? EnsembleReport)
      }
      let first = try train(resume: false)
      #expect(first.members.map(\.network) == ["linear", "shallow", "linear"])
      #expect(abs(first.gain - (first.ensemble - first.mean)) < 1e-12)
      let classifier = try Classifier(
        first.members.map { try ModelFile.read(from: URL(fileURLWithPath: $0.model)) })
      #expect(classifier.models.count == 3)
      let handed = try #require(
        try ClassificationTraining.handOver(
          [:],
          in: {
            own.resume = true
            return own
          }()))
      #expect(handed.job.path == "classify ensemble")
      let second = try train(resume: true)
      #expect(second.ensemble == first.ensemble && second.members == first.members)
    }
  }

  @Test("kernels as patterns: the map is strongest where the pattern is")
  func patterns() throws {
    try withScratchFolder { folder in
      var picture = ByteImage(width: 24, height: 20, channels: 1)
      for y in 6...8 { picture[15, y, 0] = 255 }
      let file = folder.appending(path: "bar.png").path
      try ImageFile.write(picture, to: file)
      let request = try FilterRequest(words: [
        "in": [file], "output": [folder.appending(path: "map.png").path], "detect": [""],
        "kernel": ["0,1,0;0,1,0;0,1,0", "edges"],
      ])
      let report = try FilterWorkshop.run(request, in: place())
      let text = report.blocks.map { block in
        if case .table(let table) = block { table.text } else { "" }
      }.joined()
      #expect(text.contains("0,1,0;0,1,0;0,1,0  15  7     3.000  100.0 %"), "\(text)")
      #expect(try ImageFile.read(folder.appending(path: "map.png").path).channels == 3)
    }
  }

  @Test("16 bits and transparency go through a filter, and halves of words are told")
  func deepFilter() throws {
    try withScratchFolder { folder in
      let words = WordImage(
        width: 3, height: 1, channels: 2, samples: [1000, 9, 2000, 500, 65535, 65535])
      let file = folder.appending(path: "deep.png").path
      try ImageFile.write(words, to: file)
      let out = folder.appending(path: "out.png").path
      let request = try FilterRequest(words: [
        "in": [file], "output": [out], "kernel": ["0.5,0.5"], "offset": ["0.5"],
        "border": ["replicate"],
      ])
      _ = try FilterWorkshop.run(request, in: place())
      guard case .words(let result) = try ImageFile.stored(out) else {
        Issue.record("expected 16 bits")
        return
      }
      // (1000 + 1000) / 2, (1000 + 2000) / 2, (2000 + 65535) / 2, each + 32767.5, halves up.
      #expect(result.samples == [33768, 9, 34268, 500, 65535, 65535])
    }
  }
}
