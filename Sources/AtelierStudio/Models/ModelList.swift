// `model list`: the models that have a name on this machine, and where they were found.

import AtelierEngine
import AtelierFiles
import AtelierInterchange
import AtelierWorkbench
import Foundation

/// Nothing is asked for.
public struct ModelListRequest: JobRequest, Hashable {
  public init() {}
  public static var form: Form<Self> { Form([]) }
}

/// Lists models by name.
public enum ModelList: Job {
  public static let workshop = "model"
  public static let name = "list"
  public static let summary = "List the models that can be called by name."
  public static let guide = """
    A name is looked for in the folder that ATELIER_CHECKPOINTS names, in share/atelier beside \
    the installed tool, in the project's own Checkpoints, and in ~/.local/share/atelier, where \
    models of your own have their place.

    EXAMPLES
      atelier model list
      atelier model summary denoise-gray
    """
  public static let takesPrecision = false

  /// One model as programs see it.
  private struct Entry: Encodable, Sendable {
    var name: String
    var file: String
    var task: String
    var architecture: String
    var parameters: Int
  }

  public static func run(_ request: ModelListRequest, in place: JobPlace) throws -> Report {
    var report = Report()
    var entries: [Entry] = []
    var table = Table(["name", "task", "network", "parameters", "file"], leftColumns: 5)
    for (name, file) in ShippedModels.all {
      // A file that is no model is somebody else's.
      guard let model = try? ModelFile.read(from: file) else { continue }
      let entry = Entry(
        name: name, file: file.path, task: model.information.task,
        architecture: model.information.architecture, parameters: model.graph.parameterCount)
      entries.append(entry)
      table.append([
        name, entry.task, entry.architecture, Graph.grouped(entry.parameters), entry.file,
      ])
    }
    report.value = entries
    if entries.isEmpty {
      report.note(
        "no model has a name here; looked in "
          + ShippedModels.folders.map(\.path).joined(separator: ", "))
    } else {
      report.say(table)
    }
    return report
  }
}
