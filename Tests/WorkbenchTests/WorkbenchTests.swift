// The workbench by a toy workshop: forms into requests and options, stored requests, runs, what front ends see.

import ArgumentParser
import AtelierClassification
import AtelierCommand
import AtelierDatasets
import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierInterchange
import AtelierStudio
import AtelierTraining
import AtelierWorkbench
import AtelierZoo
import Foundation
import TestSupport
import Testing

@Suite(.serialized) struct ToyWorkshopTests {
  init() {
    if !Workshops.all.contains(where: { $0.name == BrightenWorkshop.name }) {
      Workshops.register(BrightenWorkshop.self)
    }
  }

  @Test func everyFrontEndSeesIt() throws {
    let described = StudioDescription(Workshops.all)
    let shop = try #require(described.workshops.first { $0.name == "brighten" })
    #expect(shop.jobs.map(\.name) == ["run", "train"])
    let fields = shop.jobs[1].fields
    #expect(
      fields.map(\.name) == [
        "factor", "batch", "learning-rate", "steps", "minutes", "validate-every", "seed",
      ])
    #expect(fields[0].help == "By how much pictures are brightened (default: 2).")
    #expect(fields[0].kind == "number" && fields[0].range == "a number above 0")
    #expect(fields.filter(\.isChangeable).map(\.name) == ["steps", "minutes", "validate-every"])
    let help = AtelierTool.helpMessage(for: JobCommand<BrightenTraining>.self)
    for field in fields { #expect(help.contains("--\(field.name)")) }
    #expect(help.contains("--run <folder>") && help.contains("--check"))
  }

  @Test func theCommandLineMakesItsRequest() throws {
    try withScratchFolder { folder in
      let run = folder.appending(path: "run").path
      let words = ["brighten", "train", "--run", run, "--factor", "3", "--steps", "7", "--check"]
      let command = try AtelierTool.parseAsRoot(words)
      let training = try #require(command as? JobCommand<BrightenTraining>)
      let request = try training.request()
      #expect(request.factor == 3 && request.steps == 7 && request.batch == 16)
      #expect(try request.json().contains("\"factor\" : 3"))
      for (words, expected) in [
        (["--factor", "0"], "--factor takes a number above 0; received 0.0"),
        (["--factor", "x"], "The value 'x' is invalid for '--factor <x>': expected a number"),
        (["--batch", "0"], "--batch takes at least 1; received 0"),
      ] {
        let text = errorLine {
          _ = try AtelierTool.parseAsRoot(["brighten", "train", "--run", run] + words)
        }
        #expect(text?.contains(expected) == true, "\(text ?? "")")
      }
      #expect(
        errorLine {
          let words = ["brighten", "train", "--run", run]
          _ = try (AtelierTool.parseAsRoot(words) as? JobCommand<BrightenTraining>)?.request()
        } == "a training needs a limit: give --steps or --minutes")
    }
  }

  @Test func itTrainsResumesAndRuns() throws {
    try withScratchFolder { folder in
      func train(_ words: [String]) throws {
        var command = try AtelierTool.parseAsRoot(["brighten", "train", "--quiet"] + words)
        try command.run()
      }
      let (whole, parts) = (
        folder.appending(path: "whole").path, folder.appending(path: "parts").path
      )
      let events = folder.appending(path: "events.jsonl")
      try train(["--run", whole, "--steps", "120", "--events", events.path])
      try train(["--run", parts, "--steps", "120"])
      let model = try ModelFile.read(from: URL(fileURLWithPath: whole + "/best.safetensors"))
      #expect(abs((model.parameters["factor/weight"]?.elements[0] ?? 0) - 2) < 0.05)
      let about = try String(contentsOfFile: whole + "/about.json", encoding: .utf8)
      #expect(about.contains("\"job\" : \"brighten train\""))
      let log = try String(contentsOf: events, encoding: .utf8).split(separator: "\n")
      for event in ["started", "step", "validated", "improved", "saved", "stopped"] {
        #expect(log.contains { $0.contains("\"event\":\"\(event)\"") }, "\(event)")
      }
      // The rate of a cosine depends on the goal, so a run that goes on is compared with one of the same words.
      for run in [whole, parts] { try train(["--run", run, "--resume", "--steps", "200"]) }
      #expect(
        try Data(contentsOf: URL(fileURLWithPath: whole + "/last.safetensors"))
          == Data(contentsOf: URL(fileURLWithPath: parts + "/last.safetensors")))
      #expect(
        errorLine { try train(["--run", whole, "--resume", "--factor", "3"]) }
          == "--resume goes on with the run's own settings; leave out --factor")
      let picture = ByteImage(
        width: 5, height: 4, channels: 1, samples: [UInt8](repeating: 60, count: 20))
      let (dark, bright) = (
        folder.appending(path: "dark.png"), folder.appending(path: "bright.png")
      )
      try ImageFile.write(picture, to: dark)
      var command = try AtelierTool.parseAsRoot([
        "brighten", dark.path, "-o", bright.path, "--model", whole + "/best.safetensors", "-q",
      ])
      try command.run()
      #expect((115...125).contains(try ImageFile.read(bright).samples[7]))
    }
  }
}

@Suite struct StoredRequestTests {
  @Test func olderFilesAreReadAsTheyWereMeant() throws {
    // As version 0.1 stored it: nil has no key, and what came later has none either.
    let old = Data(
      """
      {"data": "set", "network": "lenet", "batch": 64, "steps": 9, "augmentation": {"shift": 2},
       "optimizer": {"sgd": {"momentum": 0.9, "nesterov": true, "weightDecay": 0, "dampening": 0}}}
      """.utf8)
    let read: ClassificationTrainingRequest = try StoredRequest.read(old, isComplete: false)
    #expect(read.data == "set" && read.network == .lenet && read.batch == 64 && read.steps == 9)
    #expect(read.epochs == nil, "the default of 10 epochs was not asked for")
    #expect(read.augmentation.shift == 2 && read.augmentation.zoom == 0)
    #expect(read.optimizer == .sgd(momentum: 0.9, nesterov: true))
    #expect(read.learningRate == 1e-3 && read.warmUp == 100 && read.smoothing == 0)
    // A complete file says nil; what it lacks is newer than it and takes its default.
    let newer: ClassificationTrainingRequest = try StoredRequest.read(old, isComplete: true)
    #expect(newer.epochs == 10)
  }

  @Test func requestsSurviveTheirJSON() throws {
    var request = ClassificationTrainingRequest(data: "a/b", network: .resnet20)
    (request.epochs, request.minutes, request.seed) = (nil, 2.5, UInt64(1) << 63)
    request.classNames = ["x", "y"]
    request.augmentation.isFlipped = true
    let data = Data(try request.json().utf8)
    #expect(try StoredRequest.read(data, isComplete: true) == request)
    for key in ["\"epochs\" : null", "\"batch\" : 128", "\"seed\" : 9223372036854775808"] {
      #expect(String(decoding: data, as: UTF8.self).contains(key), "\(key)")
    }
  }

  @Test(arguments: ["[]", "{\"batch\": \"x\"}", "{\"network\": \"vgg\"}", "{\"paint\": 1}", "{"])
  func whatIsNoRequestIsRefused(_ text: String) {
    #expect(throws: (any Error).self) {
      _ =
        try StoredRequest.read(Data(text.utf8), isComplete: true)
        as ClassificationTrainingRequest
    }
  }

  @Test func wordsOfARequestMakeItAgain() throws {
    let words: FieldWords = [
      "data": ["."], "network": ["lenet-5"], "shift": ["2"], "flip": [""], "gray": [""],
      "size": ["32x48"], "class-names": ["a, b"], "optimizer": ["sgd"], "steps": ["5"],
    ]
    let request = try ClassificationTrainingRequest(words: words)
    let again = ClassificationTrainingRequest.form.words(of: request)
    #expect(again["class-names"] == ["a,b"] && again["size"] == ["32x48"])
    #expect(
      try ClassificationTrainingRequest(words: again.merging(words) { own, _ in own }) == request)
  }

  @Test func `a shard has its share of the batch`() throws {
    var request = ClassificationTrainingRequest(data: ".", network: .lenet)
    (request.recipe.batch, request.recipe.shards) = (12, 4)
    let share = try request.perShard()
    #expect(share.recipe.batch == 3 && share.recipe.shards == 4)
    #expect(share.recipe.batchText == "12 in 4 shards")
    request.recipe.shards = 5
    #expect(
      errorLine { _ = try request.perShard() }
        == "--shards 5: expected a number that divides --batch 12")
    request.recipe.shards = 1
    #expect(try request.perShard() == request)
    #expect(request.recipe.batchText == "12")
  }

  @Test func `missing memory is told apart from damaged data and unwritable files`() throws {
    let errors: [any Error] = [
      ImageError(.noMemory, name: "a.png", expected: "a whole PNG", received: "no memory"),
      StudioError(.noMemory, "a.png: needs much"),
    ]
    for error in errors {
      #expect(ErrorLine.kind(error) == .noMemory)
      let line = try #require(throws: StudioError.self) {
        try PictureJob.writing("a.png") { throw error }
      }
      #expect(line.kind == .noMemory)
    }
    let full = ImageError(.unwritable, name: "a.png", expected: "a file", received: "no space")
    let line = try #require(throws: StudioError.self) {
      try PictureJob.writing("a.png") { throw full }
    }
    #expect(line.kind == .cannotCreate)
  }
}
