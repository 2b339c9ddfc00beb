// Generators: whose weights each side moves, what is measured, ways between codes, tiny trainings,
// resumed bytes.

import AtelierAdversarial
import AtelierClassification
import AtelierDatasets
import AtelierEngine
import AtelierFiles
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

@Suite(.serialized) struct GenerationTests {
  private let architecture = GeneratorArchitecture(
    .dcgan, height: 16, width: 16, channels: 1, latent: 6, filters: 4)

  /// A folder of class folders with gray pictures of 16×16: bright below, or bright to the left.
  private func makeClasses(in folder: URL, count: Int = 24) throws -> URL {
    let data = folder.appending(path: "data")
    for (name, isBelow) in [("below", true), ("left", false)] {
      let place = data.appending(path: name)
      try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
      for index in 0..<count {
        let samples = (0..<256).map { place -> UInt8 in
          let isBright = isBelow ? place / 16 >= 8 : place % 16 < 8
          return UInt8((isBright ? 200 : 20) + (index * 7 + place) % 30)
        }
        try ImageFile.write(
          ByteImage(width: 16, height: 16, channels: 1, samples: samples),
          to: place.appending(path: String(format: "%03d.png", index)))
      }
    }
    return data
  }

  @Test("each side moves its own network alone", arguments: AdversarialGame.allCases)
  func ownWeights(game: AdversarialGame) throws {
    for normalization in CriticNormalization.allCases {
      for classes in [0, 3] {
        var architecture = architecture
        architecture.classes = classes
        var sides = PictureGame(architecture, game, normalization: normalization, batch: 4)
        if normalization == .none { (sides.slopePenalty, sides.realPenalty) = (10, 1) }
        sides.changes = PictureChange.allCases
        let (critic, generator) = (try sides.criticStep(), try sides.generatorStep())
        func moved(_ graph: Graph) -> Set<String> {
          Set(graph.parameterGradients.map { graph.parameters[$0.parameter].name })
        }
        #expect(moved(critic).allSatisfy { $0.hasPrefix("critic/") })
        #expect(moved(critic).contains("critic/down1/weight"))
        #expect(moved(generator).allSatisfy { !$0.hasPrefix("critic/") })
        #expect(moved(generator).contains("seed/weight"))
        #expect((critic.input(named: "label") != nil) == (classes > 0))
        #expect((critic.output(named: "penalty") != nil) == (normalization == .none))
        #expect(critic.input(named: "real_mask") != nil)
        try critic.validate()
        try generator.validate()
      }
    }
  }

  @Test("losses of verdicts are those of the papers")
  func losses() throws {
    let (real, drawn): ([Float], [Float]) = ([2, -0.5], [1, -3])
    func values(_ game: AdversarialGame, _ smoothing: Float = 0) throws -> [Float] {
      let graph = try Graph.trace { builder in
        let (r, d) = (builder.input("real", [2, 1]), builder.input("drawn", [2, 1]))
        builder.output("judge", game.judgeLoss(real: r, drawn: d, smoothing: smoothing))
        builder.output("drawer", game.drawerLoss(d))
      }
      let program = try Program(graph, parameters: ParameterStore(for: [graph], seed: 0))
      try program.setInput("real", Tensor([2, 1], real))
      try program.setInput("drawn", Tensor([2, 1], drawn))
      try program.run()
      return [try program.scalar("judge"), try program.scalar("drawer")]
    }
    func mean(_ values: [Float], _ body: (Float) -> Float) -> Float {
      values.reduce(0) { $0 + body($1) } / Float(values.count)
    }
    func softplus(_ x: Float) -> Float { log1p(exp(x)) }
    expectClose(
      try values(.nonSaturating, 0.1),
      [
        mean(real) { 0.9 * softplus(-$0) + 0.1 * softplus($0) } + mean(drawn, softplus),
        mean(drawn) { softplus(-$0) },
      ], tolerance: 1e-6)
    expectClose(
      try values(.leastSquares),
      [
        0.5 * mean(real) { ($0 - 1) * ($0 - 1) } + 0.5 * mean(drawn) { $0 * $0 },
        mean(drawn) { ($0 - 1) * ($0 - 1) },
      ], tolerance: 1e-6)
    expectClose(
      try values(.hinge),
      [mean(real) { max(0, 1 - $0) } + mean(drawn) { max(0, 1 + $0) }, -mean(drawn) { $0 }],
      tolerance: 1e-6)
    expectClose(
      try values(.wasserstein), [mean(drawn) { $0 } - mean(real) { $0 }, -mean(drawn) { $0 }],
      tolerance: 1e-6)
  }

  @Test("Frechet's distance of known distributions")
  func frechet() {
    // Corners of boxes: mean and covariance are exact.
    func box(_ center: [Float], _ half: [Float]) -> FeatureStatistics {
      let rows = (0..<8).flatMap { corner in
        (0..<3).map { center[$0] + (corner >> $0 & 1 == 0 ? -half[$0] : half[$0]) }
      }
      return FeatureStatistics(Tensor([8, 3], rows), kernels: Kernels())
    }
    let first = box([0, 1, 2], [1, 2, 3])
    let second = box([1, 1, 0], [2, 2, 1])
    // Deviations are half · √(8/7).
    let expected: Double = 5 + 40.0 / 7
    #expect(abs(first.frechetDistance(to: second) - expected) < 1e-6)
    #expect(first.frechetDistance(to: first) < 1e-6)
    // A direction without any spread is no fault.
    let flat = box([0, 1, 2], [1, 0, 3])
    let width: Double = 32.0 / 7
    #expect(abs(flat.frechetDistance(to: first) - width) < 1e-6)
  }

  @Test("precision and recall tell samples off the data from data without samples")
  func precisionAndRecall() {
    var generator = RandomGenerator(seed: 3)
    func cloud(_ count: Int, _ center: Float) -> [Float] {
      (0..<2 * count).map { _ in center + generator.uniform(-1...1) }
    }
    let real = Tensor([200, 2], cloud(100, 0) + cloud(100, 50))
    // Only one of the two clouds is drawn, and a quarter of the samples lies nowhere near.
    let drawn = Tensor([200, 2], cloud(150, 0) + cloud(50, -70))
    let found = SampleMeasures.precisionAndRecall(drawn, real, kernels: Kernels())
    #expect(found.precision > 0.65 && found.precision <= 0.75)
    #expect(found.recall > 0.4 && found.recall <= 0.5)
    let same = SampleMeasures.kernelDistance(drawn, real, block: 100, kernels: Kernels())
    let none = SampleMeasures.kernelDistance(real, real, block: 100, kernels: Kernels())
    #expect(same > 1 && none <= 0)
    let near = SampleMeasures.nearest(
      Tensor([1, 2], [0, 0]), in: Tensor([3, 2], [3, 4, 1, 0, -2, 0]), count: 2,
      kernels: Kernels())
    #expect(near[0].map(\.index) == [1, 2] && near[0].map(\.distance) == [1, 4])
  }

  @Test("sums of codes read themselves")
  func sums() throws {
    let sum = try LatentSum(word: "1,4,9-2,3+7")
    #expect(sum.terms.map(\.numbers) == [[1, 4, 9], [2, 3], [7]])
    #expect(sum.terms.map(\.isNegative) == [false, true, false])
    #expect(sum.word == "1,4,9-2,3+7")
    for wrong in ["", "1,,2", "a", "1+", "-", "1 2"] {
      #expect(throws: FieldError.self, "\(wrong)") { _ = try LatentSum(word: wrong) }
    }
  }

  @Test("the way along the sphere keeps its length, and begins and ends where it is told")
  func sphere() {
    let (a, b): ([Float], [Float]) = ([3, 0, 0, 4], [0, 5, 0, 0])
    let way = GenerateInterpolate.path([a, b], between: 3, isStraight: false)
    #expect(way.shape == [5, 4])
    let rows = (0..<5).map { Array(way.elements[4 * $0..<4 * $0 + 4]) }
    #expect(rows[4] == b)
    expectClose(rows[0], a, tolerance: 1e-6)
    for row in rows {
      expectClose([row.reduce(0) { $0 + $1 * $1 }.squareRoot()], [5], tolerance: 1e-5)
    }
    let straight = GenerateInterpolate.path([a, b], between: 1, isStraight: true)
    #expect(Array(straight.elements[4..<8]) == [1.5, 2.5, 0, 2])
  }

  private func request(_ data: URL) -> GenerationTrainingRequest {
    var request = GenerationTrainingRequest(data: data.path)
    request.form = PictureForm(width: 16, height: 16, mode: .gray)
    (request.latent, request.filters, request.watched) = (6, 4, 64)
    (request.batch, request.epochs, request.steps) = (8, nil, 12)
    request.validationInterval = 6
    request.averageDecay = 0.9
    return request
  }

  @Test("a training that is interrupted goes on to the same bytes, whatever is played")
  func resumed() throws {
    try withScratchFolder { folder in
      let data = try makeClasses(in: folder)
      for (name, change) in [
        ("conditional", { $0.isConditional = true }),
        ("wasserstein", { ($0.game, $0.criticSteps) = (.wasserstein, 2) }),
        ("hinge", { ($0.game, $0.changes) = (.hinge, PictureChange.allCases) }),
        ("vae", { $0.network = .vae }),
      ] as [(String, (inout GenerationTrainingRequest) -> Void)] {
        var request = request(data)
        change(&request)
        func train(_ name: String, isResuming: Bool, until: Int?) throws {
          let interrupt = InterruptFlag()
          let listener = ClosureListener { event in
            if case .step(let report) = event, report.step == until { interrupt.raise() }
          }
          try GenerationTraining.run(
            request, in: folder.appending(path: name), isResuming: isResuming,
            listeners: [listener], interrupt: interrupt)
        }
        try train("\(name)-whole", isResuming: false, until: nil)
        try train("\(name)-parts", isResuming: false, until: 7)
        try train("\(name)-parts", isResuming: true, until: nil)
        let models = try ["whole", "parts"].map {
          try ModelFile.read(
            from: folder.appending(path: "\(name)-\($0)/last.safetensors"))
        }
        #expect(models[0].parameters == models[1].parameters, "\(name)")
        #expect(models[0].information.task == "generate")
        let preview = folder.appending(path: "\(name)-whole/previews/step-0000012.png")
        #expect(FileManager.default.fileExists(atPath: preview.path))
      }
    }
  }

  @Test("what was trained draws tables, single pictures, sums and ways")
  func drawn() throws {
    try withScratchFolder { folder in
      let data = try makeClasses(in: folder)
      var request = request(data)
      request.isConditional = true
      let run = folder.appending(path: "run")
      try GenerationTraining.run(request, in: run, isResuming: false)
      let model = run.appending(path: "last.safetensors").path
      func draw(_ name: String, _ change: (inout GenerateRunRequest) -> Void) throws -> Report {
        var request = GenerateRunRequest()
        (request.model, request.output) = (model, folder.appending(path: name).path)
        change(&request)
        return try GenerateRun.run(request, in: JobPlace())
      }
      let single = try draw("single") { $0.count = 5 }
      #expect(
        single.files.map { ($0 as NSString).lastPathComponent } == [
          "00000-below.png", "00001-left.png", "00002-below.png", "00003-left.png",
          "00004-below.png",
        ])
      let again = try draw("again") { ($0.numbers, $0.className) = ([3], "left") }
      #expect(
        try ImageFile.read(URL(fileURLWithPath: again.files[0]))
          == ImageFile.read(URL(fileURLWithPath: single.files[3])))
      _ = try draw("table.png") { $0.count = 6 }
      let classes = try ImageFile.read(
        URL(fileURLWithPath: draw("classes.png") { $0.isByClass = true }.files[0]))
      #expect(classes.height >= 2 * 16 && classes.width >= 8 * 16)
      _ = try draw("sum.png") { $0.sum = try? LatentSum(word: "1-2+3") }
      #expect(throws: StudioError.self) { try draw("x.png") { $0.className = "right" } }
      var way = GenerateInterpolateRequest()
      (way.model, way.output) = (model, folder.appending(path: "way").path)
      (way.numbers, way.between) = ([0, 1], 2)
      #expect(try GenerateInterpolate.run(way, in: JobPlace()).files.count == 4)
    }
  }

  @Test("an evaluation measures, and training pictures measured as drawn ones are at no distance")
  func evaluated() throws {
    try withScratchFolder { folder in
      let data = try makeClasses(in: folder, count: 40)
      var request = GenerateEvaluateRequest()
      request.data = data.path
      request.drawn = data.path
      request.neighbors = folder.appending(path: "near.png").path
      let report = try GenerateEvaluate.run(request, in: JobPlace())
      let text = try JSONText.pretty(JSONEntries([("report", report.value)]))
      #expect(text.contains("\"precision\" : 1"))
      #expect(text.contains("\"recall\" : 1"))
      #expect(report.files.count == 1)
    }
  }

  @Test("few and wrong pictures are told in one line")
  func mistakes() throws {
    try withScratchFolder { folder in
      let data = try makeClasses(in: folder)
      var small = request(data)
      small.form = PictureForm(width: 18, height: 16, mode: .gray)
      #expect {
        try GenerationTraining.run(small, in: folder.appending(path: "a"), isResuming: false)
      } throws: { "\($0)".contains("multiples of 4") }
      var plain = request(data.appending(path: "left"))
      plain.isConditional = true
      #expect {
        try GenerationTraining.run(plain, in: folder.appending(path: "b"), isResuming: false)
      } throws: { "\($0)".contains("no classes to ask for") }
      #expect(!FileManager.default.fileExists(atPath: folder.appending(path: "a").path))
    }
  }
}
