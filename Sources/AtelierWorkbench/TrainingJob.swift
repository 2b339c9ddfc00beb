// A training as a job: run folder, logs, resuming, the end, for every task alike.
//
// A copy of this code for every job would take longer to compile than all of their mathematics, so none is
// specialised.

import AtelierEngine
import AtelierFiles
import AtelierImages
import AtelierKernels
import AtelierTraining
import Foundation

/// Where a training runs: its run folder, whether it goes on there, where its model is copied.
public struct RunPlace: JobRequest, Hashable {
  public var run = ""
  public var resume = false
  public var export: String?

  public init() {}

  public static var form: Form<Self> {
    Form([
      Field("run", \.run, "The run folder", value: "folder", kind: .output).demanded,
      Field(flag: "resume", \.resume, "Go on with the run; only limits and intervals may change"),
      Field("export", \.export, "Copy the model here at the end", value: "file", kind: .output),
    ])
  }

  /// The run folder.
  package var url: URL { URL(fileURLWithPath: run) }
}

/// A job that trains by a task in a run folder.
public protocol TrainingJob: Job where Request: TrainingRequest {
  /// The mathematics.
  associatedtype Task: TrainingTask where Task.Request == Request
  /// Prepares the mathematics of one shard (its batch is what `request` says) before anything is
  /// written; a resumed run has weights to go on from.
  static func task(_ request: Request, isResuming: Bool, kernels: Kernels) throws -> Task
}

extension TrainingJob {
  public static var trains: Bool { true }

  /// The request of a new training, or that of the run that goes on with what may change put in.
  @_semantics("optimize.sil.specialize.generic.never")
  public static func request(_ words: FieldWords, in run: RunPlace) throws -> Request {
    try Request.trainingRequest(words, in: run, job: path)
  }

  /// Trains in the run folder of the place.
  @_semantics("optimize.sil.specialize.generic.never")
  public static func run(_ request: Request, in place: JobPlace) throws -> Report {
    guard let run = place.run else { throw StudioError(.usage, "a training needs a run folder") }
    let stop = try self.run(
      request, in: run.url, isResuming: run.resume, listeners: [place.listener],
      interrupt: place.interrupt, kernels: place.kernels, arguments: place.arguments,
      remark: place.remark)
    return try TrainingEnd(job: path, run: run, stop: stop).report()
  }

  /// Trains in a run folder, or goes on there, where the request must equal the stored one but for
  /// its limits; `arguments` are for `about.json`, `remark` hears what was left out of the data.
  ///
  /// Throws `StudioError`, `TrainingError` or `DatasetError`, each with one clear line.
  @discardableResult public static func run(
    _ request: Request, in run: URL, isResuming: Bool, listeners: [any TrainingListener] = [],
    interrupt: InterruptFlag = InterruptFlag(), kernels: Kernels = Kernels(),
    arguments: FieldWords = [:], remark: (String) -> Void = { _ in }
  ) throws -> StopReport {
    let task = try task(request.perShard(), isResuming: isResuming, kernels: kernels)
    for text in task.remarks { remark(text) }
    let folder = try request.folder(
      at: run, isResuming: isResuming, about: AboutRun(job: path, arguments: arguments))
    return try train(task, in: folder, listeners: listeners, interrupt: interrupt, kernels: kernels)
  }

  /// Trains a task in a folder, from its state when it has one.
  @_semantics("optimize.sil.specialize.generic.never")
  package static func train(
    _ task: Task, in folder: RunFolder, listeners: [any TrainingListener],
    interrupt: InterruptFlag, kernels: Kernels
  ) throws -> StopReport {
    let loop = try task.loop(in: folder, kernels: kernels, group: Ranks.current)
    loop.interrupt = interrupt
    // Of several ranks the first one tells and draws for all.
    loop.listeners =
      Ranks.isFirst
      ? folder.logs(task.metricNames) + loop.listeners + task.listeners(in: folder, loop)
        + listeners : []
    if Ranks.isFirst, !folder.hasState, let sheet = task.dataSheet {
      try ImageFile.write(sheet, to: folder.url.appendingPathComponent("data.png"))
    }
    if Ranks.isFirst, task.startsAsTheRecipeSays, !folder.hasState,
      let store = loop.steps.first?.program.parameters
    {
      for remark in try task.request.recipe.remarks(on: store.entries) {
        try loop.tell(.warning(step: 0, remark))
      }
    }
    return try loop.run()
  }

  /// Reads the request of a run folder; throws `TrainingError` when it holds no run of this kind.
  public static func request(of run: URL) throws -> Request { try Request(ofRun: run) }

  /// Whether a run folder is of this job; an older version's is where its request can be read.
  @_semantics("optimize.sil.specialize.generic.never")
  package static func isJob(ofRun run: URL) -> Bool {
    AboutRun(ofRun: run).map { $0.job == path } ?? ((try? request(of: run)) != nil)
  }
}

/// Which job a run folder is of: `about.json`.
package struct AboutRun: Codable {
  /// Workshop and verb, such as `classify train`.
  package var job: String
  /// What the front end was given when the run was made or last resumed.
  package var arguments: FieldWords
  /// The version of the studio.
  package var version = StudioVersion.current

  package init(job: String, arguments: FieldWords) {
    self.job = job
    self.arguments = arguments
  }
}

extension AboutRun {
  /// What a run folder says; nil where an older version made it.
  package init?(ofRun run: URL) {
    let file = run.appendingPathComponent("about.json")
    guard let data = try? InputFile.data(file, limit: 1 << 24),
      let about = try? JSONDecoder().decode(Self.self, from: data)
    else { return nil }
    self = about
  }
}

extension TrainingRequest {
  /// Reads the request that a run folder holds; throws `TrainingError` when it is of another kind.
  package init(ofRun run: URL) throws { self = try RunFolder.open(at: run).request() }

  /// The request of a new training, or that of the run that goes on with what may change put in.
  ///
  /// Throws `StudioError` when there is a run already, when a resume is to change what it cannot,
  /// or when files are gone; and what reading words throws.
  @_semantics("optimize.sil.specialize.generic.never")
  package static func trainingRequest(_ words: FieldWords, in run: RunPlace, job: String) throws
    -> Self
  {
    guard run.resume else {
      let configuration = run.url.appendingPathComponent("configuration.json").path
      guard !FileManager.default.fileExists(atPath: configuration) else {
        throw StudioError(
          .cannotCreate,
          "\(run.run): expected a new folder; it holds a run already (--resume goes on)")
      }
      try validate(words)
      try form.demand(words)
      var request = Self()
      request.replaceLimits(for: words)
      try request.prepare(for: words)
      try form.read(words, into: &request)
      try request.complete(with: words)
      try request.expectLimit()
      _ = try request.perShard()
      try StudioFiles.expectPresent(form.paths(request))
      return request
    }
    // Files may have moved; of all else is told first, whatever is wrong beside it.
    let files = Set(form.fields.filter(\.kind.isRead).map(\.name))
    if !form.fixed(of: words.filter({ !files.contains($0.key) })).isEmpty {
      try form.expectChangeable(words)
    }
    try StudioFiles.expectPresent([run.run])
    if let about = AboutRun(ofRun: run.url), about.job != job {
      throw StudioError(
        .usage, "\(run.run): the run is one of atelier \(about.job), not of atelier \(job)")
    }
    var request = try Self(ofRun: run.url)
    let moved = form.missing(request)
    try form.expectChangeable(words.filter { word in !moved.contains { $0.name == word.key } })
    if let (name, path) = moved.first(where: { words[$0.name] == nil }) {
      throw StudioError(
        .missingInput,
        "\(run.run): the run reads \(path), and there is no such file or folder here any more; "
          + "--\(name) says where it is now")
    }
    request.replaceLimits(for: words)
    try form.read(words, into: &request)
    try StudioFiles.expectPresent(form.paths(request))
    return request
  }

  /// The folder of a new training, or that of the run that goes on, with this request stored in it.
  ///
  /// Throws `TrainingError` when there is a run already, none, or one of another request but for
  /// what may change.
  @_semantics("optimize.sil.specialize.generic.never")
  package func folder(at run: URL, isResuming: Bool, about: AboutRun) throws -> RunFolder {
    let data = try StoredRequest.data(self)
    let aboutData = try JSONText.data(about)
    guard isResuming else { return try RunFolder.create(at: run, json: data, about: aboutData) }
    let folder = try RunFolder.open(at: run)
    // What an older version stored lacks what is new; read anew it is complete.
    var stored: Self = try folder.request()
    // What is not where it was may lie elsewhere.
    let moved = Self.form.missing(stored).map(\.name)
    let places = Self.form.words(of: self).filter { moved.contains($0.key) }
    try Self.form.read(places, into: &stored)
    try folder.expect(
      json: data, stored: StoredRequest.data(stored),
      except: TrainingRecipe.changeable.union(Self.changeable))
    try folder.replace(json: data, about: aboutData)
    return folder
  }
}

extension RunFolder {
  /// The request that the folder holds; throws `TrainingError` when it is of another kind.
  @_semantics("optimize.sil.specialize.generic.never")
  package func request<Request: TrainingRequest>(as type: Request.Type = Request.self) throws
    -> Request
  {
    try configuration { data in try StoredRequest.read(data, isComplete: hasAbout, as: type) }
  }

  /// The folder's logs: events and a table of every tenth step, and TensorBoard's file.
  @_semantics("optimize.sil.specialize.generic.never")
  package func logs(_ metrics: [String]) -> [any TrainingListener] {
    [
      JSONLinesListener(eventsURL, every: 10), CSVListener(tableURL, metrics: metrics, every: 10),
      TensorBoardListener(url, every: 10),
    ]
  }
}
