// What `atelier attack evaluate` measured: rows, the transfer matrix, the plot of a sweep.

import Atelier
import Foundation

/// Who an attack is made on and who judges it.
struct AttackPair {
  let source: NamedVictim
  let victim: NamedVictim

  /// The pairs to measure.
  ///
  /// - Parameters:
  ///   - victims: The classifiers.
  ///   - isTransfer: Whether each attack is judged by all of them.
  ///   - denoiser: A denoiser that is also put in front of each, with its name.
  ///   - sigma: What that is told.
  /// - Returns: The pairs, each victim's together.
  /// - Throws: `StudioError` when the denoiser does not fit.
  static func list(
    _ victims: [NamedVictim], isTransfer: Bool, denoiser: NamedVictim?, sigma: Float
  ) throws -> [AttackPair] {
    var pairs: [AttackPair] = []
    for victim in victims {
      pairs += (isTransfer ? victims : [victim]).map { AttackPair(source: $0, victim: victim) }
      guard let denoiser else { continue }
      let defended = NamedVictim(
        name: "\(victim.name) behind \(denoiser.name)",
        model: try Defence.model(victim.model, behind: denoiser.model, sigma: sigma))
      pairs += [victim, defended].map { AttackPair(source: $0, victim: defended) }
    }
    return pairs
  }

  /// The victims of pairs, each once.
  static func judges(_ pairs: [AttackPair]) -> [NamedVictim] {
    var names: Set<String> = []
    return pairs.map(\.victim).filter { names.insert($0.name).inserted }
  }
}

/// One measurement as `--json` prints it.
struct AttackRow: Encodable {
  let victim: String
  let epsilon: Float
  /// The classifier that the attack was made on; nil for a generator.
  var source: String?
  /// The generator's file; nil for an attack without training.
  var generator: String?
  let report: AttackReport
}

/// One look for masked gradients as `--json` prints it.
struct AttackCheck: Encodable {
  let victim: String
  let epsilon: Float
  let report: MaskingReport
}

/// All of a call; encodes to what `--json` prints.
struct AttackTable: Encodable {
  var rows: [AttackRow] = []
  var checks: [AttackCheck] = []

  /// Everything for people.
  ///
  /// - Parameters:
  ///   - isTransfer: Whether to show each attack as a matrix, too.
  ///   - perClass: Whether to show the tables of classes.
  /// - Returns: Lines.
  func text(isTransfer: Bool, perClass: Bool) -> String {
    shortened.lines(isTransfer: isTransfer, perClass: perClass)
  }

  private func lines(isTransfer: Bool, perClass: Bool) -> String {
    var parts = [mainTable]
    if isTransfer { parts += matrices }
    if perClass {
      parts += rows.map {
        "\($0.report.attack) at \($0.epsilon) on \($0.victim):\n" + Self.classTable($0.report)
      }
    }
    for check in checks {
      let report = check.report
      let shares = [
        report.oneStart, report.manyStarts, report.smoothed, report.blackBox, report.zeroGradients,
      ].map { NumberText.fixed(100 * $0, 1) }
      parts.append(
        ([
          "\(check.victim) at \(check.epsilon): right under PGD \(shares[0]) %, from several "
            + "starts \(shares[1]) %, smoothed \(shares[2]) %, under Square \(shares[3]) %; zero "
            + "gradients \(shares[4]) %"
        ]
          + (report.warnings.isEmpty
            ? ["no sign of masked gradients"] : report.warnings.map { "warning: \($0)" })
          + ["protocol: \(report.protocol)"]).joined(separator: "\n"))
    }
    let protocols = Set(rows.map(\.report.protocol)).sorted().map { "protocol: \($0)" }
    return (parts + [protocols.joined(separator: "\n")]).joined(separator: "\n\n")
  }

  /// The folders that several victims lie in together, which tables and plots leave out.
  private var commonFolder: String {
    let names = Self.unique(rows.map(\.victim) + rows.compactMap(\.source))
    guard names.count > 1 else { return "" }
    let folders = names.map {
      $0.split(separator: "/", omittingEmptySubsequences: false).dropLast()
    }
    let shared = folders.dropFirst().reduce(Array(folders[0])) { shared, folder in
      Array(zip(shared, folder).prefix { $0 == $1 }.map(\.0))
    }
    return shared.isEmpty ? "" : shared.joined(separator: "/") + "/"
  }

  /// The table with short names of victims, for people.
  private var shortened: AttackTable {
    let folder = commonFolder
    func short(_ name: String) -> String {
      name.hasPrefix(folder) ? String(name.dropFirst(folder.count)) : name
    }
    var table = self
    table.rows = rows.map {
      AttackRow(
        victim: short($0.victim), epsilon: $0.epsilon, source: $0.source.map(short),
        generator: $0.generator.map(short), report: $0.report)
    }
    table.checks = checks.map {
      AttackCheck(victim: short($0.victim), epsilon: $0.epsilon, report: $0.report)
    }
    return table
  }

  private var mainTable: String {
    let isCrossed = rows.contains { $0.source != nil && $0.source != $0.victim }
    var table = TextTable(
      ["victim"] + (isCrossed ? ["made on"] : []) + [
        "attack", "epsilon", "clean %", "attacked %", "success %", "steps", "L2", "PSNR dB",
        "images/s",
      ], leftColumns: isCrossed ? 3 : 2)
    for row in rows {
      let report = row.report
      table.append(
        [row.victim] + (isCrossed ? [row.source ?? row.generator ?? ""] : [])
          + [report.attack, NumberText.fixed(Double(row.epsilon), 4)]
          + [report.cleanAccuracy, report.attackedAccuracy, report.success].map {
            NumberText.fixed(100 * $0, 2)
          } + [
            "\(report.largestSteps)", NumberText.fixed(report.meanL2, 2),
            NumberText.fixed(report.meanPSNR, 1),
            NumberText.fixed(1 / max(report.secondsPerImage, 1e-9), 0),
          ])
    }
    return table.text
  }

  /// One matrix for each attack and limit: success by source (rows) and victim (columns).
  private var matrices: [String] {
    var titles: [String] = []
    for row in rows where !titles.contains(Self.title(row)) { titles.append(Self.title(row)) }
    return titles.map { title in
      let own = rows.filter { Self.title($0) == title }
      let sources = Self.unique(own.map { $0.source ?? $0.generator ?? "" })
      let victims = Self.unique(own.map(\.victim))
      var table = TextTable(["made on \\ judged by"] + victims.indices.map { "(\($0 + 1))" })
      for source in sources {
        table.append(
          [source]
            + victims.map { victim in
              let cell = own.first {
                $0.victim == victim && ($0.source ?? $0.generator ?? "") == source
              }
              return cell.map { NumberText.fixed(100 * $0.report.success, 1) } ?? ""
            })
      }
      let key = victims.enumerated().map { "(\($0.offset + 1)) \($0.element)" }
      return "success % of \(title):\n" + table.text + "\n" + key.joined(separator: ", ")
    }
  }

  private static func title(_ row: AttackRow) -> String {
    "\(row.report.attack) at \(row.epsilon)"
  }

  private static func unique(_ names: [String]) -> [String] {
    var seen: Set<String> = []
    return names.filter { seen.insert($0).inserted }
  }

  private static func classTable(_ report: AttackReport) -> String {
    var table = TextTable(["class", "pictures", "turned", "success %"])
    for row in report.classes {
      let share = row.count > 0 ? 100 * Double(row.turned) / Double(row.count) : 0
      table.append([row.name, "\(row.count)", "\(row.turned)", NumberText.fixed(share, 2)])
    }
    return table.text
  }

  /// Draws success over the limits, a curve for each attack and victim.
  ///
  /// - Parameter place: The picture's file.
  /// - Throws: `StudioError` when it cannot be written.
  func draw(to place: String) throws {
    let rows = shortened.rows
    let hasVictims = Set(rows.map(\.victim)).count > 1
    func name(_ row: AttackRow) -> String {
      let made = row.source.map { $0 == row.victim ? "" : " made on \($0)" } ?? ""
      return row.report.attack + (hasVictims ? " on \(row.victim)\(made)" : "")
    }
    let series = Self.unique(rows.map(name)).map { title in
      LinePlot.Series(
        title,
        points: rows.filter { name($0) == title }.map {
          SIMD2(Double($0.epsilon), 100 * $0.report.success)
        }.sorted { $0.x < $1.x })
    }
    let plot = LinePlot(
      title: "success among correctly classified pictures", xLabel: "epsilon", yLabel: "%",
      series: series)
    do {
      try ImageFile.write(
        plot.render(), to: place, options: .init(metadata: ["Software": "Atelier"]))
    } catch {
      throw StudioError(.cannotCreate, Failure(error).message)
    }
  }
}
