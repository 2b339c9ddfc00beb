// Blocks of floats aligned to cache lines and zeroed by the system page by page, as they are first touched.

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Allocation of float blocks for arenas and parameter stores.
public enum AlignedMemory {
  /// Says why there is no memory of so many bytes; nil where there is.
  ///
  /// Set once at a program's start, before any thread is there. The engine itself knows no system's
  /// files in which that stands.
  nonisolated(unsafe) public static var refusal: @Sendable (_ bytes: Int) -> String? = { _ in nil }

  private static let header = 64
  /// A large page of the system; blocks of at least one ask for them.
  private static let largePage = 2 << 20

  /// A zeroed block of `count` floats, aligned to 64 bytes, to be given to `free`; pages that are never touched cost nothing.
  ///
  /// Large blocks lie on large pages where the system has them: kernels that jump between the rows
  /// of an image else spend up to half of their time looking up addresses.
  ///
  /// - Throws: `ShapeError` when the system has no such block.
  package static func allocate(_ count: Int) throws(ShapeError) -> UnsafeMutablePointer<Float> {
    guard count <= 1 << 48 else {
      throw ShapeError("the system does not give \(count) floats of memory", isMemory: true)
    }
    if let line = refusal(count * 4) {
      throw ShapeError("a program \(line)", isMemory: true)
    }
    #if canImport(Glibc)
    if count * 4 >= largePage { return try allocateLarge(count) }
    #endif
    guard let base = calloc(count * 4 + 2 * header, 1) else {
      throw ShapeError("the system does not give \(count) floats of memory", isMemory: true)
    }
    return place(base, length: 0, alignment: header, count: count)
  }

  /// The first aligned address behind a header that remembers where the block began, and its length
  /// when it came from `mmap`.
  private static func place(
    _ base: UnsafeMutableRawPointer, length: Int, alignment: Int, count: Int
  ) -> UnsafeMutablePointer<Float> {
    let aligned = (Int(bitPattern: base) + header + alignment - 1) / alignment * alignment
    guard let start = UnsafeMutableRawPointer(bitPattern: aligned) else {
      preconditionFailure("an aligned address is never zero")
    }
    start.storeBytes(of: Int(bitPattern: base), toByteOffset: -8, as: Int.self)
    start.storeBytes(of: length, toByteOffset: -16, as: Int.self)
    return start.bindMemory(to: Float.self, capacity: count)
  }

  /// Frees a block that `allocate` gave.
  package static func free(_ pointer: UnsafeMutablePointer<Float>) {
    let start = UnsafeRawPointer(pointer)
    let base = UnsafeMutableRawPointer(bitPattern: start.load(fromByteOffset: -8, as: Int.self))
    #if canImport(Glibc)
    let length = start.load(fromByteOffset: -16, as: Int.self)
    if length > 0 {
      munmap(base, length)
    } else {
      Glibc.free(base)
    }
    #else
    Darwin.free(base)
    #endif
  }
}

#if canImport(Glibc)
extension AlignedMemory {
  private static func allocateLarge(
    _ count: Int
  ) throws(ShapeError) -> UnsafeMutablePointer<Float> {
    let length = count * 4 + largePage + header
    guard let base = mmap(nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
      base != MAP_FAILED
    else { throw ShapeError("the system does not give \(count) floats of memory", isMemory: true) }
    let start = place(base, length: length, alignment: largePage, count: count)
    // A wish: a system without large pages says no, and nothing else changes. The rest behind the
    // last whole page lies on small ones, so that it costs no more memory than it has.
    madvise(start, count * 4 / largePage * largePage, MADV_HUGEPAGE)
    return start
  }
}
#endif
