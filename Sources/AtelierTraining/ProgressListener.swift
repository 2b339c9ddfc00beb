// Progress for people: one line that is redrawn on a terminal, plain lines now and then in a log.

import AtelierFiles
import Foundation

/// Shows a training's progress: bar, step, rate, time left, loss, metric and a sparkline of losses.
public final class ProgressListener: TrainingListener {
  /// How progress is shown.
  public enum Style: Sendable, Hashable {
    /// One line that is redrawn, at most ten times a second.
    case terminal(columns: Int)
    /// A line of its own every so many seconds.
    case plain(seconds: Double)

    /// What suits standard error: a redrawn line on a terminal, else plain lines ten seconds apart.
    public static var current: Style {
      var size = winsize()
      let isTerminal = isatty(STDERR_FILENO) == 1
      let isSized = ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 20
      return isTerminal
        ? .terminal(columns: isSized ? Int(size.ws_col) : 80) : .plain(seconds: 10)
    }
  }

  /// Gives one more part of the line, such as a forecast; asked whenever the line is shown.
  public var remark: (() -> String?)?

  private let style: Style
  private let write: (String) -> Void
  private let clock: () -> Double
  private var lastTime: Double?
  private var losses = Sparkline(capacity: 16)
  private var metric: (name: String, value: Double)?
  private var latest: StepReport?
  /// Whether the terminal's line is drawn and not yet ended.
  private var isLineOpen = false

  /// Makes a listener that `write`s text with its line ends and reads a `clock` in seconds.
  public init(style: Style, write: @escaping (String) -> Void, clock: @escaping () -> Double) {
    self.style = style
    self.write = write
    self.clock = clock
  }

  /// Makes a listener that writes to standard error as `Style.current` says.
  public convenience init() {
    self.init(
      style: .current,
      write: { StandardStreams.writeError($0) },
      clock: { Date().timeIntervalSinceReferenceDate })
  }

  /// Shows the event.
  public func handle(_ event: TrainingEvent) {
    switch event {
    case .started(let report): start(report)
    case .step(let report): show(report)
    case .validated(let report): show(report)
    case .improved(let report):
      if case .plain = style {
        let former = report.former.map { " (before: \(ProgressText.number($0, digits: 5)))" } ?? ""
        line("step \(report.step): best \(report.metric) so far\(former)")
      }
    case .warning(_, let text): line("warning: \(text)")
    case .stopped(let report): stop(report)
    case .previewDue, .preview, .saved: break
    }
  }

  private func start(_ report: StartReport) {
    // One listener may hear several trainings, one after the other.
    (lastTime, losses, metric, latest) = (nil, Sparkline(capacity: 16), nil, nil)
    let goal = report.totalSteps.map { " to step \($0)" } ?? ""
    let from = report.step > 0 ? "going on from step \(report.step)\(goal)" : "training\(goal)"
    line("\(from), \(report.trainedParameters) parameters")
  }

  private func show(_ report: StepReport) {
    latest = report
    losses.append(report.smoothedLoss)
    let now = clock()
    let pause = if case .plain(let seconds) = style { seconds } else { 0.1 }
    if let lastTime, now - lastTime < pause, report.totalSteps != report.step { return }
    lastTime = now
    switch style {
    case .terminal(let columns): redraw(report, columns)
    case .plain: write(parts(report).joined(separator: " · ") + "\n")
    }
  }

  private func show(_ report: ValidationReport) {
    let name = report.monitored ?? report.metrics.keys.sorted().first
    if let name, let value = report.metrics[name] { metric = (name, value) }
    switch style {
    case .terminal(let columns): if let latest { redraw(latest, columns) }
    case .plain:
      let metrics = report.metrics.sorted { $0.key < $1.key }.map {
        "\($0.key) \(ProgressText.number($0.value, digits: 5))"
      }
      write("step \(report.step): validation: \(metrics.joined(separator: ", "))\n")
    }
  }

  private func stop(_ report: StopReport) {
    let why =
      switch report.reason {
      case .finished: "finished"
      case .timeUp: "time is up"
      case .earlyStopping: "stopped: no improvement"
      case .interrupted: "interrupted"
      case .notFinite: "gave up: values were not finite"
      }
    var text = "\(why) after step \(report.step), \(ProgressText.duration(report.seconds))"
    if let best = report.best, let step = report.bestStep {
      text += ", best \(ProgressText.number(best, digits: 5)) at step \(step)"
    }
    line(text)
  }

  /// Step, rate, time left, loss and metric.
  private func parts(_ report: StepReport) -> [String] {
    let total = report.totalSteps.map { "/\($0)" } ?? ""
    let percent = report.progress.map { " (\(Int($0 * 100))%)" } ?? ""
    var parts = ["step \(report.step)\(total)\(percent)"]
    parts.append("\(ProgressText.number(report.imagesPerSecond, digits: 3)) images/s")
    if report.remainingSeconds != nil {
      parts.append("\(ProgressText.duration(report.remainingSeconds)) left")
    }
    parts.append("loss \(ProgressText.number(report.smoothedLoss))")
    if let metric { parts.append("\(metric.name) \(ProgressText.number(metric.value))") }
    if let remark = remark?() { parts.append(remark) }
    return parts
  }

  private func redraw(_ report: StepReport, _ columns: Int) {
    var text = report.progress.map { ProgressText.bar($0, width: 16) + "▏ " } ?? ""
    text += parts(report).joined(separator: " · ")
    let spark = " " + ProgressText.sparkline(losses.values)
    if text.count + spark.count < columns { text += spark }
    // A line as wide as the terminal would wrap, and the next redraw would leave its rest behind.
    write("\r" + String(text.prefix(max(columns - 1, 1))) + "\u{1B}[K")
    isLineOpen = true
  }

  /// Writes a line of its own; on a terminal the progress line ends before it.
  private func line(_ text: String) {
    guard case .terminal = style, isLineOpen else {
      write(text + "\n")
      return
    }
    write("\n" + text + "\n")
    isLineOpen = false
  }
}
