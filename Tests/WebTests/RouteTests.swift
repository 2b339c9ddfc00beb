// The addresses: what they give, and what they give to nobody.

import AtelierFiles
import AtelierWeb
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOEmbedded
import Testing

@Suite struct RouteTests {
  /// A studio with one run, asked by somebody who has the cookie or by somebody who has not.
  private func ask(
    _ body: @Sendable (Asker, Studio, URL) async throws -> Void
  ) async throws {
    try await withFolder { folder in
      let root = folder.appendingPathComponent("root")
      let run = try root.makeRun("runs/a", [step(10, loss: 0.5), step(20, loss: 0.25)])
      try run.put("picture", "previews/step-10.png")
      let studio = try folder.makeStudio()
      try await studio.runs.refresh()
      let rules = GateRules(token: try studio.home.token())
      let asker = Asker(
        responder: Routes(studio, rules: rules).router().buildResponder(),
        cookie: "\(rules.cookieName)=\(rules.token)")
      try await body(asker, studio, run)
    }
  }

  private func field(_ name: String) throws -> HTTPField.Name { try #require(HTTPField.Name(name)) }

  /// What came back.
  struct Answer {
    var status: HTTPResponse.Status
    var headers: HTTPFields
    var body: ByteBuffer
  }

  /// Collects a body.
  private final class Collector: ResponseBodyWriter {
    var bytes = ByteBuffer()
    func write(_ buffer: ByteBuffer) async throws {
      var buffer = buffer
      bytes.writeBuffer(&buffer)
    }
    func finish(_ trailingHeaders: HTTPFields?) async throws {}
  }

  struct Asker: Sendable {
    let responder: RouterResponder<BasicRequestContext>
    let cookie: String

    func get(
      _ path: String, _ method: HTTPRequest.Method = .get, cookie: String?? = nil,
      json: String? = nil,
      raw: [UInt8]? = nil, fields: HTTPFields = [:]
    ) async throws -> Answer {
      var fields = fields
      fields[.cookie] = cookie ?? self.cookie
      if json != nil { fields[.contentType] = "application/json" }
      let bytes = raw ?? json.map { Array($0.utf8) } ?? []
      fields[.contentLength] = "\(bytes.count)"
      let head = HTTPRequest(
        method: method, scheme: "http", authority: "localhost", path: path, headerFields: fields)
      let request = Request(head: head, body: RequestBody(buffer: ByteBuffer(bytes: bytes)))
      let context = BasicRequestContext(
        source: ApplicationRequestContextSource(
          channel: EmbeddedChannel(), logger: Logger(label: "test")))
      do {
        let response = try await responder.respond(to: request, context: context)
        let collector = Collector()
        try await response.body.write(collector)
        return Answer(status: response.status, headers: response.headers, body: collector.bytes)
      } catch let error as any HTTPResponseError {
        return Answer(status: error.status, headers: [:], body: ByteBuffer())
      }
    }

    func text(_ path: String) async throws -> String { String(buffer: try await get(path).body) }

    /// Expects a status.
    func expect(
      _ status: HTTPResponse.Status, _ path: String, _ method: HTTPRequest.Method = .get,
      cookie: String?? = nil, json: String? = nil, raw: [UInt8]? = nil, fields: HTTPFields = [:],
      at location: SourceLocation = #_sourceLocation
    ) async throws {
      let found = try await get(path, method, cookie: cookie, json: json, raw: raw, fields: fields)
      #expect(found.status == status, sourceLocation: location)
    }

    /// Expects something of a text.
    func expectText(
      _ path: String, at location: SourceLocation = #_sourceLocation, _ holds: (String) -> Bool
    ) async throws {
      let found = try await text(path)
      #expect(holds(found), "\(found.prefix(400))", sourceLocation: location)
    }
  }

  @Test func nothingIsGivenWithoutTheCookie() async throws {
    try await ask { asker, studio, run in
      let id = RunFiles(run).id
      for path in [
        "/", "/assets/app.js", "/api/runs", "/api/runs/\(id)", "/api/studio", "/favicon.ico",
      ] {
        for cookie in [nil, "atelier=x", asker.cookie + "0"] {
          let response = try await asker.get(path, cookie: .some(cookie))
          #expect(response.status == .unauthorized, "\(path)")
        }
      }
      let wrong = try await asker.get(
        "/?token=\(String(repeating: "0", count: 64))", cookie: .some(nil))
      #expect(wrong.status == .unauthorized)
      #expect(wrong.headers[.setCookie] == nil)
      // A token opens the door at the front, nowhere else.
      let token = try studio.home.token()
      try await asker.expect(.unauthorized, "/api/runs?token=\(token)", cookie: .some(nil))
      let right = try await asker.get("/?token=\(token)", cookie: .some(nil))
      #expect(right.status == .ok)
      let set = try #require(right.headers[.setCookie])
      #expect(set.contains("HttpOnly") && set.contains("SameSite=Strict"))
    }
  }

  @Test func everyAnswerGuardsTheBrowser() async throws {
    try await ask { asker, _, _ in
      for path in ["/", "/api/runs", "/nowhere", "/api/runs/zzz", "/assets/app.js"] {
        let response = try await asker.get(path)
        let policy = try #require(
          response.headers[try field("Content-Security-Policy")])
        #expect(policy.hasPrefix("default-src 'none'") && !policy.contains("unsafe"))
        #expect(
          response.headers[try field("X-Content-Type-Options")] == "nosniff")
        #expect(response.headers[.accessControlAllowOrigin] == nil)
      }
    }
  }

  @Test func thePageIsEmbeddedAndPacked() async throws {
    try await ask { asker, _, _ in
      let page = try await asker.get("/")
      #expect(String(buffer: page.body).hasPrefix("<!doctype html>"))
      let plain = try await asker.get("/assets/uplot.js")
      let packed = try await asker.get("/assets/uplot.js", fields: [.acceptEncoding: "gzip"])
      #expect(packed.headers[.contentEncoding] == "gzip")
      #expect(packed.body.readableBytes * 2 < plain.body.readableBytes)
      let tag = try #require(plain.headers[.eTag])
      try await asker.expect(.notModified, "/assets/uplot.js", fields: [.ifNoneMatch: tag])
      try await asker.expect(.notFound, "/assets/nowhere.js")
    }
  }

  @Test(arguments: [
    "/assets/../token", "/assets/..%2F..%2Ftoken", "/assets/%2e%2e/%2e%2e/etc/passwd",
    "//etc/passwd",
    "/api/runs/..%2F..%2F..%2Fetc", "/api/uploads/..%2F..%2Ftoken", "/api/jobs/../../token",
    "/api/folders?path=..", "/api/folders?path=/etc", "/api/folders?path=%2e%2e%2f%2e%2e",
    "/api/live?log=../..:0",
    "/api/live?log=0123456789abcdef:-1", "/%00", "/api/runs/0123456789abcdef/files/0",
    "/api/faces/0123456789abcdef/pictures/..%2f..%2ftoken", "/api/models/shipped/0/summary",
    "/api/models/run/0123456789abcdef/tensors/0",
  ])
  func pathsLeadNowhere(_ path: String) async throws {
    try await ask { asker, _, _ in
      let response = try await asker.get(path)
      #expect([.badRequest, .notFound].contains(response.status), "\(path) \(response.status)")
      #expect(!String(buffer: response.body).contains("root:"))
    }
  }

  @Test func runsAreListedAndShown() async throws {
    try await ask { asker, _, run in
      let id = RunFiles(run).id
      try await asker.expectText("/api/runs?search=gaussian") { $0.contains("\"total\":1") }
      try await asker.expectText("/api/runs?search=nothing") { $0.contains("\"total\":0") }
      let view = try await asker.text("/api/runs/\(id)")
      #expect(view.contains("\"place\":\"runs/a\"") && view.contains("--run runs/a --resume"))
      try await asker.expectText("/api/runs/\(id)/previews/0") { $0 == "picture" }
      try await asker.expect(.notFound, "/api/runs/\(id)/previews/1")
      try await asker.expect(.badRequest, "/api/runs/\(id)/previews/-1")
      try await asker.expectText("/api/runs/0123456789abcdef?wait") { $0 == "null" }
    }
  }

  @Test func logsAreGivenFromAByteOn() async throws {
    try await ask { asker, _, run in
      let id = RunFiles(run).id
      let whole = try await asker.get("/api/runs/\(id)/log")
      let name = try #require(HTTPField.Name("Atelier-Offset"))
      let length = whole.body.readableBytes
      #expect(whole.headers[name] == "\(length)")
      #expect(try await asker.get("/api/runs/\(id)/log?from=\(length)").body.readableBytes == 0)
      let half = (step(10, loss: 0.5) + "\n").utf8.count
      try await asker.expectText("/api/runs/\(id)/log?from=\(half)") {
        $0 == step(20, loss: 0.25) + "\n"
      }
      try await asker.expect(.conflict, "/api/runs/\(id)/log?from=\(half + 1)")
      try await asker.expect(.conflict, "/api/runs/\(id)/log?from=99999")
      try await asker.expectText("/api/runs/\(id)/log?from=-5") { $0.count == length }
    }
  }

  @Test func notesAndDropsChangeTheFolder() async throws {
    try await ask { asker, _, run in
      let id = RunFiles(run).id
      try await asker.expect(.noContent, "/api/runs/\(id)/note", .put, json: "{\"note\":\"mine\"}")
      #expect(RunFiles(run).note == "mine")
      try await asker.expectText("/api/runs?search=mine") { $0.contains("\"total\":1") }
      let long = String(repeating: "x", count: 20_000)
      try await asker.expect(
        .badRequest, "/api/runs/\(id)/note", .put, json: "{\"note\":\"\(long)\"}")
      try await asker.expect(.badRequest, "/api/runs/\(id)/drop", .post, json: "{\"what\":\"..\"}")
      try await asker.expect(.notFound, "/api/runs/\(id)/drop", .post, json: "{\"what\":\"state\"}")
      try await asker.expect(.ok, "/api/runs/\(id)/drop", .post, json: "{\"what\":\"previews\"}")
      #expect(RunFiles(run).previews.isEmpty)
    }
  }

  @Test(arguments: ["", "{", "[]", "{\"path\":5}", "{\"path\":\"denoise run\"}", "null"])
  func nonsenseIsNoRequest(_ json: String) async throws {
    try await ask { asker, _, _ in
      try await asker.expect(.badRequest, "/api/jobs", .post, json: json)
      try await asker.expect(.badRequest, "/api/jobs", .post, raw: Array(json.utf8))
    }
  }

  @Test func largeRequestsAreRefused() async throws {
    try await ask { asker, _, _ in
      let json = "{\"path\":\"" + String(repeating: "x", count: 2 << 20) + "\"}"
      try await asker.expect(.contentTooLarge, "/api/jobs", .post, json: json)
    }
  }

  @Test func uploadsAreMeasuredBeforeAnybodyDecodesThem() async throws {
    try await ask { asker, studio, _ in
      func png(_ width: [UInt8], _ height: [UInt8]) -> [UInt8] {
        [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 13] + Array("IHDR".utf8) + width
          + height
      }
      let good = try await asker.get(
        "/api/uploads?name=..%2F..%2Fa%20b.png", .post, raw: png([0, 0, 0, 8], [0, 0, 0, 8]))
      #expect(good.status == .created)
      #expect(String(buffer: good.body).contains("\"name\":\"a-b.png\""))
      let huge = try await asker.get(
        "/api/uploads?name=a.png", .post, raw: png([0, 1, 0, 0], [0, 1, 0, 0]))
      #expect(huge.status == .unprocessableContent)
      #expect(String(buffer: huge.body).contains("65536x65536"))
      try await asker.expect(.unprocessableContent, "/api/uploads", .post, raw: Array("text".utf8))
      let long = [UInt8](repeating: 0, count: studio.uploads.mostBytes + 1)
      try await asker.expect(.contentTooLarge, "/api/uploads", .post, raw: long)
      #expect(
        try FileManager.default.contentsOfDirectory(atPath: studio.uploads.url.path).count == 1)
    }
  }

  @Test func resultsAreSavedBesideNothing() async throws {
    try await ask { asker, studio, run in
      let job = StudioJob(
        id: "0123456789abcdef", path: "denoise run", words: [:], arguments: [], trains: false)
      let folder = JobFolder(studio.home, job.id)
      try folder.results.put("x", "deep/a.png")
      try await asker.expectText("/api/jobs/\(job.id)/results/0") { $0 == "x" }
      let root = try #require(studio.folders.roots.first)
      let save = "/api/jobs/\(job.id)/save"
      try await asker.expect(.ok, save, .post, json: "{\"folder\":\"out\"}")
      #expect(
        FileManager.default.fileExists(atPath: root.appendingPathComponent("out/deep/a.png").path))
      try await asker.expect(.conflict, save, .post, json: "{\"folder\":\"out\"}")
      try await asker.expect(.badRequest, save, .post, json: "{\"folder\":\"../out\"}")
      #expect(run.path.hasPrefix(root.path))
    }
  }
}
