// Threads that tell when the system has none: Foundation's say nothing then, and who waits for them waits
// for ever.

import Foundation

/// A thread of its own for a piece of work.
package enum OwnThread {
  /// What runs, in a box that a C pointer can carry.
  private final class Work: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }

  /// Runs the body on a thread with a stack of 8 MB; nobody waits for its end.
  ///
  /// Throws `StudioError` of the kind `noMemory` where there is no room for the thread.
  package static func start(
    for what: String, _ body: @escaping @Sendable () -> Void
  ) throws(StudioError) {
    let stack = 8 << 20
    let attributes = UnsafeMutablePointer<pthread_attr_t>.allocate(capacity: 1)
    pthread_attr_init(attributes)
    defer {
      pthread_attr_destroy(attributes)
      attributes.deallocate()
    }
    pthread_attr_setstacksize(attributes, stack)
    pthread_attr_setdetachstate(attributes, Int32(PTHREAD_CREATE_DETACHED))
    let work = Unmanaged.passRetained(Work(body))
    #if canImport(Darwin)
    var thread: pthread_t?
    let status = pthread_create(
      &thread, attributes,
      { pointer in
        Unmanaged<Work>.fromOpaque(pointer).takeRetainedValue().body()
        return nil
      }, work.toOpaque())
    #else
    var thread = pthread_t()
    let status = pthread_create(
      &thread, attributes,
      { pointer in
        if let pointer { Unmanaged<Work>.fromOpaque(pointer).takeRetainedValue().body() }
        return nil
      }, work.toOpaque())
    #endif
    guard status != 0 else { return }
    work.release()
    throw StudioError(
      .noMemory, "\(what): no thread can be started (\(String(cString: strerror(status))))")
  }
}
