// The addresses of the studio: the page, runs, the queue.

import AtelierFiles
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

typealias Context = BasicRequestContext

/// Builds the router.
package struct Routes: Sendable {
  let studio: Studio
  let rules: GateRules
  private let site = Site()
  /// The largest JSON that a request may bring, in bytes.
  static let largestRequest = 1 << 20

  package init(_ studio: Studio, rules: GateRules) {
    self.studio = studio
    self.rules = rules
  }

  /// The router with all addresses.
  package func router() -> Router<BasicRequestContext> {
    let router = Router(context: Context.self)
    router.add(middleware: Gate<Context>(rules: rules))
    router.get("/") { request, _ in try page("index.html", request) }
    router.get("/assets/:name") { request, context in
      try page(try context.parameters.require("name"), request)
    }
    router.get("/favicon.ico") { _, _ in Response(status: .noContent) }
    let api = router.group("api")
    api.get("studio") { _, _ in try await about() }
    api.get("describe") { _, _ in
      Answer.bytes(try await studio.described().data, type: "application/json")
    }
    api.get("live") { request, _ in
      try LiveStream(studio, request.uri.queryParameters.get("log")).response(request)
    }
    addRuns(to: api.group("runs"))
    addJobs(to: api)
    addPictures(to: api)
    addModels(to: api)
    return router
  }

  private func page(_ name: String, _ request: Request) throws -> Response {
    guard let answer = site.answer(name, request) else {
      throw StudioError(.missingInput, "there is no such page")
    }
    return answer
  }

  private struct About: Encodable {
    var version: String
    var tool: String
    var roots: [String]
    var home: String
    var cores: Int
    var patience: Double
  }

  private func about() async throws -> Response {
    try Answer.json(
      About(
        version: try await studio.described().forms.version, tool: studio.tool.path,
        roots: studio.folders.roots.map(\.path), home: studio.home.url.path,
        cores: ProcessInfo.processInfo.activeProcessorCount, patience: JobQueue.patience))
  }

  /// The JSON of a request.
  static func body<Value: Decodable>(_ request: Request, as type: Value.Type = Value.self)
    async throws
    -> Value
  {
    guard request.headers[.contentType]?.hasPrefix("application/json") == true else {
      throw StudioError(.usage, "expected application/json")
    }
    let buffer = try await request.body.collect(upTo: largestRequest)
    return try JSONDecoder().decode(type, from: Data(buffer.readableBytesView))
  }

  /// The identity in an address.
  static func id(_ context: Context) throws -> String {
    try Identity.checked(try context.parameters.require("id"))
  }

  /// The number in an address.
  static func number(_ context: Context, _ name: String = "index") throws -> Int {
    guard let number = Int(try context.parameters.require(name)), number >= 0 else {
      throw StudioError(.usage, "expected a number")
    }
    return number
  }

  // MARK: - Runs

  private struct Note: Decodable { var note: String }
  private struct Words: Decodable { var words: [String: [String]]? }
  private struct What: Decodable { var what: String }

  private func addRuns(to runs: RouterGroup<Context>) {
    runs.get { request, _ in
      let asked = request.uri.queryParameters
      var query = RunQuery()
      query.search = asked.get("search") ?? ""
      query.state = asked.get("state") ?? ""
      query.job = asked.get("job") ?? ""
      query.sort = asked.get("sort") ?? "updated"
      query.isAscending = asked.get("order") == "up"
      query.offset = asked.get("offset", as: Int.self) ?? 0
      query.limit = asked.get("limit", as: Int.self) ?? 200
      return try Answer.json(try studio.runs.index.page(query))
    }
    runs.get(":id") { request, context in
      let id = try Self.id(context)
      // A page that waits for a training to make its folder asks so; that is no error.
      if request.uri.queryParameters.get("wait") != nil, try studio.runs.index.run(id) == nil {
        return Answer.bytes(Data("null".utf8), type: "application/json")
      }
      return try Answer.json(try await studio.view(run: id))
    }
    runs.get(":id/log") { request, context in
      try log(
        try Self.id(context), from: request.uri.queryParameters.get("from", as: Int.self) ?? 0)
    }
    runs.get(":id/previews/:index") { _, context in
      let files = try studio.runs.files(try Self.id(context)).files
      let (previews, index) = (files.previews, try Self.number(context))
      guard previews.indices.contains(index) else {
        throw StudioError(.missingInput, "there is no preview \(index)")
      }
      return try Answer.file(files.place(of: previews[index]))
    }
    runs.get(":id/files/:index") { _, context in
      let files = try studio.runs.files(try Self.id(context)).files
      let (parts, index) = (files.parts, try Self.number(context))
      guard parts.indices.contains(index), !parts[index].name.hasSuffix("/") else {
        throw StudioError(.missingInput, "there is no file \(index)")
      }
      let name = parts[index].name
      return try Answer.file(files.url.appendingPathComponent(name), saveAs: name)
    }
    runs.put(":id/note") { request, context in
      let note: Note = try await Self.body(request)
      guard note.note.utf8.count <= 16384 else { throw StudioError(.usage, "a note of over 16 KB") }
      let files = try studio.runs.files(try Self.id(context)).files
      try files.write(note: note.note)
      try await studio.runs.add(files.url)
      return Response(status: .noContent)
    }
    runs.post(":id/stop") { _, context in
      try await studio.stop(run: try Self.id(context))
      return Response(status: .accepted)
    }
    runs.post(":id/resume") { request, context in
      let words: Words = try await Self.body(request)
      let job = try await studio.resume(try Self.id(context), words: words.words ?? [:])
      return try Answer.json(JobView(job: job), status: .created)
    }
    runs.post(":id/drop") { request, context in
      let what: What = try await Self.body(request)
      return try Answer.json(
        ["bytes": try await studio.drop(what.what, ofRun: try Self.id(context))])
    }
  }

  /// Whole lines of a run's log from a byte on, and in a header where they end.
  private func log(_ id: String, from offset: Int) throws -> Response {
    let log = try studio.runs.files(id).files.log
    var bytes: [UInt8] = []
    var position = LogPosition(offset: max(offset, 0))
    switch log.news(since: position, limit: 64 << 20) {
    case .same: break
    case .reset: throw StudioError(.cannotCreate, "the log began anew")
    case .lines(let found, let next): (bytes, position) = (found, next)
    }
    var response = Answer.bytes(Data(bytes), type: "application/x-ndjson")
    if let name = HTTPField.Name("Atelier-Offset") { response.headers[name] = "\(position.offset)" }
    return response
  }

  // MARK: - Jobs

  private struct Pause: Decodable { var paused: Bool }
  private struct Move: Decodable { var by: Int }

  private func addJobs(to api: RouterGroup<Context>) {
    api.post("check") { request, _ in
      try Answer.json(try await studio.check(try await Self.body(request)))
    }
    api.post("queue") { request, _ in
      let pause: Pause = try await Self.body(request)
      await studio.queue.pause(pause.paused)
      return Response(status: .noContent)
    }
    let jobs = api.group("jobs")
    jobs.get { _, _ in
      try Answer.json(
        await studio.queue.all.map { studio.shown($0) })
    }
    jobs.post { request, _ in
      let job = try await studio.job(try await Self.body(request))
      return try Answer.json(JobView(job: try await studio.queue.add(job)), status: .created)
    }
    jobs.get(":id") { _, context in
      let job = try await studio.queue.job(try Self.id(context))
      return try Answer.json(studio.shown(job))
    }
    jobs.post(":id/:verb") { request, context in
      let id = try Self.id(context)
      switch try context.parameters.require("verb") {
      case "stop": try await studio.queue.stop(id)
      case "kill": try await studio.queue.kill(id)
      case "forget": try await studio.queue.forget(id)
      case "move":
        let move: Move = try await Self.body(request)
        try await studio.queue.move(id, by: max(-1000, min(move.by, 1000)))
      case "retry": return try Answer.json(JobView(job: try await retry(id)), status: .created)
      default: throw StudioError(.missingInput, "there is no such address")
      }
      return Response(status: .noContent)
    }
  }

  /// The same job once more; a training goes on where it saved a state.
  private func retry(_ id: String) async throws -> StudioJob {
    let former = try await studio.queue.job(id)
    guard former.state.isOver else { throw StudioError(.usage, "the job is not over yet") }
    if let run = former.run, RunFiles.isRun(URL(fileURLWithPath: run)) {
      try await studio.runs.add(URL(fileURLWithPath: run))
      return try await studio.resume(RunFiles.id(of: URL(fileURLWithPath: run)))
    }
    let new = Studio.newIdentity()
    let (old, place) = (
      JobFolder(studio.home, id).results.path, JobFolder(studio.home, new).results.path
    )
    let words = former.words.mapValues { $0.map { $0.replacingOccurrences(of: old, with: place) } }
    let job = try await studio.job(JobAsk(path: former.path, words: words), id: new)
    return try await studio.queue.add(job)
  }
}
