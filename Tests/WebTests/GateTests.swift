// Who may ask: forged hosts and origins, other sites, wrong tokens are refused.

import AtelierWeb
import Foundation
import HTTPTypes
import Testing

@Suite struct GateTests {
  let rules = GateRules(token: String(repeating: "a", count: 64))

  private func request(host: String?, _ fields: [String: String] = [:]) throws -> HTTPRequest {
    var head = HTTPRequest(method: .get, scheme: "http", authority: host, path: "/api/runs")
    for (name, value) in fields { head.headerFields[try #require(HTTPField.Name(name))] = value }
    return head
  }

  @Test(arguments: ["localhost", "127.0.0.1:8642", "LOCALHOST:1", "[::1]:8642", "[::1]"])
  func ownNamesPass(_ host: String) throws {
    #expect(rules.refusal(try request(host: host), token: rules.token) == nil)
  }

  @Test(arguments: [
    "evil.example", "localhost.evil.example", "127.0.0.1.evil.example",
    "127.0.0.1:8642@evil.example",
    "evil.example:8642", "", "localhost:", "localhost:99999999", "localhost:80:80", "[::1",
    "[::1]x",
    "192.168.0.7", "local host", "localhost:٣",
  ])
  func otherNamesAreRefused(_ host: String) throws {
    let refusal = rules.refusal(try request(host: host), token: rules.token)
    #expect(refusal?.status == .misdirectedRequest)
  }

  @Test func aRequestWithoutHostIsRefused() throws {
    #expect(rules.refusal(try request(host: nil), token: rules.token) != nil)
  }

  @Test(arguments: [
    "http://evil.example", "https://localhost:8642", "http://localhost:9", "null",
    "http://localhost",
  ])
  func otherOriginsAreRefused(_ origin: String) throws {
    let asked = try request(host: "localhost:8642", ["Origin": origin])
    #expect(rules.refusal(asked, token: rules.token)?.status == .forbidden)
  }

  @Test func theOwnOriginPasses() throws {
    let asked = try request(host: "localhost:8642", ["Origin": "http://localhost:8642"])
    #expect(rules.refusal(asked, token: rules.token) == nil)
  }

  @Test(arguments: [
    ("cross-site", false), ("same-site", false), ("same-origin", true), ("none", true),
  ])
  func otherSitesAreRefused(_ site: String, _ passes: Bool) throws {
    let asked = try request(host: "localhost", ["Sec-Fetch-Site": site])
    #expect((rules.refusal(asked, token: rules.token) == nil) == passes)
  }

  @Test(arguments: [
    nil, "", "a", String(repeating: "a", count: 63), String(repeating: "b", count: 64),
  ])
  func otherTokensAreRefused(_ token: String?) throws {
    let refusal = rules.refusal(try request(host: "localhost"), token: token)
    #expect(refusal?.status == .unauthorized)
  }

  @Test func remoteNamesPassOnlyWhereAllowed() throws {
    let named = GateRules(token: rules.token, hosts: ["machine.local"])
    #expect(named.knows(host: "machine.local:80"))
    #expect(!named.knows(host: "10.0.0.1"))
    // A name that was turned to this machine is a name; an address in digits cannot be turned.
    let open = GateRules(token: rules.token, hosts: ["*"])
    #expect(open.knows(host: "10.0.0.1:8642"))
    #expect(!open.knows(host: "evil.example"))
  }

  @Test func anotherTokenHasAnotherCookie() {
    let other = GateRules(token: String(repeating: "b", count: 64))
    #expect(rules.cookieName != other.cookieName)
    #expect(!rules.cookieName.contains(rules.token.prefix(8)))
  }

  @Test func theTokenIsKeptForThisUserAlone() async throws {
    try await withFolder { folder in
      let home = try StudioHome(folder.appendingPathComponent("home"))
      let token = try home.token()
      #expect(token.count == 64)
      #expect(try home.token() == token)
      var status = stat()
      #expect(stat(home.url.appendingPathComponent("token").path, &status) == 0)
      #expect(status.st_mode & 0o777 == 0o600)
      #expect(stat(home.url.path, &status) == 0)
      #expect(status.st_mode & 0o777 == 0o700)
      #expect(try home.token(isNew: true) != token)
      // A damaged file is no token.
      try Data("short\n".utf8).write(to: home.url.appendingPathComponent("token"))
      #expect(try home.token().count == 64)
    }
  }

  @Test func aSecondStudioIsKeptOut() async throws {
    try await withFolder { folder in
      let home = try StudioHome(folder)
      let lock = try home.hold()
      defer { close(lock) }
      #expect(throws: (any Error).self) { _ = try home.hold() }
    }
  }
}
