// `describe`: all workshops, jobs and fields, for people and for programs that build on them.

import AtelierWorkbench
import Foundation

/// Which jobs are described.
public struct DescribeRequest: JobRequest, Hashable {
  public var path: [String] = []
  public var manual: String?

  public init() {}

  public static var form: Form<Self> {
    Form([
      Field(list: "job", \.path, "A workshop, or a workshop and a verb", value: "job").positional
        .byDefault("all"),
      Field("man", \.manual, "Write manual pages of all jobs", value: "folder", kind: .output),
    ])
  }
}

/// Describes the studio.
public enum Describe: Job, Workshop {
  public static let workshop = "describe"
  public static let name = "describe"
  public static let summary = "Describe all workshops, their jobs and fields."
  public static let guide = """
    --json prints the whole: names, help, kinds, ranges, choices and defaults of all fields, from \
    which a front end can be built.

    EXAMPLES
      atelier describe
      atelier describe denoise train
      atelier describe --json > studio.json
      atelier describe --man share/man/man1
    """
  public static let takesPrecision = false
  public static let jobs: [any Job.Type] = [Describe.self]

  public static func run(_ request: DescribeRequest, in place: JobPlace) throws -> Report {
    if let folder = request.manual {
      var report = Report()
      report.files = try ManualPages.write(to: URL(fileURLWithPath: folder))
      report.note("\(folder): \(report.files.count) manual pages")
      return report
    }
    var whole = StudioDescription(Workshops.all)
    if let name = request.path.first {
      whole.workshops.removeAll { $0.name != name }
      if let verb = request.path.dropFirst().first {
        for index in whole.workshops.indices {
          whole.workshops[index].jobs.removeAll { $0.name != verb }
        }
      }
      guard whole.workshops.contains(where: { !$0.jobs.isEmpty }) else {
        throw FieldError("there is no job '\(request.path.joined(separator: " "))'")
      }
    }
    var report = Report(value: whole)
    let jobs = whole.workshops.flatMap { shop in shop.jobs.map { (shop.name, $0) } }
    guard request.path.isEmpty else {
      for (shop, job) in jobs { report.say(fields(shop, job)) }
      return report
    }
    var table = Table(["job", "what it does", "fields"], leftColumns: 2)
    for (shop, job) in jobs {
      let path = job.name == shop ? shop : "\(shop) \(job.name)"
      table.append([path, job.summary, "\(job.fields.count)"])
    }
    report.say(table)
    return report
  }

  private static func fields(_ shop: String, _ job: StudioDescription.Job) -> Table {
    var table = Table(["\(shop) \(job.name)", "kind", "range", "default"], leftColumns: 4)
    for field in job.fields {
      let range = field.range ?? field.choices.map { $0.joined(separator: ", ") } ?? ""
      table.append([
        field.name, field.isList ? "\(field.kind) list" : field.kind, range,
        (field.defaults ?? []).joined(separator: " "),
      ])
    }
    return table
  }
}
