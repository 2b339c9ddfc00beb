// What a benchmark says: a line a workload and phase, a row a node.

import AtelierKernels
import AtelierWorkbench

/// One timed phase of a workload; encodes to the same keys as the peers' script prints.
public struct BenchResult: Sendable, Hashable, Codable {
  /// The workload's name.
  public var workload: String
  /// `train` or `infer`.
  public var phase: String
  /// Who ran it: `atelier`.
  public var mode = "atelier"
  /// The median of a step in milliseconds.
  public var ms: Double
  /// Images per second at the median.
  public var imagesPerSecond: Double
  /// The largest resident memory of the process so far, in MiB.
  public var peakMemory: Int
  /// Weights of all networks of the workload.
  public var parameters: Int
  /// Billions of operations per second: two for each multiply-add of the direct algorithms.
  public var gigaflops: Double
  /// `gigaflops` as a part of the machine's peak; above 1 where Winograd's algorithm saves
  /// multiplications, nil where no peak was measured.
  public var peakShare: Double?
  /// What the products multiplied: `bfloat16` only where the CPU has it.
  public var precision: Precision

  enum CodingKeys: String, CodingKey {
    case workload, phase, mode, ms
    case imagesPerSecond = "images_per_s"
    case peakMemory = "peak_rss_mb"
    case parameters = "params"
    case gigaflops = "gflops"
    case peakShare = "peak_share"
    case precision
  }
}

/// What one node of a program cost, for `--profile`.
public struct BenchProfileRow: Sendable, Hashable, Codable {
  /// The node's name.
  public var node: String
  /// The operation's kind.
  public var operation: String
  /// The shape of the first output.
  public var shape: String
  /// The median time in milliseconds.
  public var ms: Double
  /// Billions of floating-point operations per second; 0 where none are counted.
  public var gigaflops: Double
  /// The part of the whole step, 0 to 1.
  public var share: Double
  /// Billions of bytes per second, each input and each output that is read counted once.
  public var gigabytes: Double
}

/// What is timed.
public enum BenchPhase: String, Sendable, Hashable, Codable, CaseIterable {
  /// Forward, loss, backward and Adam's step on a batch that is in place.
  case train
  /// Forward in the form for inference.
  case infer
}
