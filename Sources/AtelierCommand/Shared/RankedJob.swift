// A job on several ranks: what they must have in common, who reads and writes what, who talks.

import ArgumentParser
import Atelier
import Foundation

/// What the ranks of one job have in common before it begins.
struct CommonGround {
  /// What every rank can run, and the threads that this one has.
  let kernels: Kernels
  /// What the user should know.
  var remarks: [String] = []

  /// What each rank tells of itself.
  private struct Introduction: Codable {
    var version: String
    var program: UInt64
    var words: [String]
    var instructionSet: InstructionSet
    var hasBFloat16: Bool
    var cores: Int
  }

  /// Tells the others of this rank; throws where one of them runs another program or was asked for
  /// something else.
  init(_ group: any RankGroup, _ settings: CommandSettings) throws {
    let bfloat16 = Kernels(pool: ThreadPool(threads: 1), precision: .bfloat16)
    let own = Introduction(
      version: StudioVersion.current, program: Self.programMark(),
      words: Array(CommandLine.arguments.dropFirst()),
      instructionSet: .preferred, hasBFloat16: bfloat16.precision == .bfloat16,
      cores: ProcessInfo.processInfo.activeProcessorCount)
    let all = try group.agree(Result { Array(try JSONEncoder().encode(own)) }).map {
      try JSONDecoder().decode(Introduction.self, from: Data($0))
    }
    for (rank, other) in all.enumerated() {
      var difference: String?
      if other.version != all[0].version {
        difference = "is version \(other.version), rank 0 is version \(all[0].version)"
      } else if other.program != all[0].program {
        difference = "runs another build of the program than rank 0"
      } else if other.words != all[0].words {
        difference = "was started with other arguments than rank 0"
      }
      if let difference {
        group.isOver = true
        throw StudioError(.usage, "\(group.name(of: rank)) \(difference)")
      }
    }
    let set = all.map(\.instructionSet).min() ?? .baseline
    if let faster = all.firstIndex(where: { $0.instructionSet != set }) {
      remarks.append(
        "\(group.name(of: faster)) has \(all[faster].instructionSet.rawValue); all run in "
          + "\(set.rawValue), which all have")
    }
    var precision = settings.precision
    if precision == .bfloat16, let without = all.firstIndex(where: { !$0.hasBFloat16 }) {
      remarks.append("\(group.name(of: without)) does not multiply bfloat16; all run in float32")
      precision = .float32
    }
    let neighbours = zip(group.hosts, 0...).filter { $0.0 == group.hosts[group.rank] }.count
    kernels = Kernels(
      pool: Self.pool(settings, cores: own.cores, neighbours: neighbours), instructionSet: set,
      precision: precision)
  }

  /// The threads: as asked for, else an even share of the machine unless the system gave one already.
  private static func pool(_ settings: CommandSettings, cores: Int, neighbours: Int) -> ThreadPool {
    if let threads = settings.threads { return ThreadPool(threads: threads) }
    let given = ThreadPool.shared.threads
    let isBound = given < cores || ProcessInfo.processInfo.environment["ATELIER_THREADS"] != nil
    return isBound || neighbours == 1
      ? .shared : ThreadPool(threads: max(1, cores / neighbours))
  }

  /// A number for the program's own bytes; 0 where the system does not show them.
  private static func programMark() -> UInt64 {
    guard let url = Bundle.main.executableURL,
      let data = try? Data(contentsOf: url, options: .alwaysMapped)
    else { return 0 }
    return data.withUnsafeBytes { bytes in
      stride(from: 0, to: bytes.count - 7, by: 8).reduce(0xCBF2_9CE4_8422_2325) {
        ($0 ^ bytes.loadUnaligned(fromByteOffset: $1, as: UInt64.self)) &* 0x100_0000_01B3
      }
    }
  }
}

/// The folder in which a rank that does not write works as if it were the first one.
final class ScratchRun {
  /// The folder that takes the place of the run's.
  let url: URL
  private let lock: Int32

  private static let prefix = "atelier-rank-"

  /// Makes it, and takes away those that processes left which were killed.
  init() throws {
    let place = FileManager.default.temporaryDirectory
    let names = (try? FileManager.default.contentsOfDirectory(atPath: place.path)) ?? []
    for name in names where name.hasPrefix(Self.prefix) {
      let other = place.appending(path: name)
      let descriptor = open(other.appending(path: "lock").path, O_RDWR | O_CLOEXEC)
      guard descriptor >= 0 else { continue }
      if flock(descriptor, LOCK_EX | LOCK_NB) == 0 {
        try? FileManager.default.removeItem(at: other)
      }
      close(descriptor)
    }
    url = place.appending(path: Self.prefix + UUID().uuidString)
    do {
      try FileManager.default.createDirectory(at: url, withIntermediateDirectories: false)
    } catch {
      throw StudioError(.cannotCreate, ErrorLine.text(error))
    }
    lock = open(url.appending(path: "lock").path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    flock(lock, LOCK_EX | LOCK_NB)
  }

  /// Takes the folder away.
  func remove() { try? FileManager.default.removeItem(at: url) }
}

/// The files of a run that a resume reads, as one message.
enum RunFiles {
  private static let names: Set = [
    "configuration.json", "about.json", "state.safetensors", "last.safetensors",
    "best.safetensors", "generator.safetensors", "encoder.safetensors",
  ]

  private struct Entry: Codable {
    var path: String
    var count: Int
  }

  /// The files of a folder and of those directly below it.
  static func read(_ folder: URL) throws -> [UInt8] {
    var entries: [Entry] = []
    var content: [UInt8] = []
    func add(_ path: String, _ url: URL) throws {
      guard names.contains(url.lastPathComponent),
        FileManager.default.fileExists(atPath: url.path)
      else { return }
      let data = try Data(contentsOf: url)
      entries.append(Entry(path: path, count: data.count))
      content += data
    }
    for name in try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() {
      let url = folder.appending(path: name)
      if StudioFiles.isFolder(url.path) == true {
        for inner in try FileManager.default.contentsOfDirectory(atPath: url.path).sorted() {
          try add("\(name)/\(inner)", url.appending(path: inner))
        }
      } else {
        try add(name, url)
      }
    }
    let head = Array(try JSONEncoder().encode(entries))
    return withUnsafeBytes(of: head.count) { Array($0) } + head + content
  }

  /// Writes what `read` gave into a folder.
  static func write(_ bytes: [UInt8], to folder: URL) throws {
    guard bytes.count >= 8 else { return }
    let length = bytes.withUnsafeBytes { $0.loadUnaligned(as: Int.self) }
    let entries = try JSONDecoder().decode([Entry].self, from: Data(bytes[8..<8 + length]))
    var place = 8 + length
    for entry in entries {
      let url = folder.appending(path: entry.path)
      try FileManager.default.createDirectory(
        at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      do { try Data(bytes[place..<place + entry.count]).write(to: url) } catch {
        throw StudioError(.cannotCreate, ErrorLine.text(error))
      }
      place += entry.count
    }
  }
}
