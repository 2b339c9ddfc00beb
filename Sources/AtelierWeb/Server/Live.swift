// The stream of events to a page: what changed in the studio, and the lines of the logs that it
// shows.

import AtelierFiles
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

/// Writes one page's stream.
struct LiveStream: Sendable {
  let studio: Studio
  /// The logs that the page shows, from where.
  let logs: [(id: String, log: EventLog, start: Int)]

  /// How often a page that shows a log looks for news, and one that shows none: an event is on the
  /// screen within 300 ms, and a hundred pages cost next to nothing.
  private var pace: (interval: Duration, beatsOfTwoSeconds: Int) {
    logs.isEmpty ? (.milliseconds(250), 8) : (.milliseconds(100), 20)
  }

  /// Reads `log=RUN:OFFSET,…` of an address.
  init(_ studio: Studio, _ text: String?) throws {
    self.studio = studio
    var logs: [(String, EventLog, Int)] = []
    for part in (text ?? "").split(separator: ",").prefix(6) {
      let words = part.split(separator: ":")
      guard words.count == 2, let offset = Int(words[1]), offset >= 0 else {
        throw StudioError(.usage, "expected log=RUN:OFFSET")
      }
      let id = try Identity.checked(String(words[0]))
      logs.append((id, try studio.runs.files(id).files.log, offset))
    }
    self.logs = logs
  }

  /// The response, which ends when the page leaves.
  func response(_ request: Request) -> Response {
    let headers: HTTPFields = [.contentType: "text/event-stream", .cacheControl: "no-store"]
    return Response(
      status: .ok, headers: headers,
      body: ResponseBody { writer in
        try await request.body.consumeWithCancellationOnInboundClose { _ in
          await studio.enter()
          do { try await write(to: &writer) } catch {
            await studio.leave()
            throw error
          }
          await studio.leave()
        }
        try await writer.finish(nil)
      })
  }

  private func write(to writer: inout any ResponseBodyWriter) async throws {
    var positions = logs.map { LogPosition(offset: $0.start) }
    var shown = (runs: -1, jobs: -1)
    var beat = 0
    try await writer.write(ByteBuffer(string: "retry: 1000\n\n"))
    while !Task.isCancelled {
      for index in logs.indices {
        guard let text = news(index, &positions[index]) else { continue }
        try await writer.write(ByteBuffer(string: text))
      }
      let now = (runs: await studio.runs.version, jobs: await studio.queue.version)
      // Progress and disk change without a version.
      if now != shown || beat % pace.beatsOfTwoSeconds == 0 {
        shown = now
        let data = try JSONEncoder.ordered().encode(await studio.view())
        try await writer.write(
          ByteBuffer(string: "event: studio\ndata: \(String(decoding: data, as: UTF8.self))\n\n"))
      }
      beat += 1
      try await Task.sleep(for: pace.interval)
    }
  }

  /// A message of what came to a log; its identity is the byte behind it.
  private func news(_ index: Int, _ position: inout LogPosition) -> String? {
    let (id, log, _) = logs[index]
    switch log.news(since: position, limit: 256 << 10) {
    case .same: return nil
    case .reset:
      position = LogPosition()
      return "event: reset\nid: \(id):0\ndata: {\"run\":\"\(id)\"}\n\n"
    case .lines(let bytes, let next):
      position = next
      let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").joined(
        separator: ",")
      return """
        event: log
        id: \(id):\(next.offset)
        data: {"run":"\(id)","offset":\(next.offset),"lines":[\(lines)]}


        """
    }
  }
}
