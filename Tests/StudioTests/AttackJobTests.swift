// The jobs about noise as any front end calls them: words, run folders of earlier versions, measuring.

import AtelierAdversarial
import AtelierDatasets
import AtelierImages
import AtelierKernels
import AtelierTraining
import AtelierWorkbench
import AtelierZoo
import Foundation
import TestSupport
import Testing

@Suite(.serialized) struct AttackTrainingTests {
  /// The settings that version 0.1 stored.
  private static let common = [
    "data", "victim", "budget", "loss", "holdOut", "batch", "learningRate", "epochs", "steps",
    "minutes", "seed",
  ]
  private static let noise = common + ["network", "goal", "isUniversal", "discriminator"]
  private static let duel =
    common + [
      "classifier", "generator", "balance", "searchShare", "searchSteps", "searchStart",
      "isSearchSmoothed", "ramp", "augmentation", "classifierRate", "averageDecay",
    ]

  /// Leaves of a run folder what version 0.1 wrote: no about.json, no null, no later setting.
  private func makeOlder(_ run: URL, keeping keys: [String]) throws {
    try FileManager.default.removeItem(at: run.appending(path: "about.json"))
    let file = run.appending(path: "configuration.json")
    let stored = try #require(
      try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any])
    let older = stored.filter { keys.contains($0.key) && !($0.value is NSNull) }
    #expect(older.count < stored.count)
    try JSONSerialization.data(withJSONObject: older).write(to: file)
  }

  private func stopping(at step: Int) -> (InterruptFlag, ClosureListener) {
    let interrupt = InterruptFlag()
    let listener = ClosureListener { event in
      if case .step(let report) = event, report.step == step { interrupt.raise() }
    }
    return (interrupt, listener)
  }

  @Test func aNoiseOfAnEarlierVersionGoesOn() throws {
    try withScratchFolder { folder in
      var request = try preparedNoise(folder)
      request.epochs = 2
      request.discriminator = 0.5
      let (whole, parts) = (folder.appending(path: "whole"), folder.appending(path: "parts"))
      _ = try NoiseTraining.run(request, in: whole, isResuming: false)
      let (interrupt, listener) = stopping(at: 5)
      _ = try NoiseTraining.run(
        request, in: parts, isResuming: false, listeners: [listener], interrupt: interrupt)
      try makeOlder(parts, keeping: Self.noise)
      try goOn(parts, isDuel: false)
      for name in ["last.safetensors", "best.safetensors"] {
        #expect(
          try Data(contentsOf: whole.appending(path: name))
            == Data(contentsOf: parts.appending(path: name)), "\(name)")
      }
    }
  }

  @Test func aDuelOfAnEarlierVersionGoesOn() throws {
    try withScratchFolder { folder in
      let noise = try preparedNoise(folder)
      var request = DuelRequest(data: noise.data)
      request.victim = noise.victim
      request.budget = noise.budget
      (request.batch, request.holdOut, request.epochs, request.ramp) = (10, 20, 2, 10)
      (request.searchShare, request.searchSteps) = (0.5, 2)
      let (whole, parts) = (folder.appending(path: "whole"), folder.appending(path: "parts"))
      _ = try DuelTraining.run(request, in: whole, isResuming: false)
      let (interrupt, listener) = stopping(at: 5)
      _ = try DuelTraining.run(
        request, in: parts, isResuming: false, listeners: [listener], interrupt: interrupt)
      try makeOlder(parts, keeping: Self.duel)
      try goOn(parts, isDuel: true)
      for name in ["last.safetensors", "best.safetensors", DuelTraining.generatorFile] {
        #expect(
          try Data(contentsOf: whole.appending(path: name))
            == Data(contentsOf: parts.appending(path: name)), "\(name)")
      }
    }
  }

  /// Goes on as a front end does, which finds out what the run is, also once it says so itself.
  private func goOn(_ run: URL, isDuel: Bool) throws {
    var place = RunPlace()
    (place.run, place.resume) = (run.path, true)
    let other = try NoiseTraining.handOver([:], in: place)
    #expect((other?.job is DuelTraining.Type) == isDuel)
    var job = JobPlace()
    job.run = place
    let report =
      isDuel
      ? try DuelTraining.run(DuelTraining.request([:], in: place), in: job)
      : try NoiseTraining.run(NoiseTraining.request([:], in: place), in: job)
    #expect(report.continuation == nil && report.fault == nil)
    let about = try String(contentsOf: run.appending(path: "about.json"), encoding: .utf8)
    #expect(about.contains("\"attack train" + (isDuel ? " --antagonist\"" : "\"")))
    #expect((try NoiseTraining.handOver([:], in: place) != nil) == isDuel)
    let line = errorLine {
      if let other = try NoiseTraining.handOver(["universal": [""]], in: place) {
        Issue.record("\(other)")
      }
      _ = try NoiseTraining.request(["antagonist": [""]], in: place)
    }
    let word = isDuel ? "universal" : "antagonist"
    #expect(line == "--resume goes on with the run's own settings; leave out --\(word)")
  }

  /// What both trainings are told reaches the one that counts, and comes back as words.
  @Test func wordsMakeTheRequestThatCounts() throws {
    try withScratchFolder { folder in
      let noise = try preparedNoise(folder)
      var place = RunPlace()
      place.run = folder.appending(path: "new").path
      var words: FieldWords = [
        "data": [noise.data], "victim": [noise.victim], "epsilon": ["1.5"], "l2": [""],
        "loss": ["ce"], "network": ["unet"], "shift": ["2"], "least-likely": [""],
      ]
      #expect(try NoiseTraining.handOver(words, in: place) == nil)
      let frozen = try NoiseTraining.request(words, in: place)
      #expect(frozen.budget == .two(1.5) && frozen.loss == .crossEntropy(limit: 20))
      #expect(frozen.goal == .leastLikely && frozen.network == .unet && frozen.epochs == 4)
      words["loss"] = ["ce:20"]
      #expect(NoiseTrainingRequest.form.words(of: frozen) == words)
      words["least-likely"] = nil
      words["epsilon"] = nil
      words.merge(["antagonist": [""], "steps": ["7"], "pgd-epsilon": ["51/255"]]) { $1 }
      let other = try #require(try NoiseTraining.handOver(words, in: place))
      #expect(other.job is DuelTraining.Type)
      let duel = try DuelTraining.request(other.words, in: place)
      #expect(duel.budget == .two(2) && duel.generator == .unet && duel.augmentation.shift == 2)
      #expect(duel.epochs == nil && duel.steps == 7 && duel.warmUp == 100)
      words["antagonist"] = nil
      words.merge(["pgd-epsilon": ["0.2"], "epsilon": ["2"], "loss": ["ce:20"]]) { $1 }
      #expect(DuelRequest.form.words(of: duel) == words)
    }
  }

  @Test func attacksAndLossesAreWords() throws {
    for word in [
      "random", "fgsm", "pgd-20", "pgd-20x3", "pgd-20x3-mixed", "pgd-7-smooth",
      "pgd-7-squares-smooth", "cw-5x100", "square-1000",
    ] {
      #expect(try Attack(word: word).word == word)
    }
    #expect(
      try Attack(word: "cw").word == "cw-5x100" && Attack(word: "square").word == "square-1000")
    for word in ["pgd", "pgd-0", "pgd-x3", "cw-5", "square-1x1", "random-1", "", "fgsm-smooth"] {
      #expect(throws: FieldError.self, "\(word)") { try Attack(word: word) }
    }
    #expect(try AttackLoss(word: "margin:2.5").word == "margin:2.5")
    #expect(try AttackLoss(word: "margin").word == "margin:5")
    #expect(try AttackLoss(word: "ce:7").word == "ce:7")
    for word in ["", "ce:", "ce:-1", "margin:1:2", "l2"] {
      #expect(throws: FieldError.self, "\(word)") { try AttackLoss(word: word) }
    }
  }
}

@Suite struct AttackEvaluateTests {
  /// The whole experiment without a command line: rows for programs, tables for people, a plot.
  @Test func anyFrontEndCanMeasureAttacks() throws {
    try withScratchFolder { folder in
      let noise = try preparedNoise(folder)
      var request = AttackEvaluateRequest()
      (request.victim, request.data) = ([noise.victim], noise.data)
      request.attacks = [.fgsm, .pgd(steps: 3, restarts: 1)]
      request.epsilon = [0.02, 0.1]
      request.first = 10
      request.isPerClass = true
      request.plot = folder.appending(path: "plot.png").path
      var remarks: [String] = []
      var saved: [String] = []
      var done: Set<Int> = []
      let place = JobPlace { event in
        switch event {
        case .remark(let text): remarks.append(text)
        case .saved(let file): saved.append(file)
        case .progress(let progress): done.insert(progress.done)
        default: break
        }
      }
      let report = try AttackEvaluate.run(request, in: place)
      let value = try report.value.map { try JSONText.data($0) } ?? Data()
      let object = try #require(try JSONSerialization.jsonObject(with: value) as? [String: Any])
      let rows = try #require(object["rows"] as? [[String: Any]])
      let figures = rows.compactMap { ($0["report"] as? [String: Any])?["success"] as? Double }
      #expect(figures == [0, 1, 0, 1] && rows.allSatisfy { $0["generator"] == nil })
      let measured = remarks.filter { $0.hasSuffix(" %") }
      #expect(measured.count == 4 && measured[1].hasSuffix(": FGSM at 0.1: 100.00 %"))
      #expect(done == [10] && saved == report.files && saved.count == 1)
      let tables = report.blocks.compactMap {
        if case .table(let table) = $0 { table } else { nil }
      }
      #expect(tables.map(\.rows.count) == [5, 11, 11, 11, 11])
    }
  }
}
