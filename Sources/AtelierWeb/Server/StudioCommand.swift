// The program `atelier-studio`: reads its options, starts the server and prints the address.

import ArgumentParser
import AtelierFiles
import CStudioSite
import Foundation
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix

/// The command.
@main
struct StudioCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "atelier-studio",
    abstract: "Serve the studio to a browser on this machine.",
    discussion: """
      It prints an address with a token; open it in a browser. All work runs in children of the tool \
      atelier, which go on when the studio ends, and is found again when it starts again.

      EXAMPLES
        atelier-studio
        atelier-studio --root ~/pictures --port 8900
        ssh -L 8642:127.0.0.1:8642 machine   then open the address here
      """)

  @Option(
    name: .long, parsing: .upToNextOption,
    help:
      "Folders with runs and pictures that the studio may look into; commands run in the first (default: this one)."
  )
  var root: [String] = []
  @Option(help: "The port.")
  var port = 8642
  @Option(help: "The tool (default: beside this program, else by PATH).")
  var atelier: String?
  @Option(
    help:
      "The studio's own folder: token, index, uploads, jobs (default: ~/.local/state/atelier-studio)."
  )
  var home: String?
  @Option(help: "How many trainings run at a time.")
  var trainings = 1
  @Option(help: "The megabytes of disk that stay free: with less nothing is started.")
  var reserve = 1024
  @Flag(help: "Make another token; browsers that have the old one are locked out.")
  var newToken = false
  @Option(
    help:
      "Listen on this address for other machines, without encryption: whoever reads the network reads the token and all pictures."
  )
  var allowRemote: String?
  @Option(parsing: .upToNextOption, help: "Further names by which the studio is called.")
  var name: [String] = []

  func validate() throws {
    guard (0...65535).contains(port) else {
      throw ValidationError("--port takes 0 to 65535; received \(port)")
    }
    guard (1...16).contains(trainings) else {
      throw ValidationError("--trainings takes 1 to 16; received \(trainings)")
    }
    guard (0...1_000_000).contains(reserve) else {
      throw ValidationError("--reserve takes 0 to 1000000; received \(reserve)")
    }
  }

  func run() async throws {
    studio_be_frugal()
    do { try await serve() } catch {
      let text = (error as? StudioError)?.description ?? "\(error)"
      FileHandle.standardError.write(Data("atelier-studio: \(text)\n".utf8))
      throw ExitCode(Self.code(error))
    }
  }

  private static func code(_ error: any Error) -> Int32 {
    switch (error as? StudioError)?.kind {
    case .usage: 64
    case .data: 65
    case .missingInput: 66
    case .cannotCreate: 73
    case .noMemory: 71
    case nil: 70
    }
  }

  private func serve() async throws {
    let here = FileManager.default.currentDirectoryPath
    var settings = StudioSettings(
      roots: (root.isEmpty ? [here] : root).map { URL(fileURLWithPath: $0) },
      home: home.map { URL(fileURLWithPath: $0) } ?? StudioHome.usual)
    settings.tool = atelier
    settings.trainingsAtOnce = trainings
    settings.reserve = reserve << 20
    let studio = try Studio(settings)
    _ = try await studio.described()
    let token = try studio.home.token(isNew: newToken)
    var hosts = Set(name.map { $0.lowercased() })
    if let allowRemote {
      hosts.insert(["0.0.0.0", "::"].contains(allowRemote) ? "*" : allowRemote.lowercased())
      say(
        "warning: \(allowRemote) is open to the network, without encryption: whoever reads it "
          + "reads the token, and with the token starts jobs here. An SSH tunnel is safer (SECURITY.md)."
      )
    }
    try await StudioServer(studio: studio, rules: GateRules(token: token, hosts: hosts))
      .run(address: allowRemote ?? "127.0.0.1", port: port) { [roots = settings.roots] port in
        print("Atelier's studio runs in \(roots.map(\.path).joined(separator: ", "))")
        print("  http://127.0.0.1:\(port)/?token=\(token)")
        print("Open it in a browser on this machine. Ctrl-C ends it; trainings go on.")
        fflush(nil)
      }
  }

  private func say(_ text: String) {
    FileHandle.standardError.write(Data((text + "\n").utf8))
  }
}

/// The server.
package struct StudioServer: Sendable {
  package let studio: Studio
  package let rules: GateRules
  /// The most connections at once: more wait.
  private static let mostConnections = 512
  /// How long a connection may say nothing before it is closed, in seconds.
  private static let patience: Int64 = 30

  package init(studio: Studio, rules: GateRules) {
    self.studio = studio
    self.rules = rules
  }

  /// Serves until the program is asked to end; `isReady` hears the port.
  package func run(
    address: String, port: Int, isReady: @escaping @Sendable (Int) -> Void
  ) async throws {
    var logger = Logger(label: "atelier-studio")
    logger.logLevel = .error
    let beat = Task { await studio.beat() }
    defer { beat.cancel() }
    let application = Application(
      router: Routes(studio, rules: rules).router(),
      server: .http1(configuration: .init(idleTimeout: .seconds(Self.patience))),
      configuration: .init(
        address: .hostname(address, port: port),
        availableConnectionsDelegate: MaximumAvailableConnections(Self.mostConnections)),
      onServerRunning: { channel in isReady(channel.localAddress?.port ?? port) },
      eventLoopGroupProvider: .shared(MultiThreadedEventLoopGroup.singleton), logger: logger)
    try await application.run()
  }
}
