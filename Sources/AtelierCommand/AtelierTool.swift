// The entry of the command line: the tree of commands, and where every error ends.

import ArgumentParser
import Atelier
import Foundation

/// The command `atelier`, or on several ranks `atelier-cluster`.
package struct AtelierTool: ParsableCommand {
  package static var configuration: CommandConfiguration {
    CommandConfiguration(
      commandName: Ranks.current == nil ? "atelier" : "atelier-cluster",
      abstract: "A studio of encoders and decoders for images.",
      discussion: """
        EXAMPLES
          atelier denoise photo.png -o clean.png
          atelier denoise train --data photos --network unet --run mine --minutes 30
          atelier denoise evaluate --model mine.safetensors --data test --sigma 25
          atelier swap extract clip.mp4 -o faces/a
          atelier classify train --data fashion-mnist --network course --run shirts
          atelier model summary autoencoder --size 96x96

        EXIT CODES
          0 done, 64 wrong usage, 65 damaged data, 66 missing input, 70 fault inside,
          71 not enough memory, 73 a result cannot be written, 130 interrupted (a
          training is saved first).
        """,
      version: asksForVersion ? StudioVersion.full : StudioVersion.current,
      subcommands: shops.map { command(for: $0) })
  }

  /// Whether the commit, which stands in a file, has to be looked up.
  private static var asksForVersion: Bool { CommandLine.arguments.contains("--version") }

  /// The workshop that the first word names, alone; all where it names none.
  ///
  /// The parser makes all commands of its tree before it reads a word, a third of its work.
  private static var shops: [any Workshop.Type] {
    let all = Workshops.all
    guard let word = CommandLine.arguments.dropFirst().first else { return all }
    return all.first { $0.name == word }.map { [$0] } ?? all
  }

  package init() {}

  /// Parses, runs, and turns whatever is thrown into one line on standard error.
  package static func main() {
    StandardStreams.secure()
    receiveSignals()
    MemoryEnd.tell()
    do {
      if let fault = InstructionSet.environmentFault ?? ThreadPool.environmentFault {
        throw StudioError(.usage, fault)
      }
      AlignedMemory.refusal = MemoryDoor.refusal
      var command = try parseAsRoot()
      try command.run()
      try Ranks.current?.settle()
      Console.finish()
    } catch {
      Failure.end(with: error)
    }
  }

  /// Lets Ctrl-C through: some programs start others with all signals blocked.
  private static func receiveSignals() {
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGINT)
    sigaddset(&signals, SIGTERM)
    sigaddset(&signals, SIGHUP)
    sigaddset(&signals, SIGPIPE)
    // Before any thread is there, so that all of them inherit it.
    pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    // A file that grows beyond the limit is an error of its write, as a full disk is.
    signal(SIGXFSZ, SIG_IGN)
  }
}
