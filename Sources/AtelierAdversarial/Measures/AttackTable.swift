// What `attack evaluate` measured: rows, the transfer matrix, the plot of a sweep.

import AtelierClassification
import AtelierImages
import AtelierWorkbench

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

  /// Lines for people.
  fileprivate var text: String {
    let shares = [
      report.oneStart, report.manyStarts, report.smoothed, report.blackBox, report.zeroGradients,
    ].map { NumberText.fixed(100 * $0, 1) }
    let lines =
      [
        "\(victim) at \(epsilon): right under PGD \(shares[0]) %, from several starts "
          + "\(shares[1]) %, smoothed \(shares[2]) %, under Square \(shares[3]) %; zero gradients "
          + "\(shares[4]) %"
      ]
      + (report.warnings.isEmpty
        ? ["no sign of masked gradients"] : report.warnings.map { "warning: \($0)" })
      + ["protocol: \(report.protocol)"]
    return lines.joined(separator: "\n")
  }
}

/// All of a call; encodes to what `--json` prints.
struct AttackTable: Encodable {
  var rows: [AttackRow] = []
  var checks: [AttackCheck] = []

  /// Tells everything to people, with short names of victims, each attack as a matrix, too, and the
  /// tables of classes where these are wanted.
  func tell(_ report: inout Report, isTransfer: Bool, isPerClass: Bool) {
    let table = shortened
    report.say(table.mainTable)
    if isTransfer { table.tellMatrices(&report) }
    if isPerClass {
      for row in table.rows {
        report.say("\n\(row.report.attack) at \(row.epsilon) on \(row.victim):")
        report.say(Self.classTable(row.report))
      }
    }
    for check in table.checks { report.say("\n" + check.text) }
    let protocols = Set(rows.map(\.report.protocol)).sorted().map { "protocol: \($0)" }
    report.say("\n" + protocols.joined(separator: "\n"))
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

  private var mainTable: Table {
    let isCrossed = rows.contains { $0.source != nil && $0.source != $0.victim }
    var table = Table(
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
    return table
  }

  /// One matrix for each attack and limit: success by source (rows) and victim (columns).
  private func tellMatrices(_ report: inout Report) {
    for title in Self.unique(rows.map(Self.title)) {
      let own = rows.filter { Self.title($0) == title }
      let sources = Self.unique(own.map { $0.source ?? $0.generator ?? "" })
      let victims = Self.unique(own.map(\.victim))
      var table = Table(["made on \\ judged by"] + victims.indices.map { "(\($0 + 1))" })
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
      report.say("\nsuccess % of \(title):")
      report.say(table)
      report.say(key.joined(separator: ", "))
    }
  }

  private static func title(_ row: AttackRow) -> String { "\(row.report.attack) at \(row.epsilon)" }

  private static func unique(_ names: [String]) -> [String] {
    var seen: Set<String> = []
    return names.filter { seen.insert($0).inserted }
  }

  private static func classTable(_ report: AttackReport) -> Table {
    var table = Table(["class", "pictures", "turned", "success %"])
    for row in report.classes {
      let share = row.count > 0 ? 100 * Double(row.turned) / Double(row.count) : 0
      table.append([row.name, "\(row.count)", "\(row.turned)", NumberText.fixed(share, 2)])
    }
    return table
  }

  /// Success over the limits, a curve for each attack and victim.
  var plot: ByteImage {
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
    return LinePlot(
      title: "success among correctly classified pictures", xLabel: "epsilon", yLabel: "%",
      series: series
    ).render()
  }
}
