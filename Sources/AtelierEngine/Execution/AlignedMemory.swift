// Blocks of floats aligned to cache lines and zeroed by the system page by page, as they are first touched.

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Allocation of float blocks for arenas and parameter stores.
enum AlignedMemory {
  private static let header = 64

  /// A zeroed block aligned to 64 bytes; pages that are never touched cost nothing.
  ///
  /// - Parameter count: Floats.
  /// - Returns: The block, to be given to `free`.
  /// - Throws: `ShapeError` when the system has no such block.
  static func allocate(_ count: Int) throws(ShapeError) -> UnsafeMutablePointer<Float> {
    guard count <= 1 << 48, let base = calloc(count * 4 + 2 * header, 1) else {
      throw ShapeError("the system does not give \(count) floats of memory")
    }
    let aligned = (Int(bitPattern: base) + 2 * header - 1) / header * header
    guard let start = UnsafeMutableRawPointer(bitPattern: aligned) else {
      preconditionFailure("an aligned address is never zero")
    }
    // The byte before the block would be the allocator's; the address of the base stands in the eight before it.
    start.storeBytes(of: Int(bitPattern: base), toByteOffset: -8, as: Int.self)
    return start.bindMemory(to: Float.self, capacity: count)
  }

  /// Frees a block that `allocate` gave.
  static func free(_ pointer: UnsafeMutablePointer<Float>) {
    let base = UnsafeRawPointer(pointer).load(fromByteOffset: -8, as: Int.self)
    #if canImport(Glibc)
    Glibc.free(UnsafeMutableRawPointer(bitPattern: base))
    #else
    Darwin.free(UnsafeMutableRawPointer(bitPattern: base))
    #endif
  }
}
