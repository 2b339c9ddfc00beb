// Ctrl-C and the system's request to end, as a flag that a training looks at after every step.

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

  /// Makes a flag that Ctrl-C (SIGINT) and SIGTERM raise from now on.
  ///
  /// The first signal raises the flag; the second ends the process as it would without the flag.
  public static func catchingSignals() -> InterruptFlag {
    // Made here, because a handler must not be the one that initializes it.
    received.store(0, ordering: .sequentiallyConsistent)
    for number in [SIGINT, SIGTERM] {
      signal(number) { number in
        InterruptFlag.received.store(number, ordering: .sequentiallyConsistent)
        signal(number, SIG_DFL)
      }
    }
    return InterruptFlag(listening: ())
  }

  /// Gives the signals back to the system, so that they end the process at once.
  public static func releaseSignals() {
    for number in [SIGINT, SIGTERM] { signal(number, SIG_DFL) }
  }

  /// The signal that came, nil when none did.
  public var signalNumber: Int32? {
    let number = Self.received.load(ordering: .sequentiallyConsistent)
    return listensToSignals && number != 0 ? number : nil
  }

  /// Raises the flag.
  public func raise() { isSet.store(true, ordering: .sequentiallyConsistent) }

  /// Whether it was raised.
  public var isRaised: Bool { isSet.load(ordering: .sequentiallyConsistent) || signalNumber != nil }
}
