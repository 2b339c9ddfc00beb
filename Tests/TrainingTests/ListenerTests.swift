// Listeners, compared word for word: the terminal's line, plain lines, JSON lines, the table.

import AtelierTraining
import Foundation
import TestSupport
import Testing

private func step(_ step: Int, loss: Double, total: Int? = 200) -> TrainingEvent {
  .step(
    StepReport(
      step: step, totalSteps: total, loss: loss, smoothedLoss: loss + 0.5,
      values: ["loss": loss], learningRate: 0.001, gradientNorm: 2.25, imagesPerSecond: 34.56,
      seconds: Double(step), progress: total.map { Double(step) / Double($0) },
      remainingSeconds: total.map { Double($0 - step) * 30 }))
}

private let validation = TrainingEvent.validated(
  ValidationReport(
    step: 100, metrics: ["psnr": 28.871234, "ssim": 0.81], monitored: "psnr", duration: 2))

private let stop = TrainingEvent.stopped(
  StopReport(reason: .interrupted, step: 101, seconds: 3725, best: 28.871234, bestStep: 100))

/// Text and time that a test holds in its hand.
private final class Screen {
  var text: [String] = []
  var time = 0.0
}

@Suite struct ProgressTests {
  private func listener(_ style: ProgressListener.Style) -> (ProgressListener, Screen) {
    let screen = Screen()
    let listener = ProgressListener(
      style: style, write: { screen.text.append($0) }, clock: { screen.time })
    return (listener, screen)
  }

  @Test func theTerminalsLineIsRedrawn() {
    let (listener, screen) = listener(.terminal(columns: 100))
    listener.handle(
      .started(StartReport(step: 0, totalSteps: 200, seconds: 0, trainedParameters: 1234)))
    listener.handle(step(1, loss: 1))
    listener.handle(step(2, loss: 0.9))
    screen.time = 0.2
    listener.handle(step(25, loss: 0.5))
    listener.handle(validation)
    listener.handle(.improved(Improvement(step: 100, metric: "psnr", value: 28.9, former: nil)))
    listener.handle(.warning(step: 100, "the loss is nan"))
    screen.time = 0.4
    listener.handle(step(101, loss: 0.4))
    listener.handle(stop)
    #expect(
      screen.text == [
        "training to step 200, 1234 parameters\n",
        "\r                ▏ step 1/200 (0%) · 34.6 images/s · 1:39:30 left · loss 1.5 ▁\u{1B}[K",
        "\r██              ▏ step 25/200 (12%) · 34.6 images/s · 1:27:30 left · loss 1 █▇▁\u{1B}[K",
        "\r██              ▏ step 25/200 (12%) · 34.6 images/s · 1:27:30 left · loss 1 · psnr 28.87 █▇▁\u{1B}[K",
        "\nwarning: the loss is nan\n",
        "\r████████        ▏ step 101/200 (50%) · 34.6 images/s · 49:30 left · loss 0.9 · psnr 28.87 █▇▂▁\u{1B}[K",
        "\ninterrupted after step 101, 1:02:05, best 28.871 at step 100\n",
      ])
  }

  @Test func theTerminalsLineNeverWraps() {
    let (listener, screen) = listener(.terminal(columns: 30))
    listener.handle(step(7, loss: 1))
    #expect(screen.text == ["\r▌               ▏ step 7/200 \u{1B}[K"])
  }

  @Test func plainLinesComeNowAndThen() {
    let (listener, screen) = listener(.plain(seconds: 10))
    listener.handle(
      .started(StartReport(step: 40, totalSteps: nil, seconds: 9, trainedParameters: 5)))
    listener.handle(step(41, loss: 1, total: nil))
    screen.time = 9.9
    listener.handle(step(42, loss: 1, total: nil))
    screen.time = 10
    listener.handle(step(43, loss: 0.01234567))
    listener.handle(validation)
    listener.handle(.improved(Improvement(step: 100, metric: "psnr", value: 28.9, former: 28)))
    listener.handle(.saved(SavedFile(kind: .last, path: "last", step: 1)))
    // The last step is always shown.
    listener.handle(step(200, loss: 1))
    listener.handle(
      .stopped(StopReport(reason: .finished, step: 200, seconds: 59, best: nil, bestStep: nil)))
    #expect(
      screen.text == [
        "going on from step 40, 5 parameters\n",
        "step 41 · 34.6 images/s · loss 1.5\n",
        "step 43/200 (21%) · 34.6 images/s · 1:18:30 left · loss 0.5123\n",
        "step 100: validation: psnr 28.871, ssim 0.81\n",
        "step 100: best psnr so far (before: 28)\n",
        "step 200/200 (100%) · 34.6 images/s · 0:00 left · loss 1.5 · psnr 28.87\n",
        "finished after step 200, 0:59\n",
      ])
  }

  @Test func wordsNumbersAndPictures() {
    #expect(ProgressText.duration(0) == "0:00")
    #expect(ProgressText.duration(59.6) == "1:00")
    #expect(ProgressText.duration(3661) == "1:01:01")
    #expect(ProgressText.duration(nil) == "–:––" && ProgressText.duration(.nan) == "–:––")
    #expect(ProgressText.bar(-1, width: 3) == "   ")
    #expect(ProgressText.bar(0.5, width: 3) == "█▌ ")
    #expect(ProgressText.bar(0.375, width: 1) == "▍")
    #expect(ProgressText.bar(2, width: 3) == "███")
    #expect(ProgressText.sparkline([0, 1, .nan, 0.5, 1]) == "▁█ ▅█")
    #expect(ProgressText.sparkline([2, 2]) == "▁▁")
    #expect(ProgressText.sparkline([]) == "" && ProgressText.sparkline([.infinity]) == " ")
    #expect(ProgressText.number(0.000012345) == "1.234e-05")
    #expect(ProgressText.number(.nan) == "nan" && ProgressText.number(.infinity) == "inf")
  }

  @Test func aLongTrainingsSparklineKeepsItsLength() {
    let (listener, screen) = listener(.terminal(columns: 200))
    for index in 0..<1000 {
      screen.time += 1
      listener.handle(step(index + 1, loss: Double(1000 - index), total: 1000))
    }
    let sparks = screen.text.last?.filter { "▁▂▃▄▅▆▇█".contains($0) } ?? ""
    // The full bar has sixteen blocks.
    #expect((16 + 8...16 + 16).contains(sparks.count))
    #expect(sparks.last == "▁")
  }
}

@Suite struct LogListenerTests {
  private static let events: [TrainingEvent] = [
    .started(StartReport(step: 0, totalSteps: 200, seconds: 0, trainedParameters: 3)),
    step(1, loss: 1), step(2, loss: 0.5),
    .step(
      StepReport(
        step: 4, loss: 3, smoothedLoss: 2, values: ["a/loss": 1, "b/loss": 2],
        learningRate: 1e-4, gradientNorm: .infinity, imagesPerSecond: 5, seconds: 7)),
    validation,
    .improved(Improvement(step: 100, metric: "psnr", value: 28.5, former: 28)),
    .previewDue(step: 100), .saved(SavedFile(kind: .best, path: "best", step: 100)),
    .warning(step: 101, "the loss is nan"), stop,
  ]

  @Test func jsonLines() throws {
    try withScratchFolder { folder in
      let url = folder.appending(path: "events.jsonl")
      let listener = JSONLinesListener(url, every: 2)
      try listener.prepare(step: 0, checkpoint: nil)
      for event in Self.events { try listener.handle(event) }
      let text = try String(contentsOf: url, encoding: .utf8)
      #expect(
        text == """
          {"event":"started","seconds":0,"step":0,"totalSteps":200}
          {"event":"step","gradientNorm":2.25,"imagesPerSecond":34.56,"learningRate":0.001,"loss":0.5,"remainingSeconds":5940,"seconds":2,"smoothedLoss":1,"step":2}
          {"event":"step","gradientNorm":"inf","imagesPerSecond":5,"learningRate":0.0001,"loss":3,"seconds":7,"smoothedLoss":2,"step":4,"values":{"a/loss":1,"b/loss":2}}
          {"event":"validated","metrics":{"psnr":28.871234,"ssim":0.81},"seconds":2,"step":100}
          {"event":"improved","former":28,"metric":"psnr","step":100,"value":28.5}
          {"event":"saved","file":"best","kind":"best","step":100}
          {"event":"warning","step":101,"text":"the loss is nan"}
          {"best":28.871234,"bestStep":100,"event":"stopped","reason":"interrupted","seconds":3725,"step":101}

          """)
      let checkpoint = try listener.checkpoint()
      #expect(checkpoint == "\(text.utf8.count)")
      let resumed = JSONLinesListener(url)
      try resumed.prepare(step: 2, checkpoint: "58")
      try resumed.handle(
        .started(StartReport(step: 2, totalSteps: nil, seconds: 1.5, trainedParameters: 3)))
      let cut = try String(contentsOf: url, encoding: .utf8)
      #expect(
        cut == """
          {"event":"started","seconds":0,"step":0,"totalSteps":200}
          {"event":"resumed","seconds":1.5,"step":2}

          """)
      #expect(
        errorText { try JSONLinesListener(url).prepare(step: 2, checkpoint: "x") }
          == "\(url.relativePath): expected the saved state to give its length; received x")
    }
  }

  @Test func table() throws {
    try withScratchFolder { folder in
      let url = folder.appending(path: "log.csv")
      let listener = CSVListener(url, metrics: ["psnr", "loss_a"])
      try listener.prepare(step: 0, checkpoint: nil)
      for event in Self.events { try listener.handle(event) }
      let checkpoint = try listener.checkpoint()
      #expect(checkpoint == nil)
      let head =
        "step,loss,smoothed_loss,learning_rate,gradient_norm,images_per_second,seconds,psnr,loss_a\n"
        + "1,1.0,1.5,0.001,2.25,34.56,1.0,,\n2,0.5,1.0,0.001,2.25,34.56,2.0,,\n"
      let text = try String(contentsOf: url, encoding: .utf8)
      #expect(
        text == head
          + "4,3.0,2.0,0.0001,inf,5.0,7.0,,\n100,,,,,,,28.871235,\n")
      let resumed = CSVListener(url, metrics: ["psnr", "loss_a"])
      try resumed.prepare(step: 2, checkpoint: nil)
      let cut = try String(contentsOf: url, encoding: .utf8)
      #expect(cut == head)
    }
  }

  @Test func tensorBoard() throws {
    try withScratchFolder { folder in
      func files() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
      }
      let first = TensorBoardListener(folder, host: "host", wallTime: { 7 })
      try first.prepare(step: 0, checkpoint: nil)
      for event in Self.events.prefix(3) { try first.handle(event) }
      let checkpoint = try #require(try first.checkpoint())
      let name = try #require(try files().first)
      let kept = try Data(contentsOf: folder.appending(path: name))
      #expect(checkpoint == "\(kept.count) \(name)")
      #expect(kept.range(of: Data("training/gradient_norm".utf8)) != nil)
      try first.handle(validation)
      let longer = try Data(contentsOf: folder.appending(path: name))
      #expect(longer.count > kept.count && longer.range(of: Data("validation/psnr".utf8)) != nil)
      // A resume cuts the file back and goes on with it; a new training replaces it.
      let resumed = TensorBoardListener(folder, host: "host", wallTime: { 8 })
      try resumed.prepare(step: 2, checkpoint: checkpoint)
      let cut = try Data(contentsOf: folder.appending(path: name))
      #expect(cut == kept)
      let names = try files()
      #expect(names == [name])
      let new = TensorBoardListener(folder, host: "host", wallTime: { 9 })
      try new.prepare(step: 0, checkpoint: nil)
      let left = try files()
      #expect(left.count == 1 && left != [name])
      #expect(new.pictures != nil)
    }
  }
}
