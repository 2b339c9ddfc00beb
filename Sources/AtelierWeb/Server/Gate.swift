// Who may ask: this machine's own pages with the token, nobody else; and what every answer says to
// the browser.

import AtelierFiles
import Foundation
import HTTPTypes
import Hummingbird

/// What requests must bring.
package struct GateRules: Sendable {
  /// The token.
  package var token: String
  /// Names beside this machine's own by which the studio may be called; `*` is any address in
  /// digits.
  package var hosts: Set<String> = []

  package init(token: String, hosts: Set<String> = []) {
    self.token = token
    self.hosts = hosts
  }

  /// The name of the cookie: that of another studio on this machine is another.
  package var cookieName: String {
    "atelier-" + ContentHash.text(ContentHash.xxh64(Array("cookie \(token)".utf8))).prefix(8)
  }

  /// Whether a host of a request, with or without a port, is one of ours.
  ///
  /// A page of another site whose name was turned to this machine (DNS rebinding) says its own
  /// name here.
  package func knows(host: String) -> Bool {
    guard let name = Self.name(host) else { return false }
    if ["localhost", "127.0.0.1", "[::1]"].contains(name) || hosts.contains(name) { return true }
    return hosts.contains("*") && Self.isAddress(name)
  }

  /// The host without its port, lower case; nil for what is malformed.
  static func name(_ host: String) -> String? {
    let text = host.lowercased()
    guard !text.isEmpty, text.count <= 255 else { return nil }
    if text.hasPrefix("[") {
      guard let end = text.firstIndex(of: "]") else { return nil }
      let rest = text[text.index(after: end)...]
      guard rest.isEmpty || isPort(rest) else { return nil }
      return String(text[...end])
    }
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count <= 2, !parts[0].isEmpty else { return nil }
    if parts.count == 2, !isPort(":" + parts[1]) { return nil }
    return String(parts[0])
  }

  private static func isPort(_ text: some StringProtocol) -> Bool {
    let digits = text.dropFirst()
    return text.first == ":" && (1...5).contains(digits.count)
      && digits.allSatisfy { $0.isASCII && $0.isNumber }
  }

  private static func isAddress(_ name: String) -> Bool {
    name.hasPrefix("[")
      || name.split(separator: ".").count == 4
        && name.allSatisfy { $0 == "." || ($0.isASCII && $0.isNumber) }
  }

  /// Whether two texts are equal, in a time that does not say where they differ.
  static func equal(_ first: some StringProtocol, _ second: some StringProtocol) -> Bool {
    let (one, other) = (Array(first.utf8), Array(second.utf8))
    guard one.count == other.count else { return false }
    return zip(one, other).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
  }

  /// Why a request is refused; nil for one that may pass.
  package func refusal(_ request: HTTPRequest, token given: String?) -> Refusal? {
    guard let host = request.authority, knows(host: host) else {
      return Refusal(.misdirectedRequest, "this studio does not go by that name")
    }
    if let origin = request.headerFields[.origin],
      origin.lowercased() != "http://\(host.lowercased())"
    {
      return Refusal(.forbidden, "a page of another origin may not ask this studio")
    }
    if let name = HTTPField.Name("Sec-Fetch-Site"), let site = request.headerFields[name],
      site != "same-origin", site != "none"
    {
      return Refusal(
        .forbidden, "another site may not lead here; paste the address into the address bar instead"
      )
    }
    guard let given, Self.equal(given, token) else {
      return Refusal(
        .unauthorized, "open the address that atelier-studio printed: it holds the token")
    }
    return nil
  }

  /// A refused request.
  package struct Refusal: Sendable, Equatable {
    package var status: HTTPResponse.Status
    package var text: String

    init(_ status: HTTPResponse.Status, _ text: String) {
      (self.status, self.text) = (status, text)
    }
  }
}

/// Stands before every route.
struct Gate<Context: RequestContext>: RouterMiddleware {
  let rules: GateRules

  /// Scripts, styles and pictures come from this server alone, and nobody frames it.
  static var policy: String {
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
      + "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
  }

  func handle(
    _ request: Request, context: Context, next: (Request, Context) async throws -> Response
  ) async throws -> Response {
    let entry = request.uri.path == "/" ? request.uri.queryParameters.get("token") : nil
    let given = entry ?? request.cookies[rules.cookieName]?.value
    if let refusal = rules.refusal(request.head, token: given) {
      return Self.guarded(Answer.failure(refusal.status, refusal.text, isPage: entry != nil))
    }
    if entry != nil { return Self.guarded(welcome) }
    var response: Response
    do { response = try await next(request, context) } catch { response = Answer.failure(error) }
    return Self.guarded(response)
  }

  /// Gives the cookie and leads on by the page itself: after a redirect, a browser that came from
  /// elsewhere would withhold a strict cookie.
  private var welcome: Response {
    let page = """
      <!doctype html><html lang="en"><meta charset="utf-8"><title>Atelier</title>
      <meta http-equiv="refresh" content="0;url=/"><p><a href="/">Open the studio</a></p></html>
      """
    var response = Answer.bytes(Data(page.utf8), type: "text/html; charset=utf-8")
    response.headers[.setCookie] =
      "\(rules.cookieName)=\(rules.token); Path=/; HttpOnly; SameSite=Strict; Max-Age=31536000"
    response.headers[.cacheControl] = "no-store"
    return response
  }

  private static func guarded(_ response: Response) -> Response {
    var response = response
    func set(_ name: String, _ value: String) {
      if let name = HTTPField.Name(name) { response.headers[name] = value }
    }
    set("Content-Security-Policy", policy)
    set("X-Content-Type-Options", "nosniff")
    set("Referrer-Policy", "no-referrer")
    set("Cross-Origin-Opener-Policy", "same-origin")
    set("Cross-Origin-Resource-Policy", "same-origin")
    set("X-Frame-Options", "DENY")
    if response.headers[.cacheControl] == nil { response.headers[.cacheControl] = "no-store" }
    return response
  }
}
