// Every job as a command: words of the form become a request, the job runs, its report is printed.

import ArgumentParser
import Atelier
import Foundation

/// What the command line itself is told, beside the job's own fields.
struct CommandSettings: JobRequest {
  var precision = Precision.float32
  var threads: Int?
  var memory: Double?
  var quiet = false
  var json = false
  var check = false
  var events: String?

  static let title = "GENERAL OPTIONS"

  static var form: Form<Self> {
    Form(
      Self(), title: title,
      fields: [
        Field(
          "precision", \.precision, "float32, or bfloat16 products where the CPU has them",
          value: "kind")
      ]
    ).section(
      title,
      [
        Field("threads", \.threads, "Threads to use", value: "n", .from(1, to: 256))
          .byDefault("one a core"),
        Field(
          "memory", \.memory, "The most memory to use", value: "gigabytes", .positive
        ).byDefault("what the machine has left"),
        Field(flag: "quiet", \.quiet, "Say nothing but results and errors").letter("q"),
        Field(
          flag: "json", \.json, "Print results as JSON on standard output, and nothing else there"),
        Field(flag: "check", \.check, "Print what would be done as JSON, and end"),
        Field(
          "events", \.events, "Write what happens into this file, a line of JSON each",
          value: "file", kind: .output),
      ])
  }
}

/// A job as a command.
package struct JobCommand<Work: Job>: ParsableCommand, CustomReflectable {
  private typealias Own<Place: SectionPlace> = FormSection<Work.Request, Place>
  private typealias Run = FormSection<RunPlace, Section0>
  private typealias Arithmetic = FormSection<CommandSettings, Section0>
  private typealias General = FormSection<CommandSettings, Section1>

  package static var configuration: CommandConfiguration {
    CommandConfiguration(commandName: Work.name, abstract: Work.summary, discussion: Work.guide)
  }

  /// The words given for all forms; their fields have names of their own.
  private var words: FieldWords = [:]

  package init() {}

  /// The groups of options: the run folder's, the job's own, the general ones.
  package var customMirror: Mirror {
    var groups: [(String?, Any)] = Work.trains ? [("run", Run.group)] : []
    func group<Place: SectionPlace>(_ place: Place.Type) -> Any { Own<Place>.group }
    for place in sectionPlaces { groups.append(("own\(place.index)", group(place))) }
    if Work.takesPrecision { groups.append(("arithmetic", Arithmetic.group)) }
    groups.append(("general", General.group))
    return Mirror(self, children: groups.map { (label: $0.0, value: $0.1) })
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: FieldKey.self)
    func read<Source, Place>(_ group: FormSection<Source, Place>.Type, _ key: String) throws {
      let section = try container.decode(
        OptionGroup<FormSection<Source, Place>>.self, forKey: .init(key))
      words.merge(section.wrappedValue.words) { $1 }
    }
    if Work.trains { try read(Run.self, "run") }
    func readOwn<Place: SectionPlace>(_ place: Place.Type) throws {
      try read(Own<Place>.self, "own\(place.index)")
    }
    for place in sectionPlaces { try readOwn(place) }
    if Work.takesPrecision { try read(Arithmetic.self, "arithmetic") }
    try read(General.self, "general")
  }

  package func validate() throws {
    try Self.sayingTheHelp {
      try CommandSettings.validate(words)
      try Work.Request.validate(words)
    }
  }

  /// Turns errors about fields into the parser's own, which end with the way to the help.
  private static func sayingTheHelp<Result>(_ body: () throws -> Result) throws -> Result {
    do { return try body() } catch let error as FieldError {
      throw ValidationError(error.description)
    }
  }

  /// The run folder; empty for jobs that have none.
  private func place() throws -> RunPlace { Work.trains ? try RunPlace(words: words) : RunPlace() }

  /// The words of the job's own form.
  private var own: FieldWords {
    let names = Set(Work.Request.form.fields.map(\.name))
    return words.filter { names.contains($0.key) }
  }

  /// What the job is asked for.
  package func request() throws -> Work.Request {
    try Self.sayingTheHelp { try Work.request(own, in: place()) }
  }

  package func run() throws {
    let settings = try CommandSettings(words: words)
    let run = try place()
    guard let group = Ranks.current else { return try begin(own, in: run, settings) }
    let ground = try CommonGround(group, settings)
    for text in ground.remarks where !settings.quiet { Console.remark(text) }
    guard Work.trains else {
      // What cannot be shared the first one does, and the others wait for it.
      guard Work.runsOnAllRanks || group.rank == 0 else { return }
      return try begin(own, in: run, settings, ground.kernels)
    }
    guard group.rank > 0 else {
      if run.resume { _ = try group.fromFirst { try RunFiles.read(run.url) } }
      return try begin(own, in: run, settings, ground.kernels)
    }
    // The others work in folders of their own, in which they find what the run's holds.
    let scratch = try ScratchRun()
    defer { scratch.remove() }
    var place = RunPlace()
    place.resume = run.resume
    place.run = scratch.url.appending(path: "run").path
    if run.resume { try RunFiles.write(group.fromFirst { [] }, to: place.url) }
    try begin(own, in: place, settings, ground.kernels)
  }

  /// The words with sixteen shards, or the most that the batch can be cut into alike, where several
  /// ranks begin a training that says nothing of them.
  private func withShards<Meant: Job>(
    _ own: FieldWords, of job: Meant.Type, in run: RunPlace
  ) throws -> FieldWords {
    guard let group = Ranks.current, job.trains, !run.resume, own["shards"] == nil,
      Meant.Request.form.field("shards") != nil
    else { return own }
    // Where the request cannot be made it says so itself, later.
    let batch = try group.fromFirst {
      let request = try? job.request(own, in: run)
      return Array("\((request as? any TrainingRequest)?.recipe.batch ?? 16)".utf8)
    }
    var (most, rest) = (16, Int(String(decoding: batch, as: UTF8.self)) ?? 16)
    while rest != 0 { (most, rest) = (rest, most % rest) }
    return own.merging(["shards": ["\(most)"]]) { $1 }
  }

  /// Runs the job that the words or the run folder mean.
  private func begin(
    _ own: FieldWords, in run: RunPlace, _ settings: CommandSettings, _ kernels: Kernels? = nil
  ) throws {
    let other = try Self.sayingTheHelp { try Work.handOver(own, in: run) }
    let meant: any Job.Type = other?.job ?? Work.self
    try start(meant, other?.words ?? own, in: run, settings, kernels)
  }

  /// Runs the job that is meant, which may be another than the one that was named.
  private func start<Meant: Job>(
    _ job: Meant.Type, _ own: FieldWords, in run: RunPlace, _ settings: CommandSettings,
    _ common: Kernels?
  ) throws {
    let own = try withShards(own, of: job, in: run)
    let request = try Self.sayingTheHelp { try job.request(own, in: run) }
    guard !settings.check else { return Console.print(try request.json()) }
    if let gigabytes = settings.memory { MemoryDoor.limit(to: Int(min(gigabytes, 1e6) * 1e9)) }
    // mpirun hands USR1 on, and lets the ranks end in their own time.
    let interrupt =
      job.heedsInterrupt
      ? InterruptFlag.catchingSignals(Ranks.current == nil ? [] : [SIGUSR1]) : InterruptFlag()
    let events = try settings.events.flatMap { Ranks.isFirst ? try EventFile($0) : nil }
    let listener = ConsoleListener(settings)
    let kernels = common ?? kernels(settings, listener)
    var place = JobPlace(kernels: kernels, interrupt: interrupt) { event in
      listener.handle(event)
      // What cannot be written is told at the end; it is no reason to lose the work.
      do { try events?.append(event) } catch { listener.complain(error) }
    }
    if Ranks.current != nil {
      let relay = EventRelay(place.send)
      place.relay = relay
      place.send = { relay.take($0) }
    }
    if job.trains { place.run = run }
    place.arguments = own
    let report: Report
    do { report = try job.run(request, in: place) } catch {
      try? events?.append(.stopped("failed: \(ErrorLine.text(error))"))
      throw error
    }
    listener.end()
    try events?.append(.stopped(report.continuation == nil ? "finished" : "interrupted"))
    try events?.finish()
    try ReportPrinter(settings: settings, interrupt: interrupt).tell(report)
  }

  /// The kernels as asked for; says so where they run in another precision.
  private func kernels(_ settings: CommandSettings, _ listener: ConsoleListener) -> Kernels {
    let kernels =
      settings.threads.map { Kernels(pool: ThreadPool(threads: $0), precision: settings.precision) }
      ?? Kernels(precision: settings.precision)
    if kernels.precision != settings.precision {
      listener.handle(
        .remark(
          "this CPU does not multiply \(settings.precision.rawValue); running in "
            + kernels.precision.rawValue))
    }
    return kernels
  }
}

/// A workshop as a group of commands.
struct WorkshopCommand<Shop: Workshop>: ParsableCommand {
  static var configuration: CommandConfiguration {
    // A job that the second word names is made alone, as its workshop is.
    let word = CommandLine.arguments.dropFirst(2).first
    let named = Shop.jobs.first { $0.name == word && CommandLine.arguments[1] == Shop.name }
    let commands = (named.map { [$0] } ?? Shop.jobs).map { command(for: $0) }
    return CommandConfiguration(
      commandName: Shop.name, abstract: Shop.summary, discussion: Shop.guide, subcommands: commands,
      defaultSubcommand: commands.first { $0.configuration.commandName == Shop.mainJob })
  }
}

func command<Work: Job>(for job: Work.Type) -> any ParsableCommand.Type { JobCommand<Work>.self }

/// The command of a workshop: its only job's, or a group.
func command<Shop: Workshop>(for shop: Shop.Type) -> any ParsableCommand.Type {
  if shop.jobs.count == 1, shop.jobs[0].name == shop.name { return command(for: shop.jobs[0]) }
  return WorkshopCommand<Shop>.self
}
