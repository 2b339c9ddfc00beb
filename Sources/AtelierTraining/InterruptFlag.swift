// Ctrl-C, a lost terminal and the system's request to end, as a flag that a training looks at after every step.

import Foundation
import Synchronization

/// A flag that asks a training to save and stop; usable from any thread.
public final class InterruptFlag: Sendable {
  /// The signal that came, 0 before; a signal handler may do little more than write one number.
  private static let received = Atomic<Int32>(0)

  private let isSet = Atomic<Bool>(false)
  private let listensToSignals: Bool

  /// Makes a flag that only `raise()` raises.
  public init() { listensToSignals = false }

  private init(listening: Void) { listensToSignals = true }

  /// What asks to end: Ctrl-C, the system, a terminal that went away, a reader that went away.
  private static var numbers: [Int32] { [SIGINT, SIGTERM, SIGHUP, SIGPIPE] }

  /// Whether this process was started to ignore a signal, as `nohup` does with SIGHUP.
  private static func isIgnored(_ number: Int32) -> Bool {
    var action = sigaction()
    sigaction(number, nil, &action)
    #if canImport(Darwin)
    let handler = action.__sigaction_u.__sa_handler
    #else
    let handler = action.__sigaction_handler.sa_handler
    #endif
    return unsafeBitCast(handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
  }

  /// Makes a flag that SIGINT (Ctrl-C), SIGTERM, SIGHUP and SIGPIPE raise from now on, but for those
  /// that the process was started to ignore; and `further` ones, such as those that mpirun hands on.
  ///
  /// The first signal raises the flag; the second ends the process as it would without the flag. A
  /// broken pipe stays broken, so SIGPIPE is ignored from then on.
  public static func catchingSignals(_ further: [Int32] = []) -> InterruptFlag {
    // Made here, because a handler must not be the one that initializes it.
    received.store(0, ordering: .sequentiallyConsistent)
    for number in numbers + further where !isIgnored(number) {
      signal(number) { number in
        InterruptFlag.received.store(number, ordering: .sequentiallyConsistent)
        signal(number, number == SIGPIPE ? SIG_IGN : SIG_DFL)
      }
    }
    return InterruptFlag(listening: ())
  }

  /// Gives the signals back to the system, so that they end the process at once.
  public static func releaseSignals() {
    for number in numbers where !isIgnored(number) { signal(number, SIG_DFL) }
  }

  /// The signal that came, nil when none did.
  public var signalNumber: Int32? {
    let number = Self.received.load(ordering: .sequentiallyConsistent)
    return listensToSignals && number != 0 ? number : nil
  }

  /// Whether any signal came that a flag listens to.
  package static var hasReceivedSignal: Bool {
    received.load(ordering: .sequentiallyConsistent) != 0
  }

  /// Raises the flag.
  public func raise() { isSet.store(true, ordering: .sequentiallyConsistent) }

  /// Whether it was raised.
  public var isRaised: Bool { isSet.load(ordering: .sequentiallyConsistent) || signalNumber != nil }
}
