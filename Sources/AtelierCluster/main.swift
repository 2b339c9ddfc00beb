// The program `atelier-cluster`: the command line on all ranks that mpirun started.

import AtelierCommand
import AtelierStudio
import AtelierTraining
import Foundation

/// The group, which the end of the process ends; written once, before anything reads it.
nonisolated(unsafe) private var members: MessageGroup?

do {
  let group = try MessageGroup()
  members = group
  atexit { members?.end() }
  group.watch()
  Workshops.register(PlanWorkshop.self)
  Workshops.register(PaceWorkshop.self)
  Ranks.$current.withValue(group) { AtelierTool.main() }
} catch {
  FileHandle.standardError.write(Data("atelier: \(error)\n".utf8))
  exit(70)
}
