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

  /// What is wrong with `ATELIER_ISA`, in one line: no such set, or one that this machine has not.
  public static var environmentFault: String? {
    guard let word = getenv("ATELIER_ISA").map({ String(cString: $0) }), !word.isEmpty,
      !available.contains(where: { $0.rawValue == word })
    else { return nil }
    let names = available.map(\.rawValue).joined(separator: ", ")
    return "ATELIER_ISA: expected a set of this machine, one of \(names); received '\(word)'"
  }

  /// Order of speed, not of inclusion.
  public static func < (left: InstructionSet, right: InstructionSet) -> Bool {
    left.code < right.code
  }

  /// The number of the instruction set in the C interface.
  var code: Int32 {
    switch self {
    case .baseline: 0
    case .avx2: 1
    case .avx512: 2
    }
  }
}

/// The numbers that the products of a convolution multiply.
public enum Precision: String, CaseIterable, Sendable, Codable {
  /// IEEE single precision throughout.
  case float32
  /// The factors of products are rounded to bfloat16, eight significant bits, to the nearest (of
  /// two equally near the even one); sums are float32, as are all tensors in memory.
  ///
  /// It needs AVX-512 with its bfloat16 extension; elsewhere everything runs in float32.
  case bfloat16
}

/// The kernels, bound to an instruction set, a precision and a thread pool.
///
/// Every kernel is a method of an extension of this type, one file a family. All tensors are contiguous
/// `Float` in NHWC order. A kernel gives the same bits for every number of threads: work is cut into a partition
/// that depends on the shapes alone, and sums over parts are taken in the order of the parts.
public struct Kernels: Sendable {
  /// The threads that share the work.
  public let pool: ThreadPool
  /// The instruction set that the micro-kernels use.
  public let instructionSet: InstructionSet
  /// The precision that products run in: as asked for where this machine and the instruction set
  /// have it, else `float32`.
  ///
  /// In bfloat16 run the products of convolutions in Winograd's form (forward, input gradient and
  /// weight gradient of 3×3 kernels of stride 1 and of 5×5 and 6×6 kernels of stride 2 with at
  /// least 16 channels on both sides), and of all others forward and input gradient from an even
  /// number of channels to more than four, and the weight gradient of at least four weights a
  /// channel. Dense layers, convolutions of a channel each and all other kernels run in float32.
  public let precision: Precision

  /// Binds the kernels to `pool`, `instructionSet` and `precision`.
  public init(
    pool: ThreadPool = .shared, instructionSet: InstructionSet = .preferred,
    precision: Precision = .float32
  ) {
    self.pool = pool
    self.instructionSet = instructionSet
    let isThere = instructionSet == .avx512 && ck_cpu_supports_bfloat16() != 0
    self.precision = isThere ? precision : .float32
  }
}
