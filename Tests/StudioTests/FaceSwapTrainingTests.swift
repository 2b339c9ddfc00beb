// Training of small face swaps: the same bytes after a stop, what each mode moves, clear errors, pictures.

import AtelierDatasets
import AtelierEngine
import AtelierFaceSwap
import AtelierImages
import AtelierInterchange
import AtelierScenery
import AtelierTraining
import AtelierWorkbench
import AtelierZoo
import Foundation
import TestSupport
import Testing

/// Crops of the two fictional people as files, drawn once.
private let people = Result {
  try FictionalCharacter.all.map { character in
    let renderer = CharacterRenderer(character)
    return try (0..<5).map { index in
      var generator = RandomGenerator(seed: 31, UInt64(index))
      return try renderer.render(.random(using: &generator), size: 64)
    }
  }
}

struct FaceSwapTrainingTests {
  /// Writes `a` and `b` into a folder and gives their paths.
  private func crops(in folder: URL) throws -> [String] {
    try zip(["a", "b"], try people.get()).map { name, pictures in
      let place = folder.appending(path: name)
      try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
      for (index, picture) in pictures.enumerated() {
        try ImageFile.write(picture, to: place.appending(path: "\(index).png"))
      }
      return place.path
    }
  }

  private func request(
    _ folder: URL, mode: FaceSwapTrainingRequest.Mode = .joint, steps: Int = 12
  ) throws -> FaceSwapTrainingRequest {
    let paths = try crops(in: folder)
    var request = FaceSwapTrainingRequest(
      a: [paths[0]], b: [paths[1]], network: FaceSwapNetwork(.slim, hasMask: true))
    request.mode = mode
    request.loss = .mixed
    request.batch = 2
    request.warmUp = 2
    request.averageDecay = 0.8
    request.steps = steps
    request.validationInterval = 4
    request.previewInterval = 5
    request.saveInterval = 3
    request.timelapseFaces = 2
    return request
  }

  @discardableResult
  private func train(
    _ request: FaceSwapTrainingRequest, in run: URL, isResuming: Bool = false,
    interruptAfter count: Int? = nil
  ) throws -> (stop: StopReport, errors: [Double]) {
    var errors: [Double] = []
    var made = 0
    let interrupt = InterruptFlag()
    let listener = ClosureListener { event in
      if case .validated(let report) = event { errors.append(report.metrics["mae"] ?? .nan) }
      if case .step = event { made += 1 }
      if made == count { interrupt.raise() }
    }
    let stop = try FaceSwapTraining.run(
      request, in: run, isResuming: isResuming, listeners: [listener], interrupt: interrupt)
    return (stop, errors)
  }

  private func parameters(_ run: URL, _ name: String = "last") throws -> [String: Tensor] {
    try ModelFile.read(from: run.appending(path: "\(name).safetensors")).parameters
  }

  @Test(arguments: [
    (FaceSwapTrainingRequest.Mode.joint, Float(1)), (.joint, 0), (.sequential, 0),
  ])
  func `a training that was stopped ends with the same bytes`(
    _ mode: FaceSwapTrainingRequest.Mode, _ cycleWeight: Float
  ) throws {
    try withScratchFolder { folder in
      var request = try request(folder, mode: mode)
      request.cycleWeight = cycleWeight
      request.cycleStart = 4
      request.eyesMouthPriority = cycleWeight > 0 ? 3 : 1
      let whole = folder.appending(path: "whole")
      let parts = folder.appending(path: "parts")
      try train(request, in: whole)
      // Within the first stage, within the second, and before the end.
      #expect(try train(request, in: parts, interruptAfter: 4).stop.reason == .interrupted)
      try train(request, in: parts, isResuming: true, interruptAfter: 4)
      let last = try train(request, in: parts, isResuming: true).stop
      #expect(last.reason == .finished)
      #expect(last.step == (mode == .joint ? 12 : 6))
      var names = ["last.safetensors", "best.safetensors"]
      names += ["previews/step-0000005.png", "timelapse/0000005.png"]
      if mode == .sequential { names += ["first/last.safetensors", "first/best.safetensors"] }
      for name in names {
        #expect(
          try Data(contentsOf: whole.appending(path: name))
            == Data(contentsOf: parts.appending(path: name)), "\(name)")
      }
      // Going on with what has ended changes nothing; another batch is another run.
      try train(request, in: parts, isResuming: true)
      #expect(try parameters(whole) == parameters(parts))
      request.batch = 3
      let line = errorLine { try train(request, in: parts, isResuming: true) }
      #expect(line?.hasSuffix("configuration.json: the run has batch 2; received 3") == true)
    }
  }

  /// The run folder as version 0.1 left it: no `about.json`, no keys for what is nil or newer, Adam's rule by its beta1 alone.
  private func makeOld(_ run: URL) throws {
    try FileManager.default.removeItem(at: run.appending(path: "about.json"))
    let file = run.appending(path: "configuration.json")
    var stored = try #require(
      try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any])
    for key in ["optimizer", "epochs", "patience", "frozen"] { stored[key] = nil }
    if stored["eyesMouthPriority"] as? Double == 1 { stored["eyesMouthPriority"] = nil }
    stored = stored.filter { !($0.value is NSNull) }
    try JSONSerialization.data(withJSONObject: stored).write(to: file)
  }

  @Test(arguments: [FaceSwapTrainingRequest.Mode.joint, .sequential])
  func `a run folder of an older version is read and goes on to the same bytes`(
    _ mode: FaceSwapTrainingRequest.Mode
  ) throws {
    try withScratchFolder { folder in
      var request = try request(folder, mode: mode)
      // Not what the slim network has by default.
      (request.beta1, request.gradientLimit, request.averageDecay) = (0.5, nil, nil)
      let whole = folder.appending(path: "whole")
      let parts = folder.appending(path: "parts")
      try train(request, in: whole)
      try train(request, in: parts, interruptAfter: 4)
      try makeOld(parts)
      if mode == .sequential { try makeOld(parts.appending(path: "first")) }
      let read = try FaceSwapTraining.request(of: parts)
      #expect(read.beta1 == 0.5 && read.gradientLimit == nil && read.averageDecay == nil)
      #expect(read.eyesMouthPriority == 1 && read.steps == 12 && read.minutes == nil)
      try train(read, in: parts, isResuming: true)
      for name in ["last.safetensors", "best.safetensors"] {
        #expect(
          try Data(contentsOf: whole.appending(path: name))
            == Data(contentsOf: parts.appending(path: name)), "\(name)")
      }
      #expect(FileManager.default.fileExists(atPath: parts.appending(path: "about.json").path))
    }
  }

  @Test func `words become the recipe of their network`() throws {
    let words: FieldWords = ["characters": ["4"], "no-color": [""], "chroma": ["0.2"]]
    let slim = try FaceSwapTrainingRequest(words: words)
    #expect(slim.learningRate == 1e-3 && slim.beta1 == 0.9 && slim.warmUp == 100)
    #expect(slim.augmentation.lightness == 0 && slim.augmentation.chroma == 0)
    let half = try FaceSwapTrainingRequest(
      words: words.merging(["network": ["half"], "loss": ["dssim"]]) { $1 })
    #expect(half.network.design == .half && half.learningRate == 5e-5 && half.decay == .constant)
    #expect(half.optimizer == .adam(beta1: 0.5) && half.averageDecay == nil)
    #expect(half.loss == .dissimilarity)
    let again = FaceSwapTrainingRequest.form.words(of: half)
    #expect(again["loss"] == ["dssim"] && again["no-color"] == [""])
    #expect(try FaceSwapTrainingRequest(words: again) == half)
  }

  @Test func `a place hears the forecast, and the report ends with it`() throws {
    try withScratchFolder { folder in
      var told: [String] = []
      var place = JobPlace { if case .forecast(let text?) = $0 { told.append(text) } }
      var run = RunPlace()
      run.run = folder.appending(path: "run").path
      run.export = folder.appending(path: "out.safetensors").path
      place.run = run
      let report = try FaceSwapTraining.run(request(folder, steps: 3), in: place)
      #expect(told == ["no telling yet when 0.02 is reached"])
      let value = try #require(report.value)
      let text = try JSONText.line(value)
      #expect(text.contains("\"goal\":0.02") && text.contains("\"error\":"))
      let last = folder.appending(path: "run/last.safetensors")
      #expect(
        try Data(contentsOf: last) == Data(contentsOf: URL(fileURLWithPath: run.export ?? "")))
    }
  }

  @Test func `forty steps draw people better, and the pictures are there`() throws {
    try withScratchFolder { folder in
      let run = folder.appending(path: "run")
      let result = try train(request(folder, steps: 40), in: run)
      let (first, last) = try (#require(result.errors.first), #require(result.errors.last))
      print("face swap: error \(first) after 4 steps, \(last) after 40")
      #expect(last < 0.8 * first)
      #expect(result.stop.best == result.errors.min())
      let preview = try ImageFile.read(run.appending(path: "previews/step-0000040.png"))
      #expect(preview.width > 6 * 128 && preview.height > 5 * 128)
      let film = try ImageFile.read(run.appending(path: "timelapse/0000040.png"))
      #expect(film.size == PixelSize(width: 6 * 64, height: 2 * 64))
      let model = try FaceSwapModel(contentsOf: run.appending(path: "best.safetensors"))
      #expect(model.network == FaceSwapNetwork(.slim, hasMask: true))
      let information = model.model.information
      #expect(information.training["a"] == "a, 5 crops", "a name, not a place")
      #expect(information.training["mode"] == "joint")
      #expect(information.figures["mae"] == result.stop.best)
    }
  }

  @Test func `sequential mode leaves encoder and A alone while B learns`() throws {
    try withScratchFolder { folder in
      let run = folder.appending(path: "run")
      try train(request(folder, mode: .sequential), in: run)
      let first = try parameters(run.appending(path: "first"))
      let last = try parameters(run)
      #expect(Set(first.keys) == Set(last.keys))
      for (name, tensor) in last {
        let isMoved = name.hasPrefix(SwapFace.b.parameterPrefix)
        #expect((first[name] != tensor) == isMoved, "\(name)")
      }
      // The first stage did move what it trains, and began with another decoder than B's.
      let start = folder.appending(path: "start")
      try train(request(folder, steps: 0), in: start)
      let untrained = try parameters(start)
      for name in ["encoder/narrow/weight", "a/up1/weight"] {
        #expect(untrained[name] != first[name], "\(name)")
      }
      #expect(untrained["b/up1/weight"] == first["b/up1/weight"])
    }
  }

  @Test func `a given encoder is where it starts, and stays when frozen`() throws {
    try withScratchFolder { folder in
      let source = folder.appending(path: "source")
      try train(request(folder, steps: 3), in: source)
      var request = try request(folder, steps: 3)
      request.seed = 9
      request.encoderFrom = source.appending(path: "last.safetensors").path
      request.freezesEncoder = true
      let frozen = folder.appending(path: "frozen")
      try train(request, in: frozen)
      let (given, kept) = try (parameters(source), parameters(frozen))
      for (name, tensor) in given {
        let isEncoder = name.hasPrefix(FaceSwapNetwork.encoderPrefix)
        #expect((kept[name] == tensor) == isEncoder, "\(name)")
      }
      request.freezesEncoder = false
      let moved = folder.appending(path: "moved")
      try train(request, in: moved)
      let after = try parameters(moved)
      #expect(after["encoder/narrow/weight"] != given["encoder/narrow/weight"])
      // A whole model as the start: no step leaves all of it.
      request.encoderFrom = nil
      request.startFrom = source.appending(path: "last.safetensors").path
      request.steps = 0
      request.network.hasMask = false
      let again = folder.appending(path: "again")
      try train(request, in: again)
      let started = try parameters(again)
      #expect(started == given.filter { !$0.key.contains("/mask/") })
      let card = try ModelFile.read(from: moved.appending(path: "last.safetensors")).information
      #expect(card.training["encoder"] == "given, trained on")
    }
  }

  @Test func `values that are not finite end the training, not the weights`() throws {
    try withScratchFolder { folder in
      var request = try request(folder, steps: 300)
      request.learningRate = 1e38
      request.gradientLimit = nil
      request.loss = .absolute
      let run = folder.appending(path: "run")
      let stop = try train(request, in: run).stop
      #expect(stop.reason == .notFinite)
      for (name, tensor) in try parameters(run) {
        #expect(tensor.elements.allSatisfy { $0.isFinite }, "\(name)")
      }
    }
  }

  @Test func `impossible requests leave one line and no run folder`() throws {
    try withScratchFolder { folder in
      func line(_ change: (inout FaceSwapTrainingRequest) -> Void) throws -> String? {
        var request = try request(folder)
        change(&request)
        let run = folder.appending(path: "run")
        let line = errorLine { try train(request, in: run) }
        #expect(!FileManager.default.fileExists(atPath: run.path))
        return line
      }
      #expect(
        try line { $0.a = [] } == "a face swap needs crops of both people: give --a")
      #expect(
        try line { $0.characterPoses = 3 }
          == "--characters draws both people; leave out --a and --b")
      #expect(
        try line { $0.freezesEncoder = true }
          == "a frozen encoder must come from somewhere: give --encoder-from, too")
      #expect(
        try line {
          $0.mode = .sequential
          $0.cycleWeight = 1
        } == "the cycle needs both decoders at once: --cycle is for joint mode alone")
      #expect(
        try line { $0.eyesMouthPriority = 0.5 }
          == "the priority of eyes and mouth must be in 1...100; received 0.5")
      #expect(
        try line { $0.network = FaceSwapNetwork(.half, side: 128) }
          == "half takes faces of 64 pixels; received 128")
      let denoiser = folder.appending(path: "denoiser.safetensors")
      try ModelFile.write(filterModel(symmetricKernel), to: denoiser)
      let refused = "expected a model of the task face-swap; received one of the task denoise"
      #expect(
        try line { $0.encoderFrom = denoiser.path }?.contains("\(refused) (filter)") == true)
      let wide = folder.appending(path: "wide.safetensors")
      try ModelFile.write(
        try swapModel(FaceSwapNetwork(.slim, side: 128)).model, to: wide)
      #expect(
        try line { $0.encoderFrom = wide.path }?.hasSuffix(
          "expected a model of slim at 64 pixels; received slim at 128") == true)
    }
  }

  @Test func `two characters are drawn for training, and the true swaps are known`() throws {
    try withScratchFolder { folder in
      var request = try request(folder, steps: 4)
      request.a = []
      request.b = []
      request.characterPoses = 4
      request.eyesMouthPriority = 3
      var metrics: [String: Double] = [:]
      let listener = ClosureListener { event in
        if case .validated(let report) = event { metrics = report.metrics }
      }
      let run = folder.appending(path: "run")
      _ = try FaceSwapTraining.run(request, in: run, isResuming: false, listeners: [listener])
      let (psnr, ssim) = try (#require(metrics["swap_psnr"]), #require(metrics["swap_ssim"]))
      #expect(psnr > 5)
      #expect((-1...1).contains(ssim))
      let card = try ModelFile.read(from: run.appending(path: "last.safetensors")).information
      #expect(card.training["a"] == "Maeve, fictional, 4 drawn poses")
      #expect(card.training["b"] == "Solomon, fictional, 4 drawn poses")
      #expect(card.training["eyes and mouth"] == "errors counted 3.0 times")
    }
  }
}
