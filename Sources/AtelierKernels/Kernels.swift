// The entry to every kernel: which instruction set runs it and which threads share it. Holds no tensor and no graph.

import CKernels

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// The instruction sets that the C micro-kernels are compiled for.
public enum InstructionSet: String, CaseIterable, Sendable, Codable, Comparable {
  /// Plain vector code that any CPU of the target architecture runs (SSE2 on x86-64, NEON on arm64).
  case baseline
  /// AVX2 with fused multiply-add.
  case avx2
  /// AVX-512 F, BW, DQ and VL.
  case avx512

  /// The instruction sets that this machine can run, slowest first.
  public static let available: [InstructionSet] = allCases.filter {
    switch $0 {
    case .baseline: true
    case .avx2: ck_cpu_supports_avx2() != 0
    case .avx512: ck_cpu_supports_avx512() != 0
    }
  }

  /// The fastest available one, unless the environment variable `ATELIER_ISA` names another available one.
  public static let preferred: InstructionSet = {
    let forced = getenv("ATELIER_ISA").flatMap { InstructionSet(rawValue: String(cString: $0)) }
    if let forced, available.contains(forced) { return forced }
    return available.last ?? .baseline
  }()

  /// Order of speed, not of inclusion.
  public static func < (left: InstructionSet, right: InstructionSet) -> Bool {
    left.rank < right.rank
  }

  private var rank: Int {
    switch self {
    case .baseline: 0
    case .avx2: 1
    case .avx512: 2
    }
  }
}

/// The kernels, bound to an instruction set and a thread pool.
///
/// Every kernel is a method of an extension of this type, one file a family. All tensors are contiguous
/// `Float` in NHWC order. A kernel gives the same bits for every number of threads: work is cut into a partition
/// that depends on the shapes alone, and sums over parts are taken in the order of the parts.
public struct Kernels: Sendable {
  /// The threads that share the work.
  public let pool: ThreadPool
  /// The instruction set that the micro-kernels use.
  public let instructionSet: InstructionSet

  /// Binds the kernels to `pool` and `instructionSet`.
  public init(pool: ThreadPool = .shared, instructionSet: InstructionSet = .preferred) {
    self.pool = pool
    self.instructionSet = instructionSet
  }
}
